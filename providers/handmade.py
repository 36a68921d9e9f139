"""Services that staff deliver themselves: offers of a provider without an API (adapter "manual"), written by hand.

There is no list to read, so an admin says what is offered. The cost rate may be 0; the price is pinned, or comes from
the markup rules like any other. Orders of them wait as held (orders.by_hand).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.applying import refresh_services
from providers.comparing import LARGEST_RATE, limits_fit, sellable_type
from providers.connecting import MANUAL
from providers.denying import hold_denied
from providers.locking import lock_offers
from providers.models import Offer, Provider, Route, Service
from providers.publishing import NO_CATEGORY
from providers.repricing import reprice_provider
from providers.service_editing import category_named, publish_services

FIELDS = ("name", "category", "description", "rate", "minimum", "maximum", "refill", "cancel")
LARGEST_LIMIT = 2_147_483_647


class InvalidOffer(ValueError):
    """Nothing was saved. `errors`: a sentence by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class Made:
    """`on_sale`: whether it can be ordered now; else `why_not` says what is missing."""

    service: Service
    offer: Offer
    on_sale: bool
    why_not: str


def make_service(
    provider: Provider,
    values: Mapping[str, Any],
    *,
    service_type: str,
    price: Decimal | None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> Made:
    """Write an offer and put it on sale as a service. `values`: all of FIELDS. Rates are per 1000 (or per order).

    `price`: panel currency, pinned; None leaves it to the markup rules. Raises InvalidOffer.
    """
    kept = _checked(provider, values, service_type)
    if price is not None and not 0 < price <= LARGEST_RATE:
        raise InvalidOffer({"price": _("A price must be more than zero.")})
    with transaction.atomic():
        lock_offers(provider.pk)
        offer = Offer.objects.create(
            provider=provider,
            external_id=_next_id(provider),
            service_type=service_type,
            type_raw=_type_name(service_type),
            **kept,
        )
        service = Service.objects.create(
            category=category_named(offer.category or NO_CATEGORY),
            name=offer.name,
            description=offer.description,
            service_type=service_type,
            minimum=offer.minimum,
            maximum=offer.maximum,
            refill=offer.refill,
            cancel=offer.cancel,
            rate=0,
            cost_rate=0,
            pinned_rate=price,
        )
        Route.objects.create(service=service, offer=offer)
        hold_denied(provider.pk)
        details = {"offer": offer.external_id, "type": service_type} | _plain(kept)
        details["price"] = f"{price:f}" if price is not None else None
        summary = f"Service {service.pk} made by hand: {offer.name}"
        record(by, "service.make", service, summary, details, request)
        published, refused = publish_services([service.pk], by=by, request=request)
    service.refresh_from_db()
    why_not = "" if published else service.off_sale or "; ".join(refused)
    return Made(service, offer, bool(published), why_not)


def change_offer(
    offer: Offer, values: Mapping[str, Any], *, by: User | None = None, request: HttpRequest | None = None
) -> list[str]:
    """Say anew what is offered; services that it delivers follow. Returns what changed. Raises InvalidOffer."""
    kept = _checked(offer.provider, values, offer.service_type)
    with transaction.atomic():
        lock_offers(offer.provider_id)
        fresh = Offer.objects.select_for_update(of=("self",)).get(pk=offer.pk)
        changed = [name for name, value in kept.items() if getattr(fresh, name) != value]
        if changed:
            before = _plain({name: getattr(fresh, name) for name in changed})
            for name in changed:
                setattr(fresh, name, kept[name])
            fresh.changed_at = timezone.now()
            fresh.save(update_fields=[*changed, "changed_at"])
            _follow(fresh.provider_id)
            after = _plain({name: kept[name] for name in changed})
            summary = f"Offer {fresh.external_id} of {offer.provider.name} changed: {', '.join(changed)}"
            record(by, "offer.change", fresh, summary, {"before": before, "after": after}, request)
    offer.refresh_from_db()
    return changed


def offer_on_or_off(
    offer: Offer, offered: bool, *, by: User | None = None, request: HttpRequest | None = None
) -> bool:
    """Offer it (again), or no longer: then its services go off sale and open orders go on. False: it was so already."""
    _by_hand(offer.provider)
    with transaction.atomic():
        lock_offers(offer.provider_id)
        now = timezone.now()
        moved = Offer.objects.filter(pk=offer.pk, gone_at__isnull=not offered).update(
            gone_at=None if offered else now, changed_at=now
        )
        if moved:
            _follow(offer.provider_id)
            word = "offered again" if offered else "no longer offered"
            summary = f"Offer {offer.external_id} of {offer.provider.name} {word}"
            record(by, "offer.switch", offer, summary, {"offered": offered}, request)
    offer.refresh_from_db()
    return bool(moved)


def _follow(provider_id: int) -> None:
    hold_denied(provider_id)
    refresh_services(provider_id)
    reprice_provider(provider_id)


def _checked(provider: Provider, values: Mapping[str, Any], service_type: str) -> dict[str, Any]:
    _by_hand(provider)
    kept = {name: values[name] for name in FIELDS}
    kept["name"] = " ".join(str(kept["name"]).split())[:300]
    kept["category"] = " ".join(str(kept["category"]).split())[:200]
    errors = {}
    if not kept["name"]:
        errors["name"] = _("A service needs a name.")
    if sellable_type(service_type) is None:
        errors["service_type"] = _("Services of this type cannot be sold.")
    if not 0 <= kept["rate"] <= LARGEST_RATE:
        errors["rate"] = _("A cost is 0 or more.")
    if not 1 <= kept["minimum"] <= LARGEST_LIMIT:
        errors["minimum"] = _("A minimum is 1 or more.")
    elif not limits_fit(service_type, kept["minimum"], kept["maximum"]):
        errors["maximum"] = _("The maximum is less than the minimum.")
    elif kept["maximum"] > LARGEST_LIMIT:
        errors["maximum"] = _("The maximum is too large.")
    if errors:
        raise InvalidOffer(errors)
    return kept


def _by_hand(provider: Provider) -> None:
    if provider.adapter != MANUAL:
        raise InvalidOffer({"name": _("%s has an API: its services are read from there.") % provider.name})
    if provider.archived_at:
        raise InvalidOffer({"name": _("%s is archived.") % provider.name})


def _next_id(provider: Provider) -> str:
    """1, 2, 3 …: the caller holds the lock of the provider's offers."""
    taken = Offer.objects.filter(provider=provider).values_list("external_id", flat=True)
    return str(max((int(text) for text in taken if text.isascii() and text.isdigit()), default=0) + 1)


def _type_name(code: str) -> str:
    found = sellable_type(code)
    return found.name if found else ""


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in values.items()}
