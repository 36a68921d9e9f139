"""Reports: what was earned in a range of days, by day, service, provider or customer. Reads only.

Every report adds up orders.earnings.moved, the one definition of revenue and cost, so that its sum is what the dashboard
shows for the same time. A report has as many queries whatever its length: one for its rows, one for the totals.
Days and hours that are over are read from tallies, so a report reads the orders of the last hour, and of what was not
tallied yet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from orders import earnings
from orders.earnings import Earned, moved
from orders.models import Tally
from providers.tallied import asked

LONGEST = 731  # days; two years and a day
CHUNK = 2000


class BadRange(ValueError):
    """Nothing was asked; the sentence says why."""


@dataclass(frozen=True)
class Range:
    """Whole days of one clock, both ends included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, clock.min, self.zone)

    @property
    def end(self) -> datetime:
        """The midnight after the last day."""
        return datetime.combine(self.last + timedelta(days=1), clock.min, self.zone)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def midnights(self) -> list[datetime]:
        """Where its days begin."""
        return [
            datetime.combine(self.first + timedelta(days=number), clock.min, self.zone)
            for number in range(self.days)
        ]


def range_of(first: str, last: str, *, today: date | None = None) -> Range:
    """ISO dates as a page's address holds them, in the reader's clock; empty: the last 30 days. Raises BadRange."""
    today = today or timezone.localdate()
    zone = ZoneInfo(timezone.get_current_timezone_name())
    try:
        until = date.fromisoformat(last) if last else today
        since = date.fromisoformat(first) if first else until - timedelta(days=29)
    except (ValueError, OverflowError):
        raise BadRange(_("Enter dates such as 2026-11-20.")) from None
    if since > until:
        raise BadRange(_("The first day comes after the last."))
    if not 2000 <= since.year <= until.year <= 2999:
        raise BadRange(_("Enter dates such as 2026-11-20."))
    if (until - since).days >= LONGEST:
        raise BadRange(_("A report covers at most %(most)s days.") % {"most": LONGEST})
    return Range(since, until, zone)


@dataclass(frozen=True)
class Row(Earned):
    """`key`: the number of the service, provider or customer, or the day; `label`: its name as of now."""

    key: Any
    label: str


@dataclass(frozen=True)
class Page:
    rows: list[Row]
    count: int  # of all rows


# What is tallied, by which of its numbers, and how that is called. A provider is the one that has the order now (or
# would get it).
_OF_ORDER = {
    "service": (Tally.Of.SUPPLY, "key", "providers_service", "name"),
    "provider": (Tally.Of.SUPPLY, "provider", "providers_provider", "name"),
    "customer": (Tally.Of.CUSTOMER, "key", "customers_user", "email"),
}
BY = ("day", *_OF_ORDER)
# Sorted by the figure, the largest first; equal ones by number.
SORTS = {
    "revenue": "revenue DESC",
    "orders": "placed DESC",
    "cost": "cost DESC",
    "profit": "revenue - cost DESC",
    "margin": "(revenue - cost) / nullif(greatest(revenue, 0), 0) DESC NULLS LAST",
}


def page_of(by: str, over: Range, sort: str, *, most: int, skip: int) -> Page:
    """`most` rows from `skip` on, by service, provider or customer. One query."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_statement(by, sort)} LIMIT %(most)s OFFSET %(skip)s", _values(over, most, skip))
        found = cursor.fetchall()
    return Page([_row(values) for values in found], found[0][-1] if found else 0)


def days_of(over: Range) -> list[Row]:
    """One row a day of the range, oldest first, days without business included. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT (at AT TIME ZONE %(zone)s)::date AS day, sum(placed), sum(revenue), sum(cost)
            FROM ({moved(Tally.Of.ALL)}) AS moved GROUP BY day
            """,
            asked(over.start, over.end, over.midnights) | {"zone": over.zone.key},
        )
        found = {day: (int(placed), revenue, cost) for day, placed, revenue, cost in cursor.fetchall()}
    nothing = (0, Decimal(0), Decimal(0))
    days = [over.first + timedelta(days=number) for number in range(over.days)]
    return [Row(*found.get(day, nothing), key=day, label=day.isoformat()) for day in days]


def totals_of(over: Range) -> Earned:
    """Of the whole range. One query."""
    return earnings.totals(over.start, over.end)


def total_of_days(days: Sequence[Row]) -> Earned:
    """The same from all its days, where they were read already."""
    nothing = Decimal(0)
    return Earned(
        sum(day.orders for day in days),
        sum((day.revenue for day in days), nothing),
        sum((day.cost for day in days), nothing),
    )


EXPORT_HEADER = ("orders", "revenue", "cost", "profit", "margin_percent")


def exported(by: str, over: Range, sort: str) -> Iterator[tuple[Any, ...]]:
    """All rows for a CSV; amounts in panel currency with 6 decimals. Read in pieces, never held whole."""
    if by == "day":
        for row in days_of(over):
            yield (row.label, *_figures(row))
        return
    with connection.chunked_cursor() as cursor:
        cursor.execute(_statement(by, sort), _values(over))
        while found := cursor.fetchmany(CHUNK):
            for values in found:
                row = _row(values)
                yield (row.key, row.label, *_figures(row))


def _figures(row: Earned) -> tuple[Any, ...]:
    return (row.orders, row.revenue, row.cost, row.profit, row.margin)


def _statement(by: str, sort: str) -> str:
    """Rows (key, label, orders, revenue, cost, number of rows) with the names looked up last.

    What had no order and no money in the range has no row, though an order of it may have been completed then.
    """
    of, key, names, name = _OF_ORDER[by]
    return f"""
        SELECT summed.key, named.{name}, placed, revenue, cost, count(*) OVER ()
        FROM (SELECT {key} AS key, sum(placed) AS placed, sum(revenue) AS revenue, sum(cost) AS cost
              FROM ({moved(of)}) AS moved GROUP BY 1
              HAVING sum(placed) > 0 OR sum(revenue) <> 0 OR sum(cost) <> 0) AS summed
        JOIN {names} named ON named.id = summed.key
        ORDER BY {SORTS[sort]}, summed.key
    """


def _row(values: tuple[Any, ...]) -> Row:
    key, label, placed, revenue, cost, _count = values
    return Row(int(placed), revenue, cost, key=key, label=label)


def _values(over: Range, most: int = 0, skip: int = 0) -> dict[str, Any]:
    return asked(over.start, over.end) | {"most": most, "skip": skip}
