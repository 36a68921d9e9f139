"""Reports: every figure recomputed from transfers and orders, one row at a time; files, ranges, a constant number of queries."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import AuditEntry, Transfer, User
from orders import reports
from orders.earnings import totals
from orders.models import Order, Submission
from orders.reports import BadRange, Range
from orders.settlement import end_as_written_off, end_partial, end_with_full_refund, lock_order
from tests import staff_world, world
from tests.orders.test_dashboard import moved

pytestmark = pytest.mark.django_db
MILLIONTH = Decimal("0.000001")


@pytest.fixture
def admin() -> Client:
    return staff_world.signed_in(world.admin())


def at_of_transfers(order: Order, back: timedelta, cause: str) -> None:
    """As if money of this order had moved earlier; the database forbids it, so its guards look away."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE customers_transfer DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE customers_transfer SET at = at - %s WHERE order_number = %s AND cause LIKE %s",
            [back, order.pk, cause],
        )
        cursor.execute("ALTER TABLE customers_transfer ENABLE TRIGGER USER")


@pytest.fixture
def business() -> Range:
    """Three customers, two providers, three services; orders of four weeks in every state. The range covers all."""
    one, two = world.provider(), world.provider(name="Northwind")
    services = [
        world.service(world.offer(one), "2.00"),
        world.service(world.offer(one, "2", name="Press"), "3.33333333"),
        world.service(world.offer(two, name="Listings", rate=Decimal("1.7")), "1.50"),
    ]
    people = [world.customer(balance="1000"), world.bob(), world.customer("carol@example.org")]
    orders = [
        world.order(people[n % 3], services[n % 2 + n % 3 // 2], f"https://example.org/{n}", 1000 + 37 * n)
        for n in range(14)
    ]
    for n, order in enumerate(orders[:9]):
        staff_world.accepted(order)
        moved(order, days=3 * n)
    end_partial(lock_order(orders[1].pk), 333, "stopped early", "provider")
    end_partial(lock_order(orders[2].pk), 1, "stopped early", "provider")
    end_with_full_refund(lock_order(orders[4].pk), "canceled", "provider")
    doubt = staff_world.doubtful(orders[10])
    Submission.objects.filter(pk=doubt.pk).update(state="written_off")
    end_as_written_off(lock_order(doubt.pk), "nobody knows", "adam@example.org")
    # one refund and its end on another day than today
    Order.objects.filter(pk=orders[1].pk).update(ended_at=timezone.now() - timedelta(days=2))
    at_of_transfers(orders[1], timedelta(days=2), "%refunded%")
    today = timezone.localdate()
    return Range(today - timedelta(days=40), today, ZoneInfo("UTC"))


def recomputed(over: Range, key: Callable[[Order, datetime], Any]) -> dict[Any, list[Decimal]]:
    """orders, revenue, cost by `key`, from the transfers and orders one at a time."""
    sums: dict[Any, list[Decimal]] = {}

    def add(order: Order, at: datetime, place: int, amount: Decimal) -> None:
        if over.start <= at < over.end:
            row = sums.setdefault(key(order, at), [Decimal(0), Decimal(0), Decimal(0)])
            row[place] += amount

    orders = {order.pk: order for order in Order.objects.select_related("submission")}
    for transfer in Transfer.objects.filter(order_number__isnull=False):
        sign = 1 if transfer.cause.endswith(":charge") else -1
        add(orders[transfer.order_number or 0], transfer.at, 1, sign * transfer.amount)
    for order in orders.values():
        add(order, order.created_at, 0, Decimal(1))
        add(order, order.created_at, 2, order.cost)
        if order.ended_at and order.status == "Canceled":
            add(order, order.ended_at, 2, -order.cost)
        elif order.ended_at:
            left = (order.cost * (order.remains or 0) / order.total).quantize(MILLIONTH)
            add(order, order.ended_at, 2, -left)
    return sums


KEYS: dict[str, Callable[[Order, datetime], Any]] = {
    "service": lambda order, _at: order.service_id,
    "provider": lambda order, _at: order.submission.provider_id,
    "customer": lambda order, _at: order.user_id,
}


@pytest.mark.parametrize("by", list(KEYS))
@pytest.mark.parametrize("days", [40, 8, 1])
def test_every_row_is_what_the_transfers_add_up_to(business: Range, by: str, days: int) -> None:
    over = Range(business.last - timedelta(days=days), business.last, business.zone)
    page = reports.page_of(by, over, "revenue", most=100, skip=0)
    found = {row.key: [row.orders, row.revenue, row.cost] for row in page.rows}
    assert found == recomputed(over, KEYS[by])
    assert page.count == len(found) > 1
    assert [row.revenue for row in page.rows] == sorted((row.revenue for row in page.rows), reverse=True)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/St_Johns"])
def test_days_are_cut_by_the_readers_clock(business: Range, zone: str) -> None:
    over = Range(business.first, business.last + timedelta(days=1), ZoneInfo(zone))
    rows = reports.days_of(over)
    assert [row.key for row in rows] == [over.first + timedelta(days=n) for n in range(over.days)]
    found = {row.key: [row.orders, row.revenue, row.cost] for row in rows if row.orders or row.revenue}
    expected = recomputed(over, lambda _order, at: at.astimezone(over.zone).date())
    assert found == expected


@pytest.mark.parametrize("by", ["day", *KEYS])
def test_all_rows_together_are_the_totals_of_the_ledger(business: Range, by: str) -> None:
    whole = reports.totals_of(business)
    rows = (
        reports.days_of(business)
        if by == "day"
        else reports.page_of(by, business, "profit", most=100, skip=0).rows
    )
    assert sum(row.orders for row in rows) == whole.orders == Order.objects.count()
    assert sum(row.revenue for row in rows) == whole.revenue
    assert sum(row.cost for row in rows) == whole.cost
    assert whole == totals(business.start, business.end)
    of_days = reports.total_of_days(reports.days_of(business))
    assert (of_days.orders, of_days.revenue, of_days.cost) == (whole.orders, whole.revenue, whole.cost)
    world.sane()


def test_a_day_with_a_changed_clock_is_one_day() -> None:
    """In New York 1 November 2026 has 25 hours."""
    day = date(2026, 11, 1)
    over = Range(day, day, ZoneInfo("America/New_York"))
    assert over.end.astimezone(UTC) - over.start.astimezone(UTC) == timedelta(hours=25)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-11-20", "2026-11-19"),
        ("x", ""),
        ("2020-01-01", "2026-01-01"),
        ("0001-01-01", ""),
        ("", "9" * 9),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_with_a_sentence(admin: Client, first: str, last: str) -> None:
    with pytest.raises(BadRange):
        reports.range_of(first, last)
    page = admin.get("/manage/reports", {"from": first, "to": last})
    assert page.status_code == 422 and "Shown are the last 30 days" in page.content.decode()


@pytest.mark.parametrize("by", ["day", *KEYS])
def test_the_page_shows_the_figures_and_asks_as_often_for_one_order_as_for_many(
    admin: Client, business: Range, by: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page = admin.get(
                "/manage/reports", {"by": by, "from": f"{business.first}", "to": f"{business.last}"}
            )
        assert page.status_code == 200
        assert f"{reports.totals_of(business).revenue:,.2f}" in page.content.decode()
        return len(captured)

    queries()  # fills what is kept per process and session
    few = queries()
    for n in range(6):
        fresh = world.customer(f"more{n}@example.org")
        service = world.service(world.offer(world.provider(name=f"P{n}")))
        world.order(fresh, service, f"https://example.org/more/{n}")
    assert queries() == few <= 12


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("by", ["day", *KEYS])
def test_the_file_holds_every_row_with_all_decimals_and_is_audited(
    admin: Client, business: Range, by: str
) -> None:
    asked = {"by": by, "from": f"{business.first}", "to": f"{business.last}"}
    answer = admin.post("/manage/reports.csv", asked)
    rows = rows_of(answer)
    whole = reports.totals_of(business)
    assert sum(Decimal(row["revenue"]) for row in rows) == whole.revenue
    assert sum(Decimal(row["cost"]) for row in rows) == whole.cost
    assert sum(Decimal(row["profit"]) for row in rows) == whole.revenue - whole.cost
    entry = AuditEntry.objects.get(verb="export.report")
    assert (entry.actor_label, entry.details["by"]) == ("adam@example.org", by)


def test_a_name_that_looks_like_a_formula_is_defused_in_the_file(admin: Client) -> None:
    service = world.service(world.offer(world.provider(name="=1+1|cmd")), name="@SUM(A1)")
    world.order(world.customer(), service)
    for by, cell in (("provider", "'=1+1|cmd"), ("service", "'@SUM(A1)")):
        assert rows_of(admin.post("/manage/reports.csv", {"by": by}))[0]["name"] == cell


def test_the_rows_go_on_on_a_next_page(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from orders.manage_views import reports as view

    monkeypatch.setattr(view, "PAGE", 2)
    service = world.service(world.offer(world.provider()))
    for n in range(5):
        world.order(world.customer(f"c{n}@example.org"), service, quantity=1000 * (n + 1))
    pages = [admin.get(f"/manage/reports?by=customer&skip={skip}").content.decode() for skip in (0, 2, 4)]
    assert [page.count("@example.org</a>") for page in pages] == [2, 2, 1]
    assert "c4@example.org" in pages[0] and "c0@example.org" in pages[2]
    assert 'rel="next"' in pages[0] and 'rel="next"' not in pages[2] and 'rel="prev"' in pages[2]
    assert "1 to 2 of 5" in pages[0]


def test_reviewers_and_customers_get_neither_page_nor_file(business: Range) -> None:
    for user in (world.reviewer(), User.objects.get(email="alice@example.org")):
        client = staff_world.signed_in(user)
        assert client.get("/manage/reports").status_code == 403
        assert client.post("/manage/reports.csv").status_code == 403


def test_days_without_revenue_have_no_chart_but_a_sentence(admin: Client) -> None:
    page = admin.get("/manage/reports?by=day").content.decode()
    assert "No revenue in these days" in page and '<svg class="chart' not in page and "0.04" not in page
    world.order(world.customer(), world.service(world.offer(world.provider())))
    page = admin.get("/manage/reports?by=day").content.decode()
    assert "No revenue in these days" not in page and "Revenue by day." in page
