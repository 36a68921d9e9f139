"""What the deny-list means for a new order and for a sign-up: one query, then answers for any number of orders.

A customer is told what is not accepted, never the reason: that is written for admins.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from providers.denying import folded, host_of, whole_word
from providers.models import Denial

FOR_ORDERS = (Denial.Kind.HOST, Denial.Kind.LINK, Denial.Kind.WORD, Denial.Kind.CUSTOMER)


def entries_for_orders() -> QuerySet[Denial]:
    """The entries that new orders are held against today."""
    return _in_force() & any_entries_for_orders()


def any_entries_for_orders() -> QuerySet[Denial]:
    """The same with those that have run out: no date in it, so that the query may be kept."""
    return Denial.objects.filter(kind__in=FOR_ORDERS, scope__in=[Denial.Scope.ALL, Denial.Scope.ORDERS])


def email_denied(email: str) -> bool:
    """Whether nobody may open an account with this address, or change to it; one query."""
    scopes = [Denial.Scope.ALL, Denial.Scope.SIGNUP]
    entries = _in_force().filter(kind=Denial.Kind.CUSTOMER, scope__in=scopes)
    return entries.filter(text__in=_names_of(email)).exists()


def link_text(link: str) -> str:
    """A link as texts are looked for in it: folded, as typed and decoded."""
    return f"{folded(link)}\n{folded(unquote(link))}"


class OrderDenials:
    """The entries that one customer's new orders are held against. `links`: those of the orders, as typed."""

    def __init__(self, user: User, links: Iterable[str]) -> None:
        hosts = {host for link in set(links) for host in _with_parents(host_of(link))}
        names = [*_names_of(user.email), f"#{user.pk}"]
        named = Q(kind=Denial.Kind.HOST, text__in=hosts) | Q(kind=Denial.Kind.CUSTOMER, text__in=names)
        rows = entries_for_orders().filter(named | Q(kind__in=[Denial.Kind.LINK, Denial.Kind.WORD]))
        found = list(rows.values_list("kind", "text"))
        self._take(found)

    @classmethod
    def of(cls, entries: Iterable[tuple[str, str]]) -> "OrderDenials":
        """These entries (kind, text) and no others, for orders of anybody; no query."""
        denials = cls.__new__(cls)
        denials._take(list(entries))
        return denials

    def _take(self, found: list[tuple[str, str]]) -> None:
        self._customers = {text for kind, text in found if kind == Denial.Kind.CUSTOMER}
        self.customer = bool(self._customers)
        self._hosts = {text for kind, text in found if kind == Denial.Kind.HOST}
        self._parts = [folded(text) for kind, text in found if kind == Denial.Kind.LINK]
        words = [folded(text) for kind, text in found if kind == Denial.Kind.WORD]
        self._words = [(word, whole_word(word)) for word in words]

    def names_customer(self, user_id: int, email: str) -> bool:
        """Whether an entry means the account of this number and address."""
        return not self._customers.isdisjoint([*_names_of(email), f"#{user_id}"])

    def objections(self, link: str, texts: Mapping[str, str]) -> dict[str, str]:
        """Sentences for the customer by parameter (link, comments, …); empty where the order may be placed."""
        found = {}
        if sentence := self._about_link(link):
            found["link"] = sentence
        if not self._words:
            return found
        for name, text in texts.items():
            if word := self._word_in(folded(text)):
                found[name] = _("“%s” is not accepted here. Nothing was charged.") % word
        return found

    def _about_link(self, link: str) -> str:
        if not link:
            return ""
        if self._hosts:
            for host in _with_parents(host_of(link)):
                if host in self._hosts:
                    return _("Links to %s are not accepted here. Nothing was charged.") % host
        if not (self._parts or self._words):
            return ""
        text = link_text(link)
        if any(part in text for part in self._parts) or self._word_in(text):
            return _("This link is not accepted here. Nothing was charged.")
        return ""

    def _word_in(self, text: str) -> str:
        return next((word for word, pattern in self._words if word in text and pattern.search(text)), "")


def _in_force() -> QuerySet[Denial]:
    return Denial.objects.filter(Q(until=None) | Q(until__gte=timezone.now().date()))


def _with_parents(host: str) -> list[str]:
    """a.b.example.com, b.example.com, example.com: what an entry may name to mean this site."""
    labels = host.split(".")
    return [".".join(labels[at:]) for at in range(max(len(labels) - 1, 1))] if host else []


def _names_of(email: str) -> list[str]:
    """The texts of entries that mean this address: itself, also without its +label, and its domains."""
    local, _at, domain = folded(email).rpartition("@")
    bare = re.sub(r"\+.*", "", local)
    return [f"{local}@{domain}", f"{bare}@{domain}", *(f"@{host}" for host in _with_parents(domain))]
