"""Finding orders across all customers: what was typed becomes indexed conditions, never a scan of all links."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q, QuerySet
from django.db.models.functions import MD5
from django.utils import timezone

from customers.models import User
from orders.models import Order, Request, Submission
from orders.stuck import delayed, measure
from providers.models import Provider

MOST_PEOPLE = 200
SIZES = (25, 50, 100)
COUNTED_TO = 10_001  # tabs show "10k+" above 10,000


@dataclass(frozen=True)
class Filters:
    q: str = ""
    tab: str = "all"  # one of TABS
    status: str = ""
    submission: str = ""
    provider: int | None = None
    customer: int | None = None
    size: int = 50

    @property
    def narrowed(self) -> bool:
        return bool(self.q or self.status or self.submission or self.provider or self.customer)


def read_filters(asked: Mapping[str, str]) -> Filters:
    """Unknown words are ignored, so that an old bookmark still opens."""
    tab, status, submission = asked.get("tab", ""), asked.get("status", ""), asked.get("submission", "")
    size = number(asked.get("size"))
    return Filters(
        q=asked.get("q", "").replace("\x00", "").strip()[:200],
        tab=tab if tab in TABS else "all",
        status=status if status in Order.Status.values else "",
        submission=submission if submission in Submission.State.values else "",
        provider=number(asked.get("provider")),
        customer=number(asked.get("customer")),
        size=size if size in SIZES else 50,
    )


def _tab(tab: str, now: datetime) -> Q:
    if tab == "by_hand":
        return _BY_HAND & (Q(status__in=Order.OPEN) | Q(pk__in=_refilled_by_hand()))
    if tab == "stuck":
        return delayed(now, measure())
    return {
        "all": Q(),
        "open": Q(status__in=Order.OPEN),
        "attention": ~Q(attention=""),
        "held": Q(status__in=Order.OPEN, submission__state=Submission.State.HELD) & ~_BY_HAND,
    }[tab]


TABS = ("all", "open", "attention", "stuck", "held", "by_hand")
_BY_HAND = Q(submission__provider__adapter="manual")


def _refilled_by_hand() -> list[int]:
    """Orders whose refill people deliver; a list, because a condition on each order would read them all."""
    waiting = Request.objects.filter(kind=Request.Kind.REFILL, state=Request.State.APPROVED)
    by_hand = waiting.filter(order__submission__provider__adapter="manual")
    return list(by_hand.values_list("order_id", flat=True)[:COUNTED_TO])


def find(filters: Filters) -> QuerySet[Order]:
    """The orders that match, without order and page."""
    orders: QuerySet[Order] = Order.objects.filter(_tab(filters.tab, timezone.now()))
    if filters.status:
        orders = orders.filter(status=filters.status)
    if filters.submission:
        orders = orders.filter(submission__state=filters.submission)
    if filters.provider:
        orders = orders.filter(submission__provider_id=filters.provider)
    if filters.customer:
        orders = orders.filter(user_id=filters.customer)
    return _matching(orders, filters.q) if filters.q else orders


def count_tabs(filters: Filters) -> dict[str, int | None]:
    """Counts of the lists that staff work through, for the present search; "all" may be millions and has none."""
    counts: dict[str, int | None] = {"all": None}
    for tab in TABS[1:]:
        counts[tab] = find(replace(filters, tab=tab))[:COUNTED_TO].count()
    return counts


def page(
    orders: QuerySet[Order], size: int, after: int | None, before: int | None
) -> tuple[list[Order], int | None, int | None]:
    """One page, newest first, and the cursors (before, after) of its neighbours; by id, so it never slows down."""
    loaded = orders.select_related("user", "service", "submission__provider")
    if before:
        rows = list(loaded.filter(pk__gt=before).order_by("pk")[: size + 1])
        more_before, rows = len(rows) > size, rows[:size][::-1]
        return rows, rows[0].pk if rows and more_before else None, rows[-1].pk if rows else None
    if after:
        loaded = loaded.filter(pk__lt=after)
    rows = list(loaded.order_by("-pk")[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    return rows, rows[0].pk if rows and after else None, rows[-1].pk if rows and more else None


def page_by_charge(
    orders: QuerySet[Order], size: int, after: int | None, before: int | None
) -> tuple[list[Order], int | None, int | None]:
    """The same with the most money first, then the oldest. For lists that are short: they are sorted as a whole."""
    loaded = orders.select_related("user", "service", "submission__provider")
    edge = Order.objects.filter(pk=before or after or 0).values_list("charge", "pk").first()
    if before and edge:
        earlier = Q(charge__gt=edge[0]) | Q(charge=edge[0], pk__lt=edge[1])
        rows = list(loaded.filter(earlier).order_by("charge", "-pk")[: size + 1])
        more_before, rows = len(rows) > size, rows[:size][::-1]
        return rows, rows[0].pk if rows and more_before else None, rows[-1].pk if rows else None
    if after and edge:
        loaded = loaded.filter(Q(charge__lt=edge[0]) | Q(charge=edge[0], pk__gt=edge[1]))
    rows = list(loaded.order_by("-charge", "pk")[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    return rows, rows[0].pk if rows and after and edge else None, rows[-1].pk if rows and more else None


def _matching(orders: QuerySet[Order], q: str) -> QuerySet[Order]:
    words = [word.lstrip("#") for word in re.split(r"[\s,;]+", q) if word.strip("#")]
    if words and all(number(word) for word in words):
        ids = [int(word) for word in words[:500]]
        return orders.filter(Q(pk__in=ids) | Q(pk__in=_by_provider_order(words[:500])))
    if re.search(r"\s", q) is None and "@" not in q and ("/" in q or "." in q):
        hashes = [hashlib.md5(way.encode(), usedforsecurity=False).hexdigest() for way in _ways_of(q)]
        return orders.alias(link_hash=MD5("link")).filter(link_hash__in=hashes)
    people = User.objects.filter(Q(email__icontains=q) | Q(name__icontains=q)).values_list("pk", flat=True)
    return orders.filter(Q(user_id__in=list(people[:MOST_PEOPLE])) | Q(pk__in=_by_provider_order([q])))


def _by_provider_order(ids: list[str]) -> list[int]:
    """Order ids by the provider's ids. Names every provider, because the unique index begins with it."""
    providers = list(Provider.objects.values_list("pk", flat=True))
    found = Submission.objects.filter(provider_id__in=providers, provider_order_id__in=ids)
    return list(found.values_list("pk", flat=True)[:500])


def _ways_of(link: str) -> list[str]:
    """A link as it may have been typed: with and without scheme and last slash."""
    bare = re.sub(r"^https?://", "", link)
    return [
        scheme + text
        for scheme in ("", "https://", "http://")
        for text in dict.fromkeys((bare, bare.rstrip("/"), bare.rstrip("/") + "/"))
    ]


def number(text: str | None) -> int | None:
    """A positive id, or None."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 and int(text) else None
