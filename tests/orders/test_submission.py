"""Sending orders: once, with the point of no return before the first byte, and every doubt kept."""

import itertools
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone
from redis.exceptions import RedisError

from orders.dispatch import pause_dispatch
from orders.holding import BY_RUNS, release
from orders.models import DispatchSwitch, Order, Submission, SubmissionAttempt
from orders.submission import _CLAIM, _begin, _claim, _record_surely, submit_lane
from orders.sweeping import sweep
from providers.adapters.results import Accepted
from providers.models import Provider, Route, Service
from tests import world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def submission_of(order: Order) -> Submission:
    return Submission.objects.get(pk=order.pk)


def test_an_order_is_sent_once_and_keeps_the_providers_id(upstream: Sandbox, views: Service) -> None:
    order = world.order(world.customer(), views, "https://example.org/a", 1000)
    assert submit_lane(submission_of(order).provider_id).accepted == 1
    assert submit_lane(submission_of(order).provider_id).accepted == 0
    (line,) = upstream.truth("order")
    submission = submission_of(order)
    assert (line["link"], str(line["quantity"])) == ("https://example.org/a", "1000")
    assert (submission.state, submission.provider_order_id) == ("accepted", line["order"])
    assert submission.attempts.get().state == "accepted"
    world.sane()


def test_a_hundred_orders_are_sent_once_each_by_two_lanes_at_once(upstream: Sandbox, views: Service) -> None:
    alice = world.customer(balance="2000")
    orders = [world.order(alice, views, f"https://example.org/{n}", 100) for n in range(100)]
    provider_id = submission_of(orders[0]).provider_id
    lanes = [threading.Thread(target=lambda: submit_lane(provider_id, wait_s=30)) for _ in range(2)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    links = [line["link"] for line in upstream.truth("order")]
    assert sorted(links) == sorted(order.link for order in orders)
    assert set(Submission.objects.values_list("state", flat=True)) == {"accepted"}
    world.sane()


def test_the_next_hundred_do_not_wait_for_the_slowest_of_the_last(
    settings: Any, views: Service, meridian: Provider
) -> None:
    """One order is answered only after 300 others were: a lane that waited for its batch would never get there. (The
    first batch is waited for: how quick the provider is shows there.)"""
    many_answered, numbers = threading.Event(), itertools.count(1)
    waited: list[bool] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if form["link"] == ["https://example.org/150"]:
                waited.append(many_answered.wait(30))
            number = next(numbers)
            if number == 300:
                many_answered.set()
            body = json.dumps({"order": number}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    alice = world.customer(balance="5000")
    orders = [world.order(alice, views, f"https://example.org/{n}", 100) for n in range(340)]
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({f"127.0.0.1:{server.server_port}"})
        options = {"concurrency": 4, "rate_per_minute": 0, "deadline_s": 60}
        url = f"http://127.0.0.1:{server.server_port}/api/v2"
        Provider.objects.filter(pk=meridian.pk).update(api_url=url, options=options)
        assert submit_lane(meridian.pk, budget_s=60).accepted == len(orders)
        server.shutdown()
    assert waited == [True]
    assert {attempt.fence for attempt in SubmissionAttempt.objects.all()} == {1}
    world.sane()


def test_by_force_what_a_stretch_did_not_reach_is_sent_by_the_next(
    monkeypatch: pytest.MonkeyPatch, upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    monkeypatch.setattr("orders.submission.STRETCH_S", 0.2)
    Provider.objects.filter(pk=meridian.pk).update(options={"concurrency": 1, "rate_per_minute": 0})
    upstream.control(latency_ms=100)
    alice = world.customer()
    orders = [world.order(alice, views, f"https://example.org/{n}", 100) for n in range(8)]
    Submission.objects.update(next_at=timezone.now() + timedelta(hours=1))
    assert submit_lane(meridian.pk, force=True, budget_s=30).accepted == len(orders)
    assert len(upstream.truth("order")) == len(orders)
    world.sane()


@pytest.mark.parametrize(
    "fault",
    [
        "http500_after",
        "html_after",
        "truncated",
        "rst_after",
        "fin_after",
        "empty_after",
        "order_null",
        "soft_internal",
        "list",
    ],
)
def test_an_unclear_answer_is_unknown_and_never_sent_again(
    upstream: Sandbox, views: Service, fault: str
) -> None:
    order = world.order(world.customer(), views)
    upstream.control(faults=f"{fault}@add")
    assert submit_lane(submission_of(order).provider_id).unknown == 1
    upstream.control(faults="")
    for _ in range(3):
        submit_lane(submission_of(order).provider_id, force=True)
        sweep()
    assert submission_of(order).state == "unknown"
    assert len(upstream.truth("order")) == 1
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Pending", 0)
    world.sane()


def test_a_deadline_is_unknown_and_makes_the_lane_slow(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    Provider.objects.filter(pk=meridian.pk).update(options={"deadline_s": 1, "rate_per_minute": 0})
    order = world.order(world.customer(), views)
    upstream.control(faults="hang_after@add")
    assert submit_lane(meridian.pk).unknown == 1
    assert submission_of(order).attempts.get().state == "unknown"
    assert meridian.lanes.get(kind="submit").slow_since is not None


def test_a_refused_connection_waits_in_the_queue(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    upstream.kill()
    assert submit_lane(meridian.pk).requeued == 1
    submission = submission_of(order)
    assert (submission.state, submission.waits_for) == ("queued", "not_sent")
    assert submission.next_at > timezone.now()
    assert submission.attempts.get().state == "not_accepted"
    upstream.restart()
    assert submit_lane(meridian.pk, force=True).accepted == 1
    world.sane()


def test_orders_beside_the_one_that_met_a_wrong_address_are_told_what_it_met(
    views: Service, meridian: Provider
) -> None:
    """The address is not on PROVIDER_ALLOWED_PRIVATE: nothing of any order leaves, and each says why."""
    Provider.objects.filter(pk=meridian.pk).update(api_url="https://127.0.0.1:9/api/v2")
    alice = world.customer(balance="1000")
    orders = [world.order(alice, views, f"https://example.org/{n}", 100) for n in range(12)]
    submit_lane(meridian.pk, force=True)
    assert {submission_of(order).state for order in orders} == {"queued"}
    attempts = SubmissionAttempt.objects.filter(provider=meridian)
    assert attempts.exists()
    assert [text for text in attempts.values_list("message", flat=True) if "not allowed" not in text] == []
    world.sane()


@pytest.mark.parametrize("text", ["Bad link", "Quantity less than minimal 500", "Something else entirely"])
def test_a_clear_refusal_gives_the_whole_charge_back(upstream: Sandbox, views: Service, text: str) -> None:
    alice = world.customer()
    order = world.order(alice, views)
    upstream.control(faults=f"error={text}@add")
    assert submit_lane(submission_of(order).provider_id).rejected == 1
    order.refresh_from_db()
    assert (order.status, order.refunded) == ("Canceled", order.charge)
    assert submission_of(order).state == "rejected"
    world.sane()


def test_what_is_claimed_is_chosen_once_whatever_the_plan(views: Service, meridian: Provider) -> None:
    """As `IN (SELECT … LIMIT … FOR UPDATE SKIP LOCKED)` a nested loop may choose anew for each row that it looks at, and
    a claim of one took two."""
    alice = world.customer()
    for number in range(5):
        world.order(alice, views, f"https://example.org/{number}", 100)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {_CLAIM}", [60, meridian.pk, False, [], 1])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    chosen = plan.partition("InitPlan")[2]
    assert "LockRows" in chosen and "Join" not in plan.partition("InitPlan")[0], plan
    assert len(_claim(meridian.pk, 1, force=False, besides=set())) == 1
    assert len(_claim(meridian.pk, 3, force=False, besides=set())) == 3


@pytest.mark.parametrize(
    ("text", "kind"), [("Invalid API key", "auth"), ("Not enough funds on balance", "funds")]
)
def test_a_key_or_funds_error_pauses_the_provider_after_the_first_order(
    upstream: Sandbox, views: Service, meridian: Provider, text: str, kind: str
) -> None:
    Provider.objects.filter(pk=meridian.pk).update(options={"concurrency": 1, "rate_per_minute": 0})
    alice = world.customer()
    orders = [world.order(alice, views, f"https://example.org/{n}", 100) for n in range(5)]
    upstream.control(faults=f"error={text}@add")
    submit_lane(meridian.pk)
    meridian.refresh_from_db()
    assert (meridian.state, meridian.pause_kind) == ("paused", kind)
    assert {world.state_of(order) for order in orders} == {"queued"}
    assert len([row for row in upstream.requests() if row["action"] == "add"]) == 1
    assert SubmissionAttempt.objects.count() == 1
    world.sane()


def test_three_unclear_answers_open_the_breaker_for_this_provider(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    Provider.objects.filter(pk=meridian.pk).update(options={"concurrency": 1, "rate_per_minute": 0})
    alice = world.customer()
    for n in range(6):
        world.order(alice, views, f"https://example.org/{n}", 100)
    upstream.control(faults="http500@add")
    assert submit_lane(meridian.pk).unknown == 3
    meridian.refresh_from_db()
    assert meridian.state == "broken"
    upstream.control(faults="")
    assert submit_lane(meridian.pk).accepted == 0
    Provider.objects.filter(pk=meridian.pk).update(breaker_until=timezone.now())
    assert submit_lane(meridian.pk).accepted == 3  # one half-open, and then the rest
    meridian.refresh_from_db()
    assert meridian.state == "active"


def test_a_refused_service_fails_over_to_the_next_route_at_its_cost(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    second = world.provider(upstream.url, upstream.key, name="Kite")
    first_offer = meridian.offers.get()
    offer = world.offer(second, first_offer.external_id, rate="7.00", minimum=100, maximum=100_000)
    Route.objects.create(service=views, offer=offer, position=1)
    upstream.control(faults="error=Incorrect service ID*1@add")
    assert submit_lane(meridian.pk).requeued == 1
    assert submission_of(order).provider_id == second.pk
    assert submit_lane(second.pk).accepted == 1
    order.refresh_from_db()
    assert order.cost == 7
    world.sane()


def test_nothing_fails_over_after_an_unknown_attempt(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    second = world.provider(upstream.url, upstream.key, name="Kite")
    Route.objects.create(service=views, offer=world.offer(second, "6", minimum=100), position=1)
    upstream.control(faults="http500_after@add")
    submit_lane(meridian.pk)
    assert world.state_of(order) == "unknown"
    assert submission_of(order).provider_id == meridian.pk


def test_an_order_of_several_runs_waits_for_a_person_when_its_offer_takes_none_any_more(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    alice = world.customer()
    drips = world.order(alice, views, "https://example.org/drips", 100, runs=3, interval=60)
    once = world.order(alice, views, "https://example.org/once", 100)
    meridian.offers.update(dripfeed=False)
    assert submit_lane(meridian.pk).accepted == 1
    assert [line["link"] for line in upstream.truth("order")] == [once.link]
    assert (world.state_of(drips), submission_of(drips).waits_for) == ("held", BY_RUNS)
    assert drips.events.filter(actor="rule", after="held", staff_only=True).count() == 1
    assert submit_lane(meridian.pk).accepted == 0

    meridian.offers.update(dripfeed=True)
    release(drips.pk, why="The provider takes runs again", actor="adam@example.org")
    assert submit_lane(meridian.pk).accepted == 1
    assert world.state_of(drips) == "accepted"
    world.sane()


def test_an_id_that_was_given_before_is_unknown_with_an_alarm(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    alice = world.customer()
    world.order(alice, views, "https://example.org/1", 100)
    submit_lane(meridian.pk)
    second = world.order(alice, views, "https://example.org/2", 100)
    upstream.control(faults="order_repeated@add")
    assert submit_lane(meridian.pk).unknown == 1
    attempt = submission_of(second).attempts.get()
    assert (attempt.reason, attempt.candidate_id) == (
        "repeated_id",
        Submission.objects.get(state="accepted").provider_order_id,
    )
    assert meridian.alerts.filter(key__startswith="repeated-id").exists()


def test_a_paused_dispatch_sends_nothing(upstream: Sandbox, views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    pause_dispatch("adam", "audit")
    assert submit_lane(meridian.pk, force=True).accepted == 0
    assert world.state_of(order) == "queued"
    assert upstream.truth("order") == []


def test_a_claim_does_not_begin_once_dispatch_is_paused(views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    ((order_id, fence),) = _claim(meridian.pk, 10, force=False, besides=set())
    pause_dispatch("adam", "audit")
    assert begin(order_id, fence) is None
    assert world.state_of(order) == "queued"


def begin(order_id: int, fence: int) -> object:
    """T2 as a lane does it, for an order that was claimed."""
    order = Order.objects.select_related("service", "submission__offer").get(pk=order_id)
    return _begin(order, fence, "hash", 45)


def test_only_the_holder_of_the_fence_may_begin(views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    ((order_id, old),) = _claim(meridian.pk, 10, force=False, besides=set())
    Submission.objects.filter(pk=order.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep().released == 1
    ((_, new),) = _claim(meridian.pk, 10, force=False, besides=set())
    assert begin(order_id, old) is None
    assert begin(order_id, new) is not None
    assert begin(order_id, new) is None


@pytest.mark.parametrize("unfit", ["1\x00", "9" * 300])
def test_an_answer_that_cannot_be_stored_is_a_doubt(views: Service, meridian: Provider, unfit: str) -> None:
    order = world.order(world.customer(), views)
    ((_, fence),) = _claim(meridian.pk, 1, force=False, besides=set())
    sent = _begin(order, fence, "hash", 20)
    assert sent is not None
    assert _record_surely(sent, Accepted(unfit, http_status=200, excerpt="")) == "unknown"
    assert (submission_of(order).state, submission_of(order).waits_for) == ("unknown", "unstorable")
    world.sane()


def test_a_vanished_send_becomes_unknown(views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    ((order_id, fence),) = _claim(meridian.pk, 10, force=False, besides=set())
    begin(order_id, fence)
    Submission.objects.filter(pk=order.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep().unknown == 1
    assert submission_of(order).attempts.get().state == "unknown"
    assert sweep().unknown == 0


def test_the_database_refuses_a_second_possible_attempt(views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    ((order_id, fence),) = _claim(meridian.pk, 10, force=False, besides=set())
    begin(order_id, fence)
    attempt = SubmissionAttempt.objects.get()
    attempt.pk, attempt.fence = None, attempt.fence + 1
    with pytest.raises(IntegrityError, match="attempt_only_one_possible"):
        attempt.save(force_insert=True)
    assert order.pk == order_id


@pytest.mark.parametrize("state", list(Submission.State.values))
def test_the_database_refuses_every_move_that_is_not_an_arrow(
    views: Service, meridian: Provider, state: str
) -> None:
    order = world.order(world.customer(), views)
    legal = Submission.MOVES["queued"] - {"unknown"} | {"queued"}
    lease = timezone.now() if state in {"claimed", "sending"} else None
    upstream_id = "77" if state == "accepted" else None
    move = Submission.objects.filter(pk=order.pk)
    if state in legal:
        assert move.update(state=state, lease_until=lease, provider_order_id=upstream_id) == 1
    else:
        with pytest.raises(IntegrityError, match="not a legal move"):
            move.update(state=state, lease_until=lease, provider_order_id=upstream_id)


def test_the_trigger_and_the_table_of_moves_agree() -> None:
    """Every pair of states: the trigger allows just what Submission.MOVES says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'headwater_submission_moves'")
        source = cursor.fetchone()[0]
    for state, to in Submission.MOVES.items():
        assert f"OLD.state = '{state}'" in source
        for word in to:
            assert f"'{word}'" in source


def test_orders_events_attempts_and_transfers_cannot_be_deleted(views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    for table in ("orders_order", "orders_submission", "orders_orderevent", "customers_transfer"):
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")
    with pytest.raises(IntegrityError):
        Order.objects.filter(pk=order.pk).update(charge=1)


def test_a_restored_database_pauses_sending_and_says_so(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    alice = world.customer()
    world.order(alice, views, "https://example.org/1", 100)
    submit_lane(meridian.pk)
    world.order(alice, views, "https://example.org/2", 100)
    DispatchSwitch.objects.update(counter=0)  # as after a restore of an older backup
    assert submit_lane(meridian.pk).accepted == 0
    switch = DispatchSwitch.objects.get()
    assert switch.paused_at is not None
    assert switch.restored
    assert len(upstream.truth("order")) == 1


def test_without_redis_one_order_a_second_is_sent_and_none_is_begun_in_vain(
    upstream: Sandbox, views: Service, meridian: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from providers import throttle

    def away() -> None:
        raise RedisError("away")

    monkeypatch.setattr(throttle, "_windows", away)
    monkeypatch.setattr(throttle, "_last_without_redis", {})
    Provider.objects.filter(pk=meridian.pk).update(options={"rate_per_minute": 600})
    alice = world.customer()
    for n in range(5):
        world.order(alice, views, f"https://example.org/{n}", 100)
    tally = submit_lane(meridian.pk)
    assert (tally.accepted, tally.requeued) == (1, 0), "whoever got the call uses it"
    assert SubmissionAttempt.objects.count() == 1
    assert Submission.objects.filter(state="queued").count() == 4
    world.sane()
