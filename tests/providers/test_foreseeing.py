"""What accepting catalog changes would do is what accepting them does: every kind of change, over several routes."""

import random
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.placing import NotOnSale, find_service
from providers.applying import REFUSED, refresh_services
from providers.catalog_effect import effect_of_changes
from providers.change_effects import ServiceEffect, effects_of, effects_together
from providers.deciding import decide_together
from providers.denying import deny
from providers.models import CatalogChange, Denial, ExchangeRate, MarkupRule, Offer, Provider, Route, Service
from providers.repricing import reprice
from tests import staff_world, world
from tests.providers.shop import everything_at
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db
Kind = CatalogChange.Kind


@pytest.fixture
def north() -> Provider:
    everything_at(50)
    return world.provider(name="North")


@pytest.fixture
def south() -> Provider:
    return world.provider(name="South")


def routed(*offers: Offer, **values: Any) -> Service:
    """A service by these offers, first to last, priced by the rules."""
    service = world.service(offers[0], **values)
    for position, offer in enumerate(offers[1:], 1):
        Route.objects.create(service=service, offer=offer, position=position)
    reprice()
    service.refresh_from_db()
    return service


def change(
    offer: Offer, kind: str, *, beyond: bool = False, state: str = "staged", **after: Any
) -> CatalogChange:
    before = {name: getattr(offer, name) for name in after}
    if "rate" in after:
        before["rate"], after["rate"] = f"{offer.rate:.8f}", f"{Decimal(after['rate']):.8f}"
    return CatalogChange.objects.create(
        provider=offer.provider, external_id=offer.external_id, offer=offer, kind=kind, before=before,
        after=after, beyond_limits=beyond, state=state,
    )  # fmt: skip


def loaded() -> list[CatalogChange]:
    return list(
        CatalogChange.objects.filter(state="staged").select_related("offer", "provider").order_by("pk")
    )


def only(one: CatalogChange) -> ServiceEffect:
    (row,) = effects_of([one]).rows
    assert row.effect is not None
    return row.effect


def really(service: Service) -> tuple[Decimal, Decimal, str]:
    service.refresh_from_db()
    return service.rate, service.cost_rate, service.off_sale


def foreseen(effect: ServiceEffect) -> tuple[Decimal, Decimal, str]:
    return effect.price_after, effect.cost_after, effect.off_sale


def sold_by(service: Service) -> str:
    """The offer by which an order placed now would go; "" where none can be placed."""
    try:
        offer = find_service(service.pk)[1].offer
    except NotOnSale:
        return ""
    return f"{offer.provider.name} {offer.external_id}"


def check_that_it_comes_true(effects: Collection[ServiceEffect], accepted: Sequence[CatalogChange]) -> None:
    with transaction.atomic():
        decide_together([one.pk for one in accepted])
        for effect in effects:
            service = Service.objects.get(pk=effect.service.pk)
            assert foreseen(effect) == really(service), [(one.kind, one.after) for one in accepted]
            assert sold_by(service) == ("" if effect.off_sale else effect.sold_by)
        transaction.set_rollback(True)


# ── one by one ──────────────────────────────────────────────────────────────────────────────────────


def test_a_price_of_the_route_that_sells_counts_though_the_first_is_held(
    north: Provider, south: Provider
) -> None:
    first = world.offer(north, on_hold="The price rose.")
    second = world.offer(south, "7", rate=Decimal(2))
    service = routed(first, second)
    assert service.rate == Decimal(3)
    one = change(second, Kind.PRICE, rate="4")
    effect = only(one)
    assert (effect.price_before, effect.price_after, effect.cost_after) == (3, 6, 4)
    assert (effect.moves, effect.off_sale, effect.sold_by) == (False, "", "South 7")
    check_that_it_comes_true([effect], [one])


def test_an_accepted_rise_of_the_held_first_offer_brings_the_sale_back_to_it(
    north: Provider, south: Provider
) -> None:
    first, second = world.offer(north, on_hold="The price rose."), world.offer(south, "7", rate=Decimal(2))
    routed(first, second)
    one = change(first, Kind.PRICE, beyond=True, rate="5")
    effect = only(one)
    assert (effect.price_before, effect.price_after, effect.cost_before, effect.cost_after) == (
        3, Decimal("7.5"), 2, 5,
    )  # fmt: skip
    assert (effect.moves, effect.sold_by_before, effect.sold_by) == (True, "South 7", "North 1")
    check_that_it_comes_true([effect], [one])
    assert effect_of_changes([one]).sentence.startswith(
        "1 change would touch 1 service on sale: 1 would be sold by another offer; "
        "1 would get dearer by more than 20 %; the average margin goes from 33.3 % to 33.3 %"
    )


def test_a_vanished_offer_is_told_with_the_dearer_one_behind_it(north: Provider, south: Provider) -> None:
    first, second = world.offer(north), world.offer(south, "7", rate=Decimal("3"))
    world.order(world.customer(), routed(first, second), quantity=2000)
    one = change(first, Kind.MISSING)
    effect = only(one)
    assert (effect.price_after, effect.cost_after, effect.sold_by) == (Decimal("4.5"), 3, "South 7")
    check_that_it_comes_true([effect], [one])
    told = effect_of_changes([one])
    assert (told.touched, told.off_sale, told.moving, told.leaving, told.leaving_orders) == (1, 0, 1, 1, 1)
    assert told.profit_change == Decimal("2.00")  # 2,000 at a margin of 1.50 instead of 0.50


def test_a_vanished_offer_with_a_pinned_price_and_a_dearer_one_behind_it_is_below_cost(
    north: Provider, south: Provider
) -> None:
    first, second = world.offer(north), world.offer(south, "7", rate=Decimal("3"))
    routed(first, second, pinned_rate=Decimal("1.50"))
    one = change(first, Kind.MISSING)
    effect = only(one)
    assert (effect.below_cost, effect.goes_off_sale) == (True, True)
    assert "below the cost" in effect.off_sale
    check_that_it_comes_true([effect], [one])


@pytest.mark.parametrize(
    ("kind", "after", "says"),
    [
        (Kind.TYPE, {"service_type": "package"}, "another unit"),
        (Kind.TYPE, {"service_type": ""}, "cannot be sold"),
        (Kind.LIMITS, {"minimum": 500, "maximum": 20}, "make no sense"),
        (Kind.PRICE, {"rate": "0"}, "rate is zero"),
        (Kind.MISSING, {}, "no longer lists it"),
    ],
)
def test_what_takes_the_only_offer_off_sale_is_told(
    north: Provider, kind: str, after: dict[str, Any], says: str
) -> None:
    service = routed(world.offer(north))
    one = change(service.routes.get().offer, kind, **after)
    effect = only(one)
    if after.get("service_type") == "package":
        assert (effect.off_sale, effect.changes) == ("", False), (
            "sold by the order from then on, as the first offer"
        )
    else:
        assert effect.goes_off_sale and says in effect.off_sale
        assert effect_of_changes([one]).off_sale == 1
    check_that_it_comes_true([effect], [one])


def test_a_second_route_of_another_type_does_not_help_when_the_first_leaves(
    north: Provider, south: Provider
) -> None:
    first, second = world.offer(north), world.offer(south, "7", service_type="package")
    routed(first, second)
    one = change(first, Kind.MISSING)
    effect = only(one)
    assert effect.goes_off_sale and "no longer lists it" in effect.off_sale
    check_that_it_comes_true([effect], [one])


def test_an_offer_that_is_listed_again_takes_the_sale_back(north: Provider, south: Provider) -> None:
    gone = timezone.now()
    first = world.offer(north, gone_at=gone, missing_since=gone)
    routed(first, world.offer(south, "7", rate=Decimal("3")))
    one = change(first, Kind.BACK)
    effect = only(one)
    assert (effect.price_before, effect.price_after, effect.moves) == (Decimal("4.5"), Decimal("1.5"), True)
    check_that_it_comes_true([effect], [one])


def test_a_service_comes_back_on_sale_with_its_only_offer(north: Provider) -> None:
    service = routed(world.offer(north, on_hold="The price rose."))
    assert service.off_sale == "The price rose."
    one = change(service.routes.get().offer, Kind.PRICE, beyond=True, rate="2")
    effect = only(one)
    assert (effect.comes_back, effect.price_after) == (True, 3)
    check_that_it_comes_true([effect], [one])
    assert "1 would come back on sale" in effect_of_changes([one]).sentence


def test_one_of_two_decisions_leaves_it_on_hold_and_both_together_do_not(north: Provider) -> None:
    service = routed(world.offer(north, on_hold="Price and limits."))
    offer = service.routes.get().offer
    rise = change(offer, Kind.PRICE, beyond=True, rate="2")
    limits = change(offer, Kind.LIMITS, beyond=True, minimum=20)
    assert not only(rise).changes
    check_that_it_comes_true([only(rise)], [rise])
    both = effect_of_changes([rise, limits])
    assert (both.touched, both.back, both.changes) == (1, 1, 2)


def test_a_new_name_on_the_deny_list_is_told_before_it_is_accepted(north: Provider) -> None:
    offer = world.offer(north)
    routed(offer)
    deny(Denial.Kind.WORD, "forbidden", "we do not sell it")
    one = change(offer, Kind.DETAILS, name="Forbidden impressions")
    effect = only(one)
    assert effect.goes_off_sale and "deny-list" in effect.off_sale
    check_that_it_comes_true([effect], [one])


def test_a_row_shows_the_worst_of_its_services_and_counts_them(north: Provider, south: Provider) -> None:
    shared, spare = world.offer(north), world.offer(south, "7", rate=Decimal("1.10"))
    harmless = routed(shared, spare, name="Has a spare")
    below = routed(shared, spare, name="Pinned", pinned_rate=Decimal("1.05"))
    alone = routed(shared, name="Alone")
    unaffected = routed(spare, shared, name="Sold by the spare")
    one = change(shared, Kind.MISSING)
    (row,) = effects_of([one]).rows
    assert [effect.service for effect in row.effects] == [below, alone, harmless, unaffected]
    assert (row.services, row.touched, row.more, row.below_cost) == (4, 3, 2, True)
    told = effect_of_changes([one])
    assert (told.touched, told.below_cost, told.off_sale, told.moving, told.leaving) == (3, 1, 2, 1, 3)
    check_that_it_comes_true(row.effects, [one])
    page = text_of(staff_world.signed_in(world.admin()).get("/manage/catalog?kind=missing"))
    assert "below cost: goes off sale" in page and "the worst; 2 more services are touched" in page


def test_the_page_says_what_each_kind_of_change_does(north: Provider, south: Provider) -> None:
    first, second = world.offer(north), world.offer(south, "7", rate=Decimal("3"))
    routed(first, second)
    routed(world.offer(north, "2"))
    change(first, Kind.MISSING)
    change(Offer.objects.get(external_id="2"), Kind.LIMITS, minimum=500, maximum=20)
    browser: Client = staff_world.signed_in(world.admin())
    missing = text_of(browser.get("/manage/catalog?kind=missing"))
    assert "sold by South 7 then" in missing and "1 would be sold by another offer" in missing
    limits = text_of(browser.get("/manage/catalog?kind=limits"))
    assert "goes off sale: The provider" in limits and "limits make no sense" in limits


def test_many_changes_take_as_many_queries_as_few(north: Provider, south: Provider) -> None:
    counts = []
    for number in range(1, 21):
        service = routed(world.offer(north, f"a{number}"), world.offer(south, f"b{number}"))
        change(service.routes.first().offer, Kind.MISSING)  # type: ignore[union-attr]
        if number in (2, 20):
            with CaptureQueriesContext(connection) as queries:
                rows = effects_of(loaded()).rows
            assert len(rows) == number
            counts.append(len(queries))
    assert counts[0] == counts[1]


# ── whatever the world is like ──────────────────────────────────────────────────────────────────────


def any_world(chance: random.Random) -> None:
    """Three providers in two currencies, services over one to three routes, some held, gone, pinned or by no rule."""
    ExchangeRate.objects.create(currency="EUR", rate="1.1", date="2026-01-01")
    now = timezone.now()
    offers = []
    for name, currency in (("North", "USD"), ("South", "EUR"), ("West", "XTS")):
        provider = world.provider(name=name, currency=currency if chance.random() < 0.8 else "USD")
        if chance.random() < 0.7:
            MarkupRule.objects.create(scope="provider", provider=provider, percent=chance.randrange(60))
        for number in range(3):
            gone = now if chance.random() < 0.15 else None
            offers.append(
                world.offer(
                    provider, str(number), rate=Decimal(chance.randrange(50, 300)) / 100, gone_at=gone,
                    on_hold=chance.choice(["The price rose.", f"{REFUSED}Disabled"]) if chance.random() < 0.35 else "", missing_since=gone,
                    service_type=chance.choice(["default"] * 5 + ["package", ""]),
                )
            )  # fmt: skip
    for number in range(4):
        ways = chance.sample(offers, chance.randint(1, 3))
        pinned = Decimal(chance.randrange(50, 400)) / 100 if chance.random() < 0.3 else None
        reason = "An introduction" if chance.random() < 0.2 else ""
        service = world.service(
            ways[0],
            name=f"Service {number}",
            service_type="default",
            pinned_rate=pinned,
            below_cost_reason=reason,
        )
        for position, way in enumerate(ways[1:], 1):
            Route.objects.create(service=service, offer=way, position=position, enabled=chance.random() < 0.9)
    deny(Denial.Kind.WORD, "forbidden", "we do not sell it")
    for provider in Provider.objects.all():
        refresh_services(provider.pk)
    reprice()


def any_changes(chance: random.Random) -> None:
    for offer in chance.sample(list(Offer.objects.all()), 5):
        kinds: dict[str, dict[str, Any]] = {
            Kind.PRICE: {"rate": chance.choice(["0", "0.9", "2", "3.5", "9000000000"])},
            Kind.LIMITS: chance.choice([{"minimum": 50}, {"minimum": 500, "maximum": 20}, {"maximum": 5000}]),
            Kind.TYPE: {"service_type": chance.choice(["default", "package", "custom_comments", ""])},
            Kind.DETAILS: {"name": chance.choice(["Forbidden words", "Other words"])},
            (Kind.BACK if offer.gone_at else Kind.MISSING): {},
        }
        for kind in chance.sample(list(kinds), chance.randint(1, 2)):
            refused = chance.random() < 0.1
            change(
                offer,
                kind,
                beyond=chance.random() < 0.5,
                state="refused" if refused else "staged",
                **kinds[kind],
            )


@pytest.mark.parametrize("seed", range(30))
def test_in_any_world_what_is_foreseen_comes_true(seed: int) -> None:
    chance = random.Random(seed)
    any_world(chance)
    any_changes(chance)
    changes = loaded()
    effects = effects_of(changes)
    for row in effects.rows:
        check_that_it_comes_true(row.effects, [row.change])
    together = effects_together(effects.foresight, changes)
    check_that_it_comes_true(together, changes)
    touched = {effect.service.pk for effect in together}
    before = {service.pk: really(service) for service in Service.objects.exclude(pk__in=touched)}
    decide_together([one.pk for one in changes])
    assert before == {service.pk: really(service) for service in Service.objects.exclude(pk__in=touched)}
