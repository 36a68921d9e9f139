"""What our services would be after catalog changes were accepted, computed on a copy of the facts. Reads only.

It goes the way of deciding.accept_changes, provider by provider, with the functions that really decide:

    1. the changes are written into the offers            applying.planned
    2. holds end where nothing decisive stays open        applying.undecided
    3. the deny-list holds what it names by then          denying.DenyList.hold_of
    4. the type follows the first offer                   repricing.Standing.followed
    5. the way that sells it is chosen and priced         repricing.Standing.selling, repricing.price
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.db.models import Count

from providers.applying import REFUSED, WAITS, Applied, Planned, ends, planned, undecided
from providers.denying import DenyList
from providers.exchange import exchange_rates
from providers.models import CatalogChange, Offer, Service
from providers.overview import OPEN
from providers.rates import RuleBook
from providers.repricing import Standing, Way, price, standings_of


@dataclass(frozen=True)
class Pair:
    """One published service as it stands and as it would; each by the same rule."""

    service: Service
    before: Standing
    after: Standing


class Foresight:
    """The facts about everything that these changes touch: eight queries, then any number of answers without one."""

    def __init__(self, changes: Sequence[CatalogChange]) -> None:
        ids = {change.offer_id for change in changes if change.offer_id}
        used = Service.objects.filter(published=True, routes__enabled=True, routes__offer__in=ids).distinct()
        self.services = {service.pk: service for service in used}
        self.standings = {
            standing.service_id: standing
            for standing in standings_of(Service.objects.filter(pk__in=list(self.services)))
        }
        self.touched_by: dict[int, list[int]] = {}
        for standing in self.standings.values():
            for way in standing.ways:
                self.touched_by.setdefault(way.offer_id, []).append(standing.service_id)
        offers = Offer.objects.filter(pk__in=list(self.touched_by))
        self.offers = {
            pk: (name, category, f"{provider} {external_id}")
            for pk, name, category, provider, external_id in offers.values_list(
                "pk", "name", "category", "provider__name", "external_id"
            )
        }
        rows = Service.objects.filter(pk__in=list(self.services), orders__status__in=OPEN)
        self.open_orders = dict(rows.values_list("pk").annotate(n=Count("orders")).order_by())
        self.undecided, self.denied = undecided(ids), DenyList()
        self.book, self.exchange = RuleBook(), exchange_rates()

    def services_by(self, change: CatalogChange) -> list[int]:
        """The services that the offer of a change may deliver."""
        return self.touched_by.get(change.offer_id or 0, [])

    def label(self, way: Way | None) -> str:
        """`Meridian 12`, the provider and its number for it; "" for no way."""
        return self.offers[way.offer_id][2] if way else ""

    def after(self, changes: Collection[CatalogChange]) -> list[Pair]:
        """The services that these changes (of those given at first) touch, had all of them been accepted together."""
        touched = sorted({pk for change in changes for pk in self.services_by(change)})
        then = {pk: self.standings[pk] for pk in touched}
        accepted = {change.pk for change in changes}
        in_order = sorted(changes, key=lambda change: (change.provider_id, change.pk))
        for provider_id, of_one in groupby(in_order, key=lambda change: change.provider_id):
            mine = list(of_one)
            plan = planned(
                Applied(change.external_id, change.kind, change.after, change.offer_id) for change in mine
            )
            ended: dict[int, set[str]] = {}
            for change in mine:
                if change.offer_id and not self.undecided.get(change.offer_id, set()) - accepted:
                    ended.setdefault(change.offer_id, set()).add(change.kind)
            for pk in touched:
                if any(way.provider_id == provider_id for way in then[pk].ways):
                    then[pk] = self._standing(then[pk], provider_id, plan, ended)
        return [Pair(self.services[pk], self.standings[pk], then[pk]) for pk in touched]

    def with_values(
        self, standing: Standing, provider_id: int, plan: Planned, holds: Mapping[int, str]
    ) -> Standing:
        """The standing with what the plan writes at one provider and these holds, not priced yet."""
        moved = self._standing(standing, provider_id, plan, {})
        ways = (replace(way, on_hold=holds.get(way.offer_id, way.on_hold)) for way in moved.ways)
        moved = replace(standing, ways=tuple(ways), service_type=moved.service_type)
        return moved.arranged(self.exchange)

    def _standing(
        self, standing: Standing, provider_id: int, plan: Planned, ended: Mapping[int, Collection[str]]
    ) -> Standing:
        ways = tuple(
            self._way(way, plan, ended) if way.provider_id == provider_id else way for way in standing.ways
        )
        moved = replace(standing, ways=ways).followed.arranged(self.exchange)
        priced = price(moved.supply, self.book, self.exchange)
        return replace(moved, rate=priced.rate, cost_rate=priced.cost_rate, off_sale=priced.off_sale[:200])

    def _way(self, way: Way, plan: Planned, ended: Mapping[int, Collection[str]]) -> Way:
        fresh: Mapping[str, Any] = plan.updates.get(way.offer_id, {})
        name, category, _label = self.offers[way.offer_id]
        on_hold, decided = way.on_hold, way.offer_id in ended
        if on_hold.startswith(REFUSED) and way.offer_id in plan.back:
            on_hold = WAITS if self.undecided.get(way.offer_id) and not decided else ""
        elif decided and ends(on_hold, ended[way.offer_id]):
            on_hold = ""
        return replace(
            way,
            rate=Decimal(fresh.get("rate", way.rate)),
            service_type=fresh.get("service_type", way.service_type),
            minimum=fresh.get("minimum", way.minimum),
            maximum=fresh.get("maximum", way.maximum),
            gone=(way.gone or way.offer_id in plan.gone) and way.offer_id not in plan.back,
            on_hold=self.denied.hold_of(on_hold, fresh.get("name", name), fresh.get("category", category)),
        )
