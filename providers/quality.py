"""How good a provider's delivery is, from our own orders: time to completion, partial and cancel shares.

Reads the rows of orders by SQL: orders may import providers and not the reverse, so this imports nothing of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from providers.models import Provider
from providers.tallied import ALWAYS, asked, day_of, tallies, units_and_gaps

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


# How orders ended, by service; of the finished hours and days from tallies.
_COUNTS = f"""
    WITH {units_and_gaps(keyed=True)}
    SELECT service_id, sum(completed), sum(partial), sum(canceled) FROM (
        SELECT r.key AS service_id, r.completed, r.partial, r.canceled
        FROM {tallies(1)}
        WHERE r.provider = %(provider)s
        UNION ALL
        SELECT o.service_id, (o.status = 'Completed')::int, (o.status = 'Partial')::int, (o.status = 'Canceled')::int
        FROM gaps CROSS JOIN LATERAL (
            SELECT id, service_id, status FROM orders_order WHERE ended_at >= gaps.lo AND ended_at < gaps.hi OFFSET 0) o
        CROSS JOIN LATERAL (SELECT provider_id, state FROM orders_submission WHERE order_id = o.id OFFSET 0) s
        WHERE s.provider_id = %(provider)s AND s.state = 'accepted'
    ) AS ended GROUP BY service_id
    HAVING sum(completed) + sum(partial) + sum(canceled) > 0
"""
# The last completed orders of a provider are looked for where they will be found: among the last that ended of all
# providers (those of a busy one), the last that were sent to it (those of a quiet one), and the last of each service.
_LAST_ENDED, _LAST_SENT, _LAST_OF_SERVICE = 1000, 500, 100
_CANDIDATES = """
    SELECT id FROM (SELECT id FROM orders_order WHERE ended_at >= %(start)s ORDER BY ended_at DESC LIMIT %(ended)s) AS ended
    UNION SELECT submission_id FROM (
        SELECT submission_id FROM orders_submissionattempt WHERE provider_id = %(provider)s
        ORDER BY started_at DESC LIMIT %(sent)s) AS sent
    UNION SELECT recent.id FROM unnest(%(services)s::bigint[]) AS of_service CROSS JOIN LATERAL (
        SELECT id FROM orders_order WHERE service_id = of_service ORDER BY id DESC LIMIT %(of_service)s) AS recent
"""
_TOOK = f"""
    SELECT o.service_id, o.ended_at, o.id, extract(epoch FROM o.ended_at - o.created_at) AS took
    FROM ({_CANDIDATES}) AS candidates
    CROSS JOIN LATERAL (SELECT * FROM orders_order WHERE id = candidates.id OFFSET 0) o
    CROSS JOIN LATERAL (SELECT provider_id, state FROM orders_submission WHERE order_id = o.id OFFSET 0) s
    WHERE s.provider_id = %(provider)s AND s.state = 'accepted' AND o.status = 'Completed' AND o.ended_at >= %(start)s
"""
_MEDIANS = f"""
    WITH took AS MATERIALIZED ({_TOOK})
    SELECT service_id, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took)) FROM (
        SELECT NULL::bigint AS service_id, took, row_number() OVER (ORDER BY ended_at DESC, id DESC) AS place FROM took
        UNION ALL
        SELECT service_id, took, row_number() OVER (PARTITION BY service_id ORDER BY ended_at DESC, id DESC) FROM took
        WHERE service_id = ANY(%(services)s)) AS placed
    WHERE place <= %(last)s GROUP BY service_id HAVING count(*) >= %(enough)s
"""


def quality_of(provider: Provider, most: int = 10) -> tuple[Quality, list[Quality]]:
    """All of a provider's orders that ended within 30 days, and those of its `most` busiest services; two queries.

    The counts are of all orders since the midnight (UTC) before 30 days ago. A median is of the last 20 completed among the last 100
    orders of the service, the last 500 sent to the provider and the last 1,000 that ended anywhere; where more are open
    at once than that, an older completed order may be left out. So the cost does not grow with what was ordered.
    """
    with connection.cursor() as cursor:
        values = asked(day_of(timezone.now() - WINDOW), ALWAYS) | {"provider": provider.pk}
        cursor.execute(_COUNTS, values)
        counts = [(service, tuple(map(int, ended))) for service, *ended in cursor.fetchall()]
        counts.sort(key=lambda row: (-sum(row[1]), row[0]))
        shown = counts[:most]
        values |= {
            "services": [row[0] for row in shown], "ended": _LAST_ENDED, "sent": _LAST_SENT,
            "of_service": _LAST_OF_SERVICE, "last": LAST, "enough": ENOUGH,
        }  # fmt: skip
        cursor.execute(_MEDIANS, values)
        medians = {service: int(median) for service, median in cursor.fetchall()}
    whole = [sum(ended[number] for _service, ended in counts) for number in range(3)]
    return (
        _quality(None, whole, medians),
        [_quality(service, ended, medians) for service, ended in shown],
    )


def _quality(service: int | None, ended: Sequence[int], medians: Mapping[int | None, int]) -> Quality:
    completed, partial, canceled = ended
    return Quality(service, sum(ended), completed, partial, canceled, medians.get(service))


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
