"""How a service's price came about, for admins: what it was at what cost, and who pinned it, at what and why.

Prices and costs are those that the database kept (RateChange); what was pinned is what the audit kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from customers.models import AuditEntry
from providers.models import RateChange, Service
from providers.pricing import margin_percent

SHOWN = 8
TOLD = ["pinned_rate", "pinned_reason", "below_cost_reason"]


@dataclass(frozen=True)
class Price:
    """From `at` on; rates per 1000 (or per order), panel currency."""

    at: datetime
    rate: Decimal
    cost: Decimal

    @property
    def margin(self) -> Decimal | None:
        return margin_percent(self.rate, self.cost)


@dataclass(frozen=True)
class Act:
    """What somebody set of TOLD, by name; a rate as a decimal string, None where the rules price it again."""

    at: datetime
    by: str
    after: Mapping[str, str | None]


def price_events(service: Service) -> list[Price | Act]:
    """The latest, newest first; two queries."""
    changes = RateChange.objects.filter(service=service, rate__gt=0).order_by("-id")[:SHOWN]
    acts = AuditEntry.objects.filter(
        verb="service.change", subject=f"service:{service.pk}", details__after__has_any_keys=TOLD
    )
    events: list[Price | Act] = [Price(change.at, change.rate, change.cost_rate) for change in changes]
    events += [
        Act(
            entry.at,
            entry.actor_label,
            {name: entry.details["after"].get(name) for name in TOLD if name in entry.details["after"]},
        )
        for entry in acts.order_by("-at", "-pk")[:SHOWN]
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)[:SHOWN]
