"""Refills and cancels: asked once, decided once, sent once, and money moves only with the status."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers import wallet
from orders import request_lane
from orders.models import Order, Request, Submission
from orders.refill_ids import WrongRefillId
from orders.request_lane import refills_lane, requests_lane
from orders.requests import (
    AlreadyDecided,
    NotAllowed,
    ask_cancel,
    ask_refill,
    decide,
    settle_unknown_refill,
    undo,
    undoable,
)
from orders.status_lane import status_lane
from orders.submission import _claim, _release, submit_lane
from orders.sweeping import sweep
from providers.models import Provider, Service
from tests import staff_world, world
from tests.orders.test_placing import in_threads
from tests.orders.test_submission import begin
from tests.orders.test_syncing import report
from tests.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("confirm_at_once")]


@pytest.fixture
def sent(upstream: Sandbox, views: Service, meridian: Provider) -> Order:
    """An order of Alice's that the provider accepted and has in progress."""
    order = world.order(world.customer(), views)
    submit_lane(meridian.pk)
    report(upstream, order, status="In progress", remains=600)
    status_lane(meridian.pk, force=True)
    return Order.objects.get(pk=order.pk)


@pytest.fixture
def completed(upstream: Sandbox, sent: Order, meridian: Provider) -> Order:
    report(upstream, sent, status="Completed", remains=0)
    status_lane(meridian.pk, force=True)
    return Order.objects.get(pk=sent.pk)


def test_a_cancel_before_sending_is_done_at_once_with_the_whole_charge_back(views: Service) -> None:
    alice = world.customer()
    order = world.order(alice, views)
    request = ask_cancel(order.pk, by="customer", reason="Wrong link")
    order.refresh_from_db()
    assert (request.state, order.status, order.refunded) == ("done", "Canceled", order.charge)
    assert wallet.balance_of(alice) == 100
    assert world.state_of(order) == "withdrawn"
    world.sane()


def test_a_cancel_while_sending_waits_and_is_never_a_refund_by_itself(
    views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    ((order_id, fence),) = _claim(meridian.pk, 1, force=False, besides=set())
    begin(order_id, fence)
    request = ask_cancel(order.pk, by="customer")
    order.refresh_from_db()
    assert (request.state, order.status, order.refunded) == ("approved", "Pending", 0)


def test_a_claim_and_a_cancel_at_once_never_both_win(views: Service, meridian: Provider) -> None:
    alice = world.customer(balance="500")
    for n in range(10):
        order = world.order(alice, views, f"https://example.org/{n}", 100)

        def race(order: Order = order, flags: list[int] = []) -> Any:  # noqa: B006 - shared on purpose
            flags.append(1)
            return (
                _claim(meridian.pk, 1, force=False, besides=set())
                if len(flags) % 2
                else ask_cancel(order.pk, by="customer")
            )

        claimed, canceled = sorted(in_threads(2, race), key=lambda result: not isinstance(result, list))
        state = world.state_of(order)
        order.refresh_from_db()
        if claimed:
            assert state == "claimed"
            assert (canceled.state, order.refunded) == ("approved", 0)
        else:
            assert (state, canceled.state, order.refunded) == ("withdrawn", "done", order.charge)
    world.sane()


def test_a_cancel_in_progress_is_reviewed_sent_and_refunded_by_the_status(
    upstream: Sandbox, sent: Order, meridian: Provider
) -> None:
    rita = world.reviewer()
    request = ask_cancel(sent.pk, by="customer", reason="Stop please")
    assert request.state == "requested"
    assert ask_cancel(sent.pk, by="customer") == request
    decide(request.pk, approve=True, user=rita)
    assert requests_lane(meridian.pk).accepted == 1
    sent.refresh_from_db()
    assert (sent.status, sent.refunded) == ("In progress", 0)  # cancel: 1 moves no money
    report(upstream, sent, status="Partial", remains=600)
    status_lane(meridian.pk, force=True)
    sent.refresh_from_db()
    request.refresh_from_db()
    assert (sent.status, sent.refunded, request.state) == ("Partial", 6, "done")
    world.sane()


def test_a_pending_orders_cancel_is_approved_by_rule(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    submit_lane(meridian.pk)
    request = ask_cancel(order.pk, by="customer")
    assert (request.state, request.by_rule) == ("approved", True)
    assert requests_lane(meridian.pk).accepted == 1


def test_an_order_that_completes_first_ends_the_cancel(
    upstream: Sandbox, sent: Order, meridian: Provider
) -> None:
    request = ask_cancel(sent.pk, by="customer")
    report(upstream, sent, status="Completed", remains=0)
    status_lane(meridian.pk, force=True)
    request.refresh_from_db()
    sent.refresh_from_db()
    assert (request.state, sent.refunded) == ("denied", 0)
    world.sane()


def test_two_reviewers_never_both_decide(sent: Order) -> None:
    rita, adam = world.reviewer(), world.admin()
    request = ask_cancel(sent.pk, by="customer")
    decide(request.pk, approve=False, user=rita, note="Delivery is nearly done")
    with pytest.raises(AlreadyDecided, match="Rita"):
        decide(request.pk, approve=True, user=adam)
    request.refresh_from_db()
    assert (request.state, request.note) == ("denied", "Delivery is nearly done")


def test_a_hundred_decisions_at_once_are_one(sent: Order) -> None:
    rita = world.reviewer()
    request = ask_cancel(sent.pk, by="customer")
    results = in_threads(20, lambda: decide(request.pk, approve=True, user=rita))
    assert sum(isinstance(result, Request) for result in results) == 1
    assert sum(isinstance(result, AlreadyDecided) for result in results) == 19


def test_rejecting_needs_a_note(sent: Order) -> None:
    request = ask_cancel(sent.pk, by="customer")
    with pytest.raises(ValueError, match="note"):
        decide(request.pk, approve=False, user=world.reviewer(), note="  ")


def test_an_approval_can_be_undone_before_it_is_sent(
    upstream: Sandbox, sent: Order, meridian: Provider
) -> None:
    rita = world.reviewer()
    request = ask_cancel(sent.pk, by="customer")
    decide(request.pk, approve=True, user=rita, undo_s=10)
    assert requests_lane(meridian.pk).sent == 0
    assert undo(request.pk, user=rita).state == "requested"
    decide(request.pk, approve=True, user=rita)
    requests_lane(meridian.pk)
    with pytest.raises(AlreadyDecided):
        undo(request.pk, user=rita)


def test_undoing_the_second_approval_of_a_refused_request_leaves_it_as_the_provider_left_it(
    upstream: Sandbox, sent: Order, meridian: Provider
) -> None:
    """Its place on top of the queue and the provider's words are what the next reviewer decides by."""
    rita = world.reviewer()
    request = ask_cancel(sent.pk, by="customer")
    decide(request.pk, approve=True, user=rita, note="We ask them")
    upstream.control(faults="error=Cancel is not available for this order@cancel")
    assert requests_lane(meridian.pk).refused == 1
    before = Request.objects.values().get(pk=request.pk)
    assert (before["state"], "not available" in before["upstream_message"]) == ("requested", True)
    decide(request.pk, approve=True, user=rita, note="Again", undo_s=10)
    assert Request.objects.get(pk=request.pk).upstream_message == ""
    undo(request.pk, user=rita)
    after = Request.objects.values().get(pk=request.pk)
    assert after | {"undo_to": before["undo_to"]} == before
    assert after["undo_to"] is None


def test_an_undone_approval_can_be_approved_and_undone_again(sent: Order) -> None:
    rita = world.reviewer()
    request = ask_cancel(sent.pk, by="customer")
    before = Request.objects.values().get(pk=request.pk)
    for _time in range(2):
        decide(request.pk, approve=True, user=rita, undo_s=10)
        undo(request.pk, user=rita)
        assert Request.objects.values().get(pk=request.pk) == before


def test_a_refill_goes_through_review_and_is_followed_to_its_end(
    upstream: Sandbox, completed: Order, meridian: Provider
) -> None:
    request = ask_refill(completed.pk, by="customer", reason="It dropped", current_count=700)
    assert (request.state, ask_refill(completed.pk, by="customer")) == ("requested", request)
    decide(request.pk, approve=True, user=world.reviewer())
    assert requests_lane(meridian.pk).accepted == 1
    request.refresh_from_db()
    assert (request.state, bool(request.upstream_id)) == ("accepted", True)
    upstream.control(advance=120)
    refills_lane(meridian.pk, force=True)
    request.refresh_from_db()
    assert request.state == "done"
    assert ask_refill(completed.pk, by="customer") != request


def test_a_refill_is_refused_outside_its_rules(sent: Order, completed: Order) -> None:
    Order.objects.filter(pk=completed.pk).update(with_refill=False)
    with pytest.raises(NotAllowed, match="no refill"):
        ask_refill(completed.pk, by="customer")
    Order.objects.filter(pk=completed.pk).update(with_refill=True)
    Order.objects.filter(pk=completed.pk).update(ended_at=timezone.now() - timedelta(days=31))
    with pytest.raises(NotAllowed, match="ended"):
        ask_refill(completed.pk, by="customer")


@pytest.mark.parametrize("fault", ["http500_after", "html_after", "rst_after", "empty_after"])
def test_an_unclear_refill_is_for_the_review_queue_and_is_not_sent_again(
    upstream: Sandbox, completed: Order, meridian: Provider, fault: str
) -> None:
    request = ask_refill(completed.pk, by="customer")
    decide(request.pk, approve=True, user=world.reviewer())
    upstream.control(faults=f"{fault}@refill")
    assert requests_lane(meridian.pk).unclear == 1
    upstream.control(faults="")
    requests_lane(meridian.pk, force=True)
    request.refresh_from_db()
    assert request.state == "unknown"
    assert len(upstream.truth("refill")) <= 1


def test_a_typed_refill_id_is_found_at_the_provider_or_refused(
    upstream: Sandbox, completed: Order, meridian: Provider
) -> None:
    request = ask_refill(completed.pk, by="customer")
    decide(request.pk, approve=True, user=world.reviewer())
    upstream.control(faults="http500_after@refill")
    requests_lane(meridian.pk)
    upstream.control(faults="")
    (there,) = upstream.truth("refill")
    admin = world.admin()

    def exists(refill_id: str, seen_there: bool = False) -> Request:
        return settle_unknown_refill(
            request.pk, choice="exists", user=admin, upstream_id=refill_id, seen_there=seen_there
        )

    for wrong in ("777", ""):
        with pytest.raises(WrongRefillId) as refused:
            exists(wrong, seen_there=True)
        assert not refused.value.at_hand, "what the provider denies is nobody's word to take"
    upstream.control(faults="http500@refill_status")
    with pytest.raises(WrongRefillId, match="could not be verified") as silent:
        exists(str(there["refill"]))
    assert silent.value.at_hand
    upstream.control(faults="")
    request.refresh_from_db()
    assert (request.state, request.upstream_id) == ("unknown", "")
    assert exists(str(there["refill"])).state == "accepted"
    with pytest.raises(AlreadyDecided):
        exists(str(there["refill"]))
    upstream.control(advance=10**6)
    refills_lane(meridian.pk, force=True)
    request.refresh_from_db()
    assert request.state == "done"


def test_two_people_cannot_give_one_refill_id_to_two_requests(
    upstream: Sandbox, views: Service, meridian: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.requests.word_of", lambda *_: "Pending")
    asked = []
    for number in range(2):
        order = world.order(world.customer(f"c{number}@example.org"), views)
        done = staff_world.completed(order)
        asked.append(staff_world.unclear(ask_refill(done.pk, by="customer")))
    admin, turns = world.admin(), iter(asked)

    def settle() -> str:
        request = next(turns)
        try:
            return settle_unknown_refill(request.pk, choice="exists", user=admin, upstream_id="R1").state
        except WrongRefillId:
            return "refused"

    assert sorted(in_threads(2, settle)) == ["accepted", "refused"]


@pytest.mark.parametrize("swept", [False, True])
def test_a_refill_is_not_sent_by_a_worker_that_was_frozen_since_its_claim(
    upstream: Sandbox, completed: Order, meridian: Provider, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    """The lease may have ended and a person may have had it sent again: what was claimed then is not sent now."""
    request = ask_refill(completed.pk, by="customer")
    decide(request.pk, approve=True, user=world.reviewer())
    claim = request_lane._claim

    def frozen(*given: Any) -> list[Request]:
        batch = claim(*given)
        if swept and batch:
            Request.objects.filter(state="sending").update(lease_until=timezone.now() - timedelta(seconds=1))
            assert sweep().requests == 1
        return batch

    monkeypatch.setattr(request_lane, "_claim", frozen)
    monkeypatch.setattr(request_lane, "SEND_WITHIN_S", -1)  # more time than that has passed
    requests_lane(meridian.pk)
    assert upstream.truth("refill") == []
    request.refresh_from_db()
    assert request.state == ("unknown" if swept else "approved")
    monkeypatch.undo()
    requests_lane(meridian.pk, force=True)
    assert len(upstream.truth("refill")) == (0 if swept else 1)


def test_an_unclear_cancel_is_asked_again(upstream: Sandbox, sent: Order, meridian: Provider) -> None:
    request = ask_cancel(sent.pk, by="customer")
    decide(request.pk, approve=True, user=world.reviewer())
    upstream.control(faults="http500@cancel")
    assert requests_lane(meridian.pk).unclear == 1
    request.refresh_from_db()
    assert (request.state, request.tries) == ("approved", 1)
    upstream.control(faults="")
    assert requests_lane(meridian.pk, force=True).accepted == 1


def test_an_approval_that_was_on_its_way_cannot_be_undone_while_it_waits_to_be_asked_again(
    upstream: Sandbox, sent: Order, meridian: Provider
) -> None:
    """The provider may have canceled, although it did not say so: "nothing was sent" would be untrue."""
    rita = world.reviewer()
    request = ask_cancel(sent.pk, by="customer")
    decide(request.pk, approve=True, user=rita, undo_s=10)
    assert list(undoable(rita)) == [request]
    upstream.control(faults="http500_after@cancel")
    assert requests_lane(meridian.pk, force=True).unclear == 1
    request.refresh_from_db()
    assert (request.state, request.next_at > timezone.now()) == ("approved", True)
    assert not undoable(rita).exists()
    with pytest.raises(AlreadyDecided, match="sent to the provider already"):
        undo(request.pk, user=rita)


def test_a_refusal_by_the_provider_comes_back_to_review_with_its_words(
    upstream: Sandbox, sent: Order, meridian: Provider
) -> None:
    request = ask_cancel(sent.pk, by="customer")
    decide(request.pk, approve=True, user=world.reviewer())
    upstream.control(faults="error=Cancel is not available for this order@cancel")
    assert requests_lane(meridian.pk).refused == 1
    request.refresh_from_db()
    assert request.state == "requested"
    assert "not available" in request.upstream_message


def test_a_cancel_asked_while_sending_withdraws_an_order_that_was_provably_not_sent(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    ((order_id, fence),) = _claim(meridian.pk, 1, force=False, besides=set())
    sent = begin(order_id, fence)
    request = ask_cancel(order.pk, by="customer")
    from orders.recording import Sent, record
    from providers.adapters.errors import NotSent

    assert isinstance(sent, Sent)
    record(sent, NotSent("Connection refused", reason="connect"))
    order.refresh_from_db()
    request.refresh_from_db()
    assert (world.state_of(order), order.refunded, request.state) == ("withdrawn", order.charge, "done")
    assert Submission.objects.get(pk=order.pk).attempts.get().state == "not_accepted"
    world.sane()


def test_a_cancel_asked_during_a_claim_that_is_given_back_withdraws_the_order_unsent(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    ((order_id, fence),) = _claim(meridian.pk, 10, force=False, besides=set())
    assert ask_cancel(order.pk, by="customer").state == "approved"
    _release(order_id, fence)
    assert submit_lane(meridian.pk).accepted == 0, "an order that shall be canceled is not sent"
    assert sweep().withdrawn == 1
    order.refresh_from_db()
    assert (world.state_of(order), order.status, order.refunded) == ("withdrawn", "Canceled", order.charge)
    assert Request.objects.get(order=order).state == "done"
    assert upstream.truth("order") == []
    world.sane()
