"""Tallies: whatever happens to hours that are over, every figure is what the ledger adds up to, live.

The reference is a plain query of its own over the ledger; histories and corrections are random, so are the ranges.
"""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from django.db.models import Q
from django.utils import timezone

from customers import ledger
from customers.figures import money
from customers.models import Account, User
from customers.wallet import wallet_of
from orders import dashboard, reports, wallet_month
from orders.earnings import totals
from orders.ledger_check import TALLY, check_ledger
from orders.ledger_watch import check_and_tell
from orders.models import Order, StaleHour, Submission, SubmissionAttempt, TalliedSpan, Tally
from orders.reports import Range
from orders.tallying import DAY, HOUR, KEYED_HOURS_KEPT, tally
from providers.models import Alert, Provider, Service
from providers.quality import quality_of
from providers.sending import hours_of_sending, last_trouble
from providers.simulating import units_sold
from providers.tallied import day_of
from tests import staff_world, world

SALES, WRITE_OFF = (Account.HOUSE_IDS[kind] for kind in (Account.Kind.SALES, Account.Kind.WRITE_OFF))

PLAIN = """
    SELECT t.at, o.service_id AS service, s.provider_id AS provider, o.user_id AS customer, 0 AS placed, 0 AS failed,
           CASE WHEN t.target_id = 2 THEN t.amount ELSE -t.amount END AS revenue, 0::numeric AS cost
    FROM customers_transfer t JOIN orders_order o ON o.id = t.order_number JOIN orders_submission s ON s.order_id = o.id
    WHERE t.target_id = 2 OR t.source_id IN (2, 5)
    UNION ALL
    SELECT o.created_at, o.service_id, s.provider_id, o.user_id, 1, (s.state IN ('rejected', 'unknown', 'written_off'))::int, 0, o.cost
    FROM orders_order o JOIN orders_submission s ON s.order_id = o.id
    UNION ALL
    SELECT o.ended_at, o.service_id, s.provider_id, o.user_id, 0, 0, 0,
           CASE WHEN o.status = 'Canceled' THEN -o.cost ELSE -round(o.cost * coalesce(o.remains, 0) / o.total, 6) END
    FROM orders_order o JOIN orders_submission s ON s.order_id = o.id WHERE o.ended_at IS NOT NULL
"""


def plain(start: datetime, end: datetime, key: str) -> dict[Any, tuple[int, int, Decimal, Decimal]]:
    """key → placed, failed, revenue, cost, from the ledger alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key}, sum(placed), sum(failed), sum(revenue), sum(cost) FROM ({PLAIN}) x "
            "WHERE at >= %(start)s AND at < %(end)s GROUP BY 1",
            {"start": start, "end": end},
        )
        return {row[0]: tuple(row[1:]) for row in cursor.fetchall()}


class History:
    """Orders of the past, written as an import would: with the triggers that stand in the database, and no others."""

    def __init__(self, seed: int, days: int = 4) -> None:
        self.dice, self.days, self.now = random.Random(seed), days, timezone.now()
        one, two = world.provider(), world.provider(name="Northwind")
        self.providers: list[Provider] = [one, two]
        self.services: list[Service] = [
            world.service(world.offer(one)),
            world.service(world.offer(two, name="Press")),
            world.service(world.offer(one, "2", name="Listings")),
        ]
        self.people: list[User] = [world.customer(), world.bob()]
        self.placed: list[int] = []
        self.causes = 0

    def some_time(self) -> datetime:
        return self.now - self.dice.random() * self.days * DAY

    def place(self) -> None:
        user, service = self.dice.choice(self.people), self.dice.choice(self.services)
        at, amount = self.some_time(), Decimal(self.dice.randrange(1, 9_000_000)) / 1_000_000
        route = service.routes.get()
        order = Order.objects.create(
            user=user, service=service, created_at=at, link="https://example.org/", quantity=1000, total=1000 + 10 * len(self.placed),
            rate=1, charge=amount, cost=amount / 2, status_at=at,
        )  # fmt: skip
        Submission.objects.create(
            order=order,
            state="queued",
            state_at=at,
            provider=route.offer.provider,
            route=route,
            offer=route.offer,
        )
        self.transfer(wallet_of(user).pk, SALES, amount, order.pk, at)
        self.placed.append(order.pk)

    def transfer(self, source: int, target: int, amount: Decimal, order: int, at: datetime) -> None:
        self.causes += 1
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO customers_transfer (at, source_id, target_id, amount, cause, order_number, note, actor) "
                "VALUES (%s, %s, %s, %s, %s, %s, '', '')",
                [at, source, target, amount, f"order:{order}:test-{self.causes}", order],
            )

    def correct(self) -> None:
        """Something happens to an order of the past: what the panel itself may do, and what only a shell would."""
        order = Order.objects.get(pk=self.dice.choice(self.placed))
        change: Callable[[Order], None] = self.dice.choice(
            [
                self.cost,
                self.end,
                self.end,
                self.provider,
                self.fail,
                self.refund,
                self.remains,
                self.send,
                self.send,
            ]
        )
        change(order)

    def cost(self, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(cost=order.cost * self.dice.randrange(1, 5) / 3)

    def end(self, order: Order) -> None:
        ended = max(order.created_at, self.some_time())
        if self.dice.random() < 0.2:
            Order.objects.filter(pk=order.pk).update(
                status="Canceled", refunded=order.charge, ended_at=ended, remains=1000
            )
        elif order.status != "Canceled":
            status = self.dice.choice(["Partial", "Completed"])
            remains = self.dice.randrange(1, 1000) if status == "Partial" else None
            Order.objects.filter(pk=order.pk).update(status=status, ended_at=ended, remains=remains)

    def remains(self, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(remains=self.dice.randrange(1000))

    def send(self, order: Order) -> None:
        """An attempt of the past, or news of one: what was in doubt is decided."""
        attempt = SubmissionAttempt.objects.filter(submission_id=order.pk).first()
        if attempt is None:
            submission = Submission.objects.get(pk=order.pk)
            SubmissionAttempt.objects.create(
                submission=submission, fence=1, provider=submission.provider, offer=submission.offer, cost=1,
                params_hash="", started_at=max(order.created_at, self.some_time()),
                state=self.dice.choice(["sending", "unknown", "accepted"]),
            )  # fmt: skip
        elif attempt.state in ("sending", "unknown"):
            SubmissionAttempt.objects.filter(pk=attempt.pk).update(
                state="not_accepted", reason=self.dice.choice(["auth", "rejected"])
            )

    def provider(self, order: Order) -> None:
        Submission.objects.filter(pk=order.pk).update(provider=self.dice.choice(self.providers))

    def fail(self, order: Order) -> None:
        moves = {"queued": "claimed", "claimed": "sending", "sending": "unknown", "unknown": "queued"}
        lease = {"claimed": self.now, "sending": self.now}
        state = Submission.objects.get(pk=order.pk).state
        if state == "unknown" and self.dice.random() < 0.5:
            Submission.objects.filter(pk=order.pk).update(state="accepted", provider_order_id=f"u{order.pk}")
        elif state != "accepted":
            state = moves[state]
            Submission.objects.filter(pk=order.pk).update(state=state, lease_until=lease.get(state))

    def take(self) -> None:
        """The provider took some of them, so that how they end counts for it."""
        for pk in self.placed[::2]:
            for state, lease, upstream in (
                ("claimed", self.now, None),
                ("sending", self.now, None),
                ("accepted", None, f"u{pk}"),
            ):
                Submission.objects.filter(pk=pk).update(
                    state=state, lease_until=lease, provider_order_id=upstream
                )

    def refund(self, order: Order) -> None:
        house = self.dice.choice([SALES, WRITE_OFF])
        self.transfer(house, wallet_of(order.user).pk, Decimal("0.25"), order.pk, self.some_time())

    def check(self) -> None:
        """Every figure of some ranges, against the plain query."""
        for _ in range(4):
            start, end = sorted((self.some_time() - HOUR, self.some_time() + HOUR))
            same_totals(start, end)
        zone = ZoneInfo(self.dice.choice(["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu"]))
        today = self.now.astimezone(zone).date()
        first = today - timedelta(days=self.dice.randrange(self.days + 1))
        same_reports(Range(first, today, zone))
        with timezone.override(zone):
            for name in dashboard.PERIODS:
                same_slots(dashboard.period_of(name, self.now))
            for user in self.people:
                wallet = wallet_of(user)
                assert wallet_month.month_sums(wallet) == ledger.month_sums(wallet)
        same_sold()
        same_sending(self.providers)
        for provider in self.providers:
            same_quality(provider)


def same_totals(start: datetime, end: datetime) -> None:
    found = totals(start, end)
    expected = plain(start, end, "0").get(0, (0, 0, 0, 0))
    assert (found.orders, found.failed, found.revenue, found.cost) == expected


def same_reports(over: Range) -> None:
    for by in ("service", "provider", "customer"):
        rows = reports.page_of(by, over, "revenue", most=100, skip=0).rows
        expected = plain(over.start, over.end, by)
        assert {row.key: (row.orders, row.revenue, row.cost) for row in rows} == {
            key: (placed, revenue, cost)
            for key, (placed, _failed, revenue, cost) in expected.items()
            if placed or revenue or cost
        }
    days = plain(over.start, over.end, f"(at AT TIME ZONE '{over.zone.key}')::date")
    for row in reports.days_of(over):
        placed, _failed, revenue, cost = days.get(row.key, (0, 0, Decimal(0), Decimal(0)))
        assert (row.key, row.orders, row.revenue, row.cost) == (row.key, placed, revenue, cost)


def same_slots(period: dashboard.Period) -> None:
    unit = "hour" if period.days == 1 else "day"
    zone = timezone.get_current_timezone_name()
    key = f"date_trunc('{unit}', at AT TIME ZONE '{zone}') AT TIME ZONE '{zone}'"
    expected = {at: found[:2] for at, found in plain(period.start, period.end, key).items() if found[0]}
    assert {s.at: (s.placed, s.failed) for s in dashboard.slots(period) if s.placed} == expected
    for row in dashboard.top_services(period):
        placed, _failed, revenue, _cost = plain(period.start, period.end, "service")[row["id"]]
        assert (row["orders"], row["revenue"]) == (placed, revenue)


def same_sold() -> None:
    """Of all services, and of some of them asked for alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT service_id, sum(total), count(*) FROM orders_order WHERE created_at >= %s AND status <> 'Canceled' GROUP BY 1",
            [day_of(timezone.now() - 30 * DAY)],
        )
        sold = {service: (int(units), int(orders)) for service, units, orders in cursor.fetchall()}
    assert units_sold() == sold
    some = sorted(sold)[::2]
    assert units_sold(some) == {service: sold[service] for service in some}
    assert units_sold([]) == {}


def same_sending(providers: list[Provider]) -> None:
    """The health bars of every provider, hour by hour, and with them the latest order that one did not take."""
    of_all = hours_of_sending([provider.pk for provider in providers])
    for provider in providers:
        attempts = SubmissionAttempt.objects.filter(provider=provider)
        bad = attempts.filter(Q(state="unknown") | Q(state="not_accepted", reason="auth")).order_by(
            "-started_at"
        )
        hours = of_all[provider.pk]
        assert len(hours) == 24
        for hour in hours:
            its = {"started_at__gte": hour.at, "started_at__lt": hour.at + HOUR}
            assert (hour.sent, hour.failed) == (attempts.filter(**its).count(), bad.filter(**its).count())
        latest = bad.filter(started_at__gte=hours[0].at).first()
        taken = latest and attempts.filter(started_at__gt=latest.started_at, state="accepted").exists()
        found = last_trouble(provider, hours)
        assert (found and found.at) == (latest.started_at if latest and not taken else None)


def same_quality(provider: Provider) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT service_id, count(*), count(*) FILTER (WHERE status = 'Completed'), count(*) FILTER (WHERE status = 'Partial'),
                   count(*) FILTER (WHERE status = 'Canceled')
            FROM orders_order o JOIN orders_submission s ON s.order_id = o.id
            WHERE provider_id = %s AND state = 'accepted' AND ended_at >= %s GROUP BY 1 ORDER BY 2 DESC, 1
            """,
            [provider.pk, day_of(timezone.now() - 30 * DAY)],
        )
        expected = cursor.fetchall()
        cursor.execute(
            """
            SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took)) FROM (
                SELECT extract(epoch FROM ended_at - created_at) AS took
                FROM orders_order o JOIN orders_submission s ON s.order_id = o.id
                WHERE provider_id = %s AND state = 'accepted' AND status = 'Completed' AND ended_at >= %s
                ORDER BY ended_at DESC LIMIT 20) AS newest HAVING count(*) >= 5
            """,
            [provider.pk, day_of(timezone.now() - 30 * DAY)],
        )
        median = cursor.fetchone()
    whole, services = quality_of(provider)
    found = [
        (row.service_id, row.ended, row.completed, row.partial, row.canceled) for row in [*services, whole]
    ]
    assert found == [*expected, (None, *(sum(row[at] for row in expected) for at in range(1, 5)))]
    assert whole.median_seconds == (median[0] if median else None)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_every_figure_is_that_of_the_ledger(seed: int) -> None:
    history = History(seed)
    for _ in range(25):
        history.place()
    history.take()
    history.check()
    for _ in range(3):
        tally()
        history.check()
        for _ in range(history.dice.randrange(8)):
            history.correct()
            if history.dice.random() < 0.3:
                history.place()
        history.check()
    tally()
    assert not StaleHour.objects.filter(hour__lt=history.now - 2 * HOUR).exists()
    history.check()


@pytest.mark.django_db
def test_hours_that_are_over_are_read_from_their_tallies() -> None:
    """Shown by a tally that is wrong on purpose: nothing else could tell that it was read."""
    history = History(1)
    for _ in range(10):
        history.place()
    tally()
    end = history.now.replace(minute=0, second=0, microsecond=0) - 2 * HOUR
    before = totals(end - 10 * DAY, end)
    hour = Tally.objects.filter(of=Tally.Of.ALL, orders__gt=0).order_by("start")[0]
    Tally.objects.filter(of=hour.of, hours=1, start=hour.start).update(orders=hour.orders + 1000)
    assert totals(end - 10 * DAY, end).orders == before.orders + 1000
    assert totals(hour.start + timedelta(minutes=1), end).orders <= before.orders, (
        "a cut hour was read from it"
    )
    StaleHour.objects.create(hour=hour.start)
    assert totals(end - 10 * DAY, end) == before, "a stale tally was believed"
    tally()
    assert totals(end - 10 * DAY, end) == before


@pytest.mark.django_db
def test_it_tallies_twice_what_it_tallied_once_and_leaves_the_present_alone() -> None:
    history = History(2)
    for _ in range(10):
        history.place()
    assert tally().days > 0
    kept = set(
        Tally.objects.values_list("of", "hours", "start", "key", "provider", "orders", "revenue", "cost")
    )
    again = tally()
    assert (again.days, again.more) == (0, 0)
    assert kept == set(
        Tally.objects.values_list("of", "hours", "start", "key", "provider", "orders", "revenue", "cost")
    )
    assert not TalliedSpan.objects.filter(start__gt=timezone.now() - HOUR).exists()


@pytest.mark.django_db
def test_hours_by_customer_go_after_some_weeks_and_figures_stay() -> None:
    history = History(3, days=KEYED_HOURS_KEPT.days + 30)
    for _ in range(40):
        history.place()
    tally()
    old = timezone.now() - KEYED_HOURS_KEPT - DAY
    assert not Tally.objects.filter(of=Tally.Of.CUSTOMER, hours=1, start__lt=old - DAY).exists()
    assert Tally.objects.filter(of=Tally.Of.CUSTOMER, hours=24, start__lt=old).exists()
    history.check()
    for _ in range(15):
        history.correct()
    history.check()
    tally()
    history.check()
    assert (
        tally().days,
        Tally.objects.filter(of=Tally.Of.CUSTOMER, hours=1, start__lt=old - DAY).count(),
    ) == (0, 0)


@pytest.mark.django_db
def test_what_the_panel_does_to_orders_of_the_present_marks_nothing() -> None:
    alice = world.customer(balance="100")
    service = world.service(world.offer(world.provider()))
    order = staff_world.accepted(world.order(alice, service))
    from orders.settlement import end_with_full_refund, lock_order

    end_with_full_refund(lock_order(order.pk), "canceled", "provider")
    staff_world.doubtful(world.order(alice, service))
    if timezone.now() - order.created_at < timedelta(minutes=1) and timezone.now().minute:
        assert not StaleHour.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_hour_is_not_tallied_while_somebody_may_still_write_into_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orders import tallying

    history = History(4)
    for _ in range(5):
        history.place()
    other = connections.create_connection("default")
    monkeypatch.setattr(tallying, "WAIT_FOR_WRITERS", 0.2)
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE orders_order SET cost = cost WHERE id = %s", [history.placed[0]])
        assert tally().days == 0
        assert not TalliedSpan.objects.exists()
        other.rollback()
        assert tally().days > 0
    finally:
        other.close()
    history.check()


@pytest.mark.django_db
def test_a_day_of_a_reader_without_orders_shows_zeros() -> None:
    over = Range(date(2026, 1, 1), date(2026, 1, 2), ZoneInfo("Asia/Kolkata"))
    tally()
    assert [(row.orders, row.revenue, row.cost) for row in reports.days_of(over)] == [(0, 0, 0)] * 2
    assert totals(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)).orders == 0


@pytest.mark.django_db
def test_the_month_of_a_wallet_is_that_of_its_transfers_with_and_without_tallies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The month is made to begin 24 days ago, whatever day it is; and the wallet's page shows the sums."""
    history = History(7, days=30)
    for _ in range(40):
        history.place()
    for _ in range(30):
        history.correct()
    begins = (history.now - timedelta(days=24)).replace(minute=17)
    monkeypatch.setattr(ledger, "month_begins", lambda: begins)
    monkeypatch.setattr(wallet_month, "month_begins", lambda: begins)
    for _ in range(3):
        for user in history.people:
            wallet = wallet_of(user)
            found = wallet_month.month_sums(wallet)
            assert found == ledger.month_sums(wallet)
            assert found.spent > found.returned > 0
        tally()
        history.correct()
    page = staff_world.signed_in(history.people[0]).get("/wallet/").content.decode()
    sums = ledger.month_sums(wallet_of(history.people[0]))
    assert money(sums.spent) in page
    assert money(sums.returned) in page


@pytest.mark.django_db
def test_days_are_summed_up_by_fours_and_every_figure_stays() -> None:
    history = History(8, days=150)
    for _ in range(60):
        history.place()
    history.take()
    for _ in range(30):
        history.correct()
    tally()
    spans = TalliedSpan.objects.filter(keyed=True)
    assert [spans.filter(hours=hours).count() > 0 for hours in (24, 96, 384, 1536)] == [True] * 4
    assert not [span for span in spans.filter(hours=1536) if span.start.timestamp() % 86_400]
    same_everything = Range(
        (history.now - 151 * DAY).date(), history.now.date() + timedelta(days=1), ZoneInfo("UTC")
    )
    same_reports(same_everything)
    history.check()
    for _ in range(4):
        for _ in range(6):
            history.correct()
        same_reports(same_everything)
        history.check()
        tally()
        same_reports(same_everything)
        history.check()
    assert spans.filter(hours=1536).exists(), "what was corrected is summed up again"
    assert not [row for row in check_ledger().broken if row["invariant"] == TALLY]


@pytest.mark.django_db
def test_a_wrong_sum_of_several_days_is_believed_by_reports_found_by_the_check_and_made_anew() -> None:
    history = History(9, days=40)
    for _ in range(40):
        history.place()
    tally()
    over = Range((history.now - 41 * DAY).date(), history.now.date(), ZoneInfo("UTC"))
    same_reports(over)
    wrong = Tally.objects.filter(of=Tally.Of.CUSTOMER, hours=384, orders__gt=0).order_by("-start")[0]
    Tally.objects.filter(of=2, hours=384, start=wrong.start, key=wrong.key).update(orders=wrong.orders + 7)
    rows = reports.page_of("customer", over, "revenue", most=100, skip=0).rows
    assert sum(row.orders for row in rows) == 40 + 7
    report = check_and_tell(None)
    found = [row for row in report.broken if row["invariant"] == TALLY]
    assert [(row["id"], f"customer {wrong.key}" in row["expected"]) for row in found] == [
        (f"{wrong.start:%Y-%m-%dT%H}Z", True)
    ]
    same_reports(over)
    tally()
    same_reports(over)
    assert TalliedSpan.objects.filter(keyed=True, hours=384, start=wrong.start).exists()
    assert not [row for row in check_ledger().broken if row["invariant"] == TALLY]


@pytest.mark.django_db
def test_a_sum_whose_days_are_made_anew_while_the_check_runs_is_no_drift(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = History(9, days=40)
    for _ in range(40):
        history.place()
    tally()
    wrong = Tally.objects.filter(of=Tally.Of.CUSTOMER, hours=384, orders__gt=0).order_by("-start")[0]
    Tally.objects.filter(of=2, hours=384, start=wrong.start, key=wrong.key).update(orders=wrong.orders + 7)
    TalliedSpan.objects.filter(keyed=True, hours=384, start=wrong.start).delete()
    listed_before = f"SELECT timestamptz '{wrong.start.isoformat()}', 384"
    monkeypatch.setattr("orders.tally_check._BLOCKS", listed_before)
    assert not [row for row in check_ledger().broken if row["invariant"] == TALLY]


@pytest.mark.django_db
def test_how_orders_ended_is_held_by_the_check_too() -> None:
    history = History(10, days=2)
    for _ in range(20):
        history.place()
    history.take()
    for pk in history.placed:
        history.end(Order.objects.get(pk=pk))
    tally()
    ended = Tally.objects.filter(of=Tally.Of.SUPPLY, hours=1, completed__gt=0)[0]
    Tally.objects.filter(of=1, hours=1, start=ended.start, key=ended.key, provider=ended.provider).update(
        completed=ended.completed + 1
    )
    found = [row for row in check_and_tell(None).broken if row["invariant"] == TALLY]
    assert f"ended {ended.completed + 1}/{ended.partial}/{ended.canceled}" in found[0]["found"]
    same_quality(Provider.objects.get(pk=ended.provider))


# ── the check ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
@pytest.mark.parametrize("whole", [True, False])
def test_a_wrong_tally_is_found_told_and_made_anew(whole: bool) -> None:
    history = History(5, days=1)
    for _ in range(12):
        history.place()
    tally()
    since = None if whole else timezone.now() - 30 * HOUR
    assert not [row for row in check_ledger(since).broken if row["invariant"] == TALLY]
    wrong = Tally.objects.filter(of=Tally.Of.SUPPLY, hours=1).order_by("-start")[0]
    Tally.objects.filter(of=1, hours=1, start=wrong.start, key=wrong.key).update(revenue=wrong.revenue + 1)
    report = check_and_tell(since)
    rows = [row for row in report.broken if row["invariant"] == TALLY]
    assert [row["id"] for row in rows] == [f"{wrong.start:%Y-%m-%dT%H}Z"]
    assert f"service {wrong.key}" in rows[0]["expected"]
    assert rows[0]["expected"] != rows[0]["found"]
    assert Alert.objects.filter(key="drift:ledger", closed_at=None).exists()
    history.check()  # live already
    tally()
    history.check()
    assert not [row for row in check_ledger(since).broken if row["invariant"] == TALLY]


@pytest.mark.django_db
def test_a_change_past_the_triggers_is_found_by_the_check() -> None:
    history = History(6)
    for _ in range(12):
        history.place()
    tally()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE orders_order DISABLE TRIGGER USER")
        cursor.execute("UPDATE orders_order SET cost = cost + 1 WHERE id = %s", [history.placed[3]])
        cursor.execute("ALTER TABLE orders_order ENABLE TRIGGER USER")
    assert {row["invariant"] for row in check_ledger().broken} >= {TALLY}
    check_and_tell()
    history.check()
    tally()
    history.check()
    assert TALLY not in {row["invariant"] for row in check_ledger().broken}
