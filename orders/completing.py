"""Completing many orders at once: an end that moves no money, so the number of statements does not grow with them.

What orders.settlement does for one order that ends as Completed, for all that a provider reports in one answer.
Ends that give money back are settled one by one there.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from orders.models import Order, OrderEvent, Request
from orders.settlement import TOO_LATE


@dataclass(frozen=True)
class Completion:
    """One order that was delivered. `attention`: why a person shall look nevertheless, "" for nothing new."""

    order_id: int
    start_count: int | None
    remains: int | None
    attention: str = ""


def complete_all(ends: Sequence[Completion], why: str, actor: str) -> None:
    """End these open orders as Completed: rows, story, open requests for a cancel. Needs a transaction that holds the
    orders' row locks. An order that ended before is left as it is."""
    if not ends:
        return
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_COMPLETE, {"rows": json.dumps([asdict(end) for end in ends]), "at": now})
        before: dict[int, str] = dict(cursor.fetchall())
    OrderEvent.objects.bulk_create(
        OrderEvent(order_id=pk, at=now, kind=OrderEvent.Kind.STATUS, actor=actor, before=was, after=Order.Status.COMPLETED, why=why)
        for pk, was in before.items()
    )  # fmt: skip
    cancels = Request.objects.filter(order_id__in=list(before), kind=Request.Kind.CANCEL)
    late: dict[str, Any] = {"state_at": now, "lease_until": None, "note": TOO_LATE}
    cancels.filter(state=Request.State.REQUESTED).update(state=Request.State.DENIED, **late)
    cancels.filter(state__in=Request.LIVE).update(state=Request.State.REJECTED, **late)


_COMPLETE = """
    UPDATE orders_order o
    SET status = 'Completed', status_at = %(at)s, ended_at = %(at)s, start_count = v.start_count, remains = v.remains,
        attention = CASE WHEN v.attention <> '' THEN v.attention ELSE o.attention END
    FROM json_to_recordset(%(rows)s::json) AS v(order_id bigint, start_count bigint, remains bigint, attention text),
         orders_order was
    WHERE o.id = v.order_id AND was.id = o.id AND o.ended_at IS NULL
    RETURNING o.id, was.status
"""
