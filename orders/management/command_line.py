"""What the order commands share: finding rows by what a person types, and walking over the providers."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.core.management.base import CommandError

from orders.models import Order, Request
from providers.finding import NoSuchProvider, find_provider
from providers.lanes import LaneBusy
from providers.models import Provider

# A lane that another process holds is waited for: at most one deadline and its lease, then said plainly.
LANE_WAIT_S = 150
T = TypeVar("T")


def providers_for(name: str | None) -> Iterable[Provider]:
    """The named provider, or all that are not archived. CommandError where the name is not one."""
    if not name:
        return Provider.objects.filter(archived_at=None).order_by("id")
    try:
        return [find_provider(name)]
    except NoSuchProvider as error:
        raise CommandError(str(error)) from error


def wait_for_lane(run: Callable[..., T], provider_id: int, **options: Any) -> T:
    """Run a lane, waiting for another holder first. CommandError when it stays busy."""
    try:
        return run(provider_id, wait_s=LANE_WAIT_S, **options)
    except LaneBusy as busy:
        raise CommandError(f"{busy} A worker is at it; try again in a minute.") from busy


def find_order(order_id: int) -> Order:
    order = (
        Order.objects.select_related("user", "service", "submission__provider").filter(pk=order_id).first()
    )
    if order is None:
        raise CommandError(f"There is no order {order_id}.")
    return order


def find_request(request_id: int) -> Request:
    request = Request.objects.select_related("order__submission").filter(pk=request_id).first()
    if request is None:
        raise CommandError(f"There is no request {request_id}.")
    return request
