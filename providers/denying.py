"""The deny-list: what this panel does not sell, checked when a list is imported; the list's own acts.

What it means for orders and sign-ups is in providers/denying_orders.py.

A new service that it names is left out of the import, with a sentence; an offer that we have already is held
back: off sale, its open orders go on. An entry that has run out no longer counts from the next reading on.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import unquote, urlsplit

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.applying import refresh_services, set_holds
from providers.locking import lock_offers
from providers.models import Denial, Offer
from providers.repricing import reprice_provider

# Where an entry of a kind may hold; "all" is wherever the kind applies.
SCOPES: dict[str, tuple[str, ...]] = {
    Denial.Kind.WORD: (Denial.Scope.ALL, Denial.Scope.CATALOG, Denial.Scope.ORDERS),
    Denial.Kind.CATEGORY: (Denial.Scope.ALL, Denial.Scope.CATALOG),
    Denial.Kind.HOST: (Denial.Scope.ALL, Denial.Scope.ORDERS),
    Denial.Kind.LINK: (Denial.Scope.ALL, Denial.Scope.ORDERS),
    Denial.Kind.CUSTOMER: (Denial.Scope.ALL, Denial.Scope.ORDERS, Denial.Scope.SIGNUP),
}
HELD = "Held back: "
"""How the reason of an offer starts that the deny-list keeps off sale."""


# Unicode's Default_Ignorable_Code_Point: what nobody sees and what would break a word in two.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# How a link may begin before its site: browsers take http:site and http:/site as http://site.
_BEGINNING = re.compile(r"(?:https?:|[a-z][a-z0-9+.-]*:(?=//))?/*")


def folded(text: str) -> str:
    """As texts are compared: compatible forms of letters made equal, nothing invisible, lower case, single spaces."""
    return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).casefold().split())


def whole_word(text: str) -> re.Pattern[str]:
    """Finds a folded word or phrase where it stands by itself."""
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


def host_of(link: str) -> str:
    """The site of a link as it is compared, read as browsers read it: lower case, ASCII, without www.; "" for none."""
    text = "".join(char for char in folded(link) if not char.isspace()).replace("\\", "/")
    try:
        host = urlsplit(f"//{_BEGINNING.sub('', text, count=1)}").hostname or ""
    except ValueError:
        return ""
    # Decoded, because browsers do so; U+3002 separates labels as a full stop does.
    host = folded(unquote(host)).replace("\u3002", ".").strip(".").removeprefix("www.")
    try:
        return host.encode("idna").decode() if "." in host else ""
    except UnicodeError:
        return host


def entry_text(kind: str, text: str) -> str:
    """An entry as it is kept and compared. ValueError with a sentence where it says nothing."""
    text = folded(text)
    if kind == Denial.Kind.HOST:
        text = host_of(text.removeprefix("*."))
        if not text:
            raise ValueError(_("A site is named like example.com; its subdomains are meant too."))
    elif kind == Denial.Kind.CUSTOMER:
        if text.removeprefix("#").isdecimal():
            return f"#{int(text.removeprefix('#'))}"
        if "@" not in text:
            text = f"@{text}"
        if "." not in text.rpartition("@")[2]:
            raise ValueError(_("A customer is an e-mail address, a domain such as example.com, or #12."))
    return text


@dataclass(frozen=True)
class _Word:
    pattern: re.Pattern[str]
    text: str
    reason: str


class DenyList:
    """The entries that hold today, ready to answer for any number of rows; one query.

    `also`: entries that are not saved; `without`: one that is looked away from.
    """

    def __init__(self, *, also: Iterable[Denial] = (), without: Denial | None = None) -> None:
        today = timezone.now().date()
        scopes = [Denial.Scope.ALL, Denial.Scope.CATALOG]
        saved = Denial.objects.filter(Q(until=None) | Q(until__gte=today), scope__in=scopes)
        entries = [*(saved.exclude(pk=without.pk) if without else saved), *also]
        # Folded again: an entry may be older than the way in which texts are compared.
        self.categories = {
            folded(row.text): row.reason for row in entries if row.kind == Denial.Kind.CATEGORY
        }
        self.words = [
            _Word(whole_word(text), text, row.reason)
            for row in entries
            if row.kind == Denial.Kind.WORD and (text := folded(row.text))
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

    def hold_of(self, on_hold: str, name: str, category: str) -> str:
        """Why an offer that is on hold like this ("": it is not) is on hold under this list. Other holds stay."""
        if on_hold and not on_hold.startswith(HELD):
            return on_hold
        return self.objection(name, category)[:200]

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
    scope: str = Denial.Scope.ALL,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> Denial:
    """Put an entry on the list; offers that it names go off sale at once. ValueError with a sentence.

    It holds for orders and sign-ups from the next one on; orders that were placed before go on.
    """
    entry = checked_entry(kind, text, reason, until=until, scope=scope)
    entry.created_by = by
    try:
        with transaction.atomic():
            entry.save()
            details = {
                "kind": kind,
                "text": entry.text,
                "scope": scope,
                "reason": entry.reason,
                "until": str(until or ""),
            }
            record(
                by, "deny_list.add", entry, f"Deny-list: {kind} “{entry.text}” added"[:300], details, request
            )
            if concerns_catalog(entry):
                hold_denied()
    except IntegrityError:
        raise ValueError(
            _("The %(kind)s “%(text)s” is on the list already.") % {"kind": kind, "text": entry.text}
        ) from None
    return entry


def checked_entry(
    kind: str, text: str, reason: str, *, until: date | None = None, scope: str = Denial.Scope.ALL
) -> Denial:
    """The entry as deny would save it, in memory. ValueError with a sentence where it cannot be."""
    reason = " ".join(reason.split())
    if kind not in Denial.Kind.values:
        raise ValueError(
            _("%(kind)s is not a kind of entry: use %(values)s.")
            % {"kind": repr(kind), "values": ", ".join(Denial.Kind.values)}
        )
    if scope not in SCOPES[kind]:
        raise ValueError(
            _("%(label)s has no scope %(scope)s: use %(scopes)s.")
            % {"label": Denial.Kind(kind).label, "scope": repr(scope), "scopes": ", ".join(SCOPES[kind])}
        )
    text = entry_text(kind, text)
    if not 2 <= len(text) <= 254:
        raise ValueError(_("An entry has 2 to 254 characters."))
    if not reason or len(reason) > 120:
        raise ValueError(_("An entry needs a reason of at most 120 characters."))
    if until is not None and until < timezone.now().date():
        raise ValueError(
            _("%(until)s has passed; an entry must hold until today or later.") % {"until": until}
        )
    return Denial(kind=kind, text=text, scope=scope, reason=reason, until=until)


def allow(entry: Denial, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """Take an entry off the list; offers that only it held back may be sold again at once."""
    with transaction.atomic():
        summary = f"Deny-list: {entry.kind} “{entry.text}” removed"
        record(by, "deny_list.remove", entry, summary[:300], {"reason": entry.reason}, request)
        entry.delete()
        if concerns_catalog(entry):
            hold_denied()


def concerns_catalog(entry: Denial) -> bool:
    """Whether it is held against lists, so that offers go off sale by it."""
    kinds, scopes = (Denial.Kind.WORD, Denial.Kind.CATEGORY), (Denial.Scope.ALL, Denial.Scope.CATALOG)
    return entry.kind in kinds and entry.scope in scopes


def hold_denied(provider_id: int | None = None) -> int:
    """Bring the holds of all offers (or of one provider's) in line with the list; returns how many changed.

    Other holds stay: an offer has one reason at a time, and a price rise that waits is told first.
    """
    with transaction.atomic():
        for pk in [provider_id] if provider_id else _providers():
            lock_offers(pk)
        holds = holds_wanted(DenyList(), provider_id)
        if holds:
            set_holds(holds, timezone.now())
            touched = Offer.objects.filter(pk__in=list(holds)).order_by("provider_id")
            for pk in list(touched.values_list("provider_id", flat=True).distinct()):
                refresh_services(pk)
                reprice_provider(pk)
    return len(holds)


def holds_wanted(denied: DenyList, provider_id: int | None = None) -> dict[int, str]:
    """offer → the hold that it should have under this list ("": none), for those that have another one."""
    offers = Offer.objects.filter(Q(on_hold="") | Q(on_hold__startswith=HELD))
    if provider_id:
        offers = offers.filter(provider_id=provider_id)
    if not denied:
        offers = offers.filter(on_hold__startswith=HELD)
    holds = {}
    for pk, name, category, on_hold in offers.values_list("pk", "name", "category", "on_hold").iterator(2000):
        if (wanted := denied.hold_of(on_hold, name, category)) != on_hold:
            holds[pk] = wanted
    return holds


def _providers() -> Iterable[int]:
    """In one order, so that two admins never wait for each other in a circle."""
    return Offer.objects.order_by("provider_id").values_list("provider_id", flat=True).distinct()
