"""Orders of a provider without an API: held for staff, who start, count, end and refund them by the usual rules."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from customers import wallet
from customers.models import AuditEntry, User
from orders import by_hand
from orders.dispatch import resume_dispatch
from orders.holding import NotUnsent
from orders.holding import release as let_go
from orders.models import DispatchSwitch, Order, OrderEvent, Request, Submission, SubmissionAttempt
from orders.requests import decide
from orders.staff_decisions import CannotSettle, refund_in_full, settle_partial, version_of
from orders.tasks import wake_lanes
from providers.models import Provider, Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Provider:
    return world.provider("", "", "Our own desk", adapter="manual")


@pytest.fixture
def listings(desk: Provider) -> Service:
    """2.00 per 1000, cost nothing."""
    return world.service(world.offer(desk, rate=Decimal(0)), rate="2.00")


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def rita() -> User:
    return world.reviewer()


@pytest.fixture
def staff(rita: User) -> Client:
    return staff_world.signed_in(rita)


@pytest.fixture
def order(alice: User, listings: Service) -> Order:
    return world.order(alice, listings)


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def do(staff: Client, order: Order, **data: Any) -> Any:
    """Post an act, or a choice about its end, as the page would: with what was seen."""
    fresh = Order.objects.select_related("submission").get(pk=order.pk)
    data.setdefault("seen", version_of(fresh, fresh.submission))
    where = "settle" if "choice" in data else "act"
    return staff.post(f"/staff/orders/{order.pk}/{where}", data, follow=True)


def test_an_order_waits_for_staff_and_is_delivered_over_the_pages(
    staff: Client, alice: User, order: Order
) -> None:
    assert world.state_of(order) == "held"
    assert wallet.balance_of(alice) == 98
    assert "Start the order" in text(staff.get(f"/staff/orders/{order.pk}"))

    done = do(staff, order, act="start", start_count="1,250")
    assert "The order is In progress" in text(done)
    order.refresh_from_db()
    assert (order.status, order.start_count, world.state_of(order)) == ("In progress", 1250, "accepted")

    do(staff, order, act="counts", start_count="1250", remains="400")
    his = staff_world.signed_in(alice)
    page = text(his.get(f"/orders/{order.pk}"))
    assert "In progress" in page
    assert "600 of 1,000" in page
    assert "Our own desk" not in page

    done = do(staff, order, choice="completed", reason="All listed")
    assert "The order is Completed" in text(done)
    order.refresh_from_db()
    assert (order.status, order.remains, order.refunded) == ("Completed", 0, 0)
    assert wallet.balance_of(alice) == 98
    stories = list(OrderEvent.objects.filter(order=order).order_by("id").values_list("after", flat=True))
    assert stories == ["Pending", "accepted", "In progress", "counts", "completed", "Completed"]
    verbs = list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["order.start", "order.counts", "order.settle"]
    world.sane()


def test_the_customer_reads_that_our_staff_deliver_it_and_of_no_network(
    staff: Client, alice: User, order: Order
) -> None:
    his = staff_world.signed_in(alice)
    asked = text(his.get(f"/orders/{order.pk}/cancel"))
    assert "Nothing was begun yet: the order is canceled at once and $2.00 returns" in asked
    do(staff, order, act="start", start_count="")
    asked = text(his.get(f"/orders/{order.pk}/cancel"))
    assert "If our staff can still stop it, the undelivered part, now 1,000 or $2.00, returns" in asked
    page = text(his.get(f"/orders/{order.pk}"))
    assert "Started by our staff" in page and "It is delivered by hand." in page
    assert "network" not in page + asked


def test_one_that_nobody_touched_for_days_says_so_of_staff_and_of_no_provider(
    staff: Client, order: Order
) -> None:
    do(staff, order, act="start", start_count="")
    before = timezone.now() - timedelta(days=10)
    Submission.objects.filter(pk=order.pk).update(state_at=before, progress_at=before)
    Order.objects.filter(pk=order.pk).update(status_at=before)
    page = text(staff.get(f"/staff/orders/{order.pk}"))
    assert "Staff deliver it and set no new counts." in page
    assert "The provider took it" not in page


def test_a_part_goes_back_and_later_more_but_never_less(staff: Client, alice: User, order: Order) -> None:
    do(staff, order, act="start", start_count="")
    do(staff, order, choice="partial", remains="400", reason="The list was full")
    order.refresh_from_db()
    assert (order.status, order.refunded, wallet.balance_of(alice)) == (
        "Partial",
        Decimal("0.8"),
        Decimal("98.8"),
    )
    do(staff, order, choice="partial", remains="500", reason="One more was taken down")
    assert wallet.balance_of(alice) == 99
    less = do(staff, order, choice="partial", remains="100", reason="Found them again")
    assert less.status_code == 422
    do(staff, order, choice="full_refund", reason="All were taken down")
    order.refresh_from_db()
    assert (order.status, wallet.balance_of(alice)) == ("Canceled", 100)
    assert do(staff, order, choice="full_refund", reason="Again").status_code == 422
    world.sane()


def test_a_decision_about_what_is_no_longer_so_is_refused(staff: Client, alice: User, order: Order) -> None:
    do(staff, order, act="start", start_count="")
    fresh = Order.objects.select_related("submission").get(pk=order.pk)
    seen = version_of(fresh, fresh.submission)
    do(staff, order, choice="partial", remains="400", reason="Full", seen=seen)
    late = do(staff, order, choice="full_refund", reason="Full", seen=seen)
    assert (late.status_code, "the order is Partial now, $0.80 went back so far" in text(late)) == (422, True)
    assert wallet.balance_of(alice) == Decimal("98.8")
    world.sane()


def test_before_the_start_it_is_rejected_with_everything_back(
    staff: Client, alice: User, order: Order
) -> None:
    shown = do(staff, order, act="reject", reason="We cannot list this page")
    assert "the whole charge went back" in text(shown)
    order.refresh_from_db()
    assert (order.status, world.state_of(order), wallet.balance_of(alice)) == ("Canceled", "rejected", 100)
    assert do(staff, order, act="start", start_count="").status_code == 422
    his = staff_world.signed_in(alice)
    assert "We cannot list this page" in text(his.get(f"/orders/{order.pk}"))
    world.sane()


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        ("start", {"start_count": "many"}),
        ("start", {"start_count": "-3"}),
        ("counts", {"start_count": "1", "remains": "5"}),
        ("release", {"reason": "Go"}),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    staff: Client, order: Order, act: str, fields: dict[str, str]
) -> None:
    assert do(staff, order, act=act, **fields).status_code == 422
    assert world.state_of(order) == "held"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("remains", ["1001", "x"])
def test_counts_stay_within_the_order(staff: Client, order: Order, remains: str) -> None:
    do(staff, order, act="start", start_count="")
    assert do(staff, order, act="counts", start_count="", remains=remains).status_code == 422
    order.refresh_from_db()
    assert order.remains is None


def test_a_cancel_is_reviewed_and_then_carried_out_by_hand(
    staff: Client, rita: User, alice: User, order: Order
) -> None:
    do(staff, order, act="start", start_count="")
    asked = staff_world.cancel_asked(order)
    decide(asked.pk, approve=True, user=rita)
    wake_lanes()  # nothing is sent anywhere
    asked.refresh_from_db()
    assert asked.state == "approved"
    assert "A cancel is approved." in text(staff.get(f"/staff/orders/{order.pk}"))
    do(staff, order, choice="full_refund", reason="Asked for")
    asked.refresh_from_db()
    assert (asked.state, wallet.balance_of(alice)) == ("done", 100)
    world.sane()


@pytest.mark.parametrize(("act", "state"), [("refill_done", "done"), ("refill_refused", "denied")])
def test_an_approved_refill_is_delivered_or_declined_by_hand(
    staff: Client, rita: User, order: Order, act: str, state: str
) -> None:
    do(staff, order, act="start", start_count="")
    do(staff, order, choice="completed", reason="All listed")
    asked = staff_world.refill_asked(order)
    decide(asked.pk, approve=True, user=rita)
    assert f'id="order-{order.pk}"' in staff.get("/staff/orders?tab=by_hand").content.decode()
    do(staff, order, act=act, request=asked.pk, reason="It was moved")
    asked.refresh_from_db()
    assert asked.state == state
    assert do(staff, order, act=act, request=asked.pk, reason="Again").status_code == 422
    assert staff.get("/staff/orders?tab=by_hand").content.decode().count('id="order-') == 0
    world.sane()


def test_another_orders_refill_is_not_found(staff: Client, rita: User, alice: User, order: Order) -> None:
    do(staff, order, act="start", start_count="")
    do(staff, order, choice="completed", reason="Done")
    asked = staff_world.refill_asked(order)
    other = world.order(alice, order.service, "https://example.org/other")
    response = staff.post(f"/staff/orders/{other.pk}/act", {"act": "refill_done", "request": asked.pk})
    assert response.status_code == 404


def test_it_is_never_released_into_a_queue_that_nobody_sends(order: Order) -> None:
    with pytest.raises(NotUnsent, match="by hand"):
        let_go(order.pk, why="x", actor="rita")
    assert world.state_of(order) == "held"


def test_an_order_of_a_provider_with_an_api_is_not_started_here(alice: User, rita: User) -> None:
    order = world.order(alice, world.service(world.offer(world.provider())))
    with pytest.raises(CannotSettle, match="Meridian delivers"):
        by_hand.start(order.pk, None, by=rita)
    assert world.state_of(order) == "queued"


def test_starting_leaves_the_evidence_of_any_send(order: Order, rita: User) -> None:
    by_hand.start(order.pk, 5, by=rita)
    attempt = SubmissionAttempt.objects.get(submission_id=order.pk)
    submission = Submission.objects.get(pk=order.pk)
    assert (attempt.state, attempt.reason, attempt.fence) == ("accepted", "by_hand", submission.fence)
    assert (submission.provider_order_id, submission.next_poll_at) == (f"hand-{order.pk}", None)
    world.sane()


@pytest.mark.django_db(transaction=True)
def test_two_people_start_and_refund_one_order_once(listings: Service) -> None:
    people = [world.reviewer(), world.admin()]
    order = world.order(world.customer(), listings)
    started = race([lambda by=by: by_hand.start(order.pk, 1, by=by) for by in people])
    assert sorted(type(result).__name__ for result in started) == ["CannotSettle", "NoneType"]
    fresh = Order.objects.select_related("submission").get(pk=order.pk)
    seen = version_of(fresh, fresh.submission)
    ended = race([
        lambda: settle_partial(order.pk, 400, reason="x", by=people[0], seen=seen),
        lambda: refund_in_full(order.pk, reason="x", by=people[1], seen=seen),
    ])  # fmt: skip
    assert sorted(type(result).__name__ for result in ended) == ["CannotSettle", "Decimal"]
    paid = next(result for result in ended if isinstance(result, Decimal))
    assert wallet.balance_of(order.user) == 98 + paid
    world.sane()


@pytest.mark.django_db(transaction=True)
def test_a_start_and_a_cancel_at_once_never_both_win(listings: Service) -> None:
    rita, alice = world.reviewer(), world.customer()
    for _round in range(5):
        order = world.order(alice, listings)
        pk = order.pk
        race([partial(by_hand.start, pk, 1, by=rita), partial(staff_world.cancel_asked, order)])
        order.refresh_from_db()
        state = (order.status, world.state_of(order))
        assert state in {("In progress", "accepted"), ("Canceled", "withdrawn")}
        assert Request.objects.filter(order=order, state="done").exists() == (order.status == "Canceled")
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


def test_in_a_restored_database_nothing_is_started_until_that_is_decided(staff: Client, order: Order) -> None:
    DispatchSwitch.objects.update(restored=True)
    page = text(staff.get(f"/staff/orders/{order.pk}"))
    assert "Start the order" not in page
    refused = do(staff, order, act="start")
    assert "may have been started since the backup" in text(refused)
    assert world.state_of(order) == "held"
    resume_dispatch("adam", after_restore=True)
    assert world.state_of(order) == "held", "it is never sent, so nothing of it is in doubt"
    assert "The order is In progress" in text(do(staff, order, act="start"))
