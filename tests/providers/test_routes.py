"""Routes: by hand or cheapest first, moving a service, archiving a provider, a new key; open orders stay."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import AuditEntry
from orders.models import Submission
from orders.placing import find_service
from orders.status_lane import status_lane
from orders.submission import submit_lane
from providers.archiving import CannotArchive, archive, bring_back
from providers.catalog import sync_catalog
from providers.change_effects import effects_of
from providers.deciding import accept_changes, undo_together
from providers.models import CatalogChange, ExchangeRate, MarkupRule, Offer, Provider, Service
from providers.rate_setting import set_rate, simulate_rate
from providers.repricing import reprice
from providers.routes import CannotRoute, add_route, cheapest_first, move_route, move_to_offer, remove_route
from providers.service_editing import change_service
from providers.service_effects import effect_of_values
from providers.undo_effects import effect_of_undoing
from tests import world
from tests.providers.shop import Upstream, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def north() -> Provider:
    MarkupRule.objects.create(scope="everything", percent=100)
    return world.provider(name="North")


@pytest.fixture
def south() -> Provider:
    ExchangeRate.objects.create(currency="EUR", rate="2", date="2026-01-01")
    return world.provider(name="South", currency="EUR")


def order_of(service: Service) -> list[str]:
    return [str(route.offer.provider) for route in service.routes.select_related("offer__provider")]


def test_cheapest_first_compares_in_the_panels_currency(north: Provider, south: Provider) -> None:
    service = world.service(world.offer(north))
    add_route(service, world.offer(south, rate=Decimal("0.60")))
    third = world.offer(world.provider(name="Third", currency="XTS"), rate=Decimal("0.01"))
    add_route(service, third)
    add_route(service, world.offer(world.provider(name="Cheap"), rate=Decimal("0.80"), name="Other words"))
    assert cheapest_first(service)
    assert order_of(service) == ["Cheap", "North", "South", "Third"]
    assert (service.cost_rate, service.rate, service.name) == (
        Decimal("0.80"),
        Decimal("1.60"),
        "Other words",
    )
    assert not cheapest_first(service)


def test_the_order_by_hand_stands_until_it_is_changed(north: Provider, south: Provider) -> None:
    service = world.service(world.offer(north))
    dearer = add_route(service, world.offer(south))
    move_route(dearer, -1)
    assert order_of(service) == ["South", "North"]
    assert (service.cost_rate, service.rate) == (Decimal(2), Decimal(4))


def test_a_service_moves_to_another_offer_and_open_orders_stay(north: Provider, south: Provider) -> None:
    service, alice = world.service(world.offer(north)), world.customer()
    before = world.order(alice, service)
    there = world.offer(south, "77", minimum=50, name="Southern words")
    move_to_offer(service, there)
    after = world.order(alice, service)
    assert order_of(service) == ["South", "North"]
    assert Submission.objects.get(pk=before.pk).provider_id == north.pk
    assert Submission.objects.get(pk=after.pk).offer_id == there.pk
    assert (service.minimum, service.cost_rate, service.name) == (50, Decimal(2), "Southern words")
    assert (after.cost, before.cost) == (Decimal("2.000000"), Decimal("1.000000"))
    move_to_offer(service, service.routes.get(offer__provider=north).offer)
    assert order_of(service) == ["North", "South"]
    world.sane()


def test_it_does_not_move_to_what_is_another_thing(north: Provider, south: Provider) -> None:
    service = world.service(world.offer(north))
    with pytest.raises(CannotRoute, match="Package"):
        move_to_offer(service, world.offer(south, service_type="package"))
    assert order_of(service) == ["North"]


def test_the_last_route_away_takes_the_service_off_sale_and_keeps_its_orders(north: Provider) -> None:
    service, alice = world.service(world.offer(north)), world.customer()
    placed = world.order(alice, service)
    remove_route(service.routes.get())
    assert service.off_sale == "No provider delivers it."
    assert Submission.objects.get(pk=placed.pk).offer.provider == north


@pytest.mark.django_db(transaction=True)
def test_archiving_waits_for_what_is_not_sent_and_leaves_accepted_orders_open(
    shop: Upstream, south: Provider
) -> None:
    MarkupRule.objects.create(scope="everything", percent=100)
    north = connected(shop, "North")
    shop.answers["add"] = shop.json({"order": 9})
    service, alice = world.service(world.offer(north)), world.customer()
    add_route(service, world.offer(south))
    placed = world.order(alice, service)
    with pytest.raises(CannotArchive, match="1 order still waits"):
        archive(north)
    assert submit_lane(north.pk).accepted == 1
    archive(north)
    service.refresh_from_db()
    assert north.archived_at and world.state_of(placed) == "accepted"
    assert (service.on_sale, service.cost_rate) == (True, Decimal(2))
    assert status_lane(north.pk, force=True).calls == 1  # it is followed to its end
    bring_back(north)
    service.refresh_from_db()
    assert (north.archived_at, north.stopped, service.cost_rate) == (None, "unread", Decimal(2))
    shop.list(1)
    sync_catalog(north, apply=True)
    service.refresh_from_db()
    assert (service.on_sale, service.cost_rate) == (True, Decimal(1))


def said(command: str, *arguments: str) -> list[str]:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_route_command(north: Provider, south: Provider) -> None:
    service = world.service(world.offer(north, "5"))
    world.offer(south, "7", rate=Decimal("0.25"))
    number = str(service.pk)
    assert said("route", number) == ["1. North 5: 1 USD"]
    assert said("route", number, "add", "South", "7") == ["1. North 5: 1 USD", "2. South 7: 0.25 EUR"]
    assert said("route", number, "cheapest")[0] == "1. South 7: 0.25 EUR"
    told = [json.loads(line) for line in said("route", number, "first", "North", "5", "--json")]
    assert [row["offer"] for row in told] == ["5", "7"]
    assert said("route", number, "remove", "South", "7") == ["1. North 5: 1 USD"]
    for wrong in (["999"], [number, "add"], [number, "add", "South", "8"], [number, "remove", "South", "7"]):
        with pytest.raises(CommandError):
            said("route", *wrong)


def test_a_key_is_rotated_and_an_address_changed_by_command(north: Provider) -> None:
    said("provider_change", "North", "--key", "a-new-key", "--option", "batch_size=50")
    north.refresh_from_db()
    assert (north.key, north.options["batch_size"]) == ("a-new-key", 50)
    told = json.loads(said("provider_change", "North", "--url", "https://new.example/api", "--json")[0])
    assert (told["key_set"], told["archived"]) == (False, False)
    assert said("provider_change", "North", "--archive") == ["North changed; it has no key."]
    north.refresh_from_db()
    assert north.archived_at
    for wrong in (["--url", "nowhere"], ["--option", "x"], ["--option", "x=1"], ["--adapter", "nonsense"]):
        with pytest.raises(CommandError):
            said("provider_change", "North", *wrong)


# ── cheapest first, always ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def cheapest(north: Provider, south: Provider) -> Service:
    """North asks 1 USD, South 2 EUR at 0.9: kept cheapest first."""
    ExchangeRate.objects.update(rate=Decimal("0.9"))
    service = world.service(world.offer(south, "7", rate=Decimal(2)))
    add_route(service, world.offer(north, "5", rate=Decimal(1)))
    change_service(service, {"route_order": "cheapest"})
    return service


def sold(service: Service) -> tuple[str, Decimal, Decimal]:
    """(who delivers an order that is placed now, cost and price per 1000)"""
    found, route = find_service(service.pk)
    return route.offer.provider.name, found.cost_rate.normalize(), found.rate.normalize()


def test_what_costs_nothing_or_fits_no_quantity_is_never_the_cheapest(
    cheapest: Service, north: Provider
) -> None:
    add_route(cheapest, world.offer(north, "77", rate=Decimal(0)))
    add_route(cheapest, world.offer(north, "78", rate=Decimal("0.01"), minimum=900, maximum=20))
    reprice()
    assert sold(cheapest) == ("North", 1, 2)


def test_cheapest_first_is_kept_when_a_price_changes(
    cheapest: Service, north: Provider, south: Provider
) -> None:
    assert sold(cheapest) == ("North", 1, 2)
    change = CatalogChange.objects.create(
        provider=north, external_id="5", offer=north.offers.get(), kind="price",
        before={"rate": "1.00000000"}, after={"rate": "3.00000000"},
    )  # fmt: skip
    (row,) = effects_of([change]).rows
    assert row.effect is not None
    assert (row.effect.sold_by, row.effect.cost_after) == ("South 7", Decimal("1.8"))
    decided = accept_changes(north)
    assert sold(cheapest) == ("South", Decimal("1.8"), Decimal("3.6"))
    assert not effect_of_undoing(decided.revision).simulation.rows, (
        "the undone rise is on hold: South goes on"
    )
    undo_together(decided.revision)
    assert sold(cheapest) == ("South", Decimal("1.8"), Decimal("3.6"))


def test_cheapest_first_follows_the_exchange_rate_and_the_preview_says_so(cheapest: Service) -> None:
    (row,) = simulate_rate("EUR", Decimal("0.4")).rows
    assert (row.cost, row.new_price) == (Decimal("0.8"), Decimal("1.6"))
    set_rate("EUR", Decimal("0.4"))
    assert sold(cheapest) == ("South", Decimal("0.8"), Decimal("1.6"))
    placed = world.order(world.customer(), cheapest)
    assert Submission.objects.get(pk=placed.pk).offer.provider.name == "South"


def test_the_cheapest_that_is_not_usable_is_passed_over(cheapest: Service, north: Provider) -> None:
    Offer.objects.filter(provider=north).update(on_hold="The price rose.")
    reprice()
    assert sold(cheapest) == ("South", Decimal("1.8"), Decimal("3.6"))


def test_by_hand_a_dearer_route_stays_first(cheapest: Service) -> None:
    with pytest.raises(CannotRoute, match="kept cheapest first"):
        move_route(cheapest.routes.get(offer__provider__name="South"), -1)
    foreseen = effect_of_values(cheapest, {"route_order": "hand"})
    assert foreseen.rows[0].cost == 1
    change_service(cheapest, {"route_order": "hand"})
    move_route(cheapest.routes.get(offer__provider__name="South"), -1)
    reprice()
    assert sold(cheapest) == ("South", Decimal("1.8"), Decimal("3.6"))
    assert effect_of_values(cheapest, {"route_order": "cheapest"}).rows[0].cost == 1
    entry = AuditEntry.objects.filter(verb="service.change").latest("pk")
    assert (entry.details["before"], entry.details["after"]) == (
        {"route_order": "cheapest"},
        {"route_order": "hand"},
    )


def test_the_order_of_routes_is_set_by_the_command_and_costs_no_statement_once_it_is(
    cheapest: Service,
) -> None:
    said("service_change", str(cheapest.pk), "--route-order", "hand")
    with CaptureQueriesContext(connection) as by_hand:
        reprice()
    said("service_change", str(cheapest.pk), "--route-order", "cheapest")
    with CaptureQueriesContext(connection) as kept:
        reprice()
    assert len(kept) == len(by_hand)
    with pytest.raises(CommandError, match="route_order"):
        said("service_change", str(cheapest.pk), "--route-order", "dearest")
    assert json.loads(said("service_show", str(cheapest.pk), "--json")[0])["route_order"] == "cheapest"
