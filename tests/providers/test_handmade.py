"""A provider without an API: connected without address and key, its services written by hand and sold."""

import json
import re
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import AuditEntry
from orders.models import Order
from providers.connecting import add_provider
from providers.denying import deny
from providers.grading import test_connection as try_connection
from providers.handmade import InvalidOffer, change_offer, make_service, offer_on_or_off
from providers.models import MarkupRule, Offer, Provider, Service
from providers.publishing import publish
from providers.reading_times import readable
from providers.repricing import reprice
from tests import staff_world, world

pytestmark = pytest.mark.django_db

LISTING: dict[str, Any] = {
    "name": "Directory listing, checked by a person",
    "category": "Directories",
    "description": "We write and submit it.",
    "rate": Decimal(0),
    "minimum": 1,
    "maximum": 50,
    "refill": False,
    "cancel": True,
}


@pytest.fixture
def desk() -> Provider:
    return add_provider("Our own desk", "", "", adapter="manual")


@pytest.fixture
def admin() -> Client:
    return staff_world.signed_in(world.admin())


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def make(desk: Provider, price: str | None = "900", **values: Any) -> Any:
    return make_service(
        desk, LISTING | values, service_type="default", price=Decimal(price) if price else None
    )


def test_from_connecting_to_an_order_over_the_pages(admin: Client) -> None:
    added = admin.post(
        "/manage/providers/add",
        {"name": "Our own desk", "adapter": "manual", "api_url": "https://x.example", "key": "k", "currency": "USD"},
        follow=True,
    )  # fmt: skip
    desk = Provider.objects.get()
    assert (desk.api_url, desk.key, desk.adapter) == ("", "", "manual")
    assert added.redirect_chain[-1][0] == f"/manage/providers/{desk.pk}/by-hand"
    form = {
        "name": "Directory listing", "category": "Directories", "service_type": "default", "description": "",
        "minimum": "1", "maximum": "50", "rate": "0", "price": "900", "cancel": "on",
    }  # fmt: skip
    made = admin.post(f"/manage/providers/{desk.pk}/by-hand", form, follow=True)
    service = Service.objects.get()
    assert f"Service {service.pk} is on sale." in text(made)
    assert (service.on_sale, service.rate, service.cost_rate) == (True, 900, 0)
    order = world.order(world.customer(), service, quantity=10)
    assert (order.charge, order.cost, world.state_of(order)) == (9, 0, "held")
    assert AuditEntry.objects.filter(verb="service.make").exists()
    page = text(admin.get(f"/manage/providers/{desk.pk}"))
    assert "This provider has no API." in page
    for word in ("Test connection", "Read balance", "Sync now", "Runway", "Replace"):
        assert word not in page
    world.sane()


def test_the_command_line_connects_it_without_an_address() -> None:
    call_command("add_provider", "Our own desk", "--adapter", "manual", "--json")
    assert Provider.objects.get().adapter == "manual"


def test_nothing_is_ever_asked_of_it(desk: Provider) -> None:
    assert not readable().exists()
    call_command("sync_catalog")
    call_command("sync_balances")
    desk.refresh_from_db()
    assert (desk.last_error, desk.last_catalog_at, desk.balance_at) == ("", None, None)
    assert not try_connection(desk).works


def test_a_form_that_makes_no_sense_says_so_beside_the_field(admin: Client, desk: Provider) -> None:
    form = {
        "name": " ",
        "service_type": "default",
        "minimum": "9",
        "maximum": "3",
        "rate": "-1",
        "price": "0",
    }
    page = admin.post(f"/manage/providers/{desk.pk}/by-hand", form)
    assert page.status_code == 422
    form |= {"name": "x", "rate": "0"}
    page = admin.post(f"/manage/providers/{desk.pk}/by-hand", form)
    assert "The maximum is less than the minimum." in text(page)
    page = admin.post(f"/manage/providers/{desk.pk}/by-hand", form | {"maximum": "30"})
    assert "A price must be more than zero." in text(page)
    assert not Offer.objects.exists()
    assert not Service.objects.exists()


def test_without_a_price_the_rules_price_it_or_it_says_what_is_missing(desk: Provider) -> None:
    unpriced = make(desk, None, rate=Decimal(100))
    assert (unpriced.on_sale, unpriced.why_not) == (False, "No markup rule applies to it.")
    MarkupRule.objects.create(scope=MarkupRule.Scope.EVERYTHING, percent=50)
    free = make(desk, None)
    assert (free.on_sale, free.why_not) == (False, "Its price would be zero or too large.")
    priced = make(desk, None, rate=Decimal(100))
    assert (priced.on_sale, priced.service.rate) == (True, 150)


def test_its_services_follow_what_is_offered(desk: Provider) -> None:
    made = make(desk)
    changed = change_offer(made.offer, LISTING | {"name": "Listing", "rate": Decimal(1000), "maximum": 20})
    made.service.refresh_from_db()
    assert sorted(changed) == ["maximum", "name", "rate"]
    assert (made.service.name, made.service.maximum, made.service.cost_rate) == ("Listing", 20, 1000)
    assert made.service.off_sale.startswith("The pinned price 900")  # never below cost by accident
    assert change_offer(made.offer, LISTING | {"name": "Listing", "rate": Decimal(1000), "maximum": 20}) == []


def test_what_is_no_longer_offered_goes_off_sale_and_comes_back(admin: Client, desk: Provider) -> None:
    made = make(desk)
    order = world.order(world.customer(), made.service, quantity=10)
    where = f"/manage/providers/{desk.pk}/by-hand/{made.offer.pk}/switch"
    admin.post(where, {"offered": "no"})
    made.service.refresh_from_db()
    assert not made.service.on_sale
    assert world.state_of(order) == "held"
    admin.post(where, {"offered": "yes"})
    made.service.refresh_from_db()
    assert made.service.on_sale
    assert offer_on_or_off(made.offer, True) is False


def test_the_deny_list_holds_it_back(desk: Provider) -> None:
    deny("word", "listing", "Not sold here")
    made = make(desk)
    assert (made.on_sale, "deny-list" in made.why_not) == (False, True)


def test_zero_cost_is_for_what_staff_deliver_only(desk: Provider) -> None:
    made = make(desk)
    assert publish(desk, [made.offer.external_id]).skipped == ()
    read = world.offer(world.provider(), rate=Decimal(0))
    assert "its rate is zero" in publish(read.provider, [read.external_id], markup=Decimal(10)).skipped[0]
    sold = world.service(world.offer(read.provider, "2"))
    Offer.objects.filter(external_id="2", provider=read.provider).update(rate=0)
    reprice()
    sold.refresh_from_db()
    assert sold.off_sale == "The provider's rate is zero."


def test_a_provider_with_an_api_has_no_services_by_hand(admin: Client) -> None:
    provider = world.provider()
    assert admin.get(f"/manage/providers/{provider.pk}/by-hand").status_code == 404
    with pytest.raises(InvalidOffer, match="has an API"):
        make(provider)


def test_the_pages_ask_the_same_number_of_queries_however_long_the_list(
    admin: Client, desk: Provider
) -> None:
    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(f"/manage/providers/{desk.pk}/by-hand").status_code == 200
        return len(queries)

    make(desk)
    counted()
    few = counted()
    for at in range(8):
        make(desk, name=f"Listing {at}")
    assert counted() == few
    assert not Order.objects.exists()


def test_an_offer_is_edited_on_its_page(admin: Client, desk: Provider) -> None:
    made = make(desk)
    where = f"/manage/providers/{desk.pk}/by-hand/{made.offer.pk}"
    assert "Directory listing" in text(admin.get(where))
    form = {
        "name": "Listing",
        "category": "Directories",
        "description": "",
        "minimum": "2",
        "maximum": "50",
        "rate": "1.5",
    }
    admin.post(where, form)
    made.offer.refresh_from_db()
    assert (made.offer.name, made.offer.minimum, made.offer.rate, made.offer.cancel) == (
        "Listing",
        2,
        Decimal("1.5"),
        False,
    )
    assert AuditEntry.objects.get(verb="offer.change").details["after"]["rate"] == "1.5"


# ── the command ─────────────────────────────────────────────────────────────────────────────────────


def run(*words: str) -> list[dict[str, Any]]:
    output = StringIO()
    call_command("manual_service", *words, "--json", stdout=output)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_service_is_made_changed_stopped_and_resumed_by_command(desk: Provider) -> None:
    words = ("--name", "Directory listing", "--category", "Directories", "--maximum", "50", "--price", "900")
    (made,) = run("Our own desk", "add", *words, "--cancel", "yes")
    service = Service.objects.get()
    assert made == {
        "offer": "1", "service": service.pk, "name": "Directory listing", "category": "Directories",
        "type": "default", "minimum": 1, "maximum": 50, "rate": "0.00000000", "price": "900.00000000", "pinned": True,
        "refill": False, "cancel": True, "offered": True, "on_sale": True, "why_not": "",
    }  # fmt: skip
    assert world.state_of(world.order(world.customer(), service, quantity=10)) == "held"
    (changed,) = run(str(desk.pk), "change", "1", "--maximum", "20", "--rate", "100", "--price", "950")
    assert (changed["maximum"], changed["rate"], changed["price"]) == (20, "100.00000000", "950.00000000")
    assert (changed["name"], changed["cancel"], changed["on_sale"]) == ("Directory listing", True, True)
    assert run("Our own desk", "change", "1", "--cancel", "no")[0]["cancel"] is False
    (stopped,) = run("Our own desk", "stop", "1")
    assert (stopped["offered"], stopped["on_sale"]) == (False, False)
    assert stopped["why_not"]
    assert run("Our own desk", "resume", "1")[0]["on_sale"] is True
    run("Our own desk", "add", "--name", "Second")
    assert [(row["offer"], row["on_sale"]) for row in run("Our own desk")] == [("1", True), ("2", False)]
    assert AuditEntry.objects.filter(verb__in=["service.make", "offer.change", "offer.switch"]).count() >= 5
    world.sane()


def test_the_rules_price_it_again_by_command(desk: Provider) -> None:
    MarkupRule.objects.create(scope=MarkupRule.Scope.EVERYTHING, percent=50)
    run("Our own desk", "add", "--name", "Listing", "--rate", "100", "--price", "900")
    (row,) = run("Our own desk", "change", "1", "--price", "rules")
    assert (row["price"], row["pinned"]) == ("150.00000000", False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add"], "--name"),
        (["add", "3", "--name", "x"], "name none"),
        (["add", "--name", "x", "--type", "nonsense"], "cannot be sold"),
        (["add", "--name", "x", "--minimum", "9", "--maximum", "3"], "less than the minimum"),
        (["add", "--name", "x", "--rate", "nan"], "not a valid rate"),
        (["add", "--name", "x", "--price", "0"], "more than zero"),
        (["change"], "which of its services"),
        (["stop", "7"], "has no service 7"),
        (["change", "1", "--type", "package"], "chosen once"),
        (["change", "1", "--maximum", "10", "--price", "-1"], "more than zero"),
    ],
)
def test_the_command_says_what_is_wrong_and_changes_nothing(
    desk: Provider, words: list[str], says: str
) -> None:
    make(desk)
    with pytest.raises(CommandError, match=says):
        run("Our own desk", *words)
    assert Offer.objects.get().maximum == 50


def test_the_command_leaves_services_that_are_read_from_an_api_alone() -> None:
    world.offer(world.provider())
    with pytest.raises(CommandError, match="has an API"):
        run("Meridian", "change", "1", "--name", "Mine")
