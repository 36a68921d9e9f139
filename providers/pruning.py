"""Keeping the series small: balances, hourly sums of calls and old prices, as far back as anybody looks at them."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from providers.models import Alert, ProviderHour

EACH_FOR = timedelta(days=8)  # every reading; the runway looks at 7 days
HOURLY_FOR = timedelta(days=90)  # the last reading of each hour
PRICES_FOR = timedelta(days=400)
ALERTS_FOR = timedelta(days=180)
BATCH = 20_000  # rows one statement deletes, so that no lock is held for long


def prune_readings() -> int:
    """Thin out balance readings; returns how many went. May be run at any time, any number of times.

    The few in which a recorded top-up was seen stay.
    """
    now, gone = timezone.now(), 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                DELETE FROM providers_balancereading WHERE id IN (
                    SELECT id FROM (
                        SELECT id, at, lead(at) OVER (PARTITION BY provider_id ORDER BY at, id) AS next_at
                        FROM providers_balancereading WHERE at < %(each)s
                    ) reading
                    WHERE (at < %(hourly)s OR date_trunc('hour', at) = date_trunc('hour', next_at))
                      AND NOT EXISTS (SELECT 1 FROM providers_topup t WHERE t.reading_id = reading.id)
                    LIMIT %(batch)s)
                """,
                {"each": now - EACH_FOR, "hourly": now - HOURLY_FOR, "batch": BATCH},
            )
            gone += cursor.rowcount
            if cursor.rowcount < BATCH:
                return gone


def prune_hours() -> int:
    """Drop hourly sums of calls older than 90 days."""
    return ProviderHour.objects.filter(hour__lt=timezone.now() - HOURLY_FOR).delete()[0]


def prune_alerts() -> int:
    """Drop alerts that closed half a year ago, with who was told of them."""
    old = Alert.objects.filter(closed_at__lt=timezone.now() - ALERTS_FOR)
    gone = old.count()
    old.delete()
    return gone


def prune_prices() -> int:
    """Drop prices that were replaced more than 400 days ago; the one that held then stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM providers_ratechange old WHERE old.at < %(before)s AND EXISTS (
                SELECT 1 FROM providers_ratechange newer
                WHERE newer.service_id = old.service_id AND newer.id > old.id AND newer.at < %(before)s)
            """,
            {"before": timezone.now() - PRICES_FOR},
        )
        return cursor.rowcount
