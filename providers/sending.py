"""How sending to a provider goes: by the hour, how long its answers take, and the latest order it did not take.

Attempts are read by SQL: orders may import providers and not the reverse. Hours that are over come from tallies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from providers.models import Provider
from providers.tallied import ALWAYS, asked, hour_of, tallies, units_and_gaps

HOURS = 24
LAST_ANSWERS = 1000
# Answers of an attempt that say something about the provider, not about the order that was sent. The trigger of
# orders' migration 0013 says the same.
TROUBLE = """(state = 'unknown' OR (state = 'not_accepted'
            AND reason IN ('not_sent', 'auth', 'provider_funds', 'rate_limit')))"""


@dataclass(frozen=True)
class Hour:
    """What one hour of sending was like. `look`: ok, warn, err, or "" where nothing was sent."""

    at: datetime
    sent: int
    failed: int

    @property
    def look(self) -> str:
        if not self.sent:
            return ""
        if self.failed * 2 >= self.sent:
            return "err"
        return "warn" if self.failed else "ok"


def attempts_in(spans: str, providers: str) -> str:
    """SQL: rows (provider_id, hour, trouble) of the attempts begun in `spans` (lo, hi) at `providers` (id)."""
    return f"""
        SELECT a.provider_id, date_trunc('hour', a.started_at, 'UTC') AS hour, a.trouble
        FROM {spans} CROSS JOIN {providers} CROSS JOIN LATERAL (
            SELECT provider_id, started_at, {TROUBLE} AS trouble FROM orders_submissionattempt
            WHERE provider_id = {providers}.id AND started_at >= {spans}.lo AND started_at < {spans}.hi OFFSET 0) a"""


_HOURS = f"""
    WITH {units_and_gaps(keyed=True)},
    chosen AS (SELECT unnest(%(providers)s::bigint[]) AS id),
    counted AS (
        SELECT r.key AS provider_id, r.start AS hour, r.orders AS sent, r.failed
        FROM {tallies(3)}
        UNION ALL
        SELECT provider_id, hour, 1, trouble::int FROM ({attempts_in("gaps", "chosen")}) AS begun
    )
    SELECT provider_id, hour, sum(sent), sum(failed) FROM counted GROUP BY provider_id, hour
"""


def hours_of_sending(ids: Sequence[int]) -> Mapping[int, tuple[Hour, ...]]:
    """The last 24 hours of sending by provider, the running one included, oldest first. One query."""
    this_hour = hour_of(timezone.now())
    slots = [this_hour - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    with connection.cursor() as cursor:
        cursor.execute(_HOURS, asked(slots[0], ALWAYS) | {"providers": list(ids)})
        seen = {(pk, hour): (int(sent), int(failed)) for pk, hour, sent, failed in cursor.fetchall()}
    return {pk: tuple(Hour(slot, *seen.get((pk, slot), (0, 0))) for slot in slots) for pk in ids}


@dataclass(frozen=True)
class Trouble:
    """The latest order that the provider did not take, or of which nobody knows: what was met, and when."""

    text: str
    at: datetime


def last_trouble(provider: Provider, hours: Sequence[Hour]) -> Trouble | None:
    """In these hours of its sending, unless an order was taken since; None when all is well."""
    bad = [hour.at for hour in hours if hour.failed]
    if not bad:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT message, started_at FROM (
                SELECT message, started_at FROM orders_submissionattempt
                WHERE provider_id = %(provider)s AND started_at >= %(lo)s AND started_at < %(hi)s AND {TROUBLE}
                ORDER BY started_at DESC LIMIT 1) AS latest
            WHERE NOT EXISTS (
                SELECT 1 FROM orders_submissionattempt t
                WHERE t.provider_id = %(provider)s AND t.started_at > latest.started_at AND t.state = 'accepted')
            """,
            {"provider": provider.pk, "lo": bad[-1], "hi": bad[-1] + timedelta(hours=1)},
        )
        found = cursor.fetchone()
    return Trouble(*found) if found else None


@dataclass(frozen=True)
class Answering:
    """How long the provider took to answer, in seconds, over the last `orders` of 24 hours; None where none was sent."""

    median: float | None
    slowest_5_percent: float | None
    orders: int


def answering(provider: Provider) -> Answering:
    """Median and 95th percentile of the time from sending an order to its answer, of the last 1,000 of 24 hours."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT extract(epoch FROM ended_at - started_at)::float FROM orders_submissionattempt
            WHERE provider_id = %s AND started_at >= %s AND ended_at IS NOT NULL ORDER BY started_at DESC LIMIT %s
            """,
            [provider.pk, timezone.now() - timedelta(hours=HOURS), LAST_ANSWERS],
        )
        took = sorted(row[0] for row in cursor.fetchall())
    if not took:
        return Answering(None, None, 0)
    return Answering(took[len(took) // 2], took[min(len(took) - 1, len(took) * 95 // 100)], len(took))
