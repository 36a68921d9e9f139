"""New order in the browser: what the form asks for, what it says the order costs, and what it refuses to do."""

import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import PriceGroup, User
from customers.wallet import balance_of
from orders.models import Order
from providers.models import Favorite, MarkupRule, Service
from providers.service_types import TYPES
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db
LINK = "https://example.org/page"


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def views() -> Service:
    """2.00 per 1000, 10 to 1,000,000, with refill, cancel and drip-feed."""
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def text_of(page: HttpResponse) -> str:
    """What is readable, without tags and doubled spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def hidden(page: HttpResponse, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.content.decode())
    assert found, f"no {name} in the page"
    return found[1]


def entries(service: Service, **more: Any) -> dict[str, Any]:
    return {"service": service.pk, "link": LINK, "quantity": "1,000", "token": uuid.uuid4().hex} | more


def shown(browser: Client, data: dict[str, Any]) -> dict[str, Any]:
    """The entries with the charge that the page showed for them, as the script posts them."""
    quoted = browser.post("/orders/quote", data)
    return data | {name: hidden(quoted, name) for name in ("shown_charge", "shown_for")}


def place(browser: Client, service: Service, **more: Any) -> HttpResponse:
    return browser.post("/orders/new", shown(browser, entries(service, **more)))


def test_an_order_is_placed_and_the_form_is_ready_for_the_next(
    browser: Client, alice: User, views: Service
) -> None:
    answer = place(browser, views, reference="Spring, week 2")
    order = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (
        302,
        f"/orders/new?service={views.pk}&after={order.pk}",
    )
    assert (order.user, order.link, order.quantity, order.charge, order.source, order.reference) == (
        alice,
        LINK,
        1000,
        Decimal("2.00"),
        "web",
        "Spring, week 2",
    )
    page = browser.get(answer["Location"])
    assert f"Order {order.pk} placed, $2.00 charged." in text_of(page)
    assert f'href="/orders/{order.pk}"' in page.content.decode()
    assert 'value="https://example.org/page"' not in page.content.decode()  # an empty link for the next one
    assert 'value="1000"' in page.content.decode()
    assert "Spring, week 2" not in page.content.decode()
    world.sane()


def test_no_charge_is_made_that_was_not_shown(browser: Client, views: Service) -> None:
    """Without script the first post shows the charge, the second one places the order."""
    data = entries(views)
    page = browser.post("/orders/new", data)
    assert page.status_code == 200
    assert "Check the charge, then place the order." in text_of(page)
    assert not Order.objects.exists()
    data |= {name: hidden(page, name) for name in ("shown_charge", "shown_for", "token")}
    assert browser.post("/orders/new", data).status_code == 302
    assert Order.objects.get().charge == 2


def test_a_charge_shown_for_another_quantity_is_shown_again(browser: Client, views: Service) -> None:
    data = shown(browser, entries(views)) | {"quantity": "5000"}
    page = browser.post("/orders/new", data)
    assert "Check the charge" in text_of(page)
    assert "price changed" not in text_of(page)
    assert not Order.objects.exists()


def test_a_price_that_changed_meanwhile_asks_once_with_both_charges(browser: Client, views: Service) -> None:
    data = shown(browser, entries(views))
    Service.objects.filter(pk=views.pk).update(rate=Decimal("2.50"))
    page = browser.post("/orders/new", data)
    assert page.status_code == 422
    assert "The price changed while you were ordering." in text_of(page)
    assert "It was $2.00 and is $2.50 now. Nothing was charged." in text_of(page)
    assert not Order.objects.exists()
    data |= {name: hidden(page, name) for name in ("shown_charge", "shown_for")}
    assert browser.post("/orders/new", data).status_code == 302
    assert Order.objects.get().charge == Decimal("2.50")
    world.sane()


def test_a_double_click_makes_one_order(browser: Client, views: Service) -> None:
    data = shown(browser, entries(views))
    first, second = browser.post("/orders/new", data), browser.post("/orders/new", data)
    assert first["Location"] == second["Location"]
    assert Order.objects.count() == 1
    world.sane()


def test_a_form_from_the_history_that_was_changed_gets_a_new_token(browser: Client, views: Service) -> None:
    data = shown(browser, entries(views))
    browser.post("/orders/new", data)
    changed = data | {"link": "https://example.org/other"}
    page = browser.post("/orders/new", changed)
    assert page.status_code == 422
    assert "This form was sent before." in text_of(page)
    assert Order.objects.count() == 1
    changed |= {"token": hidden(page, "token")}
    assert browser.post("/orders/new", changed).status_code == 302
    assert Order.objects.count() == 2


def test_the_same_link_with_an_open_order_is_a_warning_that_can_be_overruled(
    browser: Client, alice: User, views: Service
) -> None:
    first = world.order(alice, views, LINK)
    page = place(browser, views)
    assert page.status_code == 422
    assert "The same link has an open order of this service." in text_of(page)
    assert f"Order {first.pk}" in text_of(page)
    assert Order.objects.count() == 1
    assert place(browser, views, anyway="1").status_code == 302
    assert Order.objects.count() == 2


def test_another_customers_order_or_an_ended_one_is_no_duplicate(browser: Client, views: Service) -> None:
    world.order(world.bob(), views, LINK)
    assert place(browser, views).status_code == 302


def test_too_little_money_says_what_is_missing_and_what_is_possible(
    browser: Client, alice: User, views: Service
) -> None:
    page = place(browser, views, quantity="68,000", link="https://example.org/big")
    assert page.status_code == 422
    words = text_of(page)
    assert "This order costs $136.00 and your balance is $100.00." in words
    assert "Add at least $36.00, or lower the quantity to 50,000." in words
    assert 'value="68,000"' in page.content.decode()
    assert 'value="https://example.org/big"' in page.content.decode()
    assert balance_of(alice) == 100


def test_the_quantity_it_offers_can_be_paid(browser: Client, alice: User) -> None:
    """An odd rate: the offered quantity is the largest whose charge the balance covers."""
    odd = world.service(world.offer(world.provider()), rate="0.333333")
    page = place(browser, odd, quantity="900,000")
    offered = re.search(r"lower the quantity to ([\d,]+)\.", text_of(page))
    assert offered
    assert place(browser, odd, quantity=offered[1]).status_code == 302
    assert 0 <= balance_of(alice) < Decimal("0.001")


def test_wrong_entries_are_named_beside_their_fields_and_kept(browser: Client, views: Service) -> None:
    page = browser.post("/orders/new", entries(views, link="", quantity="3", reference="mine"))
    assert page.status_code == 422
    words = text_of(page)
    assert "2 fields need a change:" in words
    assert "Enter a link." in words
    assert "The minimum for this service is 10." in words
    assert 'value="3"' in page.content.decode() and 'value="mine"' in page.content.decode()
    assert 'aria-invalid="true"' in page.content.decode()


def test_without_a_service_it_asks_for_one(browser: Client) -> None:
    page = browser.post("/orders/new", {"link": LINK, "quantity": "100"})
    assert page.status_code == 422
    assert "Choose a service." in text_of(page)
    assert f'value="{LINK}"' in page.content.decode()


def test_a_service_that_went_off_sale_meanwhile_is_refused_with_the_entries_kept(
    browser: Client, views: Service
) -> None:
    data = shown(browser, entries(views))
    Service.objects.filter(pk=views.pk).update(off_sale="The provider dropped it")
    page = browser.post("/orders/new", data)
    assert page.status_code == 422
    assert "This service is not on sale now." in text_of(page)
    assert "The provider dropped it" not in text_of(page)
    assert f'value="{LINK}"' in page.content.decode()


def test_a_list_typed_for_a_service_that_went_off_sale_is_kept(browser: Client) -> None:
    offer = world.offer(world.provider(), service_type="custom comments", minimum=1)
    captions = world.service(offer, rate="10.00")
    asked = {"service": captions.pk, "link": LINK, "comments": "A first one\nA second one"}
    page = browser.get(f"/orders/new?service={captions.pk}")
    data = shown(browser, asked | {"token": uuid.uuid4().hex, "fields_of": hidden(page, "fields_of")})
    Service.objects.filter(pk=captions.pk).update(off_sale="The provider dropped it")
    page = browser.post("/orders/new", data)
    assert page.status_code == 422
    assert "This service is not on sale now." in text_of(page)
    assert "A first one A second one</textarea>" in re.sub(r"\s+", " ", page.content.decode())
    assert hidden(page, "fields_of") == "custom comments"  # and so after the next send


def test_the_runs_of_a_service_that_went_off_sale_are_kept(browser: Client, views: Service) -> None:
    page = browser.get(f"/orders/new?service={views.pk}")
    data = entries(views, drip="on", runs="7", interval="45", fields_of=hidden(page, "fields_of"))
    Service.objects.filter(pk=views.pk).update(published=False)
    html = browser.post("/orders/new", data).content.decode()
    for value in ("1,000", "7", "45"):
        assert f'value="{value}"' in html
    assert re.search(r'name="drip"[^>]*checked', html)
    odd = browser.post("/orders/new", data | {"fields_of": "no such type"})
    assert odd.status_code == 422 and LINK in odd.content.decode()


def test_quantity_and_runs_stay_for_the_next_link(browser: Client, views: Service) -> None:
    answer = place(browser, views, quantity="2,500", drip="on", runs="3", interval="90")
    html = browser.get(answer["Location"]).content.decode()
    for value in ("2500", "3", "90"):
        assert f'value="{value}"' in html
    assert re.search(r'name="drip"[^>]*checked', html)
    assert LINK not in html
    secret = world.order(world.bob(), views, quantity=4321)
    assert "4321" not in browser.get(f"/orders/new?service={views.pk}&after={secret.pk}").content.decode()


def test_a_typed_number_counts_where_nothing_was_picked(browser: Client, views: Service) -> None:
    data = entries(views) | {"service": "", "find": str(views.pk)}
    assert browser.post("/orders/new", shown(browser, data)).status_code == 302
    assert Order.objects.get().service == views


def test_drip_feed_is_charged_for_all_runs_and_only_while_it_is_on(browser: Client, views: Service) -> None:
    runs = {"runs": "5", "interval": "60"}
    quoted = text_of(browser.post("/orders/quote", entries(views, drip="on", **runs)))
    assert "5 × 1,000" in quoted
    assert "Each run $2.00" in quoted
    assert "Total $10.00" in quoted
    assert "5 runs of 1,000, every 1 h. Total 5,000." in quoted
    assert "$2.00" in text_of(browser.post("/orders/quote", entries(views, **runs)))
    place(browser, views, drip="on", **runs)
    order = Order.objects.get()
    assert (order.runs, order.interval, order.total, order.charge) == (5, 60, 5000, 10)


def test_the_quote_prices_a_half_filled_form(browser: Client, views: Service) -> None:
    """The link does not count for the charge; the quantity does."""
    quoted = text_of(browser.post("/orders/quote", {"service": views.pk, "quantity": "2500"}))
    assert "Charge $5.00" in quoted
    assert "Balance now $100.00 Balance after $95.00" in quoted
    empty = browser.post("/orders/quote", {"service": views.pk})
    assert empty.status_code == 200
    assert "Enter a quantity." in text_of(empty)
    assert "shown_charge" not in empty.content.decode()
    assert "The maximum for this service is 1,000,000." in text_of(
        browser.post("/orders/quote", {"service": views.pk, "quantity": "1,000,001"})
    )


def test_the_quote_warns_before_the_balance_is_overdrawn(browser: Client, views: Service) -> None:
    quoted = text_of(browser.post("/orders/quote", {"service": views.pk, "quantity": "100,000"}))
    assert "$100.00 is missing. Your balance allows 50,000." in quoted
    assert "Balance after −$100.00" in quoted


@pytest.mark.parametrize("code", [code for code, known in TYPES.items() if known.sellable])
def test_every_sellable_type_has_its_fields_and_can_be_ordered(browser: Client, code: str) -> None:
    kind = TYPES[code]
    service = world.service(
        world.offer(world.provider(), service_type=code, minimum=1, maximum=5000, dripfeed=False), rate="2.00"
    )
    page = browser.get(f"/orders/new?service={service.pk}").content.decode()
    names = {"link", *(field.name for field in kind.fields)} | (
        {"quantity"} if kind.counts == "quantity" else set()
    )
    for name in names:
        assert f'name="{name}"' in page, name
    assert ('name="quantity"' in page) == (kind.counts == "quantity")
    values = {
        field.name: {
            "lines": "one\n\ntwo\r\nthree",
            "integer": "2",
            "text": "word",
            "choice": field.choices[-1][0] if field.choices else "",
        }[field.kind]
        for field in kind.fields
    }
    data = entries(service, **values)
    answer = browser.post("/orders/new", shown(browser, data))
    assert answer.status_code == 302, text_of(answer)
    order = Order.objects.get()
    quantity = {"quantity": 1000, "lines": 3, "one": 1}[kind.counts]
    charge = Decimal(2) if kind.per_order else Decimal(2) * quantity / 1000
    assert (order.quantity, order.charge) == (quantity, charge)
    world.sane()


def test_lines_carry_the_services_own_name_also_in_errors(browser: Client) -> None:
    comments = world.service(
        world.offer(world.provider(), service_type="custom comments"),
        lines_label="Captions, one per line",
        dripfeed=False,
    )
    page = browser.get(f"/orders/new?service={comments.pk}")
    assert "Captions, one per line" in text_of(page)
    assert "Min 10, max 1,000,000 lines" in text_of(page)
    answer = browser.post("/orders/new", entries(comments, comments=" \n "))
    assert "Fill in: Captions, one per line." in text_of(answer)


def test_the_details_answer_with_the_fields_of_the_chosen_service(browser: Client, views: Service) -> None:
    poll = world.service(world.offer(provider_of(views), "2", name="Poll votes", service_type="poll"))
    part = browser.post("/orders/new/details", {"service": poll.pk, "link": LINK, "quantity": "70"})
    html = part.content.decode()
    assert 'name="answer_number"' in html and f'value="{LINK}"' in html and 'value="70"' in html
    assert "Poll votes" not in html or "service-chosen" in html
    assert 'id="service-chosen" hx-swap-oob="true"' in html


def provider_of(service: Service) -> Any:
    return service.routes.get().offer.provider


def test_the_picker_finds_by_number_name_and_filters(browser: Client, alice: User, views: Service) -> None:
    of = provider_of(views)
    podcast = world.service(
        world.offer(of, "2", name="Podcast listens", category="Audio", refill=False, cancel=False)
    )
    Favorite.objects.create(user=alice, service=podcast)

    def found(**asked: Any) -> list[int]:
        html = browser.get("/orders/services", asked).content.decode()
        return [int(pk) for pk in re.findall(r'data-value="(\d+)"', html)]

    assert set(found()) == {views.pk, podcast.pk}
    assert found(q="podcast") == [podcast.pk]
    assert found(q="LISTENS pod") == [podcast.pk]
    assert found(q="audio") == [podcast.pk]
    assert found(q=f"#{views.pk}")[0] == views.pk
    assert found(category=podcast.category_id) == [podcast.pk]
    assert found(favorites="1") == [podcast.pk]
    assert found(refill="1") == [views.pk]
    assert found(cancel="1") == [views.pk]
    assert found(q="no such thing") == []
    assert found(q="\0") == found()


def test_only_what_can_be_delivered_is_offered(browser: Client, views: Service) -> None:
    views.routes.update(enabled=False)
    assert 'role="option"' not in browser.get("/orders/new").content.decode()
    page = browser.get(f"/orders/new?service={views.pk}")
    assert f"Service {views.pk} is not on sale now." in text_of(page)


def test_rates_are_the_customers_own(browser: Client, alice: User, views: Service) -> None:
    group = PriceGroup.objects.create(name="Agencies")
    User.objects.filter(pk=alice.pk).update(price_group=group)
    MarkupRule.objects.create(scope="everything", price_group=group, percent=Decimal(50))
    assert "$1.50" in text_of(browser.get("/orders/services"))
    assert "Charge $1.50" in text_of(browser.post("/orders/quote", {"service": views.pk, "quantity": "1000"}))


def test_order_again_fills_in_what_was_ordered(browser: Client, alice: User, views: Service) -> None:
    order = world.order(alice, views, LINK, 2000, runs=3, interval=30, reference="ref 7")
    html = browser.get(f"/orders/new?again={order.pk}").content.decode()
    for value in (LINK, "2000", "3", "30", "ref 7"):
        assert f'value="{value}"' in html
    assert re.search(r'name="drip"[^>]*checked', html)


def test_another_customers_order_cannot_be_ordered_again(browser: Client, views: Service) -> None:
    secret = world.order(world.bob(), views, "https://example.org/secret")
    assert "secret" not in browser.get(f"/orders/new?again={secret.pk}").content.decode()


def test_a_suspended_customer_is_told_and_nothing_is_charged(
    browser: Client, alice: User, views: Service
) -> None:
    User.objects.filter(pk=alice.pk).update(orders_suspended=True)
    assert "Ordering is suspended" in text_of(browser.get("/orders/new"))
    assert place(browser, views).status_code == 422
    assert balance_of(alice) == 100


def test_odd_input_is_refused_calmly(browser: Client, views: Service) -> None:
    for odd in ("\0", "١٢", "-5", "1e9", "9" * 40, "1,00", "½"):
        page = browser.post("/orders/new", entries(views, quantity=odd))
        assert page.status_code == 422, odd
    assert browser.post("/orders/new", entries(views, link="a\0b")).status_code == 422
    assert browser.post("/orders/new", {"service": "9" * 30}).status_code == 422
    assert browser.get("/orders/new?service=" + "9" * 30).status_code == 200
    assert place(browser, views, reference="a\0b\x07c").status_code == 302
    assert Order.objects.get().reference == "abc"
    world.sane()


def test_one_control_each_is_labelled_service_link_and_quantity(browser: Client, views: Service) -> None:
    """What scripts rely on: the labels name exactly one control, and one button says "Place order"."""
    html = browser.get(f"/orders/new?service={views.pk}").content.decode()
    scripted = re.sub(r"<noscript>.*?</noscript>", "", html, flags=re.S)
    plain = re.sub(r"<template.*?</template>", "", html, flags=re.S)
    for page in (scripted, plain):
        for label in ("Service", "Link", "Quantity"):
            assert len(re.findall(rf"<label[^>]*>{label}</label>", page)) == 1, label
        assert len(re.findall(r"<button[^>]*>\s*Place order", page)) == 1
    assert not re.search(r'aria-label="[^"]*(service|link|quantity)[^"]*"', scripted, re.I)


def test_a_page_of_many_services_costs_as_many_queries_as_one(browser: Client, views: Service) -> None:
    browser.get("/orders/new")
    with CaptureQueriesContext(connection) as one:
        browser.get("/orders/new")
    of = provider_of(views)
    for number in range(2, 42):
        world.service(world.offer(of, str(number), name=f"Service {number}", category=f"C{number % 5}"))
    with CaptureQueriesContext(connection) as many:
        browser.get("/orders/new")
    assert len(many) == len(one) <= 11


def test_a_visitor_signs_in_first(client: Client) -> None:
    for address in ("/orders/new", "/orders/", "/orders/rows", "/services/", "/wallet/", "/"):
        assert client.get(address)["Location"].startswith("/account/login/")


def test_how_a_service_is_delivered_is_said_on_the_order_form_and_in_the_list(
    browser: Client, views: Service
) -> None:
    plain = world.service(world.offer(views.routes.get().offer.provider, external_id="2"), name="Plain one")
    Service.objects.filter(pk=views.pk).update(delivery_note="By ad placements on <partner> sites")
    said = "How it is delivered: By ad placements on &lt;partner&gt; sites"
    assert said in text_of(browser.get(f"/orders/new?service={views.pk}"))
    assert "How it is delivered" not in text_of(browser.get(f"/orders/new?service={plain.pk}"))
    listed = browser.get("/services/").content.decode()
    words = "By ad placements on &lt;partner&gt; sites"
    assert listed.count(words) == 2, (
        "short in the row and whole where it opens, of the one service that has it"
    )
