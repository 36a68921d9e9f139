"""Two at once about one order. Each race is run first without the lock or condition, in the order of steps that hurts,
and must go wrong; then as the product does it, many times, and must not.

400 debits of 1.00 on 100.00, and the same race without the conditional update, are in tests/customers/test_wallet.py.
"""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from orders import desk
from orders.models import Order, Request, Submission, SubmissionAttempt
from orders.requests import AlreadyDecided, NotAllowed, ask_cancel
from orders.requests import decide as review
from orders.settlement import end_completed, end_partial, end_with_full_refund, lock_order
from orders.submission import _claim, submit_lane
from providers.models import Provider, Service
from tests import world
from tests.orders.test_submission import begin
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 15


def race(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads that start together, each on a connection of its own; an exception is a result."""
    together = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(number: int) -> None:
        together.wait(10)
        try:
            results[number] = acts[number]()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def elsewhere(act: Callable[[], Any]) -> Any:
    """Run an act on another connection, now, to its end."""
    (result,) = race(act)
    return result


# ── cancel × claim ──────────────────────────────────────────────────────────────────────────────────


def claim_and_begin(meridian: Provider) -> bool:
    claimed = _claim(meridian.pk, 1, force=False, besides=set())
    return bool(claimed) and begin(*claimed[0]) is not None


def test_a_cancel_that_only_looks_gives_money_back_for_what_is_being_sent(
    views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    assert world.state_of(order) == "queued"  # the naive cancel has looked …
    assert elsewhere(lambda: claim_and_begin(meridian))  # … a worker takes the order and is about to send …
    with transaction.atomic():
        end_with_full_refund(lock_order(order.pk), "Canceled", "customer")  # … and it trusts what it saw
    order.refresh_from_db()
    assert (world.state_of(order), order.refunded) == ("sending", order.charge), "sent, and paid back"


def test_of_a_cancel_and_a_claim_exactly_one_wins(views: Service, meridian: Provider) -> None:
    alice = world.customer(balance="500")
    wins = {"cancel": 0, "claim": 0}
    for number in range(ROUNDS):
        order = world.order(alice, views, f"https://example.org/{number}", 100)
        request, sent = race(
            lambda order=order: ask_cancel(order.pk, by="customer"),  # type: ignore[misc]
            lambda: claim_and_begin(meridian),
        )
        order.refresh_from_db()
        state = world.state_of(order)
        assert isinstance(request, Request)
        if sent:
            assert (state, order.refunded, request.state) == ("sending", 0, "approved")
        else:
            assert (state, order.refunded, request.state) == ("withdrawn", order.charge, "done")
            assert not SubmissionAttempt.objects.filter(submission_id=order.pk).exists()
        wins["claim" if sent else "cancel"] += 1
        Submission.objects.filter(pk=order.pk, state="sending").update(state="unknown", lease_until=None)
    assert sum(wins.values()) == ROUNDS
    world.sane()


# ── cancel × completion ─────────────────────────────────────────────────────────────────────────────


def complete(order: Order) -> None:
    with transaction.atomic():
        end_completed(lock_order(order.pk), 0, "Delivered", "provider")


def in_progress(alice: Any, views: Service, meridian: Provider, link: str) -> Order:
    order = world.order(alice, views, link, 100)
    submit_lane(meridian.pk)
    Order.objects.filter(pk=order.pk).update(status="In progress")
    return order


def test_a_cancel_opened_without_the_orders_lock_outlives_the_order(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = in_progress(world.customer(), views, meridian, "https://example.org/1")
    assert not Order.objects.get(pk=order.pk).final  # the naive request has looked …
    elsewhere(lambda: complete(order))
    Request.objects.create(order=order, kind="cancel", state="requested", created_by="customer")
    assert Request.objects.live().filter(order=order, order__status="Completed").exists(), "for ever open"


def test_a_cancel_and_the_completion_leave_no_open_request(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    alice = world.customer(balance="500")
    for number in range(ROUNDS):
        order = in_progress(alice, views, meridian, f"https://example.org/{number}")
        asked, ended = race(
            lambda order=order: ask_cancel(order.pk, by="customer"),  # type: ignore[misc]
            lambda order=order: complete(order),  # type: ignore[misc]
        )
        assert ended is None
        order.refresh_from_db()
        assert (order.status, order.refunded) == ("Completed", 0)
        assert not Request.objects.live().filter(order=order).exists()
        assert isinstance(asked, NotAllowed) or Request.objects.get(order=order).state == "denied"
    world.sane()


# ── two people × one decision ───────────────────────────────────────────────────────────────────────


def test_two_reviewers_who_look_and_then_write_both_think_they_decided(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = in_progress(world.customer(), views, meridian, "https://example.org/1")
    request = ask_cancel(order.pk, by="customer")
    both = threading.Barrier(2)
    won = []

    def naive(state: str) -> None:
        found = Request.objects.get(pk=request.pk)
        both.wait(10)  # both have looked
        if found.state == "requested":
            try:
                Request.objects.filter(pk=found.pk).update(state=state, state_at=timezone.now())
            except Exception as error:  # the database's trigger may stop the second
                won.append(repr(error))
                return
            won.append(state)

    race(lambda: naive("approved"), lambda: naive("denied"))
    assert len(won) == 2, "both went on"


def test_of_two_reviewers_exactly_one_decides(upstream: Sandbox, views: Service, meridian: Provider) -> None:
    alice, rita = world.customer(balance="500"), world.reviewer()
    sam = world.reviewer("sam@example.org")
    for number in range(ROUNDS):
        order = in_progress(alice, views, meridian, f"https://example.org/{number}")
        request = ask_cancel(order.pk, by="customer")
        results = race(
            lambda request=request: review(request.pk, approve=True, user=rita),  # type: ignore[misc]
            lambda request=request: review(request.pk, approve=False, user=sam, note="No"),  # type: ignore[misc]
        )
        assert sorted(type(result).__name__ for result in results) == ["AlreadyDecided", "Request"]
        assert any(isinstance(result, AlreadyDecided) for result in results)
        request.refresh_from_db()
        assert request.decided_by == (rita if request.state == "approved" else sam)


def test_of_two_at_the_decision_desk_exactly_one_decides(
    upstream: Sandbox, views: Service, meridian: Provider, settings: Any
) -> None:
    settings.UNKNOWN_QUARANTINE_SECONDS = 0
    meridian.options = {"ambiguous_limit": 1000, "rate_per_minute": 0}
    meridian.save()
    alice = world.customer(balance="500")
    seen = set()
    for number in range(ROUNDS):
        order = world.order(alice, views, f"https://example.org/{number}", 100)
        upstream.control(faults="http500@add")
        submit_lane(meridian.pk)
        upstream.control(faults="")
        assert world.state_of(order) == "unknown"

        def choose(choice: str, order: Order = order) -> str:
            return desk.decide(order.pk, choice, reason="looked", user=None, actor=choice)

        results = race(
            lambda choose=choose: choose("absent_refund"),  # type: ignore[misc]
            lambda choose=choose: choose("absent_resend"),  # type: ignore[misc]
            lambda choose=choose: choose("write_off"),  # type: ignore[misc]
        )
        (word,) = [result for result in results if isinstance(result, str)]
        order.refresh_from_db()
        assert (world.state_of(order), order.refunded > 0) == (word, word != "queued")
        assert world.transfers_of(order.pk)[-1].amount == order.charge
        seen.add(word)
        if word == "queued":
            submit_lane(meridian.pk)
    assert len(upstream.truth("order")) == Submission.objects.filter(state="accepted").count()
    world.sane()


# ── refund × refund ─────────────────────────────────────────────────────────────────────────────────


def test_two_refunds_without_the_orders_lock_pay_more_than_either(views: Service) -> None:
    alice = world.customer()
    order = world.order(alice, views, quantity=1000)
    stale = [Order.objects.get(pk=order.pk) for _ in range(2)]  # both have looked: nothing refunded yet
    for seen, remains in zip(stale, (400, 600), strict=True):
        with transaction.atomic():
            end_partial(seen, remains, "Partial", "provider")
    back = sum(transfer.amount for transfer in world.transfers_of(order.pk)[1:])
    assert back == order.charge, "0.4 and 0.6 of it, although 0.6 is owed"


def test_two_refunds_at_once_pay_the_larger_target_once(views: Service) -> None:
    alice = world.customer(balance="500")
    for number in range(ROUNDS):
        order = world.order(alice, views, f"https://example.org/{number}", 1000)

        def settle(remains: int, order: Order = order) -> Decimal:
            with transaction.atomic():
                return end_partial(lock_order(order.pk), remains, "Partial", "provider")

        paid = race(
            lambda settle=settle: settle(400),  # type: ignore[misc]
            lambda settle=settle: settle(600),  # type: ignore[misc]
            lambda settle=settle: settle(600),  # type: ignore[misc]
        )
        assert sum(paid) == order.charge * 6 / 10, paid
        order.refresh_from_db()
        assert order.refunded == order.charge * 6 / 10
    world.sane()
