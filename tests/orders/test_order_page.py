"""One order's page: its story in plain words, money lines that add up, requests, and who may see what."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import User
from customers.wallet import balance_of
from orders.models import Order, OrderEvent, Request, Submission
from orders.requests import decide
from orders.settlement import end_completed, end_partial, end_with_full_refund, lock_order
from providers.models import Service
from tests import world
from tests.staff_world import accepted, cancel_asked, completed, doubtful, refill_asked, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def views() -> Service:
    return world.service(world.offer(world.provider(name="Meridian Secret")), rate="1.92")


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def text_of(page: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def show(browser: Client, order: Order) -> HttpResponse:
    page = browser.get(f"/orders/{order.pk}")
    assert page.status_code == 200
    return page


def partial(order: Order, remains: int) -> Order:
    accepted(order, start_count=210_455, remains=remains)
    with transaction.atomic():
        end_partial(lock_order(order.pk), remains, "Ended before the full quantity", "provider")
    return Order.objects.get(pk=order.pk)


def test_a_cancel_that_came_too_late_is_said_in_the_readers_language(
    browser: Client, views: Service, alice: User
) -> None:
    order = accepted(world.order(alice, views))
    cancel_asked(order)
    with transaction.atomic():
        end_completed(lock_order(order.pk), 0, "Delivered", "provider")
    assert "The order was completed before it could be canceled." in text_of(show(browser, order))
    User.objects.filter(pk=alice.pk).update(language="de")
    german = "Die Bestellung war fertig, bevor sie abgebrochen werden konnte."
    assert german in text_of(show(browser, order)) and german in text_of(browser.get("/"))


def test_another_customers_order_does_not_exist(browser: Client, views: Service) -> None:
    secret = world.order(world.bob(), views)
    for address in ("", "/live", "/refill", "/cancel"):
        assert browser.get(f"/orders/{secret.pk}{address}").status_code == 404
        assert browser.get(f"/orders/{10**12}{address}").status_code == 404
    assert browser.post(f"/orders/{secret.pk}/cancel").status_code == 404
    assert Order.objects.get(pk=secret.pk).status == "Pending"


def test_a_partial_order_tells_its_story_and_its_money_adds_up(
    browser: Client, alice: User, views: Service
) -> None:
    order = partial(world.order(alice, views, quantity=5000, reference="Teaser B"), 1570)
    words = text_of(show(browser, order))
    assert "3,430 of 5,000 delivered" in words
    assert "Start count 210,455 Expected count 213,885 Remains 1,570" in words
    assert "Charge $9.60 Partial refund −$3.01 You paid $6.59" in words
    assert "Partial refund, $3.01" in words
    assert "Undelivered 1,570 of 5,000 at $1.92 per 1000, returned to your balance." in words
    assert "Ended as Partial" in words
    assert "Sent to the delivery network" in words
    assert "Charge of $9.60 taken from your balance. Placed in the browser." in words
    assert "Order is closed, no more updates" in words
    assert "Reference Teaser B" in words
    assert words.index("Partial refund, $3.01") < words.index("Placed and paid")  # newest first
    entry = re.search(r"Ledger entry L-(\d+)", words)
    assert entry
    assert entry[0].replace("Ledger entry ", "") in text_of(browser.get(f"/wallet/?order={order.pk}"))
    world.sane()


@pytest.mark.parametrize(
    ("quantity", "remains"), [(100, 33), (1000, 333), (10, 3), (777, 776), (50_000, 12_345)]
)
def test_money_lines_always_add_up_as_shown(
    browser: Client, alice: User, views: Service, quantity: int, remains: int
) -> None:
    order = partial(world.order(alice, views, quantity=quantity), remains)
    shown = re.search(
        r"Charge \$([\d.,]+) Partial refund −\$([\d.,]+) You paid \$([\d.,]+)", text_of(show(browser, order))
    )
    assert shown
    charge, refund, paid = (Decimal(amount.replace(",", "")) for amount in shown.groups())
    assert charge - refund == paid


def test_the_customer_never_reads_what_is_for_staff(browser: Client, alice: User, views: Service) -> None:
    order = accepted(world.order(alice, views), upstream_id="UP-4711", attention="Look at this")
    OrderEvent.objects.create(
        order=order, kind="note", actor="rita@example.org", why="An internal note", staff_only=True
    )
    Order.objects.filter(pk=order.pk).update(cost=Decimal("0.777777"))
    html = show(browser, order).content.decode() + browser.get(f"/orders/{order.pk}/live").content.decode()
    for secret in (
        "Meridian Secret",
        "UP-4711",
        "internal note",
        "Look at this",
        "0.777777",
        "rita@",
        "Staff only",
    ):
        assert secret not in html, secret


def test_staff_see_where_it_was_sent_and_only_admins_what_it_costs(alice: User, views: Service) -> None:
    order = accepted(world.order(alice, views), upstream_id="UP-4711")
    Order.objects.filter(pk=order.pk).update(cost=Decimal("0.777777"))
    reviewer, admin = signed_in(world.reviewer()), signed_in(world.admin())
    for browser in (reviewer, admin):
        words = text_of(show(browser, order))
        assert "Meridian Secret" in words and "UP-4711" in words and alice.email in words
        assert "provider-key" not in words
    assert "0.777777" not in text_of(show(reviewer, order))
    assert "Cost $0.777777" in text_of(show(admin, order))
    assert "/cancel" not in show(reviewer, order).content.decode()  # asking is the customer's


def test_a_reviewer_reads_no_amount_of_ours_in_events_nor_in_answers(alice: User, views: Service) -> None:
    raw = '{"error": "internal", "charge": "0.7654", "balance": "981.55"}'
    order = doubtful(world.order(alice, views), excerpt=raw)
    order.submission.attempts.update(message="Not enough: 43.21 USD are left")
    OrderEvent.objects.create(
        order=order,
        kind="submission",
        actor="adam@example.org",
        why="Route changed at a loss of $0.17 (cost: $2.09): We promised it",
        staff_only=True,
    )
    figures = ("0.17", "2.09", "0.7654", "981", "43.21")
    reviewer, admin = signed_in(world.reviewer()), signed_in(world.admin())
    for address in (f"/orders/{order.pk}", f"/orders/{order.pk}/live", f"/staff/orders/{order.pk}"):
        page = reviewer.get(address).content.decode()
        assert "We promised it" in page and "internal" in page, address
        assert [figure for figure in figures if figure in page] == [], address
        page = admin.get(address).content.decode()
        assert [figure for figure in figures if figure not in page] == [], address


def test_an_order_in_doubt_shows_pending_and_being_verified(
    browser: Client, alice: User, views: Service
) -> None:
    order = doubtful(world.order(alice, views), excerpt="<html>502 Bad Gateway")
    words = text_of(show(browser, order))
    assert "Pending" in words
    assert (
        "Your order is being verified with the delivery network. You are charged once; nothing is sent twice."
        in words
    )
    for raw in ("502", "deadline", "did not answer in time", "Needs attention"):
        assert raw not in words


@pytest.mark.parametrize("state", ["claimed", "sending"])
def test_being_sent_looks_like_pending(browser: Client, alice: User, views: Service, state: str) -> None:
    order = world.order(alice, views)
    row = Submission.objects.filter(pk=order.pk)
    row.update(state="claimed", fence=1, lease_until=timezone.now() + timedelta(minutes=1))
    if state == "sending":
        row.update(state="sending")
    words = text_of(show(browser, order))
    assert "Pending" in words
    assert state not in words.lower().replace("pending", "")


def test_the_page_follows_an_open_order_and_stops_when_it_ended(
    browser: Client, alice: User, views: Service
) -> None:
    order = accepted(world.order(alice, views))
    html = show(browser, order).content.decode()
    address = re.search(r'hx-get="(/orders/\d+/live\?v=\w+)"', html)
    assert address and 'data-live="5"' in html
    assert browser.get(address[1]).status_code == 204
    Submission.objects.filter(pk=order.pk).update(checked_at=timezone.now())
    changed = browser.get(address[1])
    assert "Checked just now" in text_of(changed)
    assert 'id="order-head" hx-swap-oob="morph"' in changed.content.decode()
    with transaction.atomic():
        end_with_full_refund(lock_order(order.pk), "Canceled by the delivery network", "provider")
    ended = browser.get(address[1]).content.decode()
    assert "data-live" not in ended.split('id="order-head"')[0].split("<aside")[0].split(">")[0]
    assert "Canceled" in ended
    assert 'id="balance"' in ended  # the refund shows at once


def test_a_canceled_order_says_that_everything_came_back(
    browser: Client, alice: User, views: Service
) -> None:
    order = accepted(world.order(alice, views))
    with transaction.atomic():
        end_with_full_refund(
            lock_order(order.pk),
            "Canceled by the delivery network; the whole charge was returned",
            "provider",
        )
    words = text_of(show(browser, order))
    assert "Charge $1.92 Refund −$1.92 You paid $0.00" in words
    assert "Canceled by the delivery network; the whole charge was returned." in words


def test_drip_feed_runs_are_derived_and_hidden_if_unclear(
    browser: Client, alice: User, views: Service
) -> None:
    running = accepted(world.order(alice, views, quantity=1000, runs=5, interval=360), remains=1400)
    assert "Run 4 is on now" in text_of(show(browser, running))
    unknown = accepted(world.order(alice, views, quantity=1000, runs=5, interval=360, link="https://e.org/2"))
    words = text_of(show(browser, unknown))
    assert "5 runs of 1,000, every 360 minutes." in words
    assert "is on now" not in words


def test_the_types_own_parameters_are_shown_as_ordered(browser: Client, alice: User) -> None:
    comments = world.service(
        world.offer(world.provider(), service_type="custom comments"), dripfeed=False, minimum=1
    )
    order = world.order(alice, comments, comments="first <b>\nsecond")
    html = show(browser, order).content.decode()
    assert "first &lt;b&gt;" in html
    assert "Placed and paid" in html


def test_a_refill_is_asked_for_with_reason_and_count(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views), start_count=100)
    page = browser.get(f"/orders/{order.pk}/refill")
    assert "Request refill for order" in text_of(page) and "The count should be 1,100 or more." in text_of(
        page
    )
    answer = browser.post(
        f"/orders/{order.pk}/refill", {"current_count": "1,050", "reason": "It dropped"}, follow=True
    )
    assert f"Refill for order {order.pk} requested. Our staff answer within 24 hours." in text_of(answer)
    request = Request.objects.get()
    assert (request.kind, request.state, request.current_count, request.reason) == (
        "refill",
        "requested",
        1050,
        "It dropped",
    )
    words = text_of(show(browser, order))
    assert "Count as you gave it: 1,050" in words
    assert "Waiting for our staff" in words
    assert "“It dropped”" in words


def test_a_wrong_count_is_named_and_the_words_are_kept(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views))
    for odd in ("many", "-3", "9" * 30, "1.5"):
        page = browser.post(f"/orders/{order.pk}/refill", {"current_count": odd, "reason": "my words"})
        assert page.status_code == 422
        assert "Enter the count as a whole number." in text_of(page)
        assert "my words" in page.content.decode()
    assert not Request.objects.exists()


def test_asking_twice_gets_the_open_request(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views))
    browser.post(f"/orders/{order.pk}/refill", {})
    again = browser.post(f"/orders/{order.pk}/refill", {}, follow=True)
    assert f"A refill for order {order.pk} is already open." in text_of(again)
    assert Request.objects.count() == 1


def test_a_cancel_before_sending_returns_the_whole_charge_at_once(
    browser: Client, alice: User, views: Service
) -> None:
    order = world.order(alice, views)
    assert (
        "Nothing was sent yet: the order is canceled at once and $1.92 returns to your balance."
        in text_of(browser.get(f"/orders/{order.pk}/cancel"))
    )
    answer = browser.post(
        f"/orders/{order.pk}/cancel", {"reason": "wrong link", "next": "/orders/?q=1"}, follow=True
    )
    assert answer.redirect_chain == [("/orders/?q=1", 302)]
    assert f"Order {order.pk} is canceled, $1.92 returned to your balance." in text_of(answer)
    assert balance_of(alice) == 100
    world.sane()


def test_a_cancel_of_a_running_order_says_what_it_would_return(
    browser: Client, alice: User, views: Service
) -> None:
    order = accepted(world.order(alice, views, quantity=10_000), remains=7640)
    words = text_of(browser.get(f"/orders/{order.pk}/cancel"))
    assert (
        "the undelivered part, now 7,640 or $14.67, returns to your balance. A cancel cannot be undone."
        in words
    )
    browser.post(f"/orders/{order.pk}/cancel", {})
    assert "Cancel requested" in text_of(show(browser, order))
    assert balance_of(alice) == Decimal("80.80")  # asking moves no money


def test_what_is_not_allowed_is_said_where_the_order_stands(
    browser: Client, alice: User, views: Service
) -> None:
    order = completed(world.order(alice, views))
    answer = browser.get(f"/orders/{order.pk}/cancel", follow=True)
    assert answer.redirect_chain == [(f"/orders/{order.pk}", 302)]
    assert "The order has ended already." in text_of(answer)


def test_a_question_opens_as_a_dialog_for_htmx(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views))
    html = browser.get(
        f"/orders/{order.pk}/refill?next=/orders/", headers={"HX-Request": "true"}
    ).content.decode()
    assert "<html" not in html
    assert 'id="ask-title"' in html and 'name="next" value="/orders/"' in html
    away = browser.post(f"/orders/{order.pk}/refill", {"next": "//evil.example/"})
    assert away["Location"] == f"/orders/{order.pk}"


def test_a_stale_button_leads_the_browser_to_the_order_and_not_a_page_into_the_dialog(
    browser: Client, alice: User, views: Service
) -> None:
    order = completed(world.order(alice, views))
    for kind in ("refill", "cancel"):
        if kind == "refill":
            browser.post(f"/orders/{order.pk}/refill", {})
        stale = browser.get(f"/orders/{order.pk}/{kind}?next=/orders/", headers={"HX-Request": "true"})
        assert (stale.status_code, stale["HX-Redirect"]) == (200, f"/orders/{order.pk}")
        assert not stale.content and "Location" not in stale
    page = text_of(browser.get(f"/orders/{order.pk}"))
    assert f"A refill for order {order.pk} is already open." in page
    sent = browser.post(f"/orders/{order.pk}/refill", {"next": "/orders/"}, headers={"HX-Request": "true"})
    assert sent["HX-Redirect"] == f"/orders/{order.pk}"


def test_staffs_answer_reaches_the_customer(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views))
    request = refill_asked(order)
    decide(request.pk, approve=False, user=world.reviewer(), note="The count did not drop.")
    words = text_of(show(browser, order))
    assert "Refill declined" in words
    assert "The count did not drop." in words
    assert "rita@example.org" not in words


def test_its_queries_do_not_grow_with_its_story(browser: Client, alice: User, views: Service) -> None:
    short, long = world.order(alice, views), accepted(world.order(alice, views, "https://e.org/2"))
    cancel_asked(long)
    for number in range(30):
        OrderEvent.objects.create(order=long, kind="note", actor="system", why=f"note {number}")
    counted: list[int] = []
    for order in (short, short, long):
        with CaptureQueriesContext(connection) as queries:
            show(browser, order)
        counted.append(len(queries))
    assert counted[1] == counted[2] <= 9


def test_an_order_nobody_can_reorder_has_no_such_button(browser: Client, alice: User, views: Service) -> None:
    order = world.order(alice, views)
    assert f"?again={order.pk}" in show(browser, order).content.decode()
    Service.objects.filter(pk=views.pk).update(published=False)
    assert f"?again={order.pk}" not in show(browser, order).content.decode()


def test_a_request_without_clear_answer_is_told_calmly(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views))
    request: Any = refill_asked(order)
    row = Request.objects.filter(pk=request.pk)
    row.update(state="approved")
    row.update(state="claimed", lease_until=timezone.now())
    row.update(state="sending")
    row.update(state="unknown", lease_until=None, upstream_message="An HTML page")
    words = text_of(show(browser, order))
    assert "Being looked at by our staff" in words
    assert "HTML page" not in words


def test_the_refill_window_leads_to_how_refills_work(browser: Client, alice: User, views: Service) -> None:
    page = show(browser, completed(world.order(alice, views))).content.decode()
    assert '<a class="under" href="/help/#refills">How refills work</a>' in page
    assert 'id="refills"' in browser.get("/help/").content.decode()
