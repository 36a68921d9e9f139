"""What a service says (limits, refill, cancel) is what the route that sells it can do, whatever makes it another one."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from orders.actions import actions_for
from orders.models import Order, Submission
from orders.placing import NotOnSale, find_service
from orders.routing import other_route
from providers.applying import refresh_services
from providers.archiving import archive, bring_back
from providers.browsing import offered
from providers.catalog import sell_again
from providers.deciding import accept_changes
from providers.denying import allow, deny
from providers.models import CatalogChange, Denial, Offer, Provider, Route, Service
from providers.repricing import reprice, standings_of
from providers.routes import move_route, remove_route, shape_of, switch_route
from providers.service_editing import InvalidService, change_service
from providers.service_effects import effect_of_routes
from providers.service_types import InvalidOrder
from tests import world
from tests.providers.shop import everything_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def first() -> Offer:
    everything_at(100)
    return world.offer(world.provider(name="North"), name="Forbidden words")


@pytest.fixture
def second() -> Offer:
    return world.offer(
        world.provider(name="South"), "7", rate=Decimal("1.20"), minimum=50, maximum=1000,
        refill=False, cancel=False, dripfeed=False,
    )  # fmt: skip


@pytest.fixture
def service(first: Offer, second: Offer) -> Service:
    made = world.service(first)
    Route.objects.create(service=made, offer=second, position=1)
    reprice()
    return made


def says(service: Service) -> tuple[int, int, bool, bool, bool]:
    service.refresh_from_db()
    return service.minimum, service.maximum, service.refill, service.cancel, service.dripfeed


FIRST = (10, 1_000_000, True, True, True)
SECOND = (50, 1000, False, False, False)


def hold(offer: Offer) -> Callable[[], Any]:
    entry = deny(Denial.Kind.WORD, "forbidden", "we do not sell it")
    return lambda: allow(entry)


def put_away(offer: Offer) -> Callable[[], Any]:
    archive(offer.provider)

    def come_back() -> None:
        bring_back(offer.provider)
        sell_again(offer.provider)  # as after the next list

    return come_back


def vanish(offer: Offer) -> Callable[[], Any]:
    for kind in ("missing", "back"):
        CatalogChange.objects.create(
            provider=offer.provider, external_id=offer.external_id, offer=offer, kind=kind
        )
    staged = CatalogChange.objects.filter(state="staged")
    accept_changes(
        offer.provider, change_ids=list(staged.filter(kind="missing").values_list("pk", flat=True))
    )
    return lambda: accept_changes(offer.provider)


def leave_out(offer: Offer) -> Callable[[], Any]:
    route = Route.objects.get(offer=offer)
    switch_route(route, False)
    return lambda: switch_route(route, True)


def go_behind(offer: Offer) -> Callable[[], Any]:
    route = Route.objects.get(offer=offer)
    move_route(route, 1)
    return lambda: move_route(route, -1)


@pytest.mark.parametrize("leave", [hold, put_away, vanish, leave_out, go_behind])
def test_limits_and_abilities_follow_the_route_that_sells_and_come_back_with_the_first(
    service: Service, first: Offer, second: Offer, leave: Callable[[Offer], Callable[[], Any]]
) -> None:
    assert says(service) == FIRST
    come_back = leave(first)
    assert find_service(service.pk)[1].offer == second
    assert says(service) == SECOND
    with pytest.raises(InvalidOrder):
        world.order(world.customer(), service, quantity=5000)
    come_back()
    assert find_service(service.pk)[1].offer == first
    assert says(service) == FIRST


def test_a_change_at_the_second_offer_counts_while_it_sells(
    service: Service, first: Offer, second: Offer
) -> None:
    archive(first.provider)
    CatalogChange.objects.create(
        provider=second.provider, external_id="7", offer=second, kind="limits",
        before={"maximum": 1000}, after={"maximum": 700},
    )  # fmt: skip
    accept_changes(second.provider)
    assert says(service)[:2] == (50, 700)


def test_an_admins_own_limits_narrow_the_route_that_sells(service: Service, first: Offer) -> None:
    change_service(service, {"own_minimum": 100, "own_maximum": 50_000})
    assert says(service)[:2] == (100, 50_000)
    archive(first.provider)
    assert says(service)[:2] == (100, 1000)
    with pytest.raises(InvalidService, match="50 to 1,000"):
        change_service(service, {"own_maximum": 5000})


@pytest.mark.parametrize("code", ["mentions_custom_list", "mentions", "package", ""])
def test_a_route_of_another_type_is_no_way_to_sell_it(
    service: Service, first: Offer, second: Offer, code: str
) -> None:
    Offer.objects.filter(pk=second.pk).update(service_type=code)
    archive(first.provider)
    assert says(service) == FIRST, "nothing sells it, so nothing is said anew"
    assert service.service_type == "default"
    assert service.off_sale == "Its provider is archived."
    assert service not in offered()
    with pytest.raises(NotOnSale):
        find_service(service.pk)
    third = world.offer(second.provider, "8", rate=Decimal("1.10"), maximum=300)
    Route.objects.create(service=service, offer=third, position=2)
    refresh_services(second.provider_id)
    reprice()
    assert find_service(service.pk)[1].offer == third
    assert (says(service)[1], service.off_sale) == (300, "")
    standing = standings_of(Service.objects.filter(pk=service.pk))[0]
    assert standing.selling is not None and standing.selling.offer_id == third.pk


def test_what_another_order_of_routes_does_to_a_type_is_foreseen(
    service: Service, first: Offer, second: Offer
) -> None:
    Offer.objects.filter(pk=second.pk).update(service_type="mentions")
    (row,) = effect_of_routes(service, tuple(reversed(shape_of(service)))).rows
    assert (row.cost, row.off_sale) == (Decimal("1.20"), "")
    move_route(Route.objects.get(offer=second), -1)
    service.refresh_from_db()
    assert (service.service_type, service.cost_rate, service.off_sale) == ("mentions", Decimal("1.20"), "")
    remove_route(Route.objects.get(offer=second))
    assert says(service) == FIRST
    assert (service.service_type, service.off_sale) == ("default", "")


# ── what was sold stays sold ────────────────────────────────────────────────────────────────────────


def completed(order: Order) -> Order:
    Order.objects.filter(pk=order.pk).update(
        status="Completed", ended_at=timezone.now() - timedelta(hours=1), remains=0
    )
    return Order.objects.select_related("service", "submission").get(pk=order.pk)


def test_an_order_keeps_the_refill_and_cancel_that_it_was_sold_with(service: Service, first: Offer) -> None:
    before = world.order(world.customer(), service)
    Provider.objects.filter(pk=first.provider_id).update(paused_at=timezone.now(), pause_kind="manual")
    Offer.objects.filter(pk=first.pk).update(on_hold="The price rose.")
    refresh_services(first.provider_id)
    reprice()
    assert says(service) == SECOND
    after = world.order(world.bob(), service, quantity=500)
    assert other_route(before, Submission.objects.get(pk=before.pk)) is None, "South has neither"
    assert (completed(before).refill_sold, completed(after).refill_sold) == (True, False)
    assert actions_for(completed(before)).refill.allowed
    assert not actions_for(completed(after)).refill.allowed
    Offer.objects.filter(pk=first.pk).update(on_hold="")
    refresh_services(first.provider_id)
    assert says(service) == FIRST
    assert not actions_for(completed(after)).refill.allowed, "it was sold without"
    back = other_route(Order.objects.get(pk=after.pk), Submission.objects.get(pk=after.pk))
    assert back is None, "North is paused"
    Provider.objects.filter(pk=first.provider_id).update(paused_at=None, pause_kind="")
    back = other_route(Order.objects.get(pk=after.pk), Submission.objects.get(pk=after.pk))
    assert back is not None and back.offer == first


def test_an_order_of_before_keeps_to_what_its_service_says(service: Service) -> None:
    order = world.order(world.customer(), service)
    Order.objects.filter(pk=order.pk).update(with_refill=None, with_cancel=None)
    assert (completed(order).refill_sold, completed(order).cancel_sold) == (True, True)
