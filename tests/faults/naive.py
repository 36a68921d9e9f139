"""The control: how panels of this field send orders, on the same tables, provider, faults and kills.

It locks the order, posts while the lock is held, and tries again when the answer is unclear. A campaign whose
sandbox does not make this one buy twice proves nothing about the other.
"""

import time

from django.db import connection, transaction

from providers.adapters.errors import NotSent, Refused, Uncertain
from providers.adapters.results import AddRequest
from providers.connecting import adapter_for
from providers.models import Provider
from providers.service_types import Ordered

TABLE = """
    CREATE TABLE IF NOT EXISTS naive_order (
        id bigserial PRIMARY KEY, run text, provider_id bigint, service text, link text, quantity bigint,
        state text NOT NULL DEFAULT 'pending', upstream text)
"""
_NEXT = (
    "SELECT id, provider_id, service, link, quantity FROM naive_order"
    " WHERE run = %s AND state = 'pending' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
)


def work(run: str) -> None:
    """Send pending orders of this run until killed."""
    adapters = {provider.pk: adapter_for(provider) for provider in Provider.objects.all()}
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_NEXT, [run])
            row = cursor.fetchone()
            if row is not None:
                state, upstream = _send(adapters[row[1]], row)
                cursor.execute(
                    "UPDATE naive_order SET state = %s, upstream = %s WHERE id = %s",
                    [state, upstream, row[0]],
                )
        if row is None:
            time.sleep(0.1)


def _send(adapter: object, row: tuple[int, int, str, str, int]) -> tuple[str, str | None]:
    request = AddRequest(row[2], "default", Ordered(row[3], row[4], None, None, {}), None)
    for _ in range(3):
        try:
            return "sent", adapter.add(request).order_id  # type: ignore[attr-defined]
        except Refused:
            return "canceled", None
        except (Uncertain, NotSent):
            continue
    return "failed", None
