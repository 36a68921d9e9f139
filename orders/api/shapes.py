"""The shapes of the protocol: which values are texts, which are numbers, and in which order keys stand."""

from decimal import Decimal
from typing import Any

from django.conf import settings

from orders.models import Order, Request
from providers.service_types import TYPES

Answer = dict[str, Any] | list[dict[str, Any]]

REFILL_WORDS = {
    Request.State.REQUESTED: "Pending",
    Request.State.APPROVED: "Pending",
    Request.State.CLAIMED: "Pending",
    Request.State.SENDING: "Pending",
    Request.State.UNKNOWN: "Pending",
    Request.State.ACCEPTED: "In progress",
    Request.State.DONE: "Completed",
    Request.State.REJECTED: "Rejected",
    Request.State.DENIED: "Rejected",
    Request.State.WITHDRAWN: "Rejected",
}


def plain(amount: Decimal) -> str:
    """Every decimal that matters, two at least: "0.90", "0.27819". Never an exponent or a separator."""
    whole, _point, rest = f"{amount:f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def service_line(service: Any, category: str, rate: Decimal) -> dict[str, Any]:
    """`service`: a Service, or a row of its values under the same names."""
    kind = TYPES[service.service_type]
    return {
        "service": service.pk,
        "name": service.name,
        "type": kind.name,
        "category": category,
        "rate": plain(rate),
        "min": str(service.minimum),
        "max": str(service.maximum),
        "refill": service.refill,
        "cancel": service.cancel,
        "dripfeed": service.dripfeed and kind.drip_feed,
    }


def status_of(order: Order) -> dict[str, Any]:
    """`charge` is what the order costs after refunds, as it always was in this protocol: 0.00 for Canceled."""
    return {
        "charge": plain(order.paid),
        "start_count": str(order.start_count or 0),
        "status": order.status,
        "remains": str(_remains(order)),
        "currency": settings.CURRENCY,
    }


def _remains(order: Order) -> int:
    if order.remains is not None:
        return order.remains
    return 0 if order.status == Order.Status.COMPLETED else order.total


def refill_word(request: Request) -> str:
    return REFILL_WORDS[Request.State(request.state)]
