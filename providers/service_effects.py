"""What a pinned price, another category or other routes would do to the price of one service. Reads only."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.exchange import exchange_rates
from providers.models import Offer, Service
from providers.rates import RuleBook
from providers.repricing import Standing, Supply, Way, standings_of
from providers.routes import Shape
from providers.simulating import Simulation, compared


def effect_of_values(service: Service, values: Mapping[str, Any]) -> Simulation:
    """The effect of service_editing.change_service with these values; only what makes a price is looked at.

    `category`: a Category; None: one that is still to be made, so that no rule of a category applies.
    """
    standing = _standing(service)
    supply = standing.supply
    then = replace(standing, route_order=values.get("route_order", standing.route_order))
    return _compared(
        supply,
        replace(
            then.arranged(exchange_rates()).supply,
            pinned_rate=values.get("pinned_rate", supply.pinned_rate),
            below_cost_reason=values.get("below_cost_reason", supply.below_cost_reason),
            category_id=getattr(values["category"], "pk", 0) if "category" in values else supply.category_id,
        ),
    )


def effect_of_routes(service: Service, shape: Shape) -> Simulation:
    """The effect of delivering it by these routes; the choice among them is that of repricing."""
    offers = Offer.objects.select_related("provider").in_bulk([offer_id for offer_id, _used in shape])
    ways = tuple(_way(offers[offer_id]) for offer_id, used in shape if used)
    standing = _standing(service)
    return _compared(standing.supply, replace(standing, ways=ways).followed.arranged(exchange_rates()).supply)


def _standing(service: Service) -> Standing:
    return standings_of(Service.objects.filter(pk=service.pk))[0]


def _way(offer: Offer) -> Way:
    return Way(
        offer_id=offer.pk,
        provider_id=offer.provider_id,
        currency=offer.provider.currency,
        rate=offer.rate,
        service_type=offer.service_type,
        minimum=offer.minimum,
        maximum=offer.maximum,
        on_hold=offer.on_hold,
        gone=offer.gone_at is not None,
        archived=offer.provider.archived_at is not None,
        by_hand=not offer.provider.sends_by_itself,
        stopped=offer.provider.stopped,
    )


def _compared(now: Supply, then: Supply) -> Simulation:
    return compared([(now, then)], book=RuleBook(), exchange=exchange_rates())
