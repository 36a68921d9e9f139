"""What one order looks like on the wire, and how long after the point of no return it may leave."""

import hashlib
import json

from orders.models import Order
from providers.adapters.base import Adapter
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


def account_of(adapter: Adapter) -> str:
    """Whom we ask, and as whom: only there does an idempotency key mean the same order."""
    return f"{adapter.api_url} {adapter.key}"


def hash_of(request: AddRequest, account: str) -> str:
    """A fingerprint of what was sent, kept with the attempt: a repeated question must have the same.

    An attempt that carried its key is bound to that key and to the account it went to. One that carried none
    (the option was turned on later) never matches a question with a key, which would be a second order.
    """
    ordered = request.ordered
    what: list[object] = [
        request.service,
        request.service_type,
        ordered.link,
        ordered.quantity,
        ordered.runs,
        ordered.interval,
        dict(ordered.fields),
    ]
    if request.request_key:
        what += [request.request_key, account]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
