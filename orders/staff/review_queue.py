"""What the review queue shows: reading only. The number of queries does not grow with the queue.

Order: what the provider refused and refills without a clear answer first, then the longest waiting. A page is what comes
after a place in this order (`after`, a Place as text), so that decisions of others move nothing past its reader; what was
decided on it is made good for by the next ones.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import BooleanField, Case, Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.figures import DASH, count, span
from customers.models import User
from orders.models import Order, OrderEvent, Request
from orders.requests import MOST_AT_ONCE, undoable
from orders.rule_check import Finding, check, comes_back, expected_count, missing_count
from orders.staff.without_money import without_money
from providers.models import Provider

AMBER, RED = timedelta(hours=18), timedelta(hours=24)
UNDO_S = 10
LOOKING_S = 60  # "Tomas is looking at this": kept while his page asks for fresh rows
ANSWERED_SHOWN = 100
NO_REASON = "-"
TABS = ("all", "refill", "cancel", "late", "mine")

open_ones = Q(state__in=[Request.State.REQUESTED, Request.State.UNKNOWN])


@dataclass(frozen=True)
class Row:
    request: Request
    waiting: timedelta
    stake: str
    looking: str

    @property
    def order(self) -> Order:
        return self.request.order

    @property
    def tone(self) -> str:
        return "neg" if self.waiting >= RED else "cau" if self.waiting >= AMBER else ""

    @property
    def urgency(self) -> str:
        """The colour of waiting, in words."""
        if self.waiting >= RED:
            return _("over 24 h")
        return _("close to 24 h") if self.waiting >= AMBER else ""

    @property
    def unclear(self) -> bool:
        return self.request.state == Request.State.UNKNOWN

    @property
    def came_back(self) -> bool:
        return self.request.state == Request.State.REQUESTED and bool(self.request.upstream_message)

    @property
    def answer(self) -> str:
        """What the provider said to it. Without amounts for everybody: this page decides about none of ours."""
        return without_money(self.request.upstream_message)


@dataclass(frozen=True)
class Place:
    """Where a request stands in the queue, whatever becomes of it."""

    calm: bool  # False for those that come first
    asked_at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{int(self.calm)}-{round(self.asked_at.timestamp() * 1_000_000)}-{self.pk}"

    @classmethod
    def read(cls, text: str | None) -> "Place | None":
        """From an address; None for what is no place."""
        match = re.fullmatch(r"([01])-(\d{1,17})-(\d{1,18})", text or "", re.ASCII)
        if match is None:
            return None
        at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(match[2]))
        return cls(match[1] == "1", at, int(match[3]))

    @classmethod
    def of(cls, request: Request) -> "Place":
        return cls(_is_calm(request), request.created_at, request.pk)


@dataclass(frozen=True)
class Queue:
    tab: str
    provider_id: int | None
    reason: str  # a part of the customer's words, NO_REASON, or "" for all
    after: Place | None  # the page begins behind it; None: the first page
    before: int  # how many requests of this list stand before the page
    rows: list[Row]
    following: int | None  # the first request of the next page
    previous: tuple[Place | None, int] | None  # where the page before this one begins, and its last request
    counts: Mapping[str, int]
    providers: list[Provider]
    undoable: list[Request]

    @property
    def shown(self) -> int:
        return len(self.rows)

    @property
    def total(self) -> int:
        return self.counts[self.tab]

    @property
    def first(self) -> int:
        return self.before + 1

    @property
    def last(self) -> int:
        return self.before + self.shown

    @property
    def query(self) -> str:
        return self._query(self.after)

    @property
    def query_after(self) -> str:
        """Of the next page; "" where this is the last one."""
        return self._query(Place.of(self.rows[-1].request)) if self.following else ""

    @property
    def query_before(self) -> str:
        """Of the page before, with its last request: K goes on from there. "" on the first page."""
        return self._query(self.previous[0], self.previous[1]) if self.previous else ""

    def _query(self, after: Place | None, at: int | None = None) -> str:
        tab = self.tab if self.tab != "all" else ""
        asked = {"tab": tab, "provider": self.provider_id, "reason": self.reason, "after": after, "at": at}
        return urlencode({name: value for name, value in asked.items() if value})

    @property
    def digest(self) -> str:
        """Changes with whatever the rows show, so that a live refresh of an unchanged queue answers 204."""
        shown: list[Any] = [
            sorted(self.counts.items()),
            self.before,
            self.following,
            [request.pk for request in self.undoable],
        ]
        shown += [(r.request.pk, r.request.state, r.request.upstream_message, span(r.waiting), r.stake, r.looking, r.order.remains)
                  for r in self.rows]  # fmt: skip
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:20]

    def place(self, request_id: int) -> int | None:
        return next((at for at, row in enumerate(self.rows) if row.request.pk == request_id), None)

    def next_to(self, request_id: int) -> int | None:
        """The request to look at once this one is decided: the next in the list, also of the next page, or the first."""
        at = self.place(request_id)
        others = [row.request.pk for row in self.rows if row.request.pk != request_id]
        if at is not None and at == len(self.rows) - 1 and self.following:
            return self.following
        if not others:
            return None
        return others[at] if at is not None and at < len(others) else others[0]

    def before_it(self, request_id: int) -> int | None:
        at = self.place(request_id)
        if at == 0 and self.previous:
            return self.previous[1]
        return self.rows[at - 1].request.pk if at else None


@dataclass(frozen=True)
class Pane:
    """One request with all that is needed to decide it."""

    row: Row
    findings: list[Finding]
    expected: int | None
    missing: int | None
    decided: bool

    @property
    def request(self) -> Request:
        return self.row.request


def asked_reason(text: str | None) -> str:
    """What of the reason is looked for, from an address: a part of it, NO_REASON, or "" for all."""
    return " ".join((text or "").replace("\x00", "").split())[:80]


def read_queue(
    user: User, tab: str, provider_id: int | None, after: Place | None = None, reason: str = ""
) -> Queue:
    """One page of a list. `reason` as asked_reason gives it. Behind `after`, or the first page where nothing is behind it any more."""
    now = timezone.now()
    tab = tab if tab in TABS else "all"
    open_requests = Request.objects.filter(open_ones)
    if provider_id:
        open_requests = open_requests.filter(order__submission__provider_id=provider_id)
    if reason:
        of_it = Q(reason="") if reason == NO_REASON else Q(reason__icontains=reason)
        open_requests = open_requests.filter(of_it)
    tabs = _tabs(user, now)
    counts = open_requests.aggregate(
        **{name: Count("pk", filter=condition) for name, condition in tabs.items()}
    )
    listed = open_requests.filter(tabs[tab]).annotate(calm=CALM)
    found: list[Request] = []
    if after:
        found = _page(listed.filter(_behind(after)))
        after = after if found else None
    if after is None:
        found = _page(listed)
    rows = found[:MOST_AT_ONCE]
    return Queue(
        tab=tab,
        provider_id=provider_id,
        reason=reason,
        after=after,
        before=listed.exclude(_behind(after)).count() if after else 0,
        rows=_rows(rows, user, now),
        following=found[MOST_AT_ONCE].pk if len(found) > MOST_AT_ONCE else None,
        previous=_page_before(listed, after) if after else None,
        counts=counts,
        providers=list(_providers()),
        undoable=list(undoable(user).select_related("order").order_by("next_at")),
    )


CALM = Case(
    When(Q(state=Request.State.UNKNOWN) | ~Q(upstream_message=""), then=Value(False)),
    default=Value(True),
    output_field=BooleanField(),
)
ORDER = ("calm", "created_at", "pk")


def _is_calm(request: Request) -> bool:
    """CALM of one row."""
    return request.state != Request.State.UNKNOWN and not request.upstream_message


def _behind(place: Place) -> Q:
    same = Q(calm=place.calm)
    later = Q(created_at__gt=place.asked_at) | Q(created_at=place.asked_at, pk__gt=place.pk)
    return (same & later) if place.calm else Q(calm=True) | (same & later)


def _page(listed: QuerySet[Request]) -> list[Request]:
    """The first of them, one more than a page."""
    return list(_loaded(listed).order_by(*ORDER)[: MOST_AT_ONCE + 1])


def _page_before(listed: QuerySet[Request], after: Place) -> tuple[Place | None, int] | None:
    """(behind what it begins, its last request); None where nothing stands before."""
    back = listed.exclude(_behind(after)).order_by(*(f"-{name}" for name in ORDER))
    keys = list(back.values_list(*ORDER)[: MOST_AT_ONCE + 1])
    if not keys:
        return None
    return (Place(*keys[MOST_AT_ONCE]) if len(keys) > MOST_AT_ONCE else None), keys[0][2]


def read_answered(after: int | None) -> tuple[list[Request], int | None]:
    """What people decided, newest first by request, and the cursor of the next page."""
    decided = Request.objects.filter(decided_by__isnull=False).exclude(open_ones)
    if after:
        decided = decided.filter(pk__lt=after)
    rows = list(_loaded(decided).order_by("-pk")[: ANSWERED_SHOWN + 1])
    more = rows[ANSWERED_SHOWN - 1].pk if len(rows) > ANSWERED_SHOWN else None
    return rows[:ANSWERED_SHOWN], more


def read_pane(request_id: int, user: User) -> Pane | None:
    """One request, open or decided; looking at an open one is remembered for the others. None: there is none."""
    request = _loaded(Request.objects.filter(pk=request_id)).first()
    if request is None:
        return None
    now = timezone.now()
    decided = request.state not in {Request.State.REQUESTED, Request.State.UNKNOWN}
    if not decided:
        look_at(request_id, user)
    others = list(request.order.requests.exclude(pk=request.pk))
    return Pane(
        row=_rows([request], user, now)[0],
        findings=[] if decided else check(request, others, now),
        expected=expected_count(request.order),
        missing=missing_count(request),
        decided=decided,
    )


def look_at(request_id: int, user: User) -> None:
    """Remember who has it open. The first one keeps the place; kept in the cache, because it is a courtesy, no lock."""
    holder = cache.get(_looking_key(request_id))
    if holder is None or holder[0] == user.pk:
        cache.set(_looking_key(request_id), (user.pk, user.get_short_name()), LOOKING_S)


def _tabs(user: User, now: datetime) -> dict[str, Q]:
    worked_on = OrderEvent.objects.filter(
        order=OuterRef("order"), actor=user.email, kind__in=[OrderEvent.Kind.REQUEST, OrderEvent.Kind.NOTE]
    )
    return {
        "all": Q(),
        "refill": Q(kind=Request.Kind.REFILL),
        "cancel": Q(kind=Request.Kind.CANCEL),
        "late": Q(created_at__lte=now - RED),
        "mine": Q(Exists(worked_on)),  # what the user decided or noted before, and has come back
    }


def _loaded(requests: QuerySet[Request]) -> QuerySet[Request]:
    return requests.select_related(
        "order__user", "order__service", "order__submission__provider", "decided_by"
    )


def _providers() -> QuerySet[Provider]:
    """Those with open requests, for the filter."""
    return Provider.objects.filter(
        Exists(Request.objects.filter(open_ones, order__submission__provider=OuterRef("pk")))
    ).only("id", "name")


def _rows(requests: Sequence[Request], user: User, now: datetime) -> list[Row]:
    looking: dict[str, Any] = (
        cache.get_many([_looking_key(request.pk) for request in requests]) if requests else {}
    )
    rows = []
    for request in requests:
        holder = looking.get(_looking_key(request.pk))
        rows.append(
            Row(
                request=request,
                waiting=now - request.created_at,
                stake=_stake(request),
                looking=holder[1] if holder and holder[0] != user.pk else "",
            )
        )
    return rows


def _stake(request: Request) -> str:
    if request.kind == Request.Kind.CANCEL:
        return _("%(amount)s back") % {"amount": comes_back(request.order)}
    missing = missing_count(request)
    return DASH if missing is None else _("%(count)s missing") % {"count": count(max(missing, 0))}


def _looking_key(request_id: int) -> str:
    return f"review-looking:{request_id}"
