"""Settling by hand: only where a provider's reports leave it open, once, exactly, and written down."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from customers import wallet
from customers.models import AuditEntry, User
from orders.models import Order, OrderEvent, Submission
from orders.requests import NotAllowed
from orders.staff_decisions import (
    CannotSettle,
    ask_cancel_for,
    ask_refill_for,
    complete,
    dismiss,
    note_request,
    refund_in_full,
    settle_partial,
    write_note,
)
from providers.models import Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db

WHY = {"reason": "Counted on the page"}


@pytest.fixture
def rita() -> User:
    return world.reviewer()


@pytest.fixture
def impressions() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def odd(impressions: Service) -> Order:
    """Alice's order of 1000 for 2.00, of which the provider's report leaves open what to do."""
    order = world.order(world.customer(), impressions)
    return staff_world.accepted(order, attention="Partial without the number that remains: decide by hand")


def test_partial_returns_the_floored_share_and_says_so_everywhere(odd: Order, rita: User) -> None:
    assert settle_partial(odd.pk, 333, by=rita, **WHY) == Decimal("0.666")
    odd.refresh_from_db()
    assert (odd.status, odd.remains, odd.refunded, odd.attention) == ("Partial", 333, Decimal("0.666"), "")
    assert wallet.balance_of(odd.user) == Decimal("98.666")
    note = OrderEvent.objects.get(order=odd, after="partial")
    assert (note.actor, note.staff_only) == (rita.email, True)
    assert note.why.startswith("Counted on the page (Partial without")
    entry = AuditEntry.objects.get(verb="order.settle")
    assert (entry.actor, entry.subject, entry.details["remains"]) == (rita, f"order:{odd.pk}", 333)
    assert Submission.objects.get(pk=odd.pk).next_poll_at is None
    world.sane()


def test_a_second_settlement_is_refused(odd: Order, rita: User) -> None:
    settle_partial(odd.pk, 500, by=rita, **WHY)
    with pytest.raises(CannotSettle, match="does not wait for a decision"):
        settle_partial(odd.pk, 500, by=rita, **WHY)
    with pytest.raises(CannotSettle):
        refund_in_full(odd.pk, by=rita, **WHY)
    assert wallet.balance_of(odd.user) == 99
    world.sane()


@pytest.mark.parametrize("remains", [0, -1, 1000, 5000])
def test_partial_needs_a_number_between_nothing_and_everything(odd: Order, rita: User, remains: int) -> None:
    with pytest.raises(CannotSettle, match="between 1 and 999"):
        settle_partial(odd.pk, remains, by=rita, **WHY)
    assert wallet.balance_of(odd.user) == 98


def test_a_full_refund_cancels(odd: Order, rita: User) -> None:
    assert refund_in_full(odd.pk, by=rita, **WHY) == 2
    odd.refresh_from_db()
    assert (odd.status, odd.refunded) == ("Canceled", 2)
    assert wallet.balance_of(odd.user) == 100
    world.sane()


def test_a_late_report_can_raise_a_refund_and_never_lower_it(odd: Order, rita: User) -> None:
    settle_partial(odd.pk, 400, by=rita, **WHY)
    Order.objects.filter(pk=odd.pk).update(
        attention="Reported as Partial, remains 600 after it ended as Partial"
    )
    assert settle_partial(odd.pk, 600, by=rita, **WHY) == Decimal("0.4")
    Order.objects.filter(pk=odd.pk).update(
        attention="Reported as Partial, remains 100 after it ended as Partial"
    )
    with pytest.raises(CannotSettle, match="nothing is taken back"):
        settle_partial(odd.pk, 100, by=rita, **WHY)
    odd.refresh_from_db()
    assert (odd.remains, odd.refunded) == (600, Decimal("1.2"))
    world.sane()


def test_a_canceled_order_is_only_dismissed(odd: Order, rita: User) -> None:
    refund_in_full(odd.pk, by=rita, **WHY)
    Order.objects.filter(pk=odd.pk).update(attention="Reported as In progress after it ended as Canceled")
    for act in (
        lambda: settle_partial(odd.pk, 10, by=rita, **WHY),
        lambda: refund_in_full(odd.pk, by=rita, **WHY),
        lambda: complete(odd.pk, by=rita, **WHY),
    ):
        with pytest.raises(CannotSettle):
            act()
    dismiss(odd.pk, by=rita, **WHY)
    odd.refresh_from_db()
    assert (odd.attention, odd.status, odd.refunded) == ("", "Canceled", 2)
    assert Submission.objects.get(pk=odd.pk).next_poll_at is None
    world.sane()


def test_completing_moves_no_money(odd: Order, rita: User) -> None:
    complete(odd.pk, by=rita, **WHY)
    odd.refresh_from_db()
    assert (odd.status, odd.remains, odd.refunded) == ("Completed", 0, 0)
    assert wallet.balance_of(odd.user) == 98
    world.sane()


def test_dismissing_an_open_order_goes_on_following_it(odd: Order, rita: User) -> None:
    dismiss(odd.pk, by=rita, **WHY)
    odd.refresh_from_db()
    assert (odd.status, odd.attention) == ("In progress", "")
    assert Submission.objects.get(pk=odd.pk).next_poll_at is not None


@pytest.mark.parametrize("reason", ["", "   "])
def test_every_decision_needs_a_reason(odd: Order, rita: User, reason: str) -> None:
    for act in (refund_in_full, complete, dismiss):
        with pytest.raises(CannotSettle, match="reason"):
            act(odd.pk, reason=reason, by=rita)
    assert not AuditEntry.objects.exists()


def test_an_order_in_doubt_is_never_settled_here(impressions: Service, rita: User) -> None:
    order = staff_world.doubtful(world.order(world.customer(), impressions))
    Order.objects.filter(pk=order.pk).update(attention="anything")
    for act in (refund_in_full, complete, dismiss):
        with pytest.raises(CannotSettle, match="this one is unknown"):
            act(order.pk, by=rita, **WHY)
    assert world.state_of(order) == "unknown"
    assert wallet.balance_of(order.user) == 98
    world.sane()


def test_an_order_that_runs_as_usual_is_left_alone(impressions: Service, rita: User) -> None:
    order = staff_world.accepted(world.order(world.customer(), impressions))
    with pytest.raises(CannotSettle, match="does not wait"):
        refund_in_full(order.pk, by=rita, **WHY)
    assert wallet.balance_of(order.user) == 98


def test_asking_in_the_customers_place_is_written_down_or_refused(impressions: Service, rita: User) -> None:
    order = staff_world.completed(world.order(world.customer(), impressions))
    assert ask_refill_for(order.pk, by=rita, **WHY).created_by == rita.email
    with pytest.raises(NotAllowed):
        ask_cancel_for(order.pk, by=rita, **WHY)
    assert list(AuditEntry.objects.values_list("verb", flat=True)) == ["order.ask_refill"]


@pytest.mark.parametrize("where", ["unsent", "accepted", "asked before"])
def test_why_staff_asked_for_a_cancel_stands_in_the_timeline_for_staff(
    impressions: Service, rita: User, where: str
) -> None:
    alice = world.customer()
    order = world.order(alice, impressions)
    if where != "unsent":
        order = staff_world.accepted(order, remains=400)
    if where == "asked before":
        staff_world.cancel_asked(order, reason="I changed my mind")
    made = ask_cancel_for(order.pk, reason="She called us", by=rita)
    assert made.state == ("done" if where == "unsent" else "requested")
    note = OrderEvent.objects.get(order=order, kind="note")
    assert (note.actor, note.after, note.why, note.staff_only) == (
        rita.email,
        "ask_cancel",
        "She called us",
        True,
    )
    page = staff_world.signed_in(rita).get(f"/staff/orders/{order.pk}").content.decode()
    assert "Cancel asked for the customer" in page and "She called us" in page
    own = staff_world.signed_in(alice).get(f"/orders/{order.pk}").content.decode()
    assert "Cancel asked for the customer" not in own
    world.sane()


def test_why_staff_asked_for_a_refill_stands_in_the_timeline_for_staff(
    impressions: Service, rita: User
) -> None:
    order = staff_world.completed(world.order(world.customer(), impressions))
    for reason in ("It dropped", "It dropped more"):  # the second finds the first one open
        ask_refill_for(order.pk, reason=reason, by=rita)
    notes = OrderEvent.objects.filter(order=order, kind="note", after="ask_refill", staff_only=True)
    assert list(notes.order_by("id").values_list("why", flat=True)) == ["It dropped", "It dropped more"]
    page = staff_world.signed_in(rita).get(f"/staff/orders/{order.pk}").content.decode()
    assert "Refill asked for the customer" in page and "It dropped more" in page


def test_notes_stay_in_the_timeline_and_are_for_staff(odd: Order, rita: User) -> None:
    write_note(odd.pk, " Called the provider ", by=rita)
    request = staff_world.cancel_asked(odd)
    note_request(request.pk, "Waits for Meridian", by=rita)
    request.refresh_from_db()
    notes = OrderEvent.objects.filter(order=odd, kind="note").order_by("id")
    assert [note.why for note in notes] == ["Called the provider", "Cancel: Waits for Meridian"]
    assert all(note.staff_only for note in notes)
    assert request.internal_note == "Waits for Meridian"
    entries = AuditEntry.objects.filter(verb="order.note", actor=rita).order_by("id")
    assert [entry.details["event"] for entry in entries] == [note.pk for note in notes]
    with pytest.raises(CannotSettle):
        write_note(odd.pk, "  ", by=rita)


@pytest.mark.django_db(transaction=True)
def test_two_people_settle_one_order_once(impressions: Service) -> None:
    people = [world.reviewer(), world.admin()]
    order = staff_world.accepted(world.order(world.customer(), impressions), attention="odd")
    results = race([lambda by=by: refund_in_full(order.pk, by=by, **WHY) for by in people])
    assert sorted(type(result).__name__ for result in results) == ["CannotSettle", "Decimal"]
    assert wallet.balance_of(order.user) == 100
    world.sane()


def race(acts: list[Callable[[], Any]]) -> list[Any]:
    """Run the acts at once, each on its own connection; what each returned or raised."""
    barrier, results = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        try:
            barrier.wait(10)
            results.append(act())
        except CannotSettle as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results
