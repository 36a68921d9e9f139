"""What one order looks like on the wire, and how long after the point of no return it may leave."""

import hashlib
import json

from orders.models import Order
from providers.adapters.results import AddRequest
from providers.service_types import Ordered

SEND_WITHIN_S = 5.0


def request_for(order: Order, *, with_key: bool) -> AddRequest:
    """The adapter's request. `with_key`: the provider documents request_id, so the order's own key goes along.

    Needs order.service and order.submission.offer.
    """
    ordered = Ordered(order.link, order.quantity, order.runs, order.interval, order.fields)
    key = str(order.submission.request_key) if with_key else None
    return AddRequest(order.submission.offer.external_id, order.service.service_type, ordered, key)


def hash_of(request: AddRequest) -> str:
    """A fingerprint of the parameters, kept with the attempt: a repeated question must have the same."""
    ordered = request.ordered
    what = [
        request.service,
        request.service_type,
        ordered.link,
        ordered.quantity,
        ordered.runs,
        ordered.interval,
        dict(ordered.fields),
    ]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
