"""A customer's orders as a list: what was asked for, one page of it by key, counts for the tabs, and its version.

Reading only. Every page costs the same number of queries whatever it holds; counting stops at 10,001, because the
tabs say "10k+" beyond that.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import MD5
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from customers.models import User
from orders.actions import Actions, actions_for
from orders.models import Order, Request, Submission
from orders.screening import is_in_review
from providers.browsing import number_of

SIZES = (25, 50, 100)
MOST_COUNTED = 10_001
MOST_IDS = 1000
EXPORTED_AT_ONCE = 1000
WINDOWS = {"today": 0, "7d": 6, "30d": 29, "90d": 89}


@dataclass(frozen=True)
class Asked:
    """The list's address, read. Unusable parameters are ignored; `days` is a key of WINDOWS, "" or "dates"."""

    words: str = ""
    status: str = ""
    service: int | None = None
    days: str = ""
    since: date | None = None
    until: date | None = None
    refill: bool = False
    after: int | None = None
    before: int | None = None
    size: int = SIZES[0]
    top: int | None = None  # live refresh: nothing newer than what the page showed first

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Asked":
        size = query.get("size", "")
        days = query.get("days", "")
        since, until = _day(query.get("since", "")), _day(query.get("until", ""))
        status = query.get("status", "")
        return cls(
            words=query.get("q", "").replace("\0", "").strip()[:2000],
            status=status if status in Order.Status.values else "",
            service=number_of(query.get("service", "")),
            days=days if days in WINDOWS else "dates" if since or until else "",
            since=None if days in WINDOWS else since,
            until=None if days in WINDOWS else until,
            refill=query.get("refill") == "1",
            after=number_of(query.get("after", "")),
            before=number_of(query.get("before", "")),
            size=int(size) if size in {str(known) for known in SIZES} else SIZES[0],
            top=number_of(query.get("top", "")),
        )

    @property
    def narrowed(self) -> bool:
        return replace(self, after=None, before=None, size=SIZES[0], top=None) != Asked()

    @property
    def at_the_top(self) -> bool:
        return self.after is None and self.before is None

    @property
    def ids(self) -> list[int]:
        """The words as order numbers, where they are nothing else: `90412`, `#1, #2`, one per line."""
        parts = [part for part in re.split(r"[\s,;]+", self.words) if part]
        numbers = [number for part in parts if (number := number_of(part)) is not None]
        return numbers[:MOST_IDS] if parts and len(numbers) == len(parts) else []

    @property
    def moments(self) -> tuple[datetime | None, datetime | None]:
        """The window as moments of the reader's days; the end is exclusive."""
        if self.days in WINDOWS:
            first = timezone.localdate() - timedelta(days=WINDOWS[self.days])
            return _midnight(first), None
        return (
            _midnight(self.since) if self.since else None,
            _midnight(self.until + timedelta(days=1)) if self.until else None,
        )


@dataclass(frozen=True)
class Row:
    """One order with what may be done with it, as the list and the export show it."""

    order: Order
    actions: Actions

    @property
    def remains(self) -> int:
        return self.order.total - self.order.delivered

    @property
    def verifying(self) -> bool:
        return self.order.submission.state == Submission.State.UNKNOWN

    @property
    def reviewing(self) -> bool:
        """A person looks at the order before it is sent."""
        return is_in_review(self.order.submission)

    @property
    def run(self) -> int | None:
        """Run 4 of 5: derived from what was delivered, never reported; None where that is not clear."""
        order = self.order
        if not order.runs or order.final or order.remains is None or not order.delivered:
            return None
        return min(order.runs, order.delivered // order.quantity + 1)

    @property
    def can(self) -> str:
        """For the bulk bar: the words of the actions that the order allows now."""
        allowed = [("refill", self.actions.refill.allowed), ("cancel", self.actions.cancel.allowed)]
        return " ".join(word for word, is_allowed in allowed if is_allowed)

    @property
    def waiting(self) -> str:
        """The open request, in place of the button."""
        if self.actions.refill.open_request:
            return _("Refill requested")
        return _("Cancel requested") if self.actions.cancel.open_request else ""

    @property
    def fingerprint(self) -> tuple[Any, ...]:
        order = self.order
        shown = (order.pk, order.status, order.remains, order.start_count, order.refunded)
        return (*shown, self.verifying, self.reviewing, self.can, self.waiting)


@dataclass(frozen=True)
class Page:
    rows: Sequence[Row]
    asked: Asked
    before: int | None
    after: int | None
    newer: int  # orders placed since the page was opened (live refresh of the first page)

    @property
    def top(self) -> int:
        """The newest order the page may show while it refreshes itself."""
        if self.asked.top is not None:
            return self.asked.top
        return self.rows[0].order.pk if self.rows else 0

    @cached_property
    def version(self) -> str:
        """Changes when anything that the rows show changes, but not by the passing of time."""
        shown = [row.fingerprint for row in self.rows]
        return hashlib.sha256(repr((shown, self.newer, self.before, self.after)).encode()).hexdigest()[:16]


def found(user: User, asked: Asked) -> QuerySet[Order]:
    """The customer's orders that fit everything but the status; no order, no paging."""
    orders: QuerySet[Order] = Order.objects.for_user(user)
    if asked.ids:
        orders = orders.filter(Q(pk__in=asked.ids) | Q(reference__in=[asked.words, *map(str, asked.ids)]))
    elif asked.words and (exact := _with_link(orders, asked.words)) is not None:
        orders = exact
    elif asked.words:
        orders = orders.filter(Q(link__icontains=asked.words) | Q(reference__icontains=asked.words))
    if asked.service is not None:
        orders = orders.filter(service_id=asked.service)
    since, until = asked.moments
    if since:
        orders = orders.filter(created_at__gte=since)
    if until:
        orders = orders.filter(created_at__lt=until)
    if asked.refill:
        orders = orders.filter(_can_be_refilled())
    return orders


def _with_link(orders: QuerySet[Order], words: str) -> QuerySet[Order] | None:
    """The orders of exactly this link, by its index; None where it is no whole link, or none has it.

    Looking inside links reads every order of the customer, which a pasted link, the usual search, does not need.
    """
    if not words.startswith(("https://", "http://")):
        return None
    same = orders.annotate(link_md5=MD5("link")).filter(link_md5=MD5(Value(words)), link=words)
    return same if same.exists() else None


def narrowed(user: User, asked: Asked) -> QuerySet[Order]:
    """All of it, newest first: what the export and "all that match" work on."""
    orders = found(user, asked)
    if asked.status:
        orders = orders.filter(status=asked.status)
    return orders.order_by("-pk")


def page(user: User, asked: Asked) -> Page:
    """One page of rows with their actions: three queries, and one more while a live page watches for newer orders."""
    matching = narrowed(user, asked)
    orders = matching.select_related("service", "submission").prefetch_related("requests")
    if asked.top is not None:
        orders = orders.filter(pk__lte=asked.top)
    if asked.before is not None:
        taken = list(orders.filter(pk__gt=asked.before).order_by("pk")[: asked.size + 1])
        more_above, more_below = len(taken) > asked.size, True
        taken = taken[: asked.size][::-1]
    else:
        if asked.after is not None:
            orders = orders.filter(pk__lt=asked.after)
        taken = list(orders[: asked.size + 1])
        more_above, more_below = asked.after is not None, len(taken) > asked.size
        taken = taken[: asked.size]
    newer = 0
    if asked.top is not None and asked.at_the_top:
        newer = matching.filter(pk__gt=asked.top).order_by()[:100].count()
    return Page(
        rows=rows(taken),
        asked=asked,
        before=taken[0].pk if taken and more_above else None,
        after=taken[-1].pk if taken and more_below else None,
        newer=newer,
    )


def rows(orders: Iterable[Order]) -> list[Row]:
    now = timezone.now()
    return [Row(order, actions_for(order, list(order.requests.all()), now)) for order in orders]


def counts(user: User, asked: Asked) -> dict[str, int]:
    """How many orders of each status fit, and "" for all: one query, each number counted to 10,001 at most."""
    orders = found(user, asked).order_by()
    parts, params = [], []
    for status in Order.Status.values:
        inner = orders.filter(status=status).annotate(one=Value(1)).values("one")[:MOST_COUNTED]
        sql, values = inner.query.sql_with_params()
        parts.append(f"SELECT %s, count(*) FROM ({sql}) AS counted")
        params += [status, *values]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        by_status = {str(status): int(number) for status, number in cursor.fetchall()}
    return by_status | {"": sum(by_status.values())}


def exported(orders: QuerySet[Order]) -> Iterator[tuple[Any, ...]]:
    """Rows of the CSV, newest first; amounts with 6 decimals in the panel's currency."""
    for order in _by_key(orders.select_related("service").order_by("-pk")):
        yield (
            order.pk,
            order.created_at,
            order.service_id,
            order.service.name,
            order.link,
            order.quantity,
            order.runs,
            order.total,
            order.charge,
            order.refunded,
            order.paid,
            order.status,
            order.start_count,
            order.total - order.delivered,
            order.reference,
            order.ended_at,
        )


def _by_key(orders: QuerySet[Order]) -> Iterator[Order]:
    """All of them, a thousand at a time by key: a cursor would put the whole list aside before its first row."""
    batch = list(orders[:EXPORTED_AT_ONCE])
    while batch:
        yield from batch
        if len(batch) < EXPORTED_AT_ONCE:
            return
        batch = list(orders.filter(pk__lt=batch[-1].pk)[:EXPORTED_AT_ONCE])


EXPORT_HEADER = (
    "id", "placed_at", "service", "service_name", "link", "quantity", "runs", "total", "charge", "refunded", "paid",
    "status", "start_count", "remains", "reference", "ended_at",
)  # fmt: skip


def _can_be_refilled() -> Q:
    """The rule of orders.actions as a condition: ended by delivery, within the service's days, none asked for yet."""
    window = ExpressionWrapper(
        F("service__refill_days") * Value(timedelta(days=1)), output_field=DurationField()
    )
    live = Request.objects.filter(order=OuterRef("pk"), kind=Request.Kind.REFILL, state__in=Request.LIVE)
    ended = Q(status__in=[Order.Status.COMPLETED, Order.Status.PARTIAL])
    sold = Q(with_refill=True) | Q(with_refill=None, service__refill=True)
    return ended & sold & Q(ended_at__gte=Value(timezone.now()) - window) & Q(~Exists(live))


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
