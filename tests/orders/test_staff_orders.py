"""Orders of all customers for staff: found by whatever is at hand, shown whole, settled by hand on the page."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from customers import wallet
from customers.figures import SIGNS, money, rate
from customers.models import User
from orders.models import Order, OrderEvent
from orders.staff.search import Filters, find
from orders.staff.without_money import without_money
from providers.models import Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def impressions() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def alice() -> User:
    return world.customer(name="Alice Ames")


@pytest.fixture
def reviewer() -> Client:
    return staff_world.signed_in(world.reviewer())


@pytest.fixture
def admin() -> Client:
    return staff_world.signed_in(world.admin())


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def listed(response: Any) -> list[int]:
    return [int(number) for number in re.findall(r'id="order-(\d+)"', response.content.decode())]


def test_an_order_is_found_by_ids_link_and_person(
    reviewer: Client, alice: User, impressions: Service
) -> None:
    first = staff_world.accepted(world.order(alice, impressions, "https://example.org/a/"), "X-17")
    second = staff_world.accepted(world.order(alice, impressions, "https://example.org/b"), "900017")
    third = world.order(world.bob(), impressions, "https://example.org/a/")
    for q, expected in {
        str(first.pk): [first],
        f"#{first.pk}": [first],
        f"{third.pk}, {first.pk}": [third, first],
        f"{third.pk} {first.pk}\n{first.pk}": [third, first],
        "900017": [second],
        "X-17": [first],
        "https://example.org/a/": [third, first],
        "example.org/a": [third, first],
        "http://example.org/b": [second],
        "alice@example": [second, first],
        "ames": [second, first],
        "bob@example.org": [third],
        "nobody": [],
        "99999999999999999999999": [],
        "' OR 1=1 --": [],
        "\x00": [third, second, first],
    }.items():
        assert listed(reviewer.get("/staff/orders", {"q": q})) == [order.pk for order in expected], q


def test_filters_narrow_and_unknown_words_are_ignored(
    reviewer: Client, alice: User, impressions: Service
) -> None:
    queued = world.order(alice, impressions, "https://example.org/1")
    running = staff_world.accepted(world.order(alice, impressions, "https://example.org/2"))
    odd = staff_world.accepted(world.order(alice, impressions, "https://example.org/3"), attention="Look")
    done = staff_world.completed(world.order(world.bob(), impressions, "https://example.org/4"))
    doubt = staff_world.doubtful(world.order(alice, impressions, "https://example.org/5"))
    provider = queued.submission.provider_id
    for query, expected in {
        "": [doubt, done, odd, running, queued],
        "tab=open": [doubt, odd, running, queued],
        "tab=attention": [odd],
        "tab=stuck": [],
        "status=Completed": [done],
        "submission=unknown": [doubt],
        f"submission=queued&provider={provider}": [queued],
        f"provider={provider + 1}": [],
        f"customer={done.user_id}": [done],
        "status=Nonsense&tab=none&provider=x&size=7&submission=%00": [doubt, done, odd, running, queued],
    }.items():
        assert listed(reviewer.get(f"/staff/orders?{query}")) == [order.pk for order in expected], query


def test_pages_follow_each_other_by_key(reviewer: Client, alice: User, impressions: Service) -> None:
    made = [world.order(alice, impressions, f"https://example.org/{at}", 10).pk for at in range(60)][::-1]
    first = reviewer.get("/staff/orders?size=25")
    assert listed(first) == made[:25]
    second = reviewer.get(f"/staff/orders?size=25&after={made[24]}")
    assert listed(second) == made[25:50]
    last = reviewer.get(f"/staff/orders?size=25&after={made[49]}")
    assert (listed(last), 'rel="next"' in last.content.decode()) == (made[50:], False)
    back = reviewer.get(f"/staff/orders?size=25&before={made[50]}")
    assert (listed(back), 'rel="prev"' in back.content.decode()) == (made[25:50], True)


def test_the_search_uses_the_indexes(alice: User, impressions: Service) -> None:
    """A scan of all links or orders would end the page's usefulness at a few million orders."""
    world.order(alice, impressions)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for filters in (Filters(q="example.org/page"), Filters(q="4711"), Filters(tab="attention")):
        plan = find(filters).order_by("-pk")[:50].explain()
        assert "Seq Scan on orders_order" not in plan, (filters, plan)


def test_the_page_of_an_order_shows_the_whole_story(admin: Client, alice: User, impressions: Service) -> None:
    order = world.order(alice, impressions, reference="job 7")
    Order.objects.filter(pk=order.pk).update(cost=Decimal("1.37"))
    staff_world.accepted(order, "7741920", remains=400, start_count=12)
    staff_world.cancel_asked(order, reason="Wrong page")
    shown = text(admin.get(f"/staff/orders/{order.pk}"))
    for words in ("7741920", "Meridian", "600 of 1,000", "Charge $2.00", "Cost as accepted $1.37", "Stays with us $0.63",
                  "alice@example.org", "job 7", "Submission: accepted", "staff only", "“Wrong page”", "HTTP 200"):  # fmt: skip
        assert words in shown


def test_a_reviewer_sees_everything_but_cost(reviewer: Client, alice: User, impressions: Service) -> None:
    order = staff_world.accepted(world.order(alice, impressions), "7741920")
    Order.objects.filter(pk=order.pk).update(cost=Decimal("1.37"))
    page = reviewer.get(f"/staff/orders/{order.pk}")
    assert "7741920" in text(page)
    for word in ("1.37", "Cost", "Stays with us", "/manage/"):
        assert word not in page.content.decode()


def test_partial_by_hand_on_the_page(reviewer: Client, alice: User, impressions: Service) -> None:
    order = staff_world.accepted(
        world.order(alice, impressions), remains=250, attention="Partial: decide by hand"
    )
    page = text(reviewer.get(f"/staff/orders/{order.pk}"))
    assert "Needs a decision: Partial: decide by hand" in page
    assert "With 250, as reported last, $0.50 goes back." in page
    url = f"/staff/orders/{order.pk}/settle"
    refused = reviewer.post(url, {"choice": "partial", "remains": "two", "reason": "Counted it"})
    assert (refused.status_code, "Counted it" in refused.content.decode()) == (422, True)
    done = reviewer.post(url, {"choice": "partial", "remains": "250", "reason": "Counted it"}, follow=True)
    assert "The order is Partial; $0.50 went back to the customer." in text(done)
    again = reviewer.post(url, {"choice": "partial", "remains": "250", "reason": "Counted it"})
    assert (again.status_code, "does not wait for a decision" in text(again)) == (422, True)
    assert wallet.balance_of(alice) == Decimal("98.5")
    world.sane()


@pytest.mark.parametrize(
    ("choice", "status", "balance"),
    [("full_refund", "Canceled", 100), ("completed", "Completed", 98), ("dismiss", "In progress", 98)],
)
def test_the_other_choices_on_the_page(
    reviewer: Client, alice: User, impressions: Service, choice: str, status: str, balance: int
) -> None:
    order = staff_world.accepted(world.order(alice, impressions), attention="Look")
    reviewer.post(f"/staff/orders/{order.pk}/settle", {"choice": choice, "reason": "Looked"})
    order.refresh_from_db()
    assert (order.status, order.attention) == (status, "")
    assert wallet.balance_of(alice) == balance
    world.sane()


def test_an_order_in_doubt_offers_only_the_desk(reviewer: Client, alice: User, impressions: Service) -> None:
    order = staff_world.doubtful(world.order(alice, impressions))
    page = reviewer.get(f"/staff/orders/{order.pk}").content.decode()
    assert f"/staff/unknown/{order.pk}" in page
    assert "/settle" not in page
    refused = reviewer.post(f"/staff/orders/{order.pk}/settle", {"choice": "full_refund", "reason": "x"})
    assert refused.status_code == 422
    assert wallet.balance_of(alice) == 98


def test_notes_and_requests_in_the_customers_place(
    reviewer: Client, alice: User, impressions: Service
) -> None:
    order = staff_world.accepted(world.order(alice, impressions), remains=10)
    assert reviewer.post(f"/staff/orders/{order.pk}/note", {"note": " "}).status_code == 422
    reviewer.post(f"/staff/orders/{order.pk}/note", {"note": "Called them"})
    assert OrderEvent.objects.get(order=order, after="note").why == "Called them"
    assert (
        reviewer.post(f"/staff/orders/{order.pk}/ask", {"what": "refill", "reason": "x"}).status_code == 422
    )
    assert reviewer.post(f"/staff/orders/{order.pk}/ask", {"what": "cancel", "reason": ""}).status_code == 422
    reviewer.post(f"/staff/orders/{order.pk}/ask", {"what": "cancel", "reason": "By phone"})
    assert order.requests.get().created_by == "rita@example.org"


@pytest.mark.parametrize("act", ["note", "ask", "settle"])
def test_what_does_not_exist_is_404(reviewer: Client, alice: User, impressions: Service, act: str) -> None:
    data = {"what": "cancel", "choice": "dismiss", "reason": "x", "note": "x"}
    assert reviewer.post(f"/staff/orders/999999/{act}", data).status_code == 404
    order = world.order(alice, impressions)
    if act != "note":
        assert (
            reviewer.post(f"/staff/orders/{order.pk}/{act}", {"what": "x", "choice": "x"}).status_code == 404
        )
    assert reviewer.get("/staff/orders/99999999999999999999").status_code == 404


def test_the_queries_do_not_grow_with_the_orders(reviewer: Client, alice: User, impressions: Service) -> None:
    def counted(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert reviewer.get(path).status_code == 200
        return len(queries)

    order = staff_world.accepted(world.order(alice, impressions, "https://example.org/0", 10))
    paths = (
        "/staff/orders",
        "/staff/orders?q=alice",
        f"/staff/orders/{order.pk}",
        f"/staff/orders/of/{alice.pk}",
    )
    few = [counted(path) for path in paths for _again in range(2)][1::2]
    for at in range(1, 9):
        world.order(alice, impressions, f"https://example.org/{at}", 10)
        OrderEvent.objects.create(
            order=order, kind="note", actor="rita@example.org", why="x", staff_only=True
        )
    assert [counted(path) for path in paths] == few


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ('{"order": 7, "charge": "0.27"}', '{"order": 7, "charge": "…"}'),
        ('{"error": "Not enough funds: 3.21 USD"}', '{"error": "Not enough funds: … USD"}'),
        ("balance is $12.30", "balance is …"),
        ("you have 12.30 EUR left, order 99", "you have … left, order 99"),
        ('{"rate":0.5,"service":12}', '{"rate":…,"service":12}'),
        ("incorrect service 12", "incorrect service 12"),
        (
            "Route changed at a loss of $0.10 (cost: $2.10): 2 calls",
            "Route changed at a loss of … (cost: …): 2 calls",
        ),
        ("a loss of 0.10", "a loss of …"),
        ("left: CHF 1'234.50, order 7", "left: …, order 7"),
        ("you have ₽ 1 234,50", "you have …"),
        ('{"user_balance": 2.7e-05}', '{"user_balance": …}'),
        ("HTTP 502 at 12:30:05 UTC, UP-4711, ABC-4711", "HTTP 502 at 12:30:05 UTC, UP-4711, ABC-4711"),
    ],
)
def test_amounts_are_taken_out_of_raw_answers(raw: str, shown: str) -> None:
    assert without_money(raw) == shown


@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize("code", [*SIGNS, "CHF"])
def test_no_currency_that_a_page_can_show_gets_through(code: str, language: str) -> None:
    for amount in ("7531.90", "-75.31", "0.0753"):
        with translation.override(language):
            shown = money(amount, code), rate(amount, code)
        figures = set(re.findall(r"\d+", " ".join(shown))) - {"0"}
        sign, bare = SIGNS.get(code, code), amount.removeprefix("-")
        others = (f"{bare}{sign}", f"{bare} {sign}", f"{sign} {bare}", f"{code} {bare}", f"{bare} {code}")
        for written in (*shown, *others):
            left = without_money(f"Order 42: we have {written} there")
            assert left.startswith("Order 42: we have ") and left.endswith(" there"), left
            assert not set(re.findall(r"\d+", left)) & (figures | set(re.findall(r"\d+", bare)) - {"0"}), left
