"""What may be done with an order now: computed here once, for pages, API and staff tools alike."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import Order, Request, Submission


@dataclass(frozen=True)
class Action:
    """`allowed`, or the reason why not in the customer's words. `until`: when it stops being allowed."""

    allowed: bool
    why_not: str = ""
    until: datetime | None = None
    open_request: Request | None = None


@dataclass(frozen=True)
class Actions:
    refill: Action
    cancel: Action
    reorder: bool


def actions_for(order: Order, requests: list[Request] | None = None, now: datetime | None = None) -> Actions:
    """The customer's actions. Needs `order.service` and `order.submission` loaded; `requests` saves a query."""
    now = now or timezone.now()
    requests = list(order.requests.all()) if requests is None else requests
    live = {request.kind: request for request in requests if request.state in Request.LIVE}
    return Actions(
        refill=_refill(order, live.get(Request.Kind.REFILL), now),
        cancel=_cancel(order, live.get(Request.Kind.CANCEL)),
        reorder=order.service.on_sale,
    )


def refill_until(order: Order) -> datetime | None:
    """The end of the refill window: refill_days of the service after the order ended."""
    return order.ended_at + timedelta(days=order.service.refill_days) if order.ended_at else None


def _refill(order: Order, live: Request | None, now: datetime) -> Action:
    until = refill_until(order)
    if live:
        return Action(False, _("A refill for order %(id)s is already open.") % {"id": order.pk}, until, live)
    if not order.refill_sold:
        return Action(False, _("This service has no refill."))
    if order.status not in {Order.Status.COMPLETED, Order.Status.PARTIAL}:
        return Action(False, _("A refill can be asked for once the order is completed."))
    if until is None or now > until:
        return Action(False, _("The refill period of this order has ended."), until)
    return Action(True, until=until)


def _cancel(order: Order, live: Request | None) -> Action:
    if live:
        return Action(
            False, _("A cancel of order %(id)s is already requested.") % {"id": order.pk}, open_request=live
        )
    if order.final:
        return Action(False, _("The order has ended already."))
    if order.submission.state in Submission.NOTHING_SENT_YET or order.cancel_sold:
        return Action(True)
    return Action(False, _("This service cannot be canceled once it was sent."))
