"""What a pinned price, another category or other routes would do to the price of one service. Reads only."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.exchange import exchange_rates
from providers.models import Offer, Service
from providers.rates import RuleBook
from providers.repricing import Supply, supplies_of
from providers.routes import Shape
from providers.simulating import Simulation, compared


def effect_of_values(service: Service, values: Mapping[str, Any]) -> Simulation:
    """The effect of service_editing.change_service with these values; only what makes a price is looked at.

    `category`: a Category; None: one that is still to be made, so that no rule of a category applies.
    """
    supply = _supply(service)
    return _compared(
        supply,
        replace(
            supply,
            pinned_rate=values.get("pinned_rate", supply.pinned_rate),
            below_cost_reason=values.get("below_cost_reason", supply.below_cost_reason),
            category_id=getattr(values["category"], "pk", 0) if "category" in values else supply.category_id,
        ),
    )


def effect_of_routes(service: Service, shape: Shape) -> Simulation:
    """The effect of delivering it by these routes; the choice among them is that of repricing.supplies_of."""
    offers = Offer.objects.select_related("provider").in_bulk([offer_id for offer_id, _used in shape])
    used = [offers[offer_id] for offer_id, enabled in shape if enabled]
    usable = (offer for offer in used if offer.available and not offer.provider.archived_at)
    supply = _supply(service)
    return _compared(supply, _by(supply, next(usable, used[0] if used else None)))


def _supply(service: Service) -> Supply:
    return supplies_of(Service.objects.filter(pk=service.pk))[0]


def _by(supply: Supply, offer: Offer | None) -> Supply:
    if offer is None:
        return replace(supply, provider_id=None, offer_rate=None, offer_id=None)
    return replace(
        supply,
        provider_id=offer.provider_id,
        currency=offer.provider.currency,
        offer_rate=offer.rate,
        offer_type=offer.service_type,
        minimum=offer.minimum,
        maximum=offer.maximum,
        on_hold=offer.on_hold,
        gone=offer.gone_at is not None,
        archived=offer.provider.archived_at is not None,
        offer_id=offer.pk,
        by_hand=not offer.provider.sends_by_itself,
    )


def _compared(now: Supply, then: Supply) -> Simulation:
    return compared([(now, then)], book=RuleBook(), exchange=exchange_rates())
