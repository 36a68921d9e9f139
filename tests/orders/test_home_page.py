"""The customer's home page: what needs him with its money and one next step, and what it costs to show."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import site_settings
from customers.announcing import announce
from customers.models import DepositRequest, User
from orders.models import Order, Request
from orders.settlement import end_partial, end_with_full_refund, lock_order
from providers.models import Favorite, RateChange, Service
from tests import world
from tests.staff_world import accepted, cancel_asked, completed, doubtful, refill_asked, signed_in

pytestmark = pytest.mark.django_db
BANK = {"name": "Bank transfer", "note": "", "instructions": "IBAN XX00", "minimum": "1"}
MOST_QUERIES = 24


@pytest.fixture
def alice() -> User:
    return world.customer(balance="1000")


@pytest.fixture
def views() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def text_of(page: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def needs(page: HttpResponse) -> dict[str, tuple[str, str, str]]:
    """Title → (text, address of the next step, its word), in the order shown."""
    found = re.findall(
        r'<li class="att"><span class="st[^>]*>.*?<div class="m">(.*?)</div><div class="sm[^>]*>(.*?)</div></div>'
        r'<a class="btn btn-line btn-sm" href="([^"]*)">(.*?)<span',
        page.content.decode(),
        re.S,
    )
    return {title: (text, link.replace("&amp;", "&"), word) for title, text, link, word in found}


def partial(order: Order, remains: int) -> Order:
    accepted(order)
    with transaction.atomic():
        end_partial(lock_order(order.pk), remains, "Ended early", "provider")
    return order


def canceled(order: Order) -> Order:
    accepted(order)
    with transaction.atomic():
        end_with_full_refund(lock_order(order.pk), "Canceled", "provider")
    return order


def placed_ago(minutes: int, user: User, service: Service, **raw: int) -> Order:
    with time_machine.travel(timezone.now() - timedelta(minutes=minutes)):
        order = world.order(user, service, **raw)
    return accepted(order)


def answered(request: Request, state: str, note: str = "", days: int = 0) -> None:
    Request.objects.filter(pk=request.pk).update(
        state=state, state_at=timezone.now() - timedelta(days=days), note=note
    )


def star(user: User, service: Service, before: str = "") -> None:
    """A favorite; with `before`, its price was that until now."""
    Favorite.objects.create(user=user, service=service)
    if before:
        now = service.rate
        RateChange.objects.filter(service=service).update(at=timezone.now() - timedelta(days=30), rate=before)
        RateChange.objects.create(service=service, at=timezone.now(), rate=now, cost_rate=service.cost_rate)


def test_staff_go_where_their_work_is() -> None:
    assert signed_in(world.reviewer()).get("/")["Location"] == "/staff/review"
    assert signed_in(world.admin()).get("/")["Location"].startswith("/manage/")


def test_a_new_customer_is_led_to_adding_funds_and_then_to_a_first_order(views: Service) -> None:
    poor, rich = world.customer("poor@example.org", "0"), world.customer("rich@example.org", "50")
    page = signed_in(poor).get("/")
    assert "Your first order" in text_of(page) and needs(page) == {}
    assert re.search(r'<a class="btn btn-primary" href="/wallet/">', page.content.decode())
    page = signed_in(rich).get("/")
    assert re.search(r'<a class="btn btn-primary" href="/orders/new">', page.content.decode())
    assert "$50.00" in text_of(page)


def test_it_says_when_nothing_needs_him(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views))
    page = browser.get("/")
    assert "Nothing needs you now." in text_of(page) and needs(page) == {}
    assert f'href="/orders/{order.pk}"' in page.content.decode()
    assert "hx-get" not in page.content.decode().split('id="latest"')[1].split(">")[0]


def test_a_doubtful_order_is_said_to_be_charged_once(browser: Client, alice: User, views: Service) -> None:
    order = doubtful(world.order(alice, views, quantity=3000))
    text, link, word = needs(browser.get("/"))["One order is being verified"]
    assert "$6.00 is charged once; nothing is sent twice" in text and str(order.pk) in text
    assert (link, word) == (f"/orders/{order.pk}", "Open order")
    second = doubtful(world.order(alice, views))
    text, link, word = needs(browser.get("/"))["2 orders are being verified"]
    assert "$8.00" in text
    assert (link, word) == (f"/orders/?q={second.pk},{order.pk}", "See them")
    assert f'id="row-{order.pk}"' in browser.get(link).content.decode()


def test_an_order_is_late_after_twice_its_usual_time_and_its_runs(
    browser: Client, alice: User, views: Service
) -> None:
    Service.objects.filter(pk=views.pk).update(median_seconds=3600)
    placed_ago(9000, alice, world.service(views.routes.get().offer, name="Its usual time is not known"))
    placed_ago(230, alice, views, runs=3, interval=60)
    placed_ago(110, alice, views)
    late = placed_ago(130, alice, views)
    shown = needs(browser.get("/"))
    assert list(shown) == ["One order takes longer than usual"]
    text, link, _ = shown["One order takes longer than usual"]
    assert link == f"/orders/{late.pk}"
    assert "usually takes about 60 min" in text and "$2.00 is charged" in text
    placed_ago(250, alice, views, runs=3, interval=60)
    assert "2 orders take longer than usual" in needs(browser.get("/"))


def test_what_ended_early_shows_the_money_that_came_back(
    browser: Client, alice: User, views: Service
) -> None:
    part = partial(world.order(alice, views, quantity=1000), 250)
    gone = [canceled(world.order(alice, views, quantity=1000)) for _ in range(2)]
    shown = needs(browser.get("/"))
    text, link, _ = shown["One order ended before its full quantity"]
    assert "$0.50 came back to your balance" in text and link == f"/orders/{part.pk}"
    text, link, _ = shown["2 orders were canceled"]
    assert "$4.00 came back to your balance" in text
    assert {int(number) for number in link.split("q=")[1].split(",")} == {order.pk for order in gone}
    Order.objects.filter(user=alice).update(ended_at=timezone.now() - timedelta(days=8))
    assert needs(browser.get("/")) == {}
    world.sane()


def test_requests_are_told_while_they_wait_and_when_they_were_answered(
    browser: Client, alice: User, views: Service
) -> None:
    refill = refill_asked(completed(world.order(alice, views)))
    cancel = cancel_asked(accepted(world.order(alice, views)))
    text, link, _ = needs(browser.get("/"))["2 refills and cancels are being handled"]
    assert link == f"/orders/?q={refill.order_id},{cancel.order_id}"
    answered(refill, "done")
    answered(cancel, "denied", "It is nearly delivered.")
    shown = needs(browser.get("/"))
    assert shown["One refill is done"][0].endswith("It cost nothing.")
    text, link, _ = shown["One refill or cancel was declined"]
    assert "The charge stays as it was" in text and "It is nearly delivered." in text
    assert link == f"/orders/{cancel.order_id}"
    Request.objects.update(state_at=timezone.now() - timedelta(days=8))
    assert needs(browser.get("/")) == {}


def test_an_answer_is_old_news_once_the_same_is_asked_again(
    browser: Client, alice: User, views: Service
) -> None:
    order = completed(world.order(alice, views))
    answered(refill_asked(order), "denied")
    refill_asked(order)
    assert list(needs(browser.get("/"))) == ["One refill or cancel is being handled"]


def test_payments_are_told_until_they_are_credited(browser: Client, alice: User, views: Service) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    world.order(alice, views)
    told = announce(alice, site_settings.load().deposit_methods[0], Decimal(25), "TX 1")
    text, link, _ = needs(browser.get("/"))["One payment is not in your balance yet"]
    assert "$25.00, Bank transfer, TX 1." in text and link == "/wallet/#h-announced"
    row = DepositRequest.objects.filter(pk=told.pk)
    row.update(state="refused", decided_at=timezone.now(), note="No such transfer.")
    text, link, _ = needs(browser.get("/"))["One payment was refused"]
    assert "Nothing was added to your balance." in text and "No such transfer." in text
    row.update(decided_at=timezone.now() - timedelta(days=8))
    assert needs(browser.get("/")) == {}


def test_a_low_balance_is_measured_by_his_own_mark(browser: Client, alice: User, views: Service) -> None:
    world.order(alice, views)
    User.objects.filter(pk=alice.pk).update(notices={"low_balance_below": "999"})
    text, link, word = needs(browser.get("/"))["Your balance is low"]
    assert "$998.00 is left" in text and "$999.00" in text
    assert (link, word) == ("/wallet/", "Add funds")
    User.objects.filter(pk=alice.pk).update(notices={"low_balance_below": "998"})
    assert needs(browser.get("/")) == {}
    User.objects.filter(pk=alice.pk).update(notices={"low_balance_below": "999", "low_balance": False})
    assert needs(browser.get("/")) == {}


def test_favorites_lead_to_an_order_and_tell_when_their_price_changed(
    browser: Client, alice: User, views: Service
) -> None:
    world.order(alice, views)
    star(alice, views, before="1.50")
    page = browser.get("/")
    assert f'href="/orders/new?service={views.pk}"' in page.content.decode()
    text, link, _ = needs(page)["The price of one favorite changed"]
    assert "$1.50 before, $2.00 now" in text
    assert views.name in text_of(browser.get(link))
    star(alice, world.service(views.routes.get().offer, rate="3.00", name="Other"), before="4.00")
    assert needs(browser.get("/"))["The prices of 2 favorites changed"][0].startswith("1 up, 1 down.")


def test_it_shows_the_last_five_orders_and_only_ones_own(
    browser: Client, alice: User, views: Service
) -> None:
    mine = [world.order(alice, views) for _ in range(6)]
    bob = world.bob()
    doubtful(world.order(bob, views, "https://example.org/bob"))
    star(bob, views, before="1.00")
    page = browser.get("/")
    shown = [int(number) for number in re.findall(r'id="row-(\d+)"', page.content.decode())]
    assert shown == [order.pk for order in mine[:0:-1]]
    assert needs(page) == {} and "bob" not in text_of(page)


def test_the_last_orders_refresh_themselves_when_something_changed(
    browser: Client, alice: User, views: Service
) -> None:
    order = world.order(alice, views)
    found = re.search(r'hx-get="(/orders/latest[^"]*)"', browser.get("/").content.decode())
    assert found
    assert browser.get(found[1]).status_code == 204
    partial(order, 500)
    fresh = browser.get(found[1])
    assert "Partial" in text_of(fresh) and "$999.00" in text_of(fresh)
    assert "hx-get" not in fresh.content.decode(), "it has ended: nothing is asked any more"


def test_new_terms_are_told_to_an_admin_who_looks_at_the_page(alice: User, views: Service) -> None:
    User.objects.filter(pk=alice.pk).update(terms_version="2020-01")
    adam = signed_in(world.admin())
    adam.post(f"/staff/customers/{alice.pk}/view")
    assert needs(adam.get("/"))["The terms changed"][1] == "/account/terms"
    assert signed_in(alice).get("/")["Location"].startswith("/account/terms")


def test_a_hundred_things_cost_as_many_queries_as_one_of_each(
    browser: Client, alice: User, views: Service
) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    method = site_settings.load().deposit_methods[0]
    Service.objects.filter(pk=views.pk).update(median_seconds=60)
    offer = views.routes.get().offer

    def one_of_each(number: int) -> None:
        doubtful(world.order(alice, views))
        placed_ago(600, alice, views)
        partial(world.order(alice, views), 500)
        canceled(world.order(alice, views))
        refill_asked(completed(world.order(alice, views)))
        answered(refill_asked(completed(world.order(alice, views))), "denied")
        if number < 3:
            announce(alice, method, Decimal(5), f"TX {number}")
        star(alice, world.service(offer, rate="2.00", name=f"Favorite {number}"), before="1.00")

    one_of_each(0)
    browser.get("/")
    with CaptureQueriesContext(connection) as one:
        browser.get("/")
    for number in range(1, 12):
        one_of_each(number)
    with CaptureQueriesContext(connection) as many:
        page = browser.get("/")
    assert len(needs(page)) == 8
    assert len(many) == len(one) <= MOST_QUERIES, [query["sql"][:120] for query in many]
