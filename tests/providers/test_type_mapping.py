"""Mapping a provider's unknown service types by hand."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from customers.models import AuditEntry
from providers.catalog import sync_catalog
from providers.models import Offer, Provider, Service
from providers.publishing import publish
from providers.supply_effects import effect_of_mapping
from providers.type_mapping import CannotMap, map_type, unknown_types
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def seats(shop: Upstream) -> Provider:
    shop.list(1)
    shop.list(2, type="Guided Seats")
    shop.list(3, type="Guided Seats")
    shop.list(4, type="")
    everything_at(50)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    return provider


def types(provider: Provider) -> dict[str, str]:
    return dict(Offer.objects.filter(provider=provider).values_list("external_id", "service_type"))


def test_a_mapped_word_makes_its_offers_sellable_and_later_lists_follow(
    shop: Upstream, seats: Provider
) -> None:
    assert unknown_types(seats) == [("Guided Seats", 2, ""), ("", 1, "")]
    assert len(publish(seats).services) == 1
    assert map_type(seats, "Guided Seats", "package") == 2
    assert types(seats) == {"1": "default", "2": "package", "3": "package", "4": ""}
    assert len(publish(seats).services) == 3
    shop.list(5, type="Guided Seats")
    found = sync_catalog(seats, apply=True)
    assert (found.new, found.changed) == (1, 0)
    assert offer_of(seats, 5).service_type == "package"
    assert unknown_types(seats) == [("Guided Seats", 3, "package"), ("", 1, "")]
    entry = AuditEntry.objects.get(verb="provider.map_type")
    assert entry.details == {"type": "package", "offers": 2}


def test_a_mapping_can_be_taken_back(seats: Provider) -> None:
    map_type(seats, "Guided Seats", "package")
    assert map_type(seats, "Guided Seats", "") == 2
    assert types(seats)["2"] == ""


def test_single_services_and_those_without_a_type(shop: Upstream, seats: Provider) -> None:
    assert map_type(seats, "Guided Seats", "package", ["2"]) == 1
    assert map_type(seats, "", "default", ["4"]) == 1
    assert types(seats) == {"1": "default", "2": "package", "3": "", "4": "default"}
    found = sync_catalog(seats, apply=True)
    assert (found.changed, types(seats)["3"], types(seats)["4"]) == (0, "", "default")


def test_new_services_that_still_wait_are_mapped_too(shop: Upstream) -> None:
    shop.list(1, type="Guided Seats")
    provider = connected(shop)
    sync_catalog(provider, apply=False)
    assert map_type(provider, "Guided Seats", "package") == 0
    sync_catalog(provider, apply=True)
    assert offer_of(provider, 1).service_type == "package"


@pytest.mark.parametrize(
    ("word", "code", "ids", "sentence"),
    [
        ("Default", "package", None, "known already, as Default"),
        ("Guided Seats", "seats", None, "not a type that can be sold"),
        ("Guided Seats", "subscriptions", None, "not a type that can be sold"),
        ("Nothing", "package", None, "no service of the type 'Nothing'"),
        ("Guided Seats", "package", ["1"], "no service 1 of the type"),
        ("", "package", None, "no type at all"),
    ],
)
def test_what_cannot_be_mapped_is_said(
    seats: Provider, word: str, code: str, ids: list[str] | None, sentence: str
) -> None:
    before = types(seats)
    with pytest.raises(CannotMap, match=sentence):
        map_type(seats, word, code, ids)
    assert types(seats) == before


def test_what_a_mapping_would_do_is_told_before_and_is_what_it_does(shop: Upstream, seats: Provider) -> None:
    before = types(seats)
    effect = effect_of_mapping(seats, "Guided Seats", "default")
    assert (effect.offers, effect.waiting, effect.simulation.touched) == (2, 0, 0)
    assert [(one.external_id, one.cost, one.price, one.why_not) for one in effect.sellable] == [
        ("2", Decimal(1), Decimal("1.5"), ""),
        ("3", Decimal(1), Decimal("1.5"), ""),
    ]
    assert types(seats) == before
    map_type(seats, "Guided Seats", "default")
    publish(seats)
    assert service_of(seats, 2).rate == Decimal("1.5")
    again = effect_of_mapping(seats, "Guided Seats", "package")
    assert (again.offers, again.sellable) == (2, ()), "they are on sale"
    assert again.simulation.touched == 2
    gone = effect_of_mapping(seats, "Guided Seats", "", ["2"])
    (row,) = gone.simulation.rows
    map_type(seats, "Guided Seats", "", ["2"])
    assert row.off_sale == service_of(seats, 2).off_sale == "The provider's type of it cannot be sold."


@pytest.mark.parametrize("code", ["package", "custom comments", ""])
def test_a_mapping_of_what_is_on_sale_is_foretold(seats: Provider, code: str) -> None:
    map_type(seats, "Guided Seats", "default")
    publish(seats)
    effect = effect_of_mapping(seats, "Guided Seats", code)
    map_type(seats, "Guided Seats", code)
    told = {row.service_id: (row.new_price, row.off_sale) for row in effect.simulation.rows}
    rows = Service.objects.filter(pk__in=told).values_list("pk", "rate", "off_sale")
    assert len(told) == 2
    assert {pk: (rate, off_sale) for pk, rate, off_sale in rows} == told


def said(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("map_type", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_lists_and_maps(seats: Provider) -> None:
    assert said("Meridian") == ["'Guided Seats': 2, not mapped", "'': 1, not mapped"]
    told = json.loads(said("Meridian", "Guided Seats", "Package", "--dry-run", "--json")[0])
    assert (told["offers"], [one["price"] for one in told["sellable"]]) == (2, ["1.50000000"] * 2)
    assert (
        "could be published: cost $1.00, price $1.50"
        in said("Meridian", "Guided Seats", "Package", "--dry-run")[2]
    )
    answer = json.loads(said("Meridian", "Guided Seats", "Package", "--json")[0])
    assert answer == {"provider": "Meridian", "changed": 2}
    assert said("Meridian", "Guided Seats", "unknown", "--ids", "2") == ["1 service of another type now."]
    with pytest.raises(CommandError, match="not a type"):
        said("Meridian", "Guided Seats", "Chairs")
