"""Deposit requests as staff look for them: of one customer, or by words. Reading only."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from customers.models import DepositRequest, User

SHOWN = 10  # on a customer's page; the page about money has all


@dataclass(frozen=True)
class Asked:
    """`q`: a part of an e-mail, name or reference, or the number of a payment or customer."""

    q: str
    customer: User | None

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Asked":
        """From an address; a customer that does not exist is no filter."""
        customer = (
            User.objects.filter(pk=number).first() if (number := _number(given.get("customer"))) else None
        )
        return cls(given.get("q", "").replace("\x00", "").strip()[:120], customer)

    @property
    def query(self) -> str:
        """The same for an address, "" without a filter."""
        asked = {"q": self.q, "customer": self.customer.pk if self.customer else ""}
        return urlencode({name: value for name, value in asked.items() if value})

    def narrow(self, payments: "QuerySet[DepositRequest]") -> "QuerySet[DepositRequest]":
        if self.customer:
            payments = payments.filter(user=self.customer)
        if not self.q:
            return payments
        wanted = (
            Q(reference__icontains=self.q)
            | Q(user__email__icontains=self.q)
            | Q(user__name__icontains=self.q)
        )
        if number := _number(self.q.lstrip("#")):
            wanted |= Q(pk=number) | Q(user=number)
        return payments.filter(wanted)


def announced_by(customer: User) -> "QuerySet[DepositRequest]":
    """All that he announced, newest first. A range of one number: of `user = 1` PostgreSQL believes that walking back through
    everybody's payments meets his soon, and reads all of them where his last is long ago."""
    own = {"user__gte": customer.pk, "user__lte": customer.pk}
    return DepositRequest.objects.filter(**own).order_by("user_id", "-pk")


def latest_of(customer: User) -> list[DepositRequest]:
    """What he announced: what waits first, then what was decided, newest first; at most SHOWN. Two queries, each by an
    index of its own: in one they would be all that he ever announced, sorted."""
    told = announced_by(customer).select_related("user", "decided_by")
    waits = list(told.filter(state=DepositRequest.State.PENDING)[:SHOWN])
    return (waits + list(told.exclude(state=DepositRequest.State.PENDING)[:SHOWN]))[:SHOWN]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
