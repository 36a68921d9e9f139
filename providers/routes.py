"""The ways by which a service is delivered: which offers, in which order. Open orders keep the one they have."""

from decimal import Decimal

from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest

from customers.audit import record
from customers.models import User
from providers.applying import refresh_services
from providers.comparing import sellable_type
from providers.exchange import exchange_rates
from providers.models import Offer, Route, Service
from providers.repricing import reprice


class CannotRoute(Exception):
    """Nothing changed; the sentence says why."""


def add_route(
    service: Service, offer: Offer, *, by: User | None = None, request: HttpRequest | None = None
) -> Route:
    """Let another offer deliver the service, after those that already do. Raises CannotRoute where it cannot."""
    offered, sold = sellable_type(offer.service_type), sellable_type(service.service_type)
    if offered is None:
        raise CannotRoute(f"Services of the type {offer.type_raw or 'unknown'} cannot be sold.")
    if sold is not None and offered.code != sold.code:
        raise CannotRoute(f"The offer is of the type {offered.name}, the service is sold as {sold.name}.")
    with transaction.atomic():
        Service.objects.select_for_update().get(pk=service.pk)
        if service.routes.filter(offer=offer).exists():
            raise CannotRoute("This offer is one of its routes already.")
        last = service.routes.aggregate(last=Max("position"))["last"]
        route = Route.objects.create(
            service=service, offer=offer, position=0 if last is None else min(last + 1, 32_767)
        )
        _follow(service, f"route by {offer.provider.name} {offer.external_id} added", by, request)
    return route


def move_route(
    route: Route, step: int, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """One place up (-1) or down (1); positions are renumbered. At the end of the list nothing happens."""
    service = route.service
    with transaction.atomic():
        Service.objects.select_for_update().get(pk=service.pk)
        order = list(service.routes.order_by("position", "id"))
        at = next(index for index, other in enumerate(order) if other.pk == route.pk)
        to = at + (1 if step > 0 else -1)
        if not 0 <= to < len(order):
            return
        order[at], order[to] = order[to], order[at]
        for position, other in enumerate(order):
            Route.objects.filter(pk=other.pk).update(position=position)
        place = f"route by {route.offer.provider.name} {route.offer.external_id} moved to place {to + 1}"
        _follow(service, place, by, request)


def switch_route(
    route: Route, enabled: bool, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """Use a route or leave it out, without losing its place."""
    with transaction.atomic():
        if not Route.objects.filter(pk=route.pk, enabled=not enabled).update(enabled=enabled):
            return
        word = "switched on" if enabled else "switched off"
        text = f"route by {route.offer.provider.name} {route.offer.external_id} {word}"
        _follow(route.service, text, by, request)


def remove_route(route: Route, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """Take a route away; orders that went by it are followed as before, because they know their offer."""
    with transaction.atomic():
        text = f"route by {route.offer.provider.name} {route.offer.external_id} removed"
        service = route.service
        route.delete()
        _follow(service, text, by, request)


def cheapest_first(service: Service, *, by: User | None = None, request: HttpRequest | None = None) -> bool:
    """Put the routes in the order of what they cost now, in panel currency; True when the order changed.

    Those without an exchange rate come last; equal costs keep their order. It is done once, by this act: later
    price changes do not move routes by themselves.
    """
    with transaction.atomic():
        Service.objects.select_for_update().get(pk=service.pk)
        routes = list(service.routes.select_related("offer__provider").order_by("position", "id"))
        exchange = exchange_rates()

        def cost(route: Route) -> tuple[bool, Decimal]:
            factor = exchange.get(route.offer.provider.currency)
            return factor is None, route.offer.rate * (factor or 0)

        ordered = sorted(routes, key=cost)
        if ordered == routes:
            return False
        for position, route in enumerate(ordered):
            Route.objects.filter(pk=route.pk).update(position=position)
        first = ordered[0].offer
        text = f"routes ordered by cost, first {first.provider.name} {first.external_id}"
        _follow(service, text, by, request)
    return True


def move_to_offer(
    service: Service, offer: Offer, *, by: User | None = None, request: HttpRequest | None = None
) -> Route:
    """Deliver the service by this offer from now on; the routes that it has stay behind it, for fail-over.

    Open orders stay where they are: they know their own offer. Name, limits and price follow the new one, but for
    what an admin set himself. Raises CannotRoute where the offer cannot deliver it.
    """
    with transaction.atomic():
        route = service.routes.filter(offer=offer).first() or add_route(
            service, offer, by=by, request=request
        )
        others = service.routes.exclude(pk=route.pk).order_by("position", "id")
        for position, other in enumerate([route, *others]):
            Route.objects.filter(pk=other.pk).update(position=position)
        Route.objects.filter(pk=route.pk).update(enabled=True)
        _follow(service, f"moved to {offer.provider.name} {offer.external_id}", by, request)
    route.refresh_from_db()
    return route


def _follow(service: Service, what: str, by: User | None, request: HttpRequest | None) -> None:
    """Names, limits and the price follow the first route."""
    first = (
        Route.objects.filter(service=service, enabled=True)
        .select_related("offer")
        .order_by("position", "id")
        .first()
    )
    if first is not None:
        refresh_services(first.offer.provider_id)
    reprice(Service.objects.filter(pk=service.pk))
    record(by, "service.route", service, f"Service {service.pk}: {what}", request=request)
    service.refresh_from_db()
