"""The deny-list: words and categories that this panel does not sell, checked when a list is imported.

A new service that it names is left out of the import, with a sentence; an offer that we have already is held
back: off sale, its open orders go on. An entry that has run out no longer counts from the next reading on.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from customers.audit import record
from customers.models import User
from providers.applying import set_holds
from providers.locking import lock_offers
from providers.models import Denial, Offer
from providers.repricing import reprice_provider

HELD = "Held back: "
"""How the reason of an offer starts that the deny-list keeps off sale."""


def folded(text: str) -> str:
    """As texts are compared: compatible forms of letters made equal, lower case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True)
class _Word:
    pattern: re.Pattern[str]
    text: str
    reason: str


class DenyList:
    """The entries that hold today, ready to answer for any number of rows; one query."""

    def __init__(self) -> None:
        today = timezone.now().date()
        entries = list(Denial.objects.filter(Q(until=None) | Q(until__gte=today)))
        self.categories = {row.text: row.reason for row in entries if row.kind == Denial.Kind.CATEGORY}
        self.words = [
            _Word(re.compile(rf"(?<!\w){re.escape(row.text)}(?!\w)"), row.text, row.reason)
            for row in entries
            if row.kind == Denial.Kind.WORD
        ]

    def __bool__(self) -> bool:
        return bool(self.categories or self.words)

    def objection(self, name: str, category: str) -> str:
        """Why a service of this name and category is held back, as one sentence; "" when it is not."""
        if not self:
            return ""
        folded_category = folded(category)
        if (reason := self.categories.get(folded_category)) is not None:
            return f"{HELD}its category is on the deny-list ({reason})."
        text = f"{folded(name)}\n{folded_category}"
        for word in self.words:
            if word.text in text and word.pattern.search(text):
                return f"{HELD}“{word.text}” is on the deny-list ({word.reason})."
        return ""

    def objections(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """By external id, for rows with `name` and `category`."""
        if not self:
            return {}
        found = {key: self.objection(row["name"], row["category"]) for key, row in rows.items()}
        return {key: sentence for key, sentence in found.items() if sentence}


def deny(
    kind: str,
    text: str,
    reason: str,
    *,
    until: date | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> Denial:
    """Put a word or category on the list; offers that we have go off sale at once. ValueError with a sentence."""
    text, reason = folded(text), " ".join(reason.split())
    if kind not in Denial.Kind.values:
        raise ValueError(f"{kind!r} is not a kind of entry: use word or category.")
    if not 2 <= len(text) <= 100:
        raise ValueError("An entry has 2 to 100 characters.")
    if not reason or len(reason) > 120:
        raise ValueError("An entry needs a reason of at most 120 characters.")
    if until is not None and until < timezone.now().date():
        raise ValueError(f"{until} has passed; an entry must hold until today or later.")
    try:
        with transaction.atomic():
            entry = Denial.objects.create(kind=kind, text=text, reason=reason, until=until, created_by=by)
            details = {"kind": kind, "text": text, "reason": reason, "until": str(until or "")}
            record(by, "deny_list.add", entry, f"Deny-list: {kind} “{text}” added", details, request)
            hold_denied()
    except IntegrityError:
        raise ValueError(f"The {kind} “{text}” is on the list already.") from None
    return entry


def allow(entry: Denial, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """Take an entry off the list; offers that only it held back may be sold again at once."""
    with transaction.atomic():
        summary = f"Deny-list: {entry.kind} “{entry.text}” removed"
        record(by, "deny_list.remove", entry, summary, {"reason": entry.reason}, request)
        entry.delete()
        hold_denied()


def hold_denied(provider_id: int | None = None) -> int:
    """Bring the holds of all offers (or of one provider's) in line with the list; returns how many changed.

    Other holds stay: an offer has one reason at a time, and a price rise that waits is told first.
    """
    with transaction.atomic():
        for pk in [provider_id] if provider_id else _providers():
            lock_offers(pk)
        denied = DenyList()
        offers = Offer.objects.filter(Q(on_hold="") | Q(on_hold__startswith=HELD))
        if provider_id:
            offers = offers.filter(provider_id=provider_id)
        if not denied:
            offers = offers.filter(on_hold__startswith=HELD)
        rows = offers.values_list("pk", "provider_id", "name", "category", "on_hold").iterator(2000)
        holds: dict[int, str] = {}
        touched: set[int] = set()
        for pk, of_provider, name, category, on_hold in rows:
            wanted = denied.objection(name, category)[:200]
            if wanted != on_hold:
                holds[pk] = wanted
                touched.add(of_provider)
        if holds:
            set_holds(holds, timezone.now())
            for pk in sorted(touched):
                reprice_provider(pk)
    return len(holds)


def _providers() -> Iterable[int]:
    """In one order, so that two admins never wait for each other in a circle."""
    return Offer.objects.order_by("provider_id").values_list("provider_id", flat=True).distinct()
