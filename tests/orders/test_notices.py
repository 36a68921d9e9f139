"""Mails about orders: by choice, after the fact, each event at most once, whatever the mail server does."""

import smtplib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import wallet
from customers.models import Notice, User
from customers.notices import forget_old, send_waiting
from orders.models import Order
from orders.notices import SETTLED_AFTER, write_due
from orders.requests import decide, undo
from orders.settlement import end_completed, end_partial, end_with_full_refund, lock_order
from orders.tasks import mail_notices
from providers.models import Service
from tests import world
from tests.staff_world import accepted, cancel_asked, completed, refill_asked

pytestmark = pytest.mark.django_db
ALL = {"finished": True, "partial": True, "refund": True, "low_balance": False}


class Clock:
    """Runs of the task, far enough apart that what happened before one is told by the next but one."""

    def __init__(self) -> None:
        self.now: datetime = timezone.now()
        write_due(self.now)

    def run(self) -> None:
        self.now += SETTLED_AFTER
        write_due(self.now)

    def tell(self) -> list[Any]:
        """Two runs, then what was sent by them."""
        before = len(mail.outbox)
        self.run()
        self.run()
        send_waiting()
        return mail.outbox[before:]


@pytest.fixture
def alice() -> User:
    return world.customer(notices=ALL)


@pytest.fixture
def shop() -> Service:
    return world.service(world.offer(world.provider()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def partial(order: Order, remains: int) -> None:
    end_partial(lock_order(order.pk), remains, "Ended early", "provider")


def test_a_partial_order_is_told_with_what_was_returned(alice: User, shop: Service, clock: Clock) -> None:
    order = world.order(alice, shop, quantity=1000)
    partial(order, 250)
    (sent,) = clock.tell()
    assert sent.to == ["alice@example.org"]
    assert sent.subject == "Headwater: News of one order"
    assert f"Order {order.pk}, Display impressions" in sent.body
    assert (
        "Partial: it ended before the full quantity. $0.50 of $2.00 was returned to your balance."
        in sent.body
    )
    assert f"/orders/{order.pk}" in sent.body
    world.sane()


def test_an_event_is_told_once_however_often_it_runs(alice: User, shop: Service, clock: Clock) -> None:
    end_completed(lock_order(world.order(alice, shop).pk), 0, "Delivered", "provider")
    assert len(clock.tell()) == 1
    for _ in range(3):
        assert clock.tell() == []
        mail_notices()
    assert Notice.objects.count() == 1


def test_nothing_is_told_before_it_is_settled(alice: User, shop: Service, clock: Clock) -> None:
    """An event with a lower id may still be uncommitted; the first run only marks how far the next one goes."""
    end_completed(lock_order(world.order(alice, shop).pk), 0, "Delivered", "provider")
    write_due(clock.now + timedelta(seconds=1))
    assert not Notice.objects.exists()
    clock.run()
    assert not Notice.objects.exists()
    clock.run()
    assert Notice.objects.count() == 1


def test_what_happened_before_the_first_run_is_history(alice: User, shop: Service) -> None:
    end_completed(lock_order(world.order(alice, shop).pk), 0, "Delivered", "provider")
    assert Clock().tell() == []


def test_only_what_was_chosen_is_told(shop: Service, clock: Clock) -> None:
    quiet = world.customer(notices=dict.fromkeys(ALL, False))
    plain = world.customer("plain@example.org")  # partial and refund by default, finished not
    for user in (quiet, plain):
        end_completed(lock_order(world.order(user, shop).pk), 0, "Delivered", "provider")
        partial(world.order(user, shop), 100)
    (sent,) = clock.tell()
    assert sent.to == ["plain@example.org"]
    assert "Completed" not in sent.body and "Partial" in sent.body


def test_a_canceled_order_is_told_as_money_returned(alice: User, shop: Service, clock: Clock) -> None:
    order = world.order(alice, shop)
    end_with_full_refund(lock_order(order.pk), "Stopped", "provider")
    (sent,) = clock.tell()
    assert "Canceled. $2.00 of $2.00 was returned to your balance." in sent.body


def test_the_decision_about_a_request_is_told_with_the_answer_of_staff(shop: Service, clock: Clock) -> None:
    alice, rita = world.customer(), world.reviewer()
    quiet = world.bob()
    User.objects.filter(pk=quiet.pk).update(notices={"request": False})
    refill = refill_asked(completed(world.order(alice, shop)))
    cancel = cancel_asked(accepted(world.order(alice, shop, link="https://example.org/2")))
    unwanted = cancel_asked(accepted(world.order(quiet, shop, link="https://example.org/3")))
    assert clock.tell() == [], "asking is no news to whoever asked"
    decide(refill.pk, approve=False, user=rita, note="It is still above what you ordered.")
    decide(cancel.pk, approve=True, user=rita)
    decide(unwanted.pk, approve=True, user=rita)
    (sent,) = clock.tell()
    assert (sent.to, sent.subject) == (["alice@example.org"], "Headwater: News of 2 orders")
    refused = "Your refill request was rejected. Our answer: It is still above what you ordered."
    assert refused in sent.body
    assert "Your cancel request was approved; we ask for the delivery to be stopped.\n" in sent.body
    assert "rita" not in sent.body
    assert clock.tell() == []


def test_an_approval_that_was_taken_back_is_no_news(shop: Service, clock: Clock) -> None:
    rita = world.reviewer()
    cancel = cancel_asked(accepted(world.order(world.customer(), shop)))
    clock.tell()
    decide(cancel.pk, approve=True, user=rita, undo_s=10)
    undo(cancel.pk, user=rita)
    assert clock.tell() == []
    decide(cancel.pk, approve=False, user=rita, note="It is being delivered.")
    (sent,) = clock.tell()
    assert (
        "Your cancel request was rejected; the order goes on. Our answer: It is being delivered." in sent.body
    )


def test_many_orders_share_one_mail(alice: User, shop: Service, clock: Clock) -> None:
    for number in range(60):
        order = world.order(alice, shop, link=f"https://e.org/{number}", quantity=10)
        end_completed(lock_order(order.pk), 0, "Delivered", "provider")
    (sent,) = clock.tell()
    assert sent.subject == "Headwater: News of 60 orders"
    assert sent.body.count("https://e.org/") == 50 and "And 10 more orders." in sent.body


def test_the_number_of_statements_does_not_grow_with_events(alice: User, shop: Service, clock: Clock) -> None:
    def cost(n: int) -> int:
        for _ in range(n):
            end_completed(lock_order(world.order(alice, shop, quantity=10).pk), 0, "Delivered", "provider")
        clock.run()
        clock.now += SETTLED_AFTER
        with CaptureQueriesContext(connection) as captured:
            write_due(clock.now)
        return len(captured)

    assert cost(1) == cost(20)


def test_no_provider_word_and_no_staff_event_is_told(alice: User, shop: Service, clock: Clock) -> None:
    partial(world.order(alice, shop), 100)
    (sent,) = clock.tell()
    assert "Meridian" not in sent.body and "Ended early" not in sent.body


def test_a_low_balance_is_told_once_until_funds_are_added(shop: Service, clock: Clock) -> None:
    user = world.customer(balance="6", notices=dict.fromkeys(ALL, False) | {"low_balance": True})
    world.order(user, shop, quantity=400)
    assert clock.tell() == []  # 5.20, above 5
    world.order(user, shop, quantity=500)
    (sent,) = clock.tell()
    assert sent.subject == "Headwater: Your balance is $4.20"
    world.order(user, shop, quantity=100)
    assert clock.tell() == []
    wallet.deposit(user, Decimal(1), "deposit:again", "", "test")
    world.order(user, shop, quantity=100)
    (again,) = clock.tell()
    assert "Your balance is $4.80" in again.subject
    world.sane()


def test_the_customers_own_limit_counts(shop: Service, clock: Clock) -> None:
    user = world.customer(balance="100", notices={"low_balance_below": "99"})
    world.order(user, shop, quantity=1000)
    (sent,) = clock.tell()
    assert "less than the $99.00" in sent.body


class Away(EmailBackend):
    def send_messages(self, *_: Any) -> int:
        raise ConnectionRefusedError("nobody listens")


class Strange(EmailBackend):
    def send_messages(self, *_: Any) -> int:
        raise smtplib.SMTPDataError(451, b"perhaps")


def test_a_mail_server_that_is_away_costs_no_mail(
    alice: User, shop: Service, clock: Clock, settings: Any
) -> None:
    partial(world.order(alice, shop), 100)
    clock.run()
    clock.run()
    usual = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Away"
    assert send_waiting() == 0
    settings.EMAIL_BACKEND = usual
    assert send_waiting() == 1
    assert send_waiting() == 0


def test_a_mail_that_may_have_gone_is_not_sent_again(
    alice: User, shop: Service, clock: Clock, settings: Any
) -> None:
    partial(world.order(alice, shop), 100)
    clock.run()
    clock.run()
    usual = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Strange"
    send_waiting()
    settings.EMAIL_BACKEND = usual
    assert send_waiting() == 0
    notice = Notice.objects.get()
    assert notice.sent_at is None and "perhaps" in notice.failure


def test_old_mails_are_forgotten(alice: User) -> None:
    Notice.objects.create(
        user=alice, key="x", subject="s", text="t", created_at=timezone.now() - timedelta(days=31)
    )
    Notice.objects.create(user=alice, key="y", subject="s", text="t")
    forget_old()
    assert list(Notice.objects.values_list("key", flat=True)) == ["y"]
