"""An admin's own words and rules for a service: name, description, limits, price, how it is handled."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.figures import count
from customers.models import User
from providers.applying import refresh_service
from providers.locking import lock_prices
from providers.models import Category, Offer, Service
from providers.repricing import reprice, standings_of

EDITABLE = (
    "name", "own_name", "description", "own_description", "category", "delivery_note", "lines_label",
    "refill_days", "position", "own_minimum", "own_maximum", "pinned_rate", "pinned_reason", "below_cost_reason",
    "hold_for_review", "cancel_rule", "auto_refill", "route_order",
)  # fmt: skip
LIMITS = frozenset({"own_minimum", "own_maximum"})
AFFECT_PRICE = frozenset({"category", "pinned_rate", "below_cost_reason", "route_order"})
PINNED = frozenset({"pinned_rate", "pinned_reason"})


class InvalidService(ValueError):
    """Nothing was saved. `errors`: a sentence by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


def change_service(
    service: Service, values: Mapping[str, Any], *, by: User | None = None, request: HttpRequest | None = None
) -> list[str]:
    """Save what differs and bring the price up to date; returns the names of what changed.

    `category` is a Category. Rates are per 1000 (or per order), panel currency, at most 8 decimals. A name or
    description that is turned back to the provider's is taken from the offer of the first route at once. A reason
    is that of one pinned price: another price without a reason has none, and so has a service that is not pinned.
    """
    unknown = values.keys() - set(EDITABLE)
    if unknown:
        raise ValueError(_("%(fields)s cannot be edited.") % {"fields": ", ".join(sorted(unknown))})
    values = dict(values)
    with transaction.atomic():
        lock_prices()
        fresh = Service.objects.select_for_update().get(pk=service.pk)
        _back_to_the_providers_words(fresh, values)
        _reason_of_the_price(fresh, values)
        if errors := _errors(fresh, values):
            raise InvalidService(errors)
        changed = [name for name, value in values.items() if getattr(fresh, name) != value]
        if changed:
            told = [*changed, *_told_with(changed)]
            before = {name: kept(getattr(fresh, name)) for name in told}
            for name in changed:
                setattr(fresh, name, values[name])
            fresh.changed_at = timezone.now()
            fresh.save(update_fields=[*changed, "changed_at"])
            summary = f"Service {fresh.pk} changed: {', '.join(name.replace('_', ' ') for name in changed)}"
            if PINNED & set(changed) and fresh.pinned_reason:
                summary = f"{summary}. Why: {fresh.pinned_reason}"
            after = {name: kept(getattr(fresh, name)) for name in told}
            record(by, "service.change", fresh, summary, {"before": before, "after": after}, request)
            if LIMITS & set(changed):
                refresh_service(fresh.pk)
            if AFFECT_PRICE & set(changed):
                reprice(Service.objects.filter(pk=fresh.pk))
    service.refresh_from_db()
    return changed


def _back_to_the_providers_words(service: Service, values: dict[str, Any]) -> None:
    offer = _first_offer(service)
    for own, name in (("own_name", "name"), ("own_description", "description")):
        if own in values and not values[own] and offer is not None:
            values[name] = getattr(offer, name)


def _reason_of_the_price(service: Service, values: dict[str, Any]) -> None:
    if "pinned_reason" in values:
        values["pinned_reason"] = " ".join(values["pinned_reason"].split())
    pinned = values.get("pinned_rate", service.pinned_rate)
    if pinned != service.pinned_rate:
        values.setdefault("pinned_reason", "")
        if pinned is None:
            values["pinned_reason"] = ""


def _told_with(changed: list[str]) -> list[str]:
    """What the audit keeps beside what changed: a price with its reason, so that an undo gives back both."""
    return ["pinned_reason"] if "pinned_rate" in changed and "pinned_reason" not in changed else []


def _errors(service: Service, values: Mapping[str, Any]) -> dict[str, str]:
    errors = _limit_errors(service, values) if LIMITS & values.keys() else {}
    if "name" in values and not values["name"].strip():
        errors["name"] = _("A service needs a name.")
    pinned = values.get("pinned_rate")
    if pinned is not None and not 0 < pinned < Decimal(10) ** 10:
        errors["pinned_rate"] = _("A pinned price must be more than zero.")
    if values.get("pinned_reason") and values.get("pinned_rate", service.pinned_rate) is None:
        errors["pinned_reason"] = _("Pin a price to give a reason for it.")
    return errors


def _limit_errors(service: Service, values: Mapping[str, Any]) -> dict[str, str]:
    """His own limits must leave something to order, and lie within those of the offer that sells it."""
    low, high = values.get("own_minimum", service.own_minimum), values.get("own_maximum", service.own_maximum)
    way = standings_of(Service.objects.filter(pk=service.pk))[0].selling
    errors = {}
    if low is not None and high is not None and low > high:
        errors["own_maximum"] = _("The maximum is less than the minimum.")
    takes = ""
    if way is not None:
        figures = {"least": count(way.minimum), "most": count(way.maximum)}
        takes = _("The provider takes %(least)s to %(most)s.") % figures
    if way is not None and low is not None and not way.minimum <= low <= way.maximum:
        errors["own_minimum"] = takes
    if way is not None and high is not None and not way.minimum <= high <= way.maximum:
        errors["own_maximum"] = takes
    return errors


def _first_offer(service: Service) -> Offer | None:
    route = service.routes.filter(enabled=True).select_related("offer").order_by("position", "id").first()
    return route.offer if route else None


def kept(value: Any) -> Any:
    """A value as the audit keeps it, and as providers.service_undoing compares it."""
    if isinstance(value, Category):
        return value.name
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def category_named(name: str) -> Category:
    """The category of this name, made where there is none."""
    return Category.objects.get_or_create(name=" ".join(name.split())[:200])[0]


def publish_services(
    services: list[int], *, by: User | None = None, request: HttpRequest | None = None
) -> tuple[list[int], list[str]]:
    """Put services on sale that have a price and a way to be delivered; returns (ids, a sentence for each other)."""
    with transaction.atomic():
        chosen = Service.objects.filter(pk__in=services)
        reprice(chosen)
        fit = list(chosen.filter(off_sale="", rate__gt=0).values_list("pk", flat=True))
        without_price = _("It has no price.")
        refused = [
            f"{service.pk} {service.name}: {service.off_sale or without_price}"
            for service in chosen.exclude(pk__in=fit)
        ]
        fresh = list(Service.objects.filter(pk__in=fit, published=False).values_list("pk", flat=True))
        Service.objects.filter(pk__in=fresh).update(published=True, changed_at=timezone.now())
        if fresh:
            summary = f"{len(fresh)} services published"
            record(by, "services.publish", "services", summary, {"services": fresh[:1000]}, request)
    return fit, refused
