"""Orders in the back office: read-only. Their states and their money move by the acts alone."""

from customers.back_office import register
from orders.models import DispatchSwitch, Order, OrderEvent, Request, Submission, SubmissionAttempt

register(
    Order,
    ["id", "user", "service", "status", "charge", "refunded", "created_at", "attention"],
    find=["=id", "user__email"],
    by=["status"],
    with_rows=["user", "service"],
)
register(
    OrderEvent,
    ["id", "order", "at", "kind", "actor", "before", "after", "why"],
    find=["=order__id"],
    with_rows=["order"],
)
register(
    Submission,
    ["order", "state", "provider", "provider_order_id", "waits_for", "state_at"],
    find=["=order__id", "=provider_order_id"],
    by=["state", "provider"],
    with_rows=["order", "provider"],
)
register(
    SubmissionAttempt,
    ["id", "submission", "fence", "provider", "state", "reason", "http_status", "started_at"],
    find=["=submission__order__id"],
    by=["state"],
    with_rows=["submission", "provider"],
)
register(
    Request, ["id", "order", "kind", "state", "created_at", "decided_by"], find=["=order__id"], by=["state", "kind"],
    with_rows=["order", "decided_by"],
)  # fmt: skip
register(DispatchSwitch, ["id", "paused_at", "paused_by", "reason", "restored", "counter"])
