"""Money at risk, for what needs attention: a figure by which troubles of different kinds can be put in order.

    money runs out at a provider   the charge of the orders that wait to be sent there, and a day's sales by it
    services off sale              their sales of a day
    requests that wait too long    what was paid for their orders, less what went back

A day's sales: revenue (orders.earnings, so after refunds) of the last 30 whole days (UTC), divided by 30; panel currency.
Read from the tallies, so that it costs the same whatever was ordered in them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils import timezone

from orders.earnings import moved
from orders.models import Submission, Tally
from providers.tallied import asked

ZERO = Decimal(0)
DAYS = 30
CENT = Decimal("0.01")
# said one by one, as the partial indexes have them
_WAITS = Q(state=Submission.State.QUEUED) | Q(state=Submission.State.CLAIMED)


def waiting_at(provider_ids: Sequence[int]) -> dict[int, tuple[int, Decimal]]:
    """Orders that wait to be sent at each of them: how many, and their charge. One query over the queue."""
    if not provider_ids:
        return {}
    rows = Submission.objects.filter(_WAITS, provider__in=provider_ids).values_list("provider")
    summed = rows.annotate(n=Count("pk"), charged=Sum("order__charge", default=ZERO)).order_by()
    return {pk: (number, charged) for pk, number, charged in summed}


def daily_sales_at(provider_ids: Sequence[int]) -> dict[int, Decimal]:
    """What is sold of each provider on an average day, to the cent. One query."""
    if not provider_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT provider, sum(revenue) FROM ({moved(Tally.Of.SUPPLY)}) AS moved
                WHERE provider = ANY(%(providers)s) GROUP BY provider""",
            _last_days() | {"providers": list(provider_ids)},
        )
        return {pk: _a_day(revenue) for pk, revenue in cursor.fetchall()}


def daily_sales_off_sale() -> Decimal:
    """What the published services that are off sale brought on an average day, to the cent. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT coalesce(sum(revenue), 0) FROM ({moved(Tally.Of.SUPPLY)}) AS moved
                WHERE key IN (SELECT id FROM providers_service WHERE published AND off_sale <> '')""",
            _last_days(),
        )
        return _a_day(cursor.fetchone()[0])


def _last_days() -> dict[str, Any]:
    end = datetime.combine(timezone.now().astimezone(UTC).date(), datetime.min.time(), UTC)
    return asked(end - timedelta(days=DAYS), end)


def _a_day(revenue: Decimal) -> Decimal:
    return max(revenue / DAYS, ZERO).quantize(CENT)
