"""How a provider does: its calls by the hour, and the money that is left there for the orders that wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Q, Sum
from django.utils import timezone
from django.utils.translation import ngettext

from customers.figures import count
from providers.balances import Runway, runway
from providers.exchange import exchange_to_panel
from providers.models import Provider, ProviderHour
from providers.overview import OPEN

ZERO = Decimal(0)
HOURS = 24
WAITS = ("held", "queued", "claimed")
RISKY_DAYS = Decimal(1)  # with less than this much runway, waiting orders may stay unsent


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Calls:
    """Sums over some hours. `errors`: no answer, or none of use; `deadlines`: those of them that ran out of time."""

    calls: int = 0
    errors: int = 0
    deadlines: int = 0
    total_ms: int = 0

    @property
    def error_percent(self) -> Decimal | None:
        """None where nothing was asked."""
        return (Decimal(self.errors) / self.calls * 100).quantize(Decimal("0.1")) if self.calls else None

    @property
    def average_ms(self) -> int | None:
        """Of the calls that were answered; None where none was."""
        answered = self.calls - self.errors
        return round(self.total_ms / answered) if answered > 0 else None


@dataclass(frozen=True)
class HourOfCalls(Calls):
    at: datetime | None = None


def calls_by_hour(provider: Provider, hours: int = HOURS) -> list[HourOfCalls]:
    """The last `hours` hours, oldest first, also those without a call; one query."""
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=hours - 1)
    rows = ProviderHour.objects.filter(provider=provider, hour__gte=first).values_list("hour").order_by()
    sums = {hour: Calls(*rest) for hour, *rest in rows.annotate(*_SUMS)}
    found = []
    for number in range(hours):
        at = first + timedelta(hours=number)
        one = sums.get(at, Calls())
        found.append(HourOfCalls(one.calls, one.errors, one.deadlines, one.total_ms, at))
    return found


def calls_by_kind(provider: Provider, hours: int = HOURS) -> dict[str, Calls]:
    """The same by kind of work (a lane's kind: submit, status, …); kinds without a call are left out; one query."""
    since = timezone.now() - timedelta(hours=hours)
    rows = (
        ProviderHour.objects.filter(provider=provider, hour__gte=since).values_list("kind").order_by("kind")
    )
    return {kind: Calls(*rest) for kind, *rest in rows.annotate(*_SUMS)}


_SUMS = (Sum("calls"), Sum("errors"), Sum("deadlines"), Sum("total_ms"))


# ── money ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Funds:
    """What is left and what waits for it. `balance` and `runway` are in the provider's currency; `waiting_cost` and
    `short` in the panel's. `at_risk`: orders that the balance does not pay for, or may not for long."""

    balance: Decimal | None
    runway: Runway
    waiting: int
    waiting_cost: Decimal
    short: Decimal
    at_risk: int

    @property
    def words(self) -> str:
        """What it means for the orders that wait, in one sentence; "" when all is well."""
        figures = {"n": count(self.at_risk), "cost": f"{self.waiting_cost:.2f}", "short": f"{self.short:.2f}"}
        if self.short > 0:
            words = ngettext(
                "%(n)s order waits to be sent at a cost of %(cost)s; the balance is %(short)s too small for that.",
                "%(n)s orders wait to be sent at a cost of %(cost)s; the balance is %(short)s too small for that.",
                self.at_risk,
            )
            return words % figures
        if self.at_risk:
            words = ngettext(
                "%(n)s order waits to be sent, and the balance lasts for %(days)s days.",
                "%(n)s orders wait to be sent, and the balance lasts for %(days)s days.",
                self.at_risk,
            )
            return words % (figures | {"days": self.runway.days})
        return ""


def funds_of(provider: Provider, lasts: Runway | None = None) -> Funds:
    """How long the balance lasts and which waiting orders it may not cover. Three queries at most."""
    lasts = lasts or runway(provider)
    waits = Q(submissions__state__in=WAITS)
    # What waits is open: so it is found among the open orders, not among all that were ever sent there.
    row = Provider.objects.filter(pk=provider.pk, submissions__order__status__in=OPEN).aggregate(
        n=Count("submissions", filter=waits), cost=Sum("submissions__order__cost", filter=waits)
    )
    waiting, cost = row["n"] or 0, row["cost"] or ZERO
    exchange = exchange_to_panel(provider.currency)
    known = provider.balance is not None and exchange is not None
    left = max(provider.balance or ZERO, ZERO) * (exchange or ZERO)
    short = max(cost - left, ZERO) if known and waiting else ZERO
    soon = lasts.days is not None and lasts.days < RISKY_DAYS
    return Funds(provider.balance, lasts, waiting, cost, short, waiting if short > 0 or soon else 0)
