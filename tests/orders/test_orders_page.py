"""The orders page: what it lists, finds, counts, exports and asks for at once, and what it costs to show."""

import csv
import io
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import User
from orders.models import Order, Request
from orders.views import listing
from providers.models import Service
from tests import world
from tests.staff_world import accepted, cancel_asked, completed, doubtful, refill_asked, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer(balance="1000")


@pytest.fixture
def views() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def ids(page: HttpResponse) -> list[int]:
    return [int(number) for number in re.findall(r'id="row-(\d+)"', page.content.decode())]


def text_of(page: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def row_of(page: HttpResponse, order: Order) -> str:
    found = re.search(rf'<tr id="row-{order.pk}">.*?</tr>', page.content.decode(), re.S)
    assert found
    return found[0]


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_a_first_visit_leads_on(browser: Client) -> None:
    page = text_of(browser.get("/orders/"))
    assert "No orders yet" in page
    assert "New order" in page
    assert "Export CSV" not in page


def test_it_lists_only_ones_own_orders_newest_first(browser: Client, alice: User, views: Service) -> None:
    mine = [world.order(alice, views, f"https://example.org/{n}") for n in range(3)]
    world.order(world.bob(), views, "https://example.org/bob")
    page = browser.get("/orders/")
    assert ids(page) == [order.pk for order in reversed(mine)]
    assert "bob" not in text_of(page)


def test_rows_say_where_an_order_stands(browser: Client, alice: User, views: Service) -> None:
    drip = accepted(
        world.order(alice, views, quantity=1000, runs=5, interval=60), remains=1700, start_count=7
    )
    unsure = doubtful(world.order(alice, views))
    page = browser.get("/orders/")
    assert "Run 4 of 5" in row_of(page, drip)
    assert "In progress" in row_of(page, drip)
    assert ">1,700<" in row_of(page, drip)
    assert "Pending" in row_of(page, unsure)
    assert "being verified" in row_of(page, unsure)


def test_an_action_is_offered_only_while_the_order_allows_it(
    browser: Client, alice: User, views: Service
) -> None:
    done = completed(world.order(alice, views))
    asked = completed(world.order(alice, views))
    refill_asked(asked)
    running = accepted(world.order(alice, views))
    waiting = accepted(world.order(alice, views))
    cancel_asked(waiting)
    plain = completed(
        world.order(alice, world.service(views.routes.get().offer, refill=False, cancel=False, name="Plain"))
    )
    page = browser.get("/orders/")
    assert f"/orders/{done.pk}/refill" in row_of(page, done)
    assert "Refill requested" in row_of(page, asked) and "/refill" not in row_of(page, asked)
    assert f"/orders/{running.pk}/cancel" in row_of(page, running)
    assert "Cancel requested" in row_of(page, waiting) and "/cancel" not in row_of(page, waiting)
    assert "/refill" not in row_of(page, plain) and "/cancel" not in row_of(page, plain)
    assert 'data-can="refill"' in row_of(page, done) and 'data-can="cancel"' in row_of(page, running)


def test_tabs_count_and_narrow_by_status(browser: Client, alice: User, views: Service) -> None:
    done = completed(world.order(alice, views))
    for _ in range(2):
        world.order(alice, views)
    page = browser.get("/orders/")
    for tab in ("All 3", "Pending 2", "Completed 1", "Partial 0"):
        assert tab in text_of(page)
    assert ids(browser.get("/orders/?status=Completed")) == [done.pk]
    assert len(ids(browser.get("/orders/?status=nonsense"))) == 3


def test_search_takes_a_number_a_list_a_link_and_ones_own_reference(
    browser: Client, alice: User, views: Service
) -> None:
    one = world.order(alice, views, "https://example.org/one", reference="Spring launch")
    two = world.order(alice, views, "https://tern-coffee.example/two")
    three = world.order(alice, views, "@three", reference="2026")

    def found(words: str) -> list[int]:
        return ids(browser.get("/orders/", {"q": words}))

    assert found(str(one.pk)) == [one.pk]
    assert found(f"#{one.pk}, {two.pk}\n{10**15}") == [two.pk, one.pk]
    assert found("tern-coffee") == [two.pk]
    assert found("https://example.org/one") == [one.pk]
    assert found("spring LAUNCH") == [one.pk]
    assert found("2026") == [three.pk]
    assert found("9" * 40) == []
    assert found("100%_") == []
    assert "No orders match" in text_of(browser.get("/orders/", {"q": "nothing"}))
    assert browser.get("/orders/", {"q": "\0"}).status_code == 200


def test_filters_live_in_the_address(browser: Client, alice: User, views: Service) -> None:
    other = world.service(views.routes.get().offer, name="Other")
    mine, theirs = world.order(alice, views), world.order(alice, other)
    assert ids(browser.get(f"/orders/?service={other.pk}")) == [theirs.pk]
    assert ids(browser.get("/orders/?days=7d")) == [theirs.pk, mine.pk]
    today = timezone.localdate()
    assert ids(browser.get(f"/orders/?since={today}&until={today}")) == [theirs.pk, mine.pk]
    assert ids(browser.get(f"/orders/?until={today - timedelta(days=1)}")) == []
    assert "Date 1 Mar 2026 – 9 Mar 2026" in text_of(
        browser.get("/orders/?since=2026-03-01&until=2026-03-09")
    )
    User.objects.filter(pk=alice.pk).update(language="de")
    german = text_of(browser.get("/orders/?since=2026-03-01"))
    assert "Datum 1 Mär 2026 – …" in german
    User.objects.filter(pk=alice.pk).update(language="")
    assert len(ids(browser.get("/orders/?since=2026-99-99&days=x&service=x&size=7&after=x"))) == 2
    assert (
        'href="?"' in browser.get("/orders/?days=7d").content.decode()
    )  # the chip that takes the filter away


def test_refill_available_means_what_the_rules_of_refills_say(
    browser: Client, alice: User, views: Service
) -> None:
    fits = completed(world.order(alice, views))
    asked = completed(world.order(alice, views))
    refill_asked(asked)
    world.order(alice, views)
    without = world.service(views.routes.get().offer, refill=False, name="Without")
    completed(world.order(alice, without))
    page = browser.get("/orders/?refill=1")
    assert ids(page) == [fits.pk]
    assert f"/orders/{fits.pk}/refill" in row_of(page, fits)


def test_pages_follow_each_other_by_key_in_both_directions(
    browser: Client, alice: User, views: Service
) -> None:
    made = [world.order(alice, views).pk for _ in range(60)][::-1]

    def step(page: HttpResponse, rel: str) -> str:
        found = re.search(rf'href="([^"]*)" rel="{rel}"', page.content.decode())
        return "/orders/" + found[1].replace("&amp;", "&") if found else ""

    first = browser.get("/orders/?status=Pending")
    second = browser.get(step(first, "next"))
    third = browser.get(step(second, "next"))
    assert ids(first) + ids(second) + ids(third) == made
    assert "25 of 60" in text_of(first)
    assert step(first, "prev") == step(third, "next") == ""
    assert "status=Pending" in step(second, "next")
    assert ids(browser.get(step(third, "prev"))) == ids(second)
    assert ids(browser.get(step(second, "prev"))) == ids(first)
    assert len(ids(browser.get("/orders/?size=50"))) == 50


def test_a_page_of_fifty_costs_as_many_queries_as_one_of_one(
    browser: Client, alice: User, views: Service
) -> None:
    world.order(alice, views)
    for address in ("/orders/", "/orders/rows?top=999999"):
        browser.get(address)
        with CaptureQueriesContext(connection) as one:
            browser.get(address)
        for number in range(49):
            order = world.order(alice, views)
            if number % 7 == 0:
                refill_asked(completed(order))
        with CaptureQueriesContext(connection) as many:
            browser.get(f"{address}{'&' if '?' in address else '?'}size=50")
        assert len(many) == len(one) <= 9, [query["sql"][:120] for query in many]


def live_address(page: HttpResponse) -> str:
    found = re.search(r'hx-get="(/orders/rows[^"]*)"', page.content.decode())
    assert found
    return found[1].replace("&amp;", "&")


def test_the_live_refresh_says_nothing_until_something_changed(
    browser: Client, alice: User, views: Service
) -> None:
    order = world.order(alice, views)
    address = live_address(browser.get("/orders/?status=Pending"))
    assert browser.get(address).status_code == 204
    accepted(order, status="Pending", start_count=5)
    changed = browser.get(address)
    assert changed.status_code == 200
    assert ids(changed) == [order.pk]
    assert 'id="order-tabs" hx-swap-oob="true"' in changed.content.decode()
    assert browser.get(live_address(changed)).status_code == 204


def test_new_orders_do_not_push_the_rows_away(browser: Client, alice: User, views: Service) -> None:
    first = world.order(alice, views)
    address = live_address(browser.get("/orders/"))
    for _ in range(2):
        world.order(alice, views)
    changed = browser.get(address)
    assert ids(changed) == [first.pk]
    assert "2 new orders, show" in text_of(changed)
    assert "top=" not in re.sub(
        r'hx-get="[^"]*"', "", changed.content.decode()
    )  # no link leads to the refresh
    assert browser.get(live_address(changed)).status_code == 204


def test_the_export_holds_all_that_match_and_no_formula(browser: Client, alice: User, views: Service) -> None:
    order = completed(world.order(alice, views, '=HYPERLINK("http://evil")', reference="+1", quantity=1500))
    world.order(alice, views, "@name")
    world.order(world.bob(), views, "https://example.org/bob")
    answer = browser.get("/orders/export.csv?status=Completed")
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    (row,) = rows_of(answer)
    assert row["link"] == '\'=HYPERLINK("http://evil")'
    assert row["reference"] == "'+1"
    assert (row["id"], row["charge"], row["paid"], row["status"]) == (
        str(order.pk),
        "3.000000",
        "3.000000",
        "Completed",
    )
    assert row["placed_at"].endswith("+00:00")
    assert [row["link"] for row in rows_of(browser.get("/orders/export.csv?q=name"))] == ["'@name"]


def bulk(browser: Client, act: str, *orders: Order, **more: Any) -> HttpResponse:
    return browser.post(
        "/orders/bulk", {"act": act, "id": [order.pk for order in orders], **more}, follow=True
    )


def test_a_bulk_request_tells_of_every_order_it_could_not_ask_for(
    browser: Client, alice: User, views: Service
) -> None:
    done, asked, running = (
        completed(world.order(alice, views)),
        completed(world.order(alice, views)),
        accepted(world.order(alice, views)),
    )
    refill_asked(asked)
    page = bulk(browser, "refill", done, asked, running, query="status=Completed")
    words = text_of(page)
    assert "1 of 3 refills requested." in words
    assert f"Order {asked.pk}: It was requested already." in words
    assert f"Order {running.pk}: A refill can be asked for once the order is completed." in words
    assert page.redirect_chain == [("/orders/?status=Completed", 302)]
    assert Request.objects.get(order=done).kind == "refill"


def test_bulk_cancel_returns_what_was_not_sent_yet(browser: Client, alice: User, views: Service) -> None:
    orders = [world.order(alice, views) for _ in range(3)]
    assert "3 of 3 cancels requested." in text_of(bulk(browser, "cancel", *orders))
    assert Order.objects.filter(status="Canceled").count() == 3
    world.sane()


def test_without_script_a_bulk_cancel_asks_first_also_for_all_that_match(
    browser: Client, alice: User, views: Service
) -> None:
    orders = [world.order(alice, views) for _ in range(3)]
    asked = {"act": "ask-cancel", "all_matching": ["", "1"], "query": "status=Pending"}
    page = browser.post("/orders/bulk", asked)
    assert "3 orders" in text_of(page) and not Order.objects.filter(status="Canceled").exists()
    fields = dict(re.findall(r'name="(query|all_matching)" value="([^"]*)"', page.content.decode()))
    assert "3 of 3 cancels requested." in text_of(bulk(browser, "cancel", **fields))
    some = browser.post("/orders/bulk", {"act": "ask-cancel", "id": [orders[0].pk]}).content.decode()
    assert re.findall(r'name="id" value="(\d+)"', some) == [str(orders[0].pk)]
    assert "No order is selected." in text_of(bulk(browser, "ask-cancel"))


def test_more_than_go_at_once_are_told_of_and_left_as_they_are(
    browser: Client, alice: User, views: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_AT_ONCE", 2)
    orders = [world.order(alice, views) for _ in range(3)]
    words = text_of(bulk(browser, "cancel", all_matching="1", query="status=Pending"))
    assert "2 of 2 cancels requested." in words
    assert "1 more match and were not asked for: at most 2 at once. Nothing changed for them." in words
    assert [Order.objects.get(pk=order.pk).status for order in orders] == ["Pending", "Canceled", "Canceled"]
    assert "more match" not in text_of(bulk(browser, "cancel", all_matching="1", query="status=Pending"))
    world.sane()


def test_what_matches_is_counted_no_further_than_the_tabs_count(
    browser: Client, alice: User, views: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.listing.MOST_COUNTED", 3)
    for _ in range(5):
        world.order(alice, views)
    asked = {"act": "ask-cancel", "all_matching": "1", "query": ""}
    with CaptureQueriesContext(connection) as captured:
        assert "3 orders" in text_of(browser.post("/orders/bulk", asked))
    counting = [row["sql"] for row in captured if "COUNT(" in row["sql"] and "orders_order" in row["sql"]]
    assert counting and all("LIMIT 3" in sql for sql in counting)


def test_bulk_reaches_only_ones_own_orders(browser: Client, views: Service) -> None:
    bobs = world.order(world.bob(), views)
    assert "0 of 0" in text_of(bulk(browser, "cancel", bobs))
    assert rows_of(browser.post("/orders/bulk", {"act": "export", "id": [bobs.pk]})) == []
    bobs.refresh_from_db()
    assert bobs.status == "Pending"


def test_all_that_match_means_the_filters_of_the_page(browser: Client, alice: User, views: Service) -> None:
    done = [completed(world.order(alice, views)) for _ in range(3)]
    world.order(alice, views)
    answer = browser.post(
        "/orders/bulk", {"act": "export", "all_matching": "1", "query": "status=Completed&after=1", "id": []}
    )
    assert {row["id"] for row in rows_of(answer)} == {str(order.pk) for order in done}


def test_a_hostile_query_does_not_lead_away(browser: Client) -> None:
    answer = browser.post("/orders/bulk", {"act": "x", "query": "//evil.example/?a=1&b=<script>"})
    target = urlsplit(answer["Location"])
    assert (target.netloc, target.path) == ("", "/orders/")
    assert "<" not in target.query
    assert parse_qs(target.query)["b"] == ["<script>"]


def test_a_link_is_only_a_link_if_it_is_a_web_address(browser: Client, alice: User, views: Service) -> None:
    script = world.order(alice, views, "javascript:alert(1)")
    web = world.order(alice, views, "https://example.org/<b>")
    page = browser.get("/orders/")
    assert 'href="javascript:' not in row_of(page, script)
    assert 'href="https://example.org/&lt;b&gt;"' in row_of(page, web)
    assert "nofollow" in row_of(page, web)


def test_columns_are_chosen_and_remembered_by_the_browser(
    browser: Client, alice: User, views: Service
) -> None:
    order = world.order(alice, views, reference="Campaign 7")
    assert "Start count" in text_of(browser.get("/orders/"))
    assert "Campaign 7" not in row_of(browser.get("/orders/"), order)
    answer = browser.post(
        "/orders/columns", {"column": ["charge", "reference", "compact", "x"], "query": "q=1"}
    )
    assert answer["Location"] == "/orders/?q=1"
    page = browser.get("/orders/")
    head = page.content.decode().split("<thead>")[1].split("</thead>")[0]
    assert "Start count" not in head and "Quantity" not in head and "Charge" in head
    assert "Campaign 7" in row_of(page, order) and "tbl cardy tight" in page.content.decode()
    rows = browser.get("/orders/rows").content.decode()
    assert "Campaign 7" in rows and "Start count" not in rows  # the live refresh keeps to it
    browser.post("/orders/columns", {})
    assert "Charge" not in browser.get("/orders/").content.decode().split("<thead>")[1].split("</thead>")[0]
    browser.post("/orders/columns", {"usual": "1"})
    assert "Start count" in text_of(browser.get("/orders/"))


def test_a_whole_link_finds_its_orders_and_no_longer_ones(
    browser: Client, alice: User, views: Service
) -> None:
    first = world.order(alice, views, "https://example.org/1")
    again = world.order(alice, views, "https://example.org/1")
    longer = world.order(alice, views, "https://example.org/12")
    world.order(world.bob(), views, "https://example.org/")
    assert ids(browser.get("/orders/", {"q": "https://example.org/1"})) == [again.pk, first.pk]
    assert ids(browser.get("/orders/", {"q": "example.org/1"})) == [longer.pk, again.pk, first.pk]
    assert (
        len(ids(browser.get("/orders/", {"q": "https://example.org/"}))) == 3
    )  # none has it: looked for inside
