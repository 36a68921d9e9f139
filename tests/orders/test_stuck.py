"""Slow and stuck orders: one rule, by the service's own median; what staff see, in which order, and what it allows."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from customers import site_settings, wallet
from customers.models import User
from orders import stuck
from orders.attention import attention_of
from orders.models import Order, Submission
from orders.staff_decisions import CannotSettle, ask_cancel_for, refund_in_full
from orders.stuck import delay_of, delayed, is_stuck, measure
from orders.syncing import apply_observations, followed
from providers.adapters.results import Observation, Statuses, Word
from providers.models import Service
from tests import world
from tests.staff_world import accepted, signed_in

pytestmark = pytest.mark.django_db
WHY: dict[str, Any] = {"reason": "The provider does not answer"}
MIN, HOUR, DAY = 60, 3600, 86_400


@pytest.fixture
def impressions() -> Service:
    return world.service(world.offer(world.provider()))


@pytest.fixture
def rita() -> User:
    return world.reviewer()


def placed(user: User, service: Service, seconds: float, **order: Any) -> Order:
    """Placed and taken so many seconds ago, and unchanged since."""
    with time_machine.travel(timezone.now() - timedelta(seconds=seconds)):
        made = world.order(user, service, **order)
    accepted(made)
    at = timezone.now() - timedelta(seconds=seconds)
    Submission.objects.filter(pk=made.pk).update(state_at=at)
    return _fresh(made)


def _fresh(order: Order) -> Order:
    return Order.objects.select_related("service", "submission").get(pk=order.pk)


def usual(seconds: int | None) -> None:
    Service.objects.update(median_seconds=seconds)


def changed(order: Order, ago: float) -> Order:
    Submission.objects.filter(pk=order.pk).update(progress_at=timezone.now() - timedelta(seconds=ago))
    return _fresh(order)


def listed(order: Order) -> str:
    """The kind of delay, which list and page must say alike."""
    now, limits = timezone.now(), measure()
    kind = _kind(order)
    assert Order.objects.filter(delayed(now, limits)).exists() is bool(kind)
    return kind


def _kind(order: Order) -> str:
    delay = delay_of(order, order.submission, timezone.now(), measure())
    return delay.kind if delay else ""


@pytest.mark.parametrize(
    ("age", "unchanged_for", "median", "kind"),
    [
        (5 * MIN, None, 2 * MIN, ""),  # more than four times two minutes is no news before an hour
        (59 * MIN, None, 2 * MIN, ""),
        (61 * MIN, None, 2 * MIN, "slow"),
        (61 * MIN, None, None, ""),  # too few orders to know what is usual
        (3.9 * HOUR, None, HOUR, ""),
        (4.1 * HOUR, None, HOUR, "slow"),
        (2.9 * DAY, None, None, ""),
        (3.1 * DAY, None, None, "stuck"),
        (3.1 * DAY, HOUR, None, ""),  # it moves
        (3.1 * DAY, HOUR, HOUR, "slow"),
        (3.1 * DAY, None, HOUR, "stuck"),
        (3.5 * DAY, None, DAY, ""),  # still within four times its day, though nothing changed for three
        (4.1 * DAY, None, DAY, "stuck"),
        (30 * DAY, 2 * DAY, DAY, "slow"),
        (30 * DAY, None, 2_147_483_647, ""),
    ],
)
def test_an_open_order_is_measured_by_its_service(
    impressions: Service, rita: User, age: float, unchanged_for: float | None, median: int | None, kind: str
) -> None:
    usual(median)
    order = placed(world.customer(), impressions, age)
    if unchanged_for is not None:
        order = changed(order, unchanged_for)
    assert listed(order) == kind
    assert is_stuck(order, order.submission, timezone.now()) is (kind == "stuck")
    if kind == "stuck":
        assert refund_in_full(order.pk, by=rita, **WHY) == 2
    else:
        with pytest.raises(CannotSettle):
            refund_in_full(order.pk, by=rita, **WHY)
    world.sane()


def test_the_runs_of_a_drip_feed_are_no_delay(impressions: Service) -> None:
    usual(HOUR)
    alice = world.customer()
    runs: dict[str, Any] = {"quantity": 100, "runs": 5, "interval": 600}
    assert _kind(placed(alice, impressions, 43 * HOUR, **runs)) == ""
    assert _kind(placed(alice, impressions, 45 * HOUR, **runs)) == "slow"
    assert Order.objects.filter(delayed(timezone.now(), measure())).count() == 1


def test_the_site_sets_the_measure(impressions: Service) -> None:
    usual(DAY)
    order = placed(world.customer(), impressions, 5 * DAY)
    assert listed(order) == "stuck"
    site_settings.change({"stuck_days": 6})
    assert listed(order) == "slow"
    site_settings.change({"slow_times": 10})
    assert listed(order) == ""
    for wrong in ({"slow_times": 1}, {"stuck_days": 0}, {"slow_times": "x"}):
        with pytest.raises(site_settings.BadSetting):
            site_settings.change(wrong)


def test_an_admin_changes_the_measure_on_the_settings_page() -> None:
    adam = signed_in(world.admin())
    assert "Stuck: days without a change" in adam.get("/manage/settings").content.decode()
    adam.post("/manage/settings", {"part": "delays", "slow_times": "7", "stuck_days": "9"})
    assert measure() == stuck.Measure(7, timedelta(days=9))


def test_an_order_that_waits_for_a_day_is_listed_and_can_only_be_canceled(
    impressions: Service, rita: User
) -> None:
    order = world.order(world.customer(), impressions)
    Submission.objects.update(queued_since=timezone.now() - timedelta(hours=25))
    assert listed(Order.objects.select_related("service", "submission").get()) == "not_sent"
    with pytest.raises(CannotSettle, match="this one is queued"):
        refund_in_full(order.pk, by=rita, **WHY)
    assert ask_cancel_for(order.pk, by=rita, **WHY).state == "done"
    assert wallet.balance_of(order.user) == 100
    world.sane()


def test_a_reading_that_changes_something_is_progress_and_the_same_once_more_is_none(
    impressions: Service,
) -> None:
    order = placed(world.customer(), impressions, 4 * DAY)
    assert listed(order) == "stuck"

    def read(remains: int, sequence: int) -> None:
        rows = followed(Submission.objects.filter(pk=order.pk))
        seen = Observation(Word.IN_PROGRESS, "In progress", remains=remains)
        apply_observations(rows, Statuses({rows[0].upstream_id: seen}), sequence)

    read(900, 5001)
    again = _fresh(order)
    assert listed(again) == ""
    first = again.submission.progress_at
    assert first is not None
    read(900, 5002)
    assert Submission.objects.get().progress_at == first


def test_the_customer_reads_late_before_staff_read_slow(impressions: Service) -> None:
    usual(HOUR)
    for number, (hours, late, slow) in enumerate(
        ((1.9, False, False), (2.1, True, False), (4.1, True, True))
    ):
        user = world.customer(f"c{number}@example.org")
        order = placed(user, impressions, hours * HOUR)
        titles = [item.title for item in attention_of(user, None, [], "")]
        assert any("longer than usual" in title for title in titles) is late
        assert (_kind(order) == "slow") is slow


def test_the_list_is_by_money_with_the_reason_and_pages_keep_the_order(
    impressions: Service, rita: User
) -> None:
    alice = world.customer(balance="1000")
    sizes = [1000, 5000, 3000, 5000, *[2000] * 23]
    usual(HOUR)
    orders = [
        placed(
            alice,
            impressions,
            4 * DAY if n == 2 else 5 * HOUR,
            link=f"https://example.org/{n}",
            quantity=size,
        )
        for n, size in enumerate(sizes)
    ]
    for order in orders[:2]:
        changed(order, MIN)
    client = signed_in(rita)
    page = client.get("/staff/orders?tab=stuck&size=25")
    by_money = sorted(orders, key=lambda order: (-order.charge, order.pk))
    assert [row.pk for row in page.context["rows"]] == [order.pk for order in by_money[:25]]
    text = page.content.decode()
    assert "No change for 4 d" in text and "Open for 5 h, usually 60 min" in text.replace("1 h", "60 min")
    last = client.get(f"/staff/orders?tab=stuck&size=25&after={page.context['older']}")
    assert [row.pk for row in last.context["rows"]] == [order.pk for order in by_money[25:]]
    first = client.get(f"/staff/orders?tab=stuck&size=25&before={last.context['newer']}")
    assert [row.pk for row in first.context["rows"]] == [order.pk for order in by_money[:25]]
    assert first.context["newer"] is None
    slow_page = client.get(f"/staff/orders/{orders[0].pk}").content.decode()
    assert "Its service is usually quicker" in slow_page and "settled by hand below" not in slow_page
    assert "It can be settled by hand below." in client.get(f"/staff/orders/{orders[2].pk}").content.decode()
