"""How good a provider's delivery is, from our own orders: time to completion, partial and cancel shares.

Reads the rows of orders by SQL: orders may import providers and not the reverse, so this imports nothing of them.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from providers.models import Provider

LAST = 20  # completed orders that a median looks at
ENOUGH = 5  # fewer say nothing
WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Quality:
    """One service by one provider, or all of a provider's together (`service_id` None). Shares are in percent.

    `median_seconds`: of the last 20 orders that were completed, from the order to its end. Figures are None with
    fewer than 5 orders behind them: too few to say anything.
    """

    service_id: int | None
    ended: int
    completed: int
    partial: int
    canceled: int
    median_seconds: int | None

    @property
    def median(self) -> timedelta | None:
        return None if self.median_seconds is None else timedelta(seconds=self.median_seconds)

    @property
    def partial_percent(self) -> Decimal | None:
        return self._share(self.partial)

    @property
    def cancel_percent(self) -> Decimal | None:
        return self._share(self.canceled)

    def _share(self, count: int) -> Decimal | None:
        if self.ended < ENOUGH:
            return None
        return (Decimal(count) / self.ended * 100).quantize(Decimal("0.1"))


_ENDED = """
    SELECT o.service_id, o.status, extract(epoch FROM o.ended_at - o.created_at) AS took,
           row_number() OVER (PARTITION BY {by} o.status ORDER BY o.ended_at DESC, o.id DESC) AS place
    FROM orders_order o JOIN orders_submission s ON s.order_id = o.id
    WHERE s.provider_id = %(provider)s AND s.state = 'accepted' AND o.ended_at > now() - %(window)s
"""
_FIGURES = """
    count(*), count(*) FILTER (WHERE status = 'Completed'), count(*) FILTER (WHERE status = 'Partial'),
    count(*) FILTER (WHERE status = 'Canceled'),
    CASE WHEN count(*) FILTER (WHERE status = 'Completed') >= %(enough)s THEN
        round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took)
              FILTER (WHERE status = 'Completed' AND place <= %(last)s)) END
"""


def quality_of(provider: Provider) -> Quality:
    """All of a provider's orders that ended within 30 days; one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_FIGURES} FROM ({_ENDED.format(by='')}) ended",
            _values(provider),
        )
        row = cursor.fetchone()
    return _quality(None, *row)


def quality_by_service(provider: Provider) -> list[Quality]:
    """The same for each service, most orders first; one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT service_id, {_FIGURES} FROM ({_ENDED.format(by='o.service_id,')}) ended"
            " GROUP BY service_id ORDER BY count(*) DESC, service_id",
            _values(provider),
        )
        return [_quality(*row) for row in cursor.fetchall()]


def write_medians() -> int:
    """Bring Service.median_seconds up to date, for the price list; returns how many changed. One statement.

    Of the last 20 completed orders of each service, whoever delivered them; NULL below 5. Unchanged rows are not
    written.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE providers_service service SET median_seconds = fresh.median
            FROM (
                SELECT s.id, CASE WHEN count(last.took) >= %(enough)s
                                  THEN round(percentile_cont(0.5) WITHIN GROUP (ORDER BY last.took))::integer END AS median
                FROM providers_service s LEFT JOIN LATERAL (
                    SELECT least(extract(epoch FROM o.ended_at - o.created_at), 2147483647) AS took
                    FROM orders_order o
                    WHERE o.service_id = s.id AND o.status = 'Completed' AND o.ended_at IS NOT NULL
                    ORDER BY o.id DESC LIMIT %(last)s
                ) last ON true
                GROUP BY s.id
            ) fresh
            WHERE fresh.id = service.id AND service.median_seconds IS DISTINCT FROM fresh.median
            """,
            {"enough": ENOUGH, "last": LAST},
        )
        return cursor.rowcount


def _values(provider: Provider) -> dict[str, Any]:
    return {"provider": provider.pk, "window": WINDOW, "enough": ENOUGH, "last": LAST}


def _quality(service_id: int | None, *figures: object) -> Quality:
    ended, completed, partial, canceled, median = (
        int(str(n).split(".")[0]) if n is not None else None for n in figures
    )
    return Quality(service_id, ended or 0, completed or 0, partial or 0, canceled or 0, median)
