"""How the providers stand: one row each for the list, the provider's page and the dashboard.

The number of queries does not depend on how many providers there are. What is known about orders comes through the
relations of this room's own rows (submissions, attempts), because orders may import providers and not the reverse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.figures import money
from providers.balances import Runway, runways
from providers.exchange import exchange_rates
from providers.models import Alert, CatalogChange, Offer, Provider, Route
from providers.reaching import Outage, outages
from providers.running_out import LOW_DAYS, VERY_LOW_DAYS, RunningOut, running_out
from providers.sending import Hour, hours_of_sending
from providers.stopping import WHY

ZERO = Decimal(0)
MANY = 3  # failures within two hours that are no accident
OPEN = ("Pending", "Processing", "In progress")


@dataclass(frozen=True)
class Standing:
    """One provider now. Balance and spend are in its own currency; `exchange` brings them to the panel's, if known."""

    provider: Provider
    runway: Runway
    exchange: Decimal | None
    offers: int = 0
    published: int = 0
    open_orders: int = 0
    waiting: int = 0
    unknown: int = 0
    changes: int = 0
    hours: Sequence[Hour] = field(default_factory=tuple)
    catalog_alert: tuple[str, str] | None = None  # (what about its list needs an admin, what it means)
    outage: Outage | None = None

    @property
    def sent(self) -> int:
        return sum(hour.sent for hour in self.hours)

    @property
    def failed(self) -> int:
        return sum(hour.failed for hour in self.hours)

    @property
    def error_percent(self) -> Decimal | None:
        return (Decimal(self.failed) / self.sent * 100).quantize(Decimal("0.1")) if self.sent else None

    @property
    def orders_fail(self) -> tuple[int, int] | None:
        """(failed, sent) of the present and the last hour where at least half of some orders failed; else None."""
        sent = sum(hour.sent for hour in self.hours[-2:])
        failed = sum(hour.failed for hour in self.hours[-2:])
        return (failed, sent) if failed >= MANY and failed * 2 >= sent else None

    @property
    def error_tone(self) -> str:
        percent = self.error_percent or ZERO
        return "neg" if percent >= 10 else "cau" if percent >= 1 else ""

    @property
    def runway_tone(self) -> str:
        days = self.runway.days
        if days is None or days >= LOW_DAYS:
            return ""
        return "neg" if days < VERY_LOW_DAYS else "cau"

    @property
    def low(self) -> RunningOut | None:
        return running_out(self.provider, self.runway)

    @property
    def low_words(self) -> tuple[str, str]:
        """(that the money runs out, what is left there), of one that is `low`; no full stop."""
        low, name, currency = self.low, self.provider.name, self.provider.currency
        if low is None:
            return "", ""
        if low.days is not None:
            said = _("%(name)s has %(days)s days of balance left") % {"name": name, "days": low.days}
        else:
            said = _("%(name)s has less than its limit left") % {"name": name}
        left = [_("%s left") % money(low.balance, currency)]
        if low.limit is not None:
            left.append(_("less than the limit of %s") % money(low.limit, currency))
        if low.daily_spend:
            left.append(_("%s spent a day") % money(low.daily_spend, currency))
        return said, ", ".join(left)

    @property
    def last_sync(self) -> datetime | None:
        return max(filter(None, (self.provider.last_catalog_at, self.provider.balance_at)), default=None)

    @property
    def badge(self) -> tuple[str, str]:
        """(state word that chooses the look, word that is shown)."""
        provider = self.provider
        if provider.archived_at:
            return "off sale", _("Archived")
        if provider.paused_at:
            return "paused", _("Paused")
        if provider.breaker == Provider.Breaker.OPEN:
            return "broken", _("Unclear answers")
        if provider.breaker == Provider.Breaker.HALF_OPEN:
            return "paused", _("Trying one order")
        if not provider.sends_by_itself:
            return "active", _("By hand")
        if not provider.key:
            return "broken", _("No key")
        if provider.stopped:
            return "paused", _("Not sold")
        if self.outage:
            return "broken", _("Down") if self.outage.whole else _("Partly down")
        if provider.last_error:
            return "broken", _("Read failed")
        if self.orders_fail:
            return "broken", _("Orders fail")
        if self.last_sync is None:
            return "pending", _("Not read yet")
        if self.catalog_alert:
            return "paused", _("List to check")
        return "active", _("Healthy")

    @property
    def problem(self) -> tuple[str, str, str] | None:
        """(kind of note, what is wrong, what it means), the worst one; None when all is well."""
        provider, waits = self.provider, self._waiting_words()
        if provider.archived_at:
            return None
        if provider.paused_at:
            why = provider.pause_reason or _("no reason was given")
            if provider.pause_kind != Provider.Pause.BY_HAND:
                ends = _("The pause ends by itself at the first balance reading that covers the next order.")
                waits = f"{waits} {ends}"
            return "warn", _("%(name)s is paused: %(why)s") % {"name": provider.name, "why": why}, waits
        if provider.breaker != Provider.Breaker.CLOSED:
            text = _("%(name)s gave unclear answers, so sending to it stopped.") % {"name": provider.name}
            return "err", text, waits
        if provider.sends_by_itself and not provider.key:
            return "err", _("%(name)s has no key.") % {"name": provider.name}, waits
        if provider.stopped:
            means = _("Its services are off sale, or sold by their next route. Open orders go on.")
            return (
                "err" if provider.stopped == Provider.Stop.CURRENCY else "warn",
                WHY[provider.stopped],
                means,
            )
        if self.outage:
            return "err", self.outage.title, f"{waits} {self.outage.advice}"
        if self.exchange is None:
            text = _("There is no exchange rate for %(currency)s.") % {"currency": provider.currency}
            return "err", text, _("The services of %s cannot be priced.") % provider.name
        if provider.last_error:
            return "err", f"{provider.name}: {provider.last_error}", waits
        if self.orders_fail:
            text = _("%(name)s does not take orders: %(failed)s of %(sent)s of the last two hours failed.")
            failed, sent = self.orders_fail
            return "err", text % {"name": provider.name, "failed": failed, "sent": sent}, waits
        if self.catalog_alert:
            return "warn", *self.catalog_alert
        if self.low:
            said, left = self.low_words
            means = _("%s. Orders wait once the balance is used up.") % left
            return ("err" if self.low.critical else "warn"), f"{said}.", means
        return None

    def _waiting_words(self) -> str:
        if not self.waiting:
            return _("No order waits.")
        words = ngettext(
            "%d order waits in the queue and is sent when it is back. Nothing is lost.",
            "%d orders wait in the queue and are sent when it is back. Nothing is lost.",
            self.waiting,
        )
        return words % self.waiting

    @property
    def severity(self) -> int:
        """Problems first."""
        if self.provider.archived_at:
            return 9
        return {"err": 0, "warn": 1}[self.problem[0]] if self.problem else 5


def standings(*, archived: bool = False, only: int | None = None) -> list[Standing]:
    """All providers (or the one), problems first, then by name."""
    providers = Provider.objects.all()
    if only is not None:
        providers = providers.filter(pk=only)
    elif not archived:
        providers = providers.filter(archived_at=None)
    found = list(providers)
    ids = [provider.pk for provider in found]
    lasts, exchange = runways(found), exchange_rates()
    counts = _counts(ids)
    hours, catalog_alerts, out = hours_of_sending(ids), _catalog_alerts(ids), outages(ids)
    rows = [
        Standing(
            provider=provider,
            runway=lasts[provider.pk],
            exchange=exchange.get(provider.currency),
            hours=hours[provider.pk],
            catalog_alert=catalog_alerts.get(provider.pk),
            outage=out.get(provider.pk),
            **counts.get(provider.pk, {}),
        )
        for provider in found
    ]
    return sorted(rows, key=lambda row: (row.severity, row.provider.name.lower()))


def _counts(ids: Sequence[int]) -> Mapping[int, dict[str, int]]:
    counts: dict[int, dict[str, int]] = {pk: {} for pk in ids}
    offers = Offer.objects.filter(provider__in=ids, gone_at=None)
    for pk, number in offers.values_list("provider").annotate(n=Count("pk")).order_by():
        counts[pk]["offers"] = number
    on_sale = Route.objects.filter(
        offer__provider__in=ids, service__published=True, service__off_sale="", enabled=True
    )
    for pk, number in (
        on_sale.values_list("offer__provider").annotate(n=Count("service", distinct=True)).order_by()
    ):
        counts[pk]["published"] = number
    staged = CatalogChange.objects.filter(provider__in=ids, state=CatalogChange.State.STAGED)
    for pk, number in staged.values_list("provider").annotate(n=Count("pk")).order_by():
        counts[pk]["changes"] = number
    waits = Q(submissions__state__in=["held", "queued", "claimed"])
    followed = Provider.objects.filter(pk__in=ids, submissions__order__status__in=OPEN)
    for pk, open_orders, waiting, unknown in followed.values_list("pk").annotate(
        open=Count("submissions"),
        waiting=Count("submissions", filter=waits),
        unknown=Count("submissions", filter=Q(submissions__state="unknown")),
    ):
        counts[pk] |= {"open_orders": open_orders, "waiting": waiting, "unknown": unknown}
    return counts


def _catalog_alerts(ids: Sequence[int]) -> Mapping[int, tuple[str, str]]:
    """Lists that were not believed, and services that wait for a decision; the former win."""
    means = {
        "catalog": _(
            "Its earlier list goes on to count: nothing went off sale by it, and open orders go on."
        ),
        "holds": _("They are off sale until then; open orders go on."),
    }
    found: dict[int, tuple[str, str]] = {}
    for what in ("holds", "catalog"):
        alerts = Alert.objects.filter(key__in=[f"{what}:{pk}" for pk in ids], closed_at=None)
        found |= {pk: (text, means[what]) for pk, text in alerts.values_list("provider", "text") if pk}
    return found
