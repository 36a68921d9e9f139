"""What another currency of a provider, or another meaning of its types, would do to what is on sale. Reads only.

The way that sells a service is chosen, and priced, by those who do so later (repricing.Standing, repricing.price).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import QuerySet

from providers.exchange import exchange_rates
from providers.models import Category, Offer, Provider, Service
from providers.pricing import margin_percent
from providers.publishing import NO_CATEGORY, Objections, services_of
from providers.rates import RuleBook
from providers.repricing import Priced, Standing, Way, price, standings_of
from providers.simulating import Simulation, compared
from providers.type_mapping import offers_meant, waiting_of

ZERO = Decimal(0)


@dataclass(frozen=True)
class Sellable:
    """An offer that is not on sale, as it could be published then: cost and price per 1000 (or per order), panel
    currency. `why_not`: a sentence where it could not be."""

    external_id: str
    name: str
    cost: Decimal
    price: Decimal
    why_not: str

    @property
    def margin(self) -> Decimal | None:
        return margin_percent(self.price, self.cost)


@dataclass(frozen=True)
class MappingEffect:
    """`offers`: how many get another type. `waiting`: new services that wait for a decision and get it as well."""

    offers: int
    waiting: int
    simulation: Simulation
    sellable: tuple[Sellable, ...]


def effect_of_currency(provider: Provider, currency: str) -> Simulation:
    """The effect of connecting.change_connection with this currency on what the provider delivers now."""

    def counted(way: Way) -> Way:
        return replace(way, currency=currency) if way.provider_id == provider.pk else way

    return effect_of_ways(_delivered_by(provider), counted)


def effect_of_archiving(provider: Provider) -> Simulation:
    """The effect of archiving.archive on what the provider delivers now: off sale, or by the next route."""

    def put_away(way: Way) -> Way:
        return replace(way, archived=True) if way.provider_id == provider.pk else way

    return effect_of_ways(_delivered_by(provider), put_away)


def effect_of_mapping(
    provider: Provider, word: str, code: str, external_ids: Collection[str] | None = None
) -> MappingEffect:
    """The effect of type_mapping.map_type. Raises CannotMap as it does."""
    offers = list(offers_meant(provider, word, code, external_ids).exclude(service_type=code))
    ids = {offer.pk for offer in offers}

    def typed(way: Way) -> Way:
        return replace(way, service_type=code) if way.offer_id in ids else way

    return MappingEffect(
        offers=len(offers),
        waiting=0 if external_ids is not None else waiting_of(provider, word).count(),
        simulation=effect_of_ways(_delivered_by(provider).filter(routes__offer__in=ids), typed),
        sellable=tuple(_sellable(provider, offers, code)) if code else (),
    )


def effect_of_ways(services: QuerySet[Service], change: Callable[[Way], Way]) -> Simulation:
    """The services on sale among these whose selling way, or the way that it is priced, would be another."""
    pairs, exchange = [], exchange_rates()
    for now in standings_of(services.filter(published=True)):
        then = _followed(now, replace(now, ways=tuple(change(way) for way in now.ways)))
        then = then.arranged(exchange)
        if then.supply != now.supply:
            pairs.append((now.supply, then.supply))
    return compared(pairs, book=RuleBook(), exchange=exchange)


def _followed(now: Standing, then: Standing) -> Standing:
    """A service is sold as the type of its first offer, as soon as that is another one."""
    if not then.ways or then.ways[0].service_type == now.ways[0].service_type:
        return then
    return then.followed


def _delivered_by(provider: Provider) -> QuerySet[Service]:
    return Service.objects.filter(routes__enabled=True, routes__offer__provider=provider).distinct()


def _sellable(provider: Provider, offers: list[Offer], code: str) -> list[Sellable]:
    found, service_of = [], services_of(offers)
    objections, book, exchange = (
        Objections(provider, service_of, priced_by_rule=True),
        RuleBook(),
        exchange_rates(),
    )
    categories = dict(Category.objects.values_list("name", "pk"))
    for offer in offers:
        service = service_of.get(offer.pk)
        if service is not None and service.published:
            continue
        offer.service_type = code  # in memory
        why_not = objections.to(offer)
        priced = _price(offer, provider, service, categories, book, exchange)
        found.append(
            Sellable(offer.external_id, offer.name, priced.cost_rate, priced.rate, why_not or priced.off_sale)
        )
    return found


def _price(
    offer: Offer,
    provider: Provider,
    service: Service | None,
    categories: Mapping[str, int],
    book: RuleBook,
    exchange: Mapping[str, Decimal],
) -> Priced:
    """What the offer would be sold for by itself, as a service of its own or as the one that it delivers."""
    way = Way(
        offer_id=offer.pk,
        provider_id=provider.pk,
        currency=provider.currency,
        rate=offer.rate,
        service_type=offer.service_type,
        minimum=offer.minimum,
        maximum=offer.maximum,
        on_hold=offer.on_hold,
        gone=offer.gone_at is not None,
        archived=provider.archived_at is not None,
        by_hand=not provider.sends_by_itself,
        stopped=provider.stopped,
    )
    standing = Standing(
        service_id=service.pk if service else 0,
        category_id=service.category_id if service else categories.get(offer.category or NO_CATEGORY, 0),
        service_type=offer.service_type,
        rate=ZERO,
        cost_rate=ZERO,
        pinned_rate=service.pinned_rate if service else None,
        below_cost_reason=service.below_cost_reason if service else "",
        off_sale="",
        ways=(way,),
    )
    return price(standing.supply, book, exchange)
