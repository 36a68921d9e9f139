"""Following orders: what is heard is applied once, in order, and money moves only when it is certain."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import wallet
from customers.models import User
from orders import status_lane as status_lane_module
from orders.models import Order, OrderEvent, Submission
from orders.requests import ask_cancel
from orders.status_lane import Tally, status_lane
from orders.submission import submit_lane
from orders.syncing import apply_observations, followed
from providers.adapters.results import Observation, Statuses, Word
from providers.models import Alert, Provider, Service
from tests import world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def accepted(
    user: User, views: Service, meridian: Provider, count: int = 1, quantity: int = 1000
) -> list[Order]:
    """Orders that the sandbox has accepted."""
    orders = [world.order(user, views, f"https://example.org/{n}", quantity) for n in range(count)]
    submit_lane(meridian.pk)
    return orders


def report(upstream: Sandbox, order: Order, **facts: Any) -> None:
    """Let the provider say this about an order."""
    upstream_id = Submission.objects.values_list("provider_order_id", flat=True).get(pk=order.pk)
    upstream.control(set_order={"id": upstream_id, **facts})


def sync(meridian: Provider) -> Tally:
    return status_lane(meridian.pk, force=True)


def test_progress_shows_start_count_and_remains(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    (order,) = accepted(world.customer(), views, meridian)
    report(upstream, order, status="In progress", remains=400, start_count=3572)
    assert sync(meridian).changed == 1
    order.refresh_from_db()
    assert (order.status, order.start_count, order.remains) == ("In progress", 3572, 400)
    assert order.submission.checked_at is not None
    world.sane()


@pytest.mark.parametrize(("remains", "back"), [(157, "1.570000"), (1, "0.010000"), (999, "9.990000")])
def test_partial_refunds_the_floor_of_charge_times_remains(
    upstream: Sandbox, views: Service, meridian: Provider, confirm_at_once: None, remains: int, back: str
) -> None:
    alice = world.customer()
    (order,) = accepted(alice, views, meridian)
    report(upstream, order, status="Partial", remains=remains)
    sync(meridian)
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Partial", Decimal(back))
    assert wallet.balance_of(alice) == Decimal(100) - Decimal(10) + Decimal(back)
    sync(meridian)
    assert wallet.balance_of(alice) == Decimal(90) + Decimal(back)
    world.sane()


def test_partial_with_nothing_delivered_is_a_cancel(
    upstream: Sandbox, views: Service, meridian: Provider, confirm_at_once: None
) -> None:
    (order,) = accepted(world.customer(), views, meridian)
    report(upstream, order, status="Partial", remains=1000)
    sync(meridian)
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Canceled", order.charge)
    world.sane()


def test_money_moves_only_after_a_second_equal_reading(
    upstream: Sandbox, views: Service, meridian: Provider, settings: Any
) -> None:
    settings.STATUS_CONFIRM_SECONDS = 60
    alice = world.customer()
    (order,) = accepted(alice, views, meridian)
    report(upstream, order, status="Canceled", remains=1000)
    sync(meridian)
    sync(meridian)  # equal, but not a minute later
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Pending", 0)
    Submission.objects.filter(pk=order.pk).update(seen_at=timezone.now() - timedelta(seconds=61))
    sync(meridian)
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Canceled", order.charge)
    world.sane()


def test_a_flap_between_two_readings_moves_nothing(
    upstream: Sandbox, views: Service, meridian: Provider, settings: Any
) -> None:
    settings.STATUS_CONFIRM_SECONDS = 60
    (order,) = accepted(world.customer(), views, meridian)
    report(upstream, order, status="Canceled", remains=1000)
    sync(meridian)
    report(upstream, order, status="In progress", remains=900)
    sync(meridian)
    report(upstream, order, status="Canceled", remains=1000)
    sync(meridian)
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("In progress", 0)
    assert Submission.objects.get(pk=order.pk).seen_at > timezone.now() - timedelta(seconds=30)  # type: ignore[operator]


def test_completed_moves_no_money_and_flags_what_remains(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    (order,) = accepted(world.customer(), views, meridian)
    report(upstream, order, status="Completed", remains=3)
    sync(meridian)
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Completed", 0)
    assert order.attention
    world.sane()


def test_an_unknown_word_changes_nothing_and_is_one_alert(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    orders = accepted(world.customer(), views, meridian, count=3)
    for order in orders:
        report(upstream, order, status="Frozen", remains=10)
    sync(meridian)
    sync(meridian)
    assert {order.status for order in Order.objects.all()} == {"Pending"}
    assert {row.raw_word for row in Submission.objects.all()} == {"Frozen"}
    assert Alert.objects.filter(key=f"word:{meridian.pk}:frozen").count() == 1


def test_a_missing_id_is_no_information(upstream: Sandbox, views: Service, meridian: Provider) -> None:
    orders = accepted(world.customer(), views, meridian, count=2)
    upstream.control(faults="missing_ids@status")
    sync(meridian)
    assert {order.status for order in Order.objects.filter(pk__in=[order.pk for order in orders])} == {
        "Pending"
    }
    world.sane()


def test_a_late_change_after_the_end_is_recorded_for_staff(
    upstream: Sandbox, views: Service, meridian: Provider, confirm_at_once: None
) -> None:
    (order,) = accepted(world.customer(), views, meridian)
    report(upstream, order, status="Completed", remains=0)
    sync(meridian)
    report(upstream, order, status="Partial", remains=500)
    Submission.objects.filter(pk=order.pk).update(next_poll_at=timezone.now())
    status_lane(meridian.pk)
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Completed", 0)
    assert "Partial" in order.attention
    world.sane()


def test_an_older_answer_never_overwrites_a_newer_one(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    (order,) = accepted(world.customer(), views, meridian)
    row = Submission.objects.select_related("order").get(pk=order.pk)
    newer = Statuses({row.provider_order_id or "": Observation(Word.IN_PROGRESS, "In progress", remains=10)})
    older = Statuses({row.provider_order_id or "": Observation(Word.PENDING, "Pending", remains=1000)})
    asked = followed(Submission.objects.filter(pk=row.pk))
    apply_observations(asked, newer, 1001)
    apply_observations(asked, older, 1000)  # read before, arrives after
    order.refresh_from_db()
    assert (order.status, order.remains) == ("In progress", 10)


def test_many_orders_complete_with_as_many_statements_as_a_few(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    orders = accepted(world.customer(balance="1000"), views, meridian, count=40, quantity=100)
    asked_late = ask_cancel(orders[0].pk, by="customer")
    counts = {}
    for some, sequence in ((orders[:5], 6000), (orders[5:], 6001)):
        rows = Submission.objects.filter(pk__in=[order.pk for order in some])
        asked = followed(rows.order_by("pk"))
        seen = {row.upstream_id: Observation(Word.COMPLETED, "Completed", remains=0) for row in asked}
        left = Observation(Word.COMPLETED, "Completed", start_count=7, remains=3)
        answers = Statuses(seen | {asked[-1].upstream_id: left})
        with CaptureQueriesContext(connection) as queries:
            assert apply_observations(asked, answers, sequence) == len(some)
        counts[len(some)] = len(queries)
        assert (
            apply_observations(asked, answers, sequence + 100) == 0
        )  # read before they ended: nothing twice
    assert counts[5] == counts[35]
    last = Order.objects.get(pk=orders[-1].pk)
    assert (last.status, last.start_count, last.remains) == ("Completed", 7, 3)
    assert last.attention == "Completed with 3 remaining"
    assert last.ended_at
    stories = OrderEvent.objects.filter(after="Completed", before="Pending", actor="provider")
    assert stories.values("order").distinct().count() == stories.count() == 40
    asked_late.refresh_from_db()
    assert asked_late.state in {"denied", "rejected"}
    assert asked_late.note == "The order was completed before it could be canceled."
    world.sane()


def test_a_poison_id_costs_only_itself(upstream: Sandbox, views: Service, meridian: Provider) -> None:
    alice = world.customer()
    orders = accepted(alice, views, meridian, count=7, quantity=100)
    poisoned = world.order(alice, views, "https://example.org/#poison", 100)
    submit_lane(meridian.pk)
    for order in orders:
        report(upstream, order, status="In progress", remains=50)
    upstream.control(faults="poison_id@status")
    sync(meridian)
    assert {order.status for order in Order.objects.exclude(pk=poisoned.pk)} == {"In progress"}


def test_a_provider_that_is_down_is_no_information_and_no_error_to_the_caller(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    accepted(world.customer(), views, meridian)
    upstream.kill()
    tally = sync(meridian)
    assert (tally.errors, tally.changed) == (1, 0)
    assert Order.objects.get().status == "Pending"
    meridian.refresh_from_db()
    assert meridian.last_error


def test_an_unchanged_batch_is_one_update_and_a_changed_one_does_not_grow_with_its_size(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    orders = accepted(world.customer(balance="1000"), views, meridian, count=60, quantity=100)
    counts = {}
    for size, sequence in ((10, 5000), (60, 5001)):
        rows = list(
            Submission.objects.select_related("order").filter(pk__in=[order.pk for order in orders[:size]])
        )
        answers = {
            row.provider_order_id or "": Observation(
                Word.IN_PROGRESS, "In progress", remains=99 - sequence % 10
            )
            for row in rows
        }
        asked = followed(Submission.objects.filter(pk__in=[row.pk for row in rows]))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            apply_observations(asked, Statuses(answers), sequence)
        counts[size] = len(queries)
    assert counts[10] == counts[60]
    rows = list(Submission.objects.select_related("order").filter(pk__in=[order.pk for order in orders]))
    asked = followed(Submission.objects.filter(pk__in=[row.pk for row in rows]))
    same = {
        row.provider_order_id or "": Observation(Word.IN_PROGRESS, "In progress", remains=row.order.remains)
        for row in rows
    }
    with CaptureQueriesContext(connection) as queries:
        apply_observations(asked, Statuses(same), 5002)
    assert len(queries) == 1


def test_each_further_batch_of_the_lane_costs_the_same_statements_whatever_its_size(
    upstream: Sandbox, views: Service, meridian: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve orders in 6, 3 and 2 calls: what a call adds, from its number to the write, is counted; not how many ids it has."""
    monkeypatch.setattr(status_lane_module, "RENEW_EVERY_S", 600)
    orders = accepted(world.customer(balance="1000"), views, meridian, count=12, quantity=100)
    counts: dict[tuple[str, int], int] = {}
    remains = 99
    for size in (12, 2, 4, 6):  # the first fills caches
        Provider.objects.filter(pk=meridian.pk).update(options={"batch_size": size, "rate_per_minute": 0})
        remains -= 1
        for order in orders:
            report(upstream, order, status="In progress", remains=remains)
        for what, changed in (("changed", 12), ("unchanged", 0)):
            with CaptureQueriesContext(connection) as queries:
                tally = sync(meridian)
            assert (tally.calls, tally.checked, tally.errors) == (12 // size, 12, 0)
            assert tally.changed == changed
            counts[what, tally.calls] = len(queries)
        assert set(Order.objects.values_list("remains", flat=True)) == {remains}
    # A number for the call, and one UPDATE where nothing is new; else BEGIN, a lock, two UPDATEs, COMMIT.
    for what, most in (("changed", 6), ("unchanged", 2)):
        adds = (counts[what, 3] - counts[what, 2], (counts[what, 6] - counts[what, 3]) / 3)
        assert adds[0] == adds[1] == most, (what, counts)


def test_a_forced_run_passes_by_those_that_have_ended(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    """More ended ones than are read at once, each with a re-read to come, before the one that is open."""
    Provider.objects.filter(pk=meridian.pk).update(options={"batch_size": 1, "rate_per_minute": 0})
    orders = accepted(world.customer(balance="1000"), views, meridian, count=45, quantity=100)
    ended = Order.objects.filter(pk__in=[order.pk for order in orders[:-1]])
    ended.update(status="Completed", ended_at=timezone.now())
    report(upstream, orders[-1], status="In progress", remains=40)
    tally = sync(meridian)
    assert (tally.checked, tally.changed) == (1, 1)
    assert Order.objects.get(pk=orders[-1].pk).remains == 40
