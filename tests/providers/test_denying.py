"""The deny-list: what is left out of an import, what goes off sale, when it ends."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import AuditEntry
from providers.catalog import sync_catalog
from providers.deciding import accept_changes
from providers.denying import DenyList, allow, checked_entry, deny
from providers.denying_effects import effect_of_allowing, effect_of_denying
from providers.models import Alert, Denial, Offer, Provider, Service
from providers.publishing import publish
from providers.routes import add_route
from tests import world
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of

pytestmark = pytest.mark.django_db
TODAY = timezone.now().date()


@pytest.fixture
def selling(shop: Upstream) -> Provider:
    shop.list_many(3)
    shop.list(4, name="Lottery banners", category="Games")
    everything_at(50)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    return provider


def test_new_services_are_left_out_with_a_sentence(shop: Upstream) -> None:
    deny("word", "lottery", "not our business")
    deny("category", " Casino  Games ", "not licensed")
    shop.list(1)
    shop.list(2, name="LOTTERY banners")
    shop.list(3, name="Ｌｏｔｔｅｒｙ banners")  # full-width letters
    shop.list(4, category="casino games")
    shop.list(5, name="Lotteryish things")
    provider = connected(shop)
    found = sync_catalog(provider, apply=True)
    assert (found.new, found.ignored, found.applied) == (2, 3, 2)
    assert (
        "Service 2 was left out. Held back: “lottery” is on the deny-list (not our business)."
        in found.problems
    )
    assert (
        "Service 4 was left out. Held back: its category is on the deny-list (not licensed)."
        in found.problems
    )
    assert set(Offer.objects.values_list("external_id", flat=True)) == {"1", "5"}
    again = sync_catalog(provider, apply=True)
    assert (again.new, again.ignored, again.missing, again.error) == (0, 3, 0, "")


def test_a_list_that_is_denied_as_a_whole_changes_nothing(shop: Upstream) -> None:
    deny("word", "placement", "no")
    shop.list(1)
    found = sync_catalog(connected(shop), apply=True)
    assert found.error == "Every service of the list is on the deny-list."
    assert not Offer.objects.exists()


def test_what_is_on_sale_goes_off_sale_at_once_and_back_with_the_entrys_end(selling: Provider) -> None:
    entry = deny("word", "lottery", "a complaint", by=world.admin())
    service = service_of(selling, 4)
    assert service.off_sale == "Held back: “lottery” is on the deny-list (a complaint)."
    assert Service.objects.filter(off_sale="").count() == 3
    assert not Alert.objects.filter(key=f"holds:{selling.pk}", closed_at=None).exists()
    sync_catalog(selling, apply=True)
    assert service_of(selling, 4).off_sale
    allow(entry)
    assert service_of(selling, 4).off_sale == ""
    assert list(AuditEntry.objects.filter(verb__startswith="deny_list").values_list("verb", flat=True)) == [
        "deny_list.add",
        "deny_list.remove",
    ]


def test_a_rename_to_a_denied_word_is_held_back_by_the_next_reading_but_one(
    shop: Upstream, selling: Provider
) -> None:
    deny("word", "roulette", "no")
    shop.list(1, name="Roulette tables")
    sync_catalog(selling, apply=True)
    assert offer_of(selling, 1).on_hold.startswith("Held back: ")
    assert service_of(selling, 1).off_sale
    shop.list(1, name="Dinner tables")
    sync_catalog(selling, apply=True)
    assert (offer_of(selling, 1).on_hold, service_of(selling, 1).off_sale) == ("", "")


def test_an_entry_that_has_run_out_no_longer_counts(selling: Provider) -> None:
    entry = deny("word", "lottery", "for a week", until=TODAY)
    assert service_of(selling, 4).off_sale
    Denial.objects.filter(pk=entry.pk).update(until=TODAY - timedelta(days=1))
    sync_catalog(selling, apply=True)
    assert service_of(selling, 4).off_sale == ""


def test_an_accepted_price_does_not_lift_it(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="2.00")
    sync_catalog(selling, apply=True)
    deny("word", "lottery", "no")
    accept_changes(selling)
    assert offer_of(selling, 4).on_hold == "Held back: “lottery” is on the deny-list (no)."
    assert service_of(selling, 4).off_sale


def test_a_price_rise_that_waits_is_told_first(shop: Upstream, selling: Provider) -> None:
    deny("word", "lottery", "no")
    shop.list(4, rate="2.00")
    sync_catalog(selling, apply=True)
    assert "The price rose" in offer_of(selling, 4).on_hold


def test_an_unchanged_list_writes_nothing_and_an_empty_deny_list_costs_one_statement(
    selling: Provider,
) -> None:
    with CaptureQueriesContext(connection) as statements:
        assert not DenyList()
    assert len(statements) == 1
    deny("word", "lottery", "no")
    before = list(Offer.objects.order_by("pk").values())
    sync_catalog(selling, apply=True)
    assert list(Offer.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("kind", ["word", "category"])
def test_what_an_entry_would_do_is_what_it_does_and_its_end_too(selling: Provider, kind: str) -> None:
    world.order(world.customer(), service_of(selling, 4))
    text = "Lottery" if kind == "word" else "Games"
    effect = effect_of_denying(checked_entry(kind, text, "a complaint"))
    assert (effect.held, effect.freed, effect.left_out, effect.open_orders) == (1, 0, 0, 1)
    assert not Denial.objects.exists() and service_of(selling, 4).off_sale == ""
    entry = deny(kind, text, "a complaint")
    (row,) = effect.simulation.rows
    assert (row.service_id, row.off_sale) == (service_of(selling, 4).pk, service_of(selling, 4).off_sale)
    again = effect_of_allowing(entry)
    assert (again.held, again.freed) == (0, 1)
    assert [row.off_sale for row in again.simulation.rows] == [""]
    deny("word", "banners", "of all kinds")
    still = effect_of_allowing(entry)
    assert (still.held, still.freed, still.asks) == (0, 0, False), "another entry holds it back"


def test_a_denied_offer_leaves_its_service_to_the_next_route(shop: Upstream, selling: Provider) -> None:
    other = world.provider(name="Second")
    add_route(service_of(selling, 4), world.offer(other, "9", name="Plain banners", rate=Decimal("1.20")))
    effect = effect_of_denying(checked_entry("word", "lottery", "no"))
    (row,) = effect.simulation.rows
    deny("word", "lottery", "no")
    service = service_of(selling, 4)
    assert (row.new_price, row.off_sale) == (service.rate, service.off_sale) == (Decimal("1.80"), "")


def test_new_services_that_wait_and_the_latest_orders_are_counted(shop: Upstream, selling: Provider) -> None:
    alice, service = world.customer(), service_of(selling, 1)
    shop.list(5, name="Casino tables")
    sync_catalog(selling, apply=False)
    assert effect_of_denying(checked_entry("word", "casino", "no")).left_out == 1
    for link in ("https://www.Example.org/a", "https://shop.example.org/b", "https://other.example"):
        world.order(alice, service, link=link)
    world.order(world.bob(), service, link="https://other.example/casino")
    for kind, text, refused in (
        ("host", "example.org", 2), ("link", "/casino", 1), ("word", "casino", 1), ("customer", "@example.org", 4),
        ("customer", alice.email, 3), ("customer", f"#{alice.pk}", 3), ("host", "nobody.example", 0),
    ):  # fmt: skip
        found = effect_of_denying(checked_entry(kind, text, "no"))
        assert (found.looked_at, found.refused, found.refused_open) == (4, refused, refused), (kind, text)
    signup = effect_of_denying(checked_entry("customer", "@example.org", "no", scope="signup"))
    assert (signup.looked_at, signup.asks) == (0, False)


def said(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("deny_list", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_adds_shows_and_removes() -> None:
    until = (TODAY + timedelta(days=9)).isoformat()
    told = json.loads(said("add", "word", "Lottery", "--reason", "no", "--dry-run", "--json")[0])
    assert told == {
        "held": 0, "freed": 0, "left_out": 0, "open_orders": 0, "looked_at": 0, "refused": 0, "refused_open": 0,
    }  # fmt: skip
    assert said() == []
    added = json.loads(said("add", "word", "Lottery", "--reason", "no", "--until", until, "--json")[0])
    assert (added["kind"], added["text"], added["reason"], added["until"]) == ("word", "lottery", "no", until)
    assert said() == [f"{added['id']} word lottery: no, until {until}"]
    said("remove", str(added["id"]), "--dry-run")
    said("remove", str(added["id"]))
    assert said("show") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "word", "lottery"], "needs a reason"),
        (["add", "name", "lottery", "--reason", "no"], "use word, category, host"),
        (["add", "word", "x", "--reason", "no"], "2 to 254 characters"),
        (["add", "word", "lottery", "--reason", "no", "--until", "soon"], "not a date"),
        (["add", "word", "lottery", "--reason", "no", "--until", "2020-01-01"], "has passed"),
        (["add", "word", "Taken", "--reason", "no"], "on the list already"),
        (["remove", "999"], "no entry"),
        (["remove"], "no entry"),
    ],
)
def test_what_cannot_be_is_said(arguments: list[str], sentence: str) -> None:
    deny("word", "taken", "no")
    with pytest.raises(CommandError, match=sentence):
        said(*arguments)
    assert Denial.objects.count() == 1
