"""The only independent witness of a double send: what left our account at a provider, against what our orders cost.

Between two readings of a balance it may fall by the cost of the orders sent in that time, and by no more. A fall
beyond that, after a tolerance for rounding and for prices that changed meanwhile, is listed for a person: the
account is used elsewhere too, the provider charges more than its list says, or an order was bought twice. A rise (a
top-up, money given back for undelivered orders) tells nothing about that time, unless an admin recorded what was paid
in (providers.top_ups): then what is missing of it was spent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from providers.exchange import exchange_to_panel

LOOKS_BACK = timedelta(hours=24)
TOLERANCE = Decimal("0.05")  # of the expected spend
ROUNDING = Decimal("0.01")  # in the provider's currency
# An order begun this long before a reading may have been charged after it.
BEGUN_BEFORE = timedelta(minutes=2)

_FALLS = """
    WITH readings AS (
        SELECT id, provider_id, currency, at, amount, lag(at) OVER w AS before_at, lag(amount) OVER w AS before_amount
        FROM providers_balancereading WHERE at > clock_timestamp() - make_interval(secs => %(back)s)
        WINDOW w AS (PARTITION BY provider_id, currency ORDER BY at, id)
    )
    SELECT r.provider_id, r.currency, r.before_at, r.at, r.before_amount + coalesce(t.paid_in, 0) - r.amount, (
        SELECT coalesce(sum(a.cost), 0) FROM orders_submissionattempt a
        WHERE a.provider_id = r.provider_id AND a.state IN ('sending', 'accepted', 'unknown')
          AND a.started_at > r.before_at - make_interval(secs => %(begun)s) AND a.started_at <= r.at
    )
    FROM readings r LEFT JOIN (
        SELECT reading_id, sum(amount) AS paid_in FROM providers_topup
        WHERE reading_id IS NOT NULL AND at > clock_timestamp() - make_interval(secs => 3 * %(back)s) GROUP BY reading_id
    ) t ON t.reading_id = r.id
    WHERE r.before_amount + coalesce(t.paid_in, 0) > r.amount ORDER BY r.at
"""


@dataclass(frozen=True)
class Unexplained:
    """One fall of a balance that our orders do not explain. Amounts in the provider's currency."""

    provider_id: int
    since: datetime
    until: datetime
    expected: Decimal
    found: Decimal


def unexplained_falls() -> list[Unexplained]:
    """All of the last 24 hours, oldest first. Providers without an exchange rate cannot be judged."""
    with connection.cursor() as cursor:
        cursor.execute(_FALLS, {"back": LOOKS_BACK.total_seconds(), "begun": BEGUN_BEFORE.total_seconds()})
        rows = cursor.fetchall()
    rates = {currency: exchange_to_panel(currency) for currency in {row[1] for row in rows}}
    found = []
    for provider_id, currency, since, until, fell, cost in rows:
        rate = rates[currency]
        if not rate:
            continue
        expected = cost / rate
        if fell > expected * (1 + TOLERANCE) + ROUNDING:
            found.append(Unexplained(provider_id, since, until, expected.quantize(Decimal("0.000001")), fell))
    return found
