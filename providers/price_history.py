"""What a service cost one customer before: his price under his present terms, from the changes of list price and cost.

List price and cost are kept as they were (RateChange); special rates and group rules are not, so an older price is
what he would have paid then with the terms he has now. Cost is used to compute, never shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from providers.models import RateChange, Service
from providers.rates import CustomerRates

RECENT = timedelta(days=7)
NEEDED = (
    "category_id",
    "rate",
    "cost_rate",
    "pinned_rate",
    "below_cost_reason",
)  # of a service, to price it for somebody
SHOWN = 8  # prices of one service
READ = (
    20  # changes of one service that are looked at: with a special rate some of them change nothing for him
)
MOST_RECENT = 100  # services with a recent change that are looked at


@dataclass(frozen=True)
class Price:
    """A rate per 1000 (per order for packages), 8 places, that held from `since` on."""

    since: datetime
    rate: Decimal


@dataclass(frozen=True)
class Moved:
    """A price that changed within RECENT: from the rate that held before to the present one."""

    before: Decimal
    now: Decimal
    at: datetime

    @property
    def rose(self) -> bool:
        return self.now > self.before


Changes = dict[
    int, list[tuple[datetime, Decimal, Decimal]]
]  # of services: moment, list rate, cost; newest first


def histories(
    rates: CustomerRates, services: Iterable[Service], known: Changes | None = None
) -> dict[int, list[Price]]:
    """The last prices of each service for this customer, newest first; one query for any number of services.

    The services carry `route_provider_id` (browsing.offered); a service whose price never changed has one Price.
    `known`: their changes, where they were read before; no query then.
    """
    listed = {service.pk: service for service in services}
    changes = _changes(list(listed)) if known is None else known
    return {pk: _prices(rates, listed[pk], rows)[:SHOWN] for pk, rows in changes.items() if pk in listed}


def recent_changes() -> Changes:
    """Of the services whose list price or cost changed within RECENT, those that had one before; two queries.

    At most MOST_RECENT services are looked at. A new service has not moved, so it is not read any further.
    """
    since = timezone.now() - RECENT
    ids = RateChange.objects.filter(at__gte=since).order_by().values_list("service_id", flat=True).distinct()
    changes = _changes(list(ids[:MOST_RECENT]))
    return {pk: rows for pk, rows in changes.items() if any(row[0] < since for row in rows)}


def moved(histories_: Mapping[int, list[Price]]) -> dict[int, Moved]:
    """Of these histories, the prices that differ from what they were RECENT ago. A new service has not moved."""
    since, found = timezone.now() - RECENT, {}
    for pk, prices in histories_.items():
        before = next((price for price in prices if price.since < since), None)
        if before is not None and prices[0].rate != before.rate:
            found[pk] = Moved(before.rate, prices[0].rate, prices[0].since)
    return found


def _changes(service_ids: list[int]) -> Changes:
    found: Changes = {}
    if not service_ids:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT service.id, past.at, past.rate, past.cost_rate
            FROM unnest(%s::bigint[]) AS service(id) CROSS JOIN LATERAL (
                SELECT id, at, rate, cost_rate FROM providers_ratechange
                WHERE service_id = service.id ORDER BY id DESC LIMIT %s) past
            ORDER BY past.id DESC
            """,
            [service_ids, READ],
        )
        for pk, at, rate, cost in cursor.fetchall():
            found.setdefault(pk, []).append((at, rate, cost))
    return found


def _prices(
    rates: CustomerRates, service: Service, changes: list[tuple[datetime, Decimal, Decimal]]
) -> list[Price]:
    """Oldest to newest, equal neighbors are one price that held longer; of one moment the last counts."""
    prices: list[Price] = []
    for at, rate, cost in reversed(changes):
        price = Price(at, rates.rate_from(service, rate, cost))
        if prices and prices[-1].since == at:
            prices.pop()
        if not prices or prices[-1].rate != price.rate:
            prices.append(price)
    return prices[::-1]
