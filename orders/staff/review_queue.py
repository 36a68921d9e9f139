"""What the review queue shows: reading only. The number of queries does not grow with the queue.

Order: what the provider refused and refills without a clear answer first, then the longest waiting.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
class Queue:
    tab: str
    provider_id: int | None
    rows: list[Row]
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
    def query(self) -> str:
        asked = {"tab": self.tab if self.tab != "all" else "", "provider": self.provider_id or ""}
        return urlencode({name: value for name, value in asked.items() if value})

    @property
    def digest(self) -> str:
        """Changes with whatever the rows show, so that a live refresh of an unchanged queue answers 204."""
        shown: list[Any] = [sorted(self.counts.items()), [request.pk for request in self.undoable]]
        shown += [(r.request.pk, r.request.state, r.request.upstream_message, span(r.waiting), r.stake, r.looking, r.order.remains)
                  for r in self.rows]  # fmt: skip
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:20]

    def place(self, request_id: int) -> int | None:
        return next((at for at, row in enumerate(self.rows) if row.request.pk == request_id), None)

    def after(self, request_id: int) -> int | None:
        """The request to look at once this one is decided: the next in the list, or the first."""
        at = self.place(request_id)
        others = [row.request.pk for row in self.rows if row.request.pk != request_id]
        if not others:
            return None
        return others[at] if at is not None and at < len(others) else others[0]

    def before(self, request_id: int) -> int | None:
        at = self.place(request_id)
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


def read_queue(user: User, tab: str, provider_id: int | None) -> Queue:
    now = timezone.now()
    tab = tab if tab in TABS else "all"
    open_requests = Request.objects.filter(open_ones)
    if provider_id:
        open_requests = open_requests.filter(order__submission__provider_id=provider_id)
    tabs = _tabs(user, now)
    counts = open_requests.aggregate(
        **{name: Count("pk", filter=condition) for name, condition in tabs.items()}
    )
    first = Case(
        When(Q(state=Request.State.UNKNOWN) | ~Q(upstream_message=""), then=Value(False)),
        default=Value(True),
        output_field=BooleanField(),
    )
    found = _loaded(open_requests.filter(tabs[tab])).order_by(first, "created_at", "pk")[:MOST_AT_ONCE]
    return Queue(
        tab=tab,
        provider_id=provider_id,
        rows=_rows(list(found), user, now),
        counts=counts,
        providers=list(_providers()),
        undoable=list(undoable(user).select_related("order").order_by("next_at")),
    )


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
