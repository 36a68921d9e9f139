"""One act for many orders of the staff list: each row by itself, each with its own result, nothing lost between."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from customers import wallet
from customers.models import AuditEntry, User
from orders import correcting
from orders.models import Order, OrderEvent
from providers.models import Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def impressions() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def staff() -> Client:
    return staff_world.signed_in(world.reviewer())


def placed(alice: User, service: Service, count: int) -> list[Order]:
    return [world.order(alice, service, f"https://example.org/{at}") for at in range(count)]


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def many(staff: Client, act: str, ids: list[int], reason: str = "Called them") -> Any:
    data = {"act": act, "id": ids, "reason": reason, "back": "tab=open&q=example.org"}
    return staff.post("/staff/orders/act", data, follow=True)


def test_each_row_has_its_own_result(staff: Client, alice: User, impressions: Service) -> None:
    free, running, gone = placed(alice, impressions, 3)
    staff_world.accepted(running)
    correcting.reject(gone.pk, reason="x", by=world.admin())
    shown = many(staff, "hold", [free.pk, running.pk, gone.pk, 999_999])
    page = text(shown)
    assert "1 order done." in page
    assert "3 were refused" in page
    assert re.search(rf"{running.pk} Refused The order is accepted\.", page)
    assert re.search(rf"{gone.pk} Refused The order is rejected\.", page)
    assert re.search(r"999999 Refused There is no such order\.", page)
    assert re.search(rf"{free.pk} Done Held\.", page)
    assert 'href="/staff/orders?tab=open&amp;q=example.org"' in shown.content.decode()
    assert [world.state_of(order) for order in (free, running, gone)] == ["held", "accepted", "rejected"]
    assert "Held." in text(staff.get("/staff/orders/results"))  # it can be read again
    world.sane()


def test_a_hundred_unsent_orders_are_canceled_each_with_its_refund(
    staff: Client, alice: User, impressions: Service
) -> None:
    wallet.deposit(alice, Decimal(200), "deposit:more", "More", "world")
    orders = placed(alice, impressions, 100)
    assert wallet.balance_of(alice) == 100
    page = text(many(staff, "reject", [order.pk for order in orders], "We stopped selling this"))
    assert "100 orders done." in page
    assert wallet.balance_of(alice) == 300
    assert Order.objects.filter(status="Canceled").count() == 100
    assert AuditEntry.objects.filter(verb="order.reject").count() == 100
    again = text(many(staff, "reject", [order.pk for order in orders]))
    assert "100 were refused" in again
    assert wallet.balance_of(alice) == 300
    world.sane()


def test_upstream_cancels_are_asked_and_unsent_ones_end_at_once(
    staff: Client, alice: User, impressions: Service
) -> None:
    running, unsent, done = placed(alice, impressions, 3)
    staff_world.accepted(running)
    staff_world.completed(done)
    page = text(many(staff, "cancel", [running.pk, unsent.pk, done.pk]))
    assert "Cancel: waiting for review." in page
    assert "Cancel: done." in page
    assert "The order has ended already." in page
    assert running.requests.get().state == "requested"
    assert Order.objects.get(pk=unsent.pk).status == "Canceled"
    world.sane()


def test_a_row_that_fails_stops_none_of_the_others(
    staff: Client, alice: User, impressions: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, bad, last = placed(alice, impressions, 3)
    real = correcting.holding.hold

    def sometimes(order_id: int, **words: Any) -> None:
        real(order_id, **words)
        if order_id == bad.pk:
            raise OperationalError("the connection was lost")

    monkeypatch.setattr(correcting.holding, "hold", sometimes)
    page = text(many(staff, "hold", [first.pk, bad.pk, last.pk]))
    assert "2 orders done." in page
    assert re.search(rf"{bad.pk} Refused Something failed on our side\. Nothing was changed", page)
    assert [world.state_of(order) for order in (first, bad, last)] == ["held", "queued", "held"]
    assert not OrderEvent.objects.filter(order=bad, after="held").exists()


@pytest.mark.parametrize(
    ("act", "count", "reason", "says"),
    [
        ("sell", 1, "x", "Choose what to do."),
        ("hold", 0, "x", "Select between 1 and 100 orders."),
        ("hold", 101, "x", "Select between 1 and 100 orders."),
        ("hold", 1, " ", "A reason is needed."),
    ],
)
def test_a_form_that_says_too_little_or_too_much_changes_nothing(
    staff: Client, alice: User, impressions: Service, act: str, count: int, reason: str, says: str
) -> None:
    order = placed(alice, impressions, 1)[0]
    ids = [order.pk + at for at in range(count)]
    assert f"{says} Nothing was changed." in text(many(staff, act, ids, reason))
    assert world.state_of(order) == "queued"


def test_notes_held_and_sent_without_waiting(staff: Client, alice: User, impressions: Service) -> None:
    order = placed(alice, impressions, 1)[0]
    assert "Noted." in text(many(staff, "note", [order.pk], "Asked the provider"))
    assert OrderEvent.objects.get(order=order, after="note").why == "Asked the provider"
    assert "It is due already" in text(many(staff, "send_now", [order.pk]))
    many(staff, "hold", [order.pk])
    assert f'id="order-{order.pk}"' in staff.get("/staff/orders?tab=held").content.decode()
    assert "Released" in text(many(staff, "release", [order.pk]))


def test_the_way_back_is_never_another_site(staff: Client, alice: User, impressions: Service) -> None:
    order = placed(alice, impressions, 1)[0]
    data = {"act": "note", "id": [order.pk], "reason": "x", "back": "//evil.example"}
    page = staff.post("/staff/orders/act", data, follow=True).content.decode()
    assert 'href="/staff/orders?//evil.example"' in page
    assert staff.get("/staff/orders?//evil.example").status_code == 200
