"""The ways by which a service is delivered: which offers, in which order. Open orders keep the one they have.

An act plans the new order of the routes and sets it; what that would do to the price is asked of
service_effects.effect_of_routes before, and service_undoing sets the earlier order again.
"""

from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.applying import refresh_service
from providers.comparing import sellable_type
from providers.exchange import exchange_rates
from providers.locking import lock_prices
from providers.models import Offer, Route, Service
from providers.repricing import by_cost, reprice

Shape = tuple[tuple[int, bool], ...]  # (offer id, whether the route is used), first to last


class CannotRoute(Exception):
    """Nothing changed; the sentence says why."""


def shape_of(service: Service) -> Shape:
    """The routes as they stand."""
    return tuple(service.routes.order_by("position", "id").values_list("offer_id", "enabled"))


def add_route(
    service: Service, offer: Offer, *, by: User | None = None, request: HttpRequest | None = None
) -> Route:
    """Let another offer deliver the service, after those that already do. Raises CannotRoute where it cannot."""
    what = f"route by {offer.provider.name} {offer.external_id} added"
    _set(service, lambda shape: _added(service, shape, offer), what, by, request)
    return service.routes.get(offer=offer)


def move_route(
    route: Route, step: int, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """One place up (-1) or down (1); positions are renumbered. At the end of the list nothing happens.

    Raises CannotRoute where they are kept cheapest first.
    """
    _ordered_by_hand(route.service)
    what = (
        f"route by {route.offer.provider.name} {route.offer.external_id} moved {'up' if step < 0 else 'down'}"
    )
    _set(route.service, lambda shape: _moved(shape, route.offer_id, step), what, by, request)


def switch_route(
    route: Route, enabled: bool, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """Use a route or leave it out, without losing its place."""
    word = "switched on" if enabled else "switched off"
    what = f"route by {route.offer.provider.name} {route.offer.external_id} {word}"
    _set(route.service, lambda shape: _switched(shape, route.offer_id, enabled), what, by, request)


def remove_route(route: Route, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """Take a route away; orders that went by it are followed as before, because they know their offer."""
    what = f"route by {route.offer.provider.name} {route.offer.external_id} removed"
    _set(route.service, lambda shape: _without(shape, route.offer_id), what, by, request)


def cheapest_first(service: Service, *, by: User | None = None, request: HttpRequest | None = None) -> bool:
    """Put the routes in the order of what they cost now, in panel currency; True when the order changed.

    Last come those of which no price can be made (repricing.by_cost); equal costs keep their order. It is done once,
    by this act: later price changes move routes by themselves only where Service.route_order says so.
    """
    return _set(service, lambda shape: _by_cost(service, shape), "routes ordered by cost", by, request)


def move_to_offer(
    service: Service, offer: Offer, *, by: User | None = None, request: HttpRequest | None = None
) -> Route:
    """Deliver the service by this offer from now on; the routes that it has stay behind it, for fail-over.

    Open orders stay where they are: they know their own offer. Name, limits and price follow the new one, but for
    what an admin set himself. Raises CannotRoute where the offer cannot deliver it.
    """
    what = f"moved to {offer.provider.name} {offer.external_id}"
    _set(service, lambda shape: _moved_first(service, shape, offer), what, by, request)
    return service.routes.get(offer=offer)


def set_routes(
    service: Service, shape: Shape, what: str, *, by: User | None = None, request: HttpRequest | None = None
) -> bool:
    """Put the routes into this order, whatever they were; False where they are so already."""
    return _set(service, lambda _present: shape, what, by, request)


def shape_after(service: Service, act: str, offer: Offer | None) -> Shape:
    """The routes as an act would leave them: add, move, cheapest, up, down, on, off or remove. Reads only.

    Raises CannotRoute as the act itself, and for an act that there is none of.
    """
    shape = shape_of(service)
    if act == "cheapest":
        return _by_cost(service, shape)
    if offer is not None:
        if act == "add":
            return _added(service, shape, offer)
        if act == "move":
            return _moved_first(service, shape, offer)
        if act in ("up", "down"):
            _ordered_by_hand(service)
            return _moved(shape, offer.pk, -1 if act == "up" else 1)
        if act in ("on", "off"):
            return _switched(shape, offer.pk, act == "on")
        if act == "remove":
            return _without(shape, offer.pk)
    raise CannotRoute(_("There is no such act."))


# ── plans ───────────────────────────────────────────────────────────────────────────────────────────


def _added(service: Service, shape: Shape, offer: Offer) -> Shape:
    _check_fit(service, offer)
    if any(one == offer.pk for one, _enabled in shape):
        raise CannotRoute(_("This offer is one of its routes already."))
    return (*shape, (offer.pk, True))


def _moved_first(service: Service, shape: Shape, offer: Offer) -> Shape:
    _ordered_by_hand(service)
    if not any(one == offer.pk for one, _enabled in shape):
        _check_fit(service, offer)
    return ((offer.pk, True), *_without(shape, offer.pk))


def _check_fit(service: Service, offer: Offer) -> None:
    offered, sold = sellable_type(offer.service_type), sellable_type(service.service_type)
    if offered is None:
        raise CannotRoute(
            _("Services of the type %(type)s cannot be sold.") % {"type": offer.type_raw or _("unknown")}
        )
    if sold is not None and offered.code != sold.code:
        raise CannotRoute(
            _("The offer is of the type %(offered)s, the service is sold as %(sold)s.")
            % {"offered": offered.name, "sold": sold.name}
        )


def _ordered_by_hand(service: Service) -> None:
    if service.route_order == Service.RouteOrder.CHEAPEST:
        raise CannotRoute(
            _("Its routes are kept cheapest first. Set their order to by hand, then order them yourself.")
        )


def _moved(shape: Shape, offer_id: int, step: int) -> Shape:
    order = list(shape)
    at = next((index for index, (one, _enabled) in enumerate(order) if one == offer_id), None)
    if at is None or not 0 <= at + step < len(order):
        return shape
    order[at], order[at + step] = order[at + step], order[at]
    return tuple(order)


def _switched(shape: Shape, offer_id: int, enabled: bool) -> Shape:
    return tuple((one, enabled if one == offer_id else used) for one, used in shape)


def _without(shape: Shape, offer_id: int) -> Shape:
    return tuple((one, used) for one, used in shape if one != offer_id)


def _by_cost(service: Service, shape: Shape) -> Shape:
    exchange, offers = exchange_rates(), Offer.objects.filter(pk__in=[one for one, _enabled in shape])
    cost = {
        offer.pk: by_cost(offer.rate, offer.minimum, offer.maximum, exchange.get(offer.provider.currency))
        for offer in offers.select_related("provider")
    }
    return tuple(sorted(shape, key=lambda place: cost[place[0]]))


# ── setting them ────────────────────────────────────────────────────────────────────────────────────


def _set(
    service: Service,
    plan: Callable[[Shape], Shape],
    what: str,
    by: User | None,
    request: HttpRequest | None,
) -> bool:
    with transaction.atomic():
        lock_prices()  # before the row, as service_editing
        Service.objects.select_for_update().get(pk=service.pk)
        before = shape_of(service)
        after = plan(before)
        if after == before:
            return False
        _write(service, after)
        _follow(service)
        after = shape_of(service)  # kept cheapest first, it may be in another order
        details = {"before": [list(place) for place in before], "after": [list(place) for place in after]}
        record(by, "service.route", service, f"Service {service.pk}: {what}", details, request)
    service.refresh_from_db()
    return True


def _write(service: Service, shape: Shape) -> None:
    present = {route.offer_id: route for route in service.routes.all()}
    gone = [route.pk for route in present.values() if route.offer_id not in dict(shape)]
    if gone:
        Route.objects.filter(pk__in=gone).delete()
    for position, (offer_id, enabled) in enumerate(shape):
        route = present.get(offer_id)
        if route is None:
            Route.objects.create(service=service, offer_id=offer_id, position=position, enabled=enabled)
        elif (route.position, route.enabled) != (position, enabled):
            Route.objects.filter(pk=route.pk).update(position=position, enabled=enabled)


def _follow(service: Service) -> None:
    """Name and type follow the first route; limits, abilities and the price the one that sells."""
    refresh_service(service.pk)
    reprice(Service.objects.filter(pk=service.pk))
