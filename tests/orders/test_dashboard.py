"""The dashboard: its figures recomputed from the ledger and the orders, what needs attention, the kill switch."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.charting import chart
from customers.models import AuditEntry, Transfer
from orders import dashboard
from orders.dashboard import Slot
from orders.earnings import Totals, totals
from orders.models import DispatchSwitch, Order, Request, Submission
from orders.settlement import end_partial, end_with_full_refund, lock_order
from providers.alerts import keep_alert, raise_alert
from providers.models import Provider, Service
from providers.overview import standings
from tests import staff_world, world
from tests.customers.test_team import just_confirmed, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


@pytest.fixture
def service() -> Service:
    """Cost 1.00, price 2.00 per 1000."""
    return world.service(world.offer(world.provider()))


def moved(order: Order, days: float) -> None:
    """As if the order and its charge were of `days` ago. The database forbids it, so its guards look away."""
    back = timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or the tables have events pending
        for table, at, key in (
            ("orders_order", "created_at", "id"),
            ("customers_transfer", "at", "order_number"),
        ):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(f"UPDATE {table} SET {at} = {at} - %s WHERE {key} = %s", [back, order.pk])
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def today() -> Totals:
    now = timezone.now()
    return totals(now - timedelta(hours=1), now + timedelta(minutes=1))


def from_the_rows() -> tuple[Decimal, Decimal]:
    """Revenue and cost of everything there is, added up one row at a time."""
    revenue = cost = Decimal(0)
    for transfer in Transfer.objects.filter(order_number__isnull=False):
        revenue += transfer.amount if transfer.cause.endswith(":charge") else -transfer.amount
    for order in Order.objects.all():
        if order.status == "Canceled":
            continue
        undelivered = (order.remains or 0) if order.ended_at else 0
        cost += (order.cost * (order.total - undelivered) / order.total).quantize(Decimal("0.000001"))
    return revenue, cost


def test_its_figures_are_those_of_the_ledger(service: Service) -> None:
    alice = world.customer(balance="1000")
    orders = [
        world.order(alice, service, f"https://example.org/{n}", quantity=1000 + 333 * n) for n in range(6)
    ]
    for order in orders[:5]:
        staff_world.accepted(order)
    end_partial(lock_order(orders[0].pk), 333, "stopped early", "provider")
    end_with_full_refund(lock_order(orders[1].pk), "canceled", "provider")
    staff_world.doubtful(orders[5])
    found = today()
    assert (found.revenue, found.cost) == from_the_rows()
    assert (found.orders, found.failed) == (6, 1)
    assert found.profit == found.revenue - found.cost
    assert found.revenue > 0
    world.sane()


def test_a_refund_counts_on_the_day_it_is_given_and_so_does_the_cost_that_falls_away(
    service: Service,
) -> None:
    alice = world.customer()
    order = staff_world.accepted(world.order(alice, service))
    moved(order, 3)
    end_with_full_refund(lock_order(order.pk), "canceled", "provider")
    found = today()
    assert (found.revenue, found.cost, found.orders) == (Decimal("-2.000000"), Decimal("-1.000000"), 0)
    now = timezone.now()
    whole = totals(now - timedelta(days=10), now + timedelta(minutes=1))
    assert (whole.revenue, whole.cost) == (0, 0) == from_the_rows()


def test_today_is_compared_with_the_same_hours_of_the_same_weekday(service: Service, browser: Client) -> None:
    alice = world.customer(balance="1000")
    for n in range(3):
        world.order(alice, service, f"https://example.org/{n}")
    moved(world.order(alice, service, "https://example.org/then", quantity=2000), 7)
    period = dashboard.period_of("today")
    before = totals(*period.compared)
    assert period.compared[1] == period.end - timedelta(days=7)
    assert before.revenue in (0, 4), "an order of a week ago counts, unless midnight lies between"
    if before.revenue:
        assert "+50.0%" in text_of(browser.get("/manage/"))


def test_bars_and_table_hold_the_same_numbers(service: Service, browser: Client) -> None:
    alice = world.customer()
    for n in range(4):
        world.order(alice, service, f"https://example.org/{n}")
    staff_world.doubtful(world.order(alice, service, "https://example.org/doubt"))
    slots = dashboard.slots(dashboard.period_of("7"))
    assert len(slots) == 7
    assert sum(slot.placed for slot in slots) == 5
    assert sum(slot.failed for slot in slots) == 1
    assert [slot.running for slot in slots] == [False] * 6 + [True]
    html = browser.get("/manage/?period=7").content.decode()
    rows = re.findall(r'<th scope="row">.*?</th><td class="num">(\d+)</td><td class="num">(\d+)</td>', html)
    assert [(int(placed), int(failed)) for placed, failed in rows] == [(s.placed, s.failed) for s in slots]


def test_a_bar_is_as_high_as_its_number() -> None:
    now = timezone.now()
    drawn = chart(
        [Slot(now, 100, 0, False), Slot(now, 50, 25, True)], 860, 214,
        slots_in_all=24, every=1, label=lambda slot: "x", title=lambda slot: "y",
    )  # fmt: skip
    whole, half = drawn.bars
    assert whole.sent_height == pytest.approx(4 * half.sent_height, abs=0.3)
    assert half.failed_y + half.failed_height <= half.sent_y
    assert half.faded and not whole.faded
    assert drawn.lines[0].text == "0"


def test_what_needs_attention_stands_by_money_at_risk_with_one_way_out(
    service: Service, browser: Client
) -> None:
    alice = world.customer(balance="1000")
    staff_world.doubtful(world.order(alice, service, "https://example.org/doubt", quantity=5000))
    staff_world.accepted(world.order(alice, service, "https://example.org/odd"), attention="Look at this")
    raise_alert("word:1:frozen", "A word we do not know", at_risk=Decimal(3))
    items = dashboard.needs_attention(standings())
    assert [(item.at_risk, item.link) for item in items[:3]] == [
        (Decimal(10), "/staff/unknown"),
        (Decimal(3), "/manage/alerts"),
        (Decimal(2), "/staff/orders?tab=attention"),
    ]
    keep_alert("watch:deposits", "Payments wait", at_risk=Decimal(1))
    keep_alert("watch:reviews", "Orders held for review wait", at_risk=Decimal(1))
    keep_alert("watch:erased", "Erased accounts hold money", at_risk=Decimal(1))
    items = dashboard.needs_attention(standings())
    of = {item.title: item.link for item in items}
    assert of["Payments wait"] == "/manage/money"
    assert of["Orders held for review wait"] == "/staff/orders?tab=held"
    assert of["Erased accounts hold money"] == "/staff/customers?tab=erased"
    html = browser.get("/manage/").content.decode()
    for item in items:
        assert f'href="{item.link}"' in html
        assert browser.get(item.link).status_code == 200


def test_what_needs_attention_is_asked_for_again_and_answered_only_where_it_changed(browser: Client) -> None:
    html = browser.get("/manage/").content.decode()
    again = re.search(r'id="needs-attention"[^>]*hx-get="([^"]+)"', html)
    assert again and "Nothing waits for you" in html
    assert browser.get(again[1]).status_code == 204
    raise_alert("word:1:frozen", "A word we do not know")
    part = browser.get(again[1])
    assert (part.status_code, "A word we do not know" in part.content.decode()) == (200, True)
    assert "<html" not in part.content.decode()
    new = re.search(r'hx-get="([^"]+)"', part.content.decode())
    assert new and browser.get(new[1]).status_code == 204


def test_money_that_runs_out_services_off_sale_and_late_requests_have_their_figure_of_money_at_risk(
    service: Service,
) -> None:
    """Sales: 3 orders of $200 five days ago at the one provider, one of them with half back: $500 in 30 days."""
    alice = world.customer(balance="10000")
    other = world.service(world.offer(world.provider(name="Other"), external_id="9"))
    sold = [
        staff_world.accepted(world.order(alice, service, f"https://example.org/{n}", quantity=100_000))
        for n in range(3)
    ]
    for order in sold:
        moved(order, 5)
    with transaction.atomic():
        end_partial(lock_order(sold[0].pk), 50_000, "Half", "test")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE customers_transfer DISABLE TRIGGER USER")
        cursor.execute("UPDATE customers_transfer SET at = at - interval '5 days' WHERE source_id = 2")
        cursor.execute("ALTER TABLE customers_transfer ENABLE TRIGGER USER")
    a_day = Decimal("16.67")
    Provider.objects.filter(name="Meridian").update(balance=5, low_balance=10)
    world.order(alice, service, "https://example.org/waits", quantity=5000)
    late = staff_world.cancel_asked(staff_world.accepted(world.order(alice, other, quantity=20_000)))
    Request.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(hours=25))
    Service.objects.filter(pk=service.pk).update(off_sale="The price rose")
    found = {item.link: item for item in dashboard.needs_attention(standings())}
    (runs_out,) = (item for link, item in found.items() if link.startswith("/manage/providers/"))
    assert runs_out.at_risk == 10 + a_day
    assert (runs_out.link.endswith("/top-ups"), runs_out.button) == (True, "Record top-up")
    assert "1 order of $10.00 waits to be sent there. $16.67 of sales a day depend on it." in runs_out.text
    assert found["/manage/services?state=off"].at_risk == a_day
    assert found["/manage/services?state=off"].text.startswith("$16.67 of sales a day before")
    assert found["/staff/review"].at_risk == 40
    in_order = [item.at_risk for item in dashboard.needs_attention(standings())]
    assert in_order == sorted(in_order, reverse=True)


def test_money_at_risk_costs_the_same_queries_whatever_there_is(service: Service) -> None:
    Provider.objects.update(balance=5, low_balance=10)
    Service.objects.update(off_sale="The price rose")

    def queries() -> int:
        rows = standings()
        with CaptureQueriesContext(connection) as captured:
            dashboard.needs_attention(rows)
        return len(captured)

    few = queries()
    alice = world.customer()
    for number in range(4):
        by = world.provider(name=f"P{number}", balance=1, low_balance=2)
        more = world.service(world.offer(by, external_id=str(number)))
        world.order(alice, more, f"https://example.org/{number}")
        Service.objects.filter(pk=more.pk).update(off_sale="Gone")
    assert queries() == few <= 10


def test_top_services_are_those_that_bring_most_after_refunds(service: Service) -> None:
    alice = world.customer(balance="1000")
    other = world.service(world.offer(service.routes.get().offer.provider, "2", name="Other"), rate="4.00")
    world.order(alice, service, quantity=3000)
    refunded = staff_world.accepted(world.order(alice, other, quantity=2000))
    end_partial(lock_order(refunded.pk), 1500, "stopped early", "provider")
    top = dashboard.top_services(dashboard.period_of("7"))
    assert [(row["id"], row["revenue"], row["margin"]) for row in top] == [
        (service.pk, Decimal("6.000000"), Decimal("50.0")),
        (other.pk, Decimal("2.000000"), Decimal("75.0")),
    ]


def test_sending_stops_with_a_reason_and_goes_on(browser: Client, service: Service) -> None:
    without = browser.post("/manage/dispatch/pause", {"note": " "}, follow=True)
    assert "Say why sending stops" in text_of(without)
    browser.post("/manage/dispatch/pause", {"note": "Their invoice is wrong"})
    page = text_of(browser.get("/manage/"))
    assert "Their invoice is wrong" in page and "Stopped by adam@example.org" in page
    world.order(world.customer(), service)
    browser.post("/manage/dispatch/resume")
    assert DispatchSwitch.objects.get().paused_at is None
    assert set(AuditEntry.objects.values_list("verb", flat=True)) >= {"dispatch.pause", "dispatch.resume"}


def test_after_a_restore_open_orders_are_put_in_doubt_before_sending_goes_on(
    browser: Client, service: Service
) -> None:
    order = world.order(world.customer(), service)
    DispatchSwitch.objects.update(paused_at=timezone.now(), paused_by="system", restored=True, reason="older")
    page = text_of(browser.get("/manage/"))
    assert "The database was restored" in page and "1 order that is not final is put in doubt" in page
    refused = browser.post("/manage/dispatch/resume", follow=True)
    assert "Put the open orders in doubt first" in text_of(refused)
    asked = browser.post("/manage/dispatch/resume", {"after_restore": "1"})
    assert asked.headers["Location"].startswith("/account/reauthenticate/")
    just_confirmed(browser).post("/manage/dispatch/resume", {"after_restore": "1"})
    assert Submission.objects.get(pk=order.pk).state == "unknown"
    assert DispatchSwitch.objects.get().paused_at is None


def test_reviewers_see_nothing_of_it() -> None:
    hers = staff_world.signed_in(world.reviewer())
    for path in ("/manage/", "/manage/providers", "/manage/money", "/manage/money/check", "/manage/team"):
        assert hers.get(path).status_code == 403
    for path in ("/manage/dispatch/pause", "/manage/dispatch/resume", "/manage/money/check"):
        assert hers.post(path, {"note": "x"}).status_code == 403
    assert DispatchSwitch.objects.get().paused_at is None


def test_the_period_of_a_reader_begins_at_his_midnight() -> None:
    import zoneinfo

    now: Any = timezone.now().replace(hour=20, minute=30)
    with timezone.override(zoneinfo.ZoneInfo("Asia/Tokyo")):
        period = dashboard.period_of("today", now)
    assert period.end - period.start == timedelta(
        hours=5, minutes=30, seconds=now.second, microseconds=now.microsecond
    )
