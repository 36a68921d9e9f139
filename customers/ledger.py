"""The ledger of one wallet: every change with the balance after it. Reading only; customers.wallet writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.utils.translation import gettext as _

from customers.models import Account, Transfer

Kind = Account.Kind
SIZES = (25, 50, 100)
_HOUSE = Account.HOUSE_IDS
# What a kind is on the way out of the wallet and on the way into it (None: there is no such movement). House accounts by
# their fixed numbers, so that each side is found by an index. The keys are the words of the filter.
KINDS: dict[str, tuple[Q | None, Q | None]] = {
    "charge": (Q(target=_HOUSE[Kind.SALES]), None),
    # Said by what it is not: that nearly all that comes in are refunds PostgreSQL does not know, and asked for them by
    # their source it sorts them all for one page.
    "refund": (
        None,
        ~Q(source__in=[_HOUSE[Kind.DEPOSITS], _HOUSE[Kind.ADJUSTMENTS], _HOUSE[Kind.BONUS]])
        & ~Q(source__kind=Kind.RECEIVABLE),
    ),
    "deposit": (Q(target=_HOUSE[Kind.DEPOSITS]), Q(source=_HOUSE[Kind.DEPOSITS])),
    "adjustment": (
        ~Q(target=_HOUSE[Kind.SALES])  # says that the index of what is no charge will do
        & (Q(target=_HOUSE[Kind.ADJUSTMENTS]) | Q(target__kind=Kind.RECEIVABLE)),
        Q(source__in=[_HOUSE[Kind.ADJUSTMENTS], _HOUSE[Kind.BONUS]]),
    ),
}
EXPORTED_AT_ONCE = 1000
MONTHS_SHOWN = 36


@dataclass(frozen=True)
class Asked:
    """The ledger's address, read: kind of entry, a month (its first day), an order, and where in it."""

    kind: str = ""
    month: date | None = None
    order: int | None = None
    after: int | None = None
    before: int | None = None
    size: int = SIZES[0]

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Asked":
        size, kind = query.get("size", ""), query.get("type", "")
        return cls(
            kind=kind if kind in KINDS else "",
            month=_month(query.get("month", "")),
            order=_number(query.get("order", "")),
            after=_number(query.get("after", "")),
            before=_number(query.get("before", "")),
            size=int(size) if size in {str(known) for known in SIZES} else SIZES[0],
        )

    @property
    def narrowed(self) -> bool:
        return bool(self.kind or self.month or self.order is not None)

    @property
    def month_name(self) -> str:
        return formatted(self.month, "F Y") if self.month else ""


@dataclass(frozen=True)
class Entry:
    """One row: `amount` is signed, what it did to the wallet; `balance` is what the wallet held after it."""

    transfer: Transfer
    amount: Decimal

    @property
    def came_in(self) -> bool:
        return self.amount > 0

    @property
    def balance(self) -> Decimal | None:
        return self.transfer.balance_after

    @property
    def _other(self) -> str:
        side = self.transfer.source if self.came_in else self.transfer.target
        return str(side.kind)

    @property
    def type(self) -> str:
        other = self._other
        if other == Kind.SALES:
            return _("Refund") if self.came_in else _("Order charge")
        if other == Kind.WRITE_OFF:
            return _("Refund")
        if other == Kind.DEPOSITS:
            return _("Funds added") if self.came_in else _("Deposit taken back")
        if other == Kind.BONUS:
            return _("Bonus")
        return _("Repayment") if other == Kind.RECEIVABLE else _("Adjustment")

    @property
    def icon(self) -> str:
        if self._other in (Kind.ADJUSTMENTS, Kind.BONUS, Kind.RECEIVABLE):
            return "pencil"
        if self.came_in:
            return "plus" if self._other == Kind.DEPOSITS else "arrow-back-up"
        return "arrow-up-right"


@dataclass(frozen=True)
class Page:
    entries: Sequence[Entry]
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Sums:
    """Of the running month: added from outside, spent on orders, returned by them. 6 decimals."""

    month: datetime
    added: Decimal
    spent: Decimal
    returned: Decimal


def page(wallet: Account, asked: Asked) -> Page:
    """Newest first, by key: one query whatever the length of the ledger."""
    if asked.before is not None:
        rows = _both_sides(wallet, asked, Q(pk__gt=asked.before), "pk", asked.size + 1)
        more_above, more_below = len(rows) > asked.size, True
        rows = rows[: asked.size][::-1]
    else:
        below = Q(pk__lt=asked.after) if asked.after is not None else Q()
        rows = _both_sides(wallet, asked, below, "-pk", asked.size + 1)
        more_above, more_below = asked.after is not None, len(rows) > asked.size
        rows = rows[: asked.size]
    return Page(
        entries=[_entry(wallet, row) for row in rows],
        before=rows[0].pk if rows and more_above else None,
        after=rows[-1].pk if rows and more_below else None,
    )


def exported(wallet: Account, asked: Asked) -> Iterator[tuple[Any, ...]]:
    """Rows of the CSV, newest first; amounts signed, in the panel's currency. Read by key, a thousand at a time: a cursor
    would put the whole ledger aside before its first row."""
    below = Q()
    while True:
        rows = _both_sides(wallet, asked, below, "-pk", EXPORTED_AT_ONCE)
        for row in rows:
            entry = _entry(wallet, row)
            yield (
                f"L-{row.pk}",
                row.at,
                entry.type,
                row.order_number,
                row.note,
                entry.amount,
                row.balance_after,
            )
        if len(rows) < EXPORTED_AT_ONCE:
            return
        below = Q(pk__lt=rows[-1].pk)


EXPORT_HEADER = ("entry", "at", "type", "order", "details", "amount", "balance_after")


def month_sums(wallet: Account) -> Sums:
    """Of the month that the reader's clock is in; one query."""
    first = month_begins()
    mine = Transfer.objects.filter(Q(source=wallet) | Q(target=wallet), at__gte=first)
    zero = Decimal(0)
    sums = mine.aggregate(
        added=Sum("amount", filter=Q(source__kind=Kind.DEPOSITS)),
        spent=Sum("amount", filter=Q(target__kind=Kind.SALES)),
        returned=Sum("amount", filter=Q(source__kind__in=[Kind.SALES, Kind.WRITE_OFF])),
    )
    return Sums(first, sums["added"] or zero, sums["spent"] or zero, sums["returned"] or zero)


def month_begins() -> datetime:
    """Of the month that the reader's clock is in."""
    return _start(timezone.localdate())


def months(wallet: Account, asked: Asked) -> list[date]:
    """Those that can be chosen: from the month of the first entry to the running one, newest first, MONTHS_SHOWN of them
    and the one that was asked for. One query, by the keys of both sides."""
    mine = Transfer.objects.order_by("pk").values_list("at", flat=True)
    firsts = mine.filter(source=wallet)[:1].union(mine.filter(target=wallet)[:1], all=True)
    begun = min((timezone.localdate(at) for at in firsts), default=None)
    found: list[date] = []
    month = timezone.localdate().replace(day=1)
    while begun and month >= begun.replace(day=1) and len(found) < MONTHS_SHOWN:
        found.append(month)
        month = (month - timedelta(days=1)).replace(day=1)
    return sorted({*found, *([asked.month] if asked.month else [])}, reverse=True)


def _matching(asked: Asked) -> QuerySet[Transfer]:
    rows = Transfer.objects.select_related("source", "target")
    if asked.order is not None:
        rows = rows.filter(order_number=asked.order)
    if asked.month:
        rows = rows.filter(at__gte=_start(asked.month), at__lt=_start(_next_month(asked.month)))
    return rows


def _both_sides(wallet: Account, asked: Asked, where: Q, order: str, most: int) -> list[Transfer]:
    """What went out and what came in, each by its own index, merged: an OR of the two would sort the whole ledger."""
    rows = _matching(asked).filter(where).order_by(order)
    out, into = KINDS[asked.kind] if asked.kind else (Q(), Q())
    sides = [
        rows.filter(ours, kind)[:most]
        for ours, kind in ((Q(source=wallet), out), (Q(target=wallet), into))
        if kind is not None
    ]
    if len(sides) == 1:
        return list(sides[0])
    return list(sides[0].union(sides[1], all=True).order_by(order)[:most])


def _entry(wallet: Account, row: Transfer) -> Entry:
    return Entry(row, -row.amount if row.source_id == wallet.pk else row.amount)


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, 1, tzinfo=timezone.get_current_timezone())


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _month(text: str) -> date | None:
    try:
        year, month = text.split("-")
        return date(int(year), int(month), 1) if 2000 <= int(year) <= 2999 else None
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
