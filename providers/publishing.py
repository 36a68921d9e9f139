"""Putting offers on sale: a category, a service and a route for each, priced by the rules.

The number of statements does not depend on how many offers are published.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.figures import count
from customers.models import User
from providers.comparing import limits_fit, sellable_type
from providers.exchange import exchange_rates
from providers.locking import lock_offers, lock_prices
from providers.models import Category, Offer, Provider, Route, Service
from providers.rates import RuleBook
from providers.repricing import reprice
from providers.rule_revising import percent_changes, revise
from providers.rule_undoing import simulate_revision
from providers.simulating import Simulation
from providers.stopping import WHY

NO_CATEGORY = "Other"
LARGEST_MARKUP = Decimal(10_000)


class NoSuchOffer(LookupError):
    """An id that the provider's list does not have."""


class NotAsShown(ValueError):
    """Nothing was done: what publishing would do is not what was shown before. The sentence says so."""


@dataclass(frozen=True)
class Published:
    """`services`: ids now on sale. `skipped`: a sentence for each offer that is not, and why.

    `rules_added`, `rules_replaced`: services' own rules that a markup wrote; both are one revision of the rules.
    """

    services: tuple[int, ...]
    skipped: tuple[str, ...]
    rules_added: int = 0
    rules_replaced: int = 0


@dataclass(frozen=True)
class PublishingEffect:
    """What publish() would do: `new` services, rules added and replaced, and what that does to the prices of the
    services that are on sale already. `skipped`: a sentence for each offer that cannot be sold."""

    new: int
    rules_added: int
    rules_replaced: int
    simulation: Simulation
    skipped: tuple[str, ...]
    offers: tuple[tuple[str, Decimal], ...] = ()  # (upstream id, rate) of each that would be on sale

    @property
    def fingerprint(self) -> str:
        """Another one as soon as an offer, its rate, a price or a rule would not be what is shown here."""
        prices = [
            (row.service_id, row.price_now, row.new_price, row.off_sale) for row in self.simulation.rows
        ]
        shown = (self.offers, self.skipped, self.new, self.rules_added, self.rules_replaced, sorted(prices))
        return sha256(repr(shown).encode()).hexdigest()

    @property
    def asks(self) -> bool:
        """Whether anything that somebody decided or pays now would be another afterwards."""
        return bool(self.rules_replaced or self.simulation.changed)


def publish(
    provider: Provider,
    external_ids: Collection[str] | None = None,
    *,
    markup: Decimal | None = None,
    shown: str | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> Published:
    """Put offers on sale by their upstream ids (None: all in the list); those that have a service are republished.

    `markup` writes a percent rule for each service, which replaces an earlier one; without it the present rules
    price them. All rules that it writes are one revision in the audit, which rule_undoing takes back; what it would
    do is asked of effect_of_publishing. An offer that cannot be sold is skipped with a sentence. `shown`: the
    fingerprint of the effect that somebody said yes to. Raises NoSuchOffer, NotAsShown, ValueError (markup).
    """
    _check(markup)
    added = replaced = 0
    with transaction.atomic():
        lock_offers(provider.pk)
        lock_prices()
        if (
            shown is not None
            and shown != effect_of_publishing(provider, external_ids, markup=markup).fingerprint
        ):
            raise NotAsShown(
                _("Offers, prices or rules changed since this was shown. Nothing was done: look at it again.")
            )
        chosen, skipped, service_of = _fit(provider, external_ids, priced_by_rule=markup is None)
        _create_services([offer for offer in chosen if offer.pk not in service_of], service_of)
        ids = [service_of[offer.pk].pk for offer in chosen]
        if markup is not None:
            changes = percent_changes(ids, markup)
            replaced = sum(1 for change in changes if change.before is not None)
            added = len(changes) - replaced
            summary = f"Markup of {len(changes)} services of {provider.name}: {markup.normalize():f}%"
            if replaced:
                summary += f", {replaced} rules replaced"
            revise(changes, summary, provider, by=by, request=request)
        on_sale = _open_sale(ids)
        for offer in chosen:
            service = service_of[offer.pk]
            if service.pk not in on_sale:
                skipped.append(f"{offer.external_id} {offer.name}: {_off_sale_reason(service.pk)}")
        if on_sale:
            summary = f"{len(on_sale)} services of {provider.name} published"
            details = {
                "markup": f"{markup:f}" if markup is not None else None,
                "services": len(on_sale),
                "rules_added": added,
                "rules_replaced": replaced,
            }
            record(by, "services.publish", provider, summary, details, request)
    return Published(tuple(sorted(on_sale)), tuple(skipped), added, replaced)


def effect_of_publishing(
    provider: Provider, external_ids: Collection[str] | None = None, *, markup: Decimal | None = None
) -> PublishingEffect:
    """What publish() with the same arguments would do; reads only. Raises NoSuchOffer, ValueError (markup)."""
    _check(markup)
    chosen, skipped, service_of = _fit(provider, external_ids, priced_by_rule=markup is None)
    ids = [service_of[offer.pk].pk for offer in chosen if offer.pk in service_of]
    changes = percent_changes(ids, markup) if markup is not None else []
    replaced, new = sum(1 for change in changes if change.before is not None), len(chosen) - len(ids)
    added = len(changes) - replaced + (new if markup is not None else 0)
    offers = tuple((offer.external_id, offer.rate) for offer in chosen)
    return PublishingEffect(new, added, replaced, simulate_revision(changes), tuple(skipped), offers)


def _check(markup: Decimal | None) -> None:
    if markup is not None and not -100 <= markup <= LARGEST_MARKUP:
        raise ValueError(
            _("A markup is a percentage from -100 to %(most)s, not %(markup)s.")
            % {"most": count(LARGEST_MARKUP), "markup": markup}
        )


def _fit(
    provider: Provider, external_ids: Collection[str] | None, *, priced_by_rule: bool
) -> tuple[list[Offer], list[str], dict[int, Service]]:
    """(what can be sold, a sentence for each that cannot, offer id → the service that it delivers)."""
    offers = _offers(provider, external_ids)
    service_of = services_of(offers)
    skipped, chosen = [], []
    objections = Objections(provider, service_of, priced_by_rule=priced_by_rule)
    for offer in offers:
        if reason := objections.to(offer):
            skipped.append(f"{offer.external_id} {offer.name}: {reason}")
        else:
            chosen.append(offer)
    return chosen, skipped, service_of


def unpublish(
    services: Collection[int], *, by: User | None = None, request: HttpRequest | None = None
) -> int:
    """Take services off the list; their open orders go on. Returns how many were published."""
    with transaction.atomic():
        lock_prices()  # before the rows: an undone revision reprices after it
        taken = Service.objects.filter(pk__in=services, published=True).update(
            published=False, changed_at=timezone.now()
        )
        if taken:
            details = {"services": sorted(services)[:1000]}
            record(by, "services.unpublish", "services", f"{taken} services unpublished", details, request)
    return taken


def _offers(provider: Provider, external_ids: Collection[str] | None) -> list[Offer]:
    offers = Offer.objects.filter(provider=provider).order_by("id")
    if external_ids is None:
        return list(offers.filter(gone_at=None))
    found = list(offers.filter(external_id__in=external_ids))
    unknown = set(external_ids) - {offer.external_id for offer in found}
    if unknown:
        raise NoSuchOffer(
            _("%(provider)s has no service %(services)s; read its catalog first.")
            % {"provider": provider.name, "services": ", ".join(sorted(unknown))}
        )
    return found


def services_of(offers: Iterable[Offer]) -> dict[int, Service]:
    """offer id → the service that it delivers, the oldest where it delivers several."""
    routes = Route.objects.filter(offer__in=list(offers)).select_related("service").order_by("-id")
    return {route.offer_id: route.service for route in routes}


class Objections:
    """Why an offer cannot be put on sale."""

    def __init__(
        self, provider: Provider, service_of: Mapping[int, Service], *, priced_by_rule: bool
    ) -> None:
        self.provider, self.service_of, self.priced_by_rule = provider, service_of, priced_by_rule
        self.exchange = exchange_rates()
        self.book = RuleBook()
        self.categories = dict(Category.objects.values_list("name", "pk"))

    def to(self, offer: Offer) -> str:
        if self.provider.archived_at:
            return _("the provider is archived.")
        if self.provider.stopped:
            return WHY[self.provider.stopped]
        if offer.gone_at:
            return _("the provider no longer lists it.")
        if offer.on_hold:
            return offer.on_hold
        if not offer.service_type:
            return _("its type %(type)s is not known; map it first.") % {"type": repr(offer.type_raw)}
        if sellable_type(offer.service_type) is None:
            return _("services of the type %(type)s cannot be sold.") % {"type": offer.type_raw}
        if offer.rate <= 0 and self.provider.sends_by_itself:  # what staff deliver may cost nothing
            return _("its rate is zero.")
        if not limits_fit(offer.service_type, offer.minimum, offer.maximum):
            return _("its minimum %(minimum)s and maximum %(maximum)s make no sense.") % {
                "minimum": offer.minimum,
                "maximum": offer.maximum,
            }
        if self.provider.currency not in self.exchange:
            return _("there is no exchange rate for %(currency)s.") % {"currency": self.provider.currency}
        if self.priced_by_rule and not self._has_price(offer):
            return _("no markup rule applies to it.")
        return ""

    def _has_price(self, offer: Offer) -> bool:
        service = self.service_of.get(offer.pk)
        if service is not None and service.pinned_rate is not None:
            return True
        category = service.category_id if service else self.categories.get(offer.category or NO_CATEGORY)
        return self.book.rule_for(service.pk if service else None, category, offer.provider_id) is not None


def _create_services(offers: list[Offer], service_of: dict[int, Service]) -> None:
    """Services off sale without a price yet, each with its category and route; `service_of` gets them."""
    if not offers:
        return
    names = {offer.category or NO_CATEGORY for offer in offers}
    Category.objects.bulk_create([Category(name=name) for name in sorted(names)], ignore_conflicts=True)
    categories = dict(Category.objects.filter(name__in=names).values_list("name", "pk"))
    services = Service.objects.bulk_create(
        Service(
            category_id=categories[offer.category or NO_CATEGORY],
            name=offer.name,
            description=offer.description,
            service_type=offer.service_type,
            minimum=offer.minimum,
            maximum=offer.maximum,
            refill=offer.refill,
            cancel=offer.cancel,
            dripfeed=offer.dripfeed,
            rate=0,
            cost_rate=0,
        )
        for offer in offers
    )
    Route.objects.bulk_create(
        Route(service=service, offer=offer) for service, offer in zip(services, offers, strict=True)
    )
    service_of |= {offer.pk: service for service, offer in zip(services, offers, strict=True)}


def _open_sale(service_ids: list[int]) -> set[int]:
    """Price the services and publish those that have a price and no reason against it."""
    services = Service.objects.filter(pk__in=service_ids)
    reprice(services)
    fit = services.filter(off_sale="", rate__gt=0)
    fit.filter(published=False).update(published=True, changed_at=timezone.now())
    return set(fit.values_list("pk", flat=True))


def _off_sale_reason(service_id: int) -> str:
    reason = Service.objects.values_list("off_sale", flat=True).get(pk=service_id)
    return reason.lower() if reason else _("it has no price.")
