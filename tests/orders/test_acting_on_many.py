"""One act for many orders of the staff list: each row by itself, each with its own result, nothing lost between."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers import wallet
from customers.models import AuditEntry, User
from customers.permissions import TABLE, Permission
from orders import correcting
from orders.models import Order, OrderEvent
from providers.models import Offer, Provider, Route, Service
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


# ── shown before it is done ─────────────────────────────────────────────────────────────────────────


def fields(response: Any) -> dict[str, Any]:
    """What the form of the preview that carries it out would send."""
    form = response.content.decode().split('name="confirmed"')[1]
    found: dict[str, Any] = {"confirmed": "1", "id": re.findall(r'name="id" value="(\d+)"', form)}
    return found | dict(re.findall(r'name="(seen-\d+)" value="([^"]*)"', form))


def confirm(staff: Client, act: str, shown: Any, reason: str = "Called them", **more: str) -> Any:
    return staff.post(
        "/staff/orders/act", {"act": act, "reason": reason, "back": ""} | fields(shown) | more, follow=True
    )


def test_cancel_and_refund_is_shown_with_its_money_and_done_row_by_row(
    staff: Client, alice: User, impressions: Service
) -> None:
    unsent, odd, running, back = placed(alice, impressions, 4)
    staff_world.accepted(odd, attention="Partial without remains")
    staff_world.accepted(running)
    staff_world.doubtful(back)
    before = wallet.balance_of(alice)
    shown = many(staff, "refund", [unsent.pk, odd.pk, running.pk, back.pk, 999_999], "The provider is gone")
    page = text(shown)
    assert "Nothing has been done yet." in page
    assert "$4.00 goes back for 2 orders." in page
    assert re.search(rf"{running.pk} .*? Left out It runs as usual\.", page)
    assert re.search(rf"{back.pk} .*? Left out Only an order that was accepted is settled by hand\.", page)
    assert wallet.balance_of(alice) == before
    assert fields(shown)["id"] == [str(unsent.pk), str(odd.pk)]
    done = text(confirm(staff, "refund", shown, "The provider is gone"))
    assert "2 orders done." in done
    assert wallet.balance_of(alice) == before + 4
    for order in (unsent, odd):
        order.refresh_from_db()
        assert (order.status, order.refunded) == ("Canceled", order.charge)
    assert set(AuditEntry.objects.values_list("verb", flat=True)) >= {"order.reject", "order.settle"}
    assert AuditEntry.objects.filter(details__reason="The provider is gone").count() == 2
    again = text(confirm(staff, "refund", shown))
    assert "2 were refused" in again
    assert wallet.balance_of(alice) == before + 4
    world.sane()


def test_a_row_that_changed_since_it_was_shown_is_refused(
    staff: Client, alice: User, impressions: Service
) -> None:
    unsent, odd = placed(alice, impressions, 2)
    staff_world.accepted(odd, attention="Look")
    shown = many(staff, "refund", [unsent.pk, odd.pk])
    staff_world.accepted(unsent, attention="Look")
    Order.objects.filter(pk=odd.pk).update(remains=7)
    page = text(confirm(staff, "refund", shown))
    assert "2 were refused" in page and "This page was out of date" in page
    assert not Order.objects.filter(status="Canceled").exists()


@pytest.fixture
def two_ways(impressions: Service) -> dict[str, Provider]:
    """Borealis costs less than is paid for, Cumulus more."""
    made = {}
    for name, rate in (("Borealis", "1.50"), ("Cumulus", "9.00")):
        made[name] = world.provider(name=name)
        offer = world.offer(made[name], external_id="7", rate=Decimal(rate))
        Route.objects.create(service=impressions, offer=offer, position=Route.objects.count())
    return made


def test_routes_are_changed_for_many_by_the_first_that_fits_or_by_one_provider(
    staff: Client, alice: User, impressions: Service, two_ways: dict[str, Provider]
) -> None:
    unsent, other, running = placed(alice, impressions, 3)
    staff_world.accepted(running)
    data = {"act": "route", "id": [unsent.pk, other.pk, running.pk], "reason": "Meridian is slow", "back": ""}
    shown = staff.post("/staff/orders/act", data)
    page = text(shown)
    assert re.search(rf"{unsent.pk} .*? Meridian → Borealis 7", page)
    assert re.search(rf"{running.pk} .*? Left out The order is accepted\.", page)
    by_cumulus = text(staff.post("/staff/orders/act", data | {"to": two_ways["Cumulus"].pk}))
    assert "It costs more now than the customer paid." in by_cumulus
    assert "It can be done to none of them" in by_cumulus
    assert "2 orders done." in text(confirm(staff, "route", shown))
    for order in (unsent, other):
        order.refresh_from_db()
        assert (order.submission.provider, order.cost) == (two_ways["Borealis"], Decimal("1.5"))
    assert AuditEntry.objects.filter(verb="order.route").count() == 2
    world.sane()


def test_reviewers_are_shown_no_cost_and_admins_are_held_to_the_cost_they_saw(
    staff: Client, alice: User, impressions: Service, two_ways: dict[str, Provider]
) -> None:
    order = placed(alice, impressions, 1)[0]
    data = {"act": "route", "id": [order.pk], "reason": "Slow", "back": ""}
    for_reviewer = staff.post("/staff/orders/act", data)
    assert "1.5" not in for_reviewer.content.decode()
    admin = staff_world.signed_in(world.admin())
    shown = admin.post("/staff/orders/act", data)
    assert "The cost is $1.50 in all, before $1.00." in text(shown)
    Offer.objects.filter(provider=two_ways["Borealis"]).update(rate=Decimal("1.6"))
    assert "This route costs more now than was shown." in text(confirm(admin, "route", shown))
    assert "1 order done." in text(confirm(staff, "route", for_reviewer))
    order.refresh_from_db()
    assert order.cost == Decimal("1.6")


@pytest.mark.parametrize("act", ["refund", "route"])
def test_a_preview_costs_the_same_queries_for_two_orders_and_for_twenty(
    staff: Client, alice: User, impressions: Service, two_ways: dict[str, Provider], act: str
) -> None:
    orders = placed(alice, impressions, 20)

    def queries(count: int) -> int:
        ids = [order.pk for order in orders[:count]]
        with CaptureQueriesContext(connection) as captured:
            answer = staff.post("/staff/orders/act", {"act": act, "id": ids, "reason": "x"})
        assert fields(answer)["id"] == [str(pk) for pk in ids]
        return len(captured)

    queries(1)
    assert queries(2) == queries(20)


def test_who_may_not_settle_is_offered_no_refund_and_gets_none(
    staff: Client, alice: User, impressions: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(alice, impressions, 1)[0]
    shown = many(staff, "refund", [order.pk])
    monkeypatch.setitem(TABLE, "order.settle", Permission((), ""))
    assert 'value="refund"' not in staff.get("/staff/orders").content.decode()
    assert confirm(staff, "refund", shown).status_code == 403
    assert world.state_of(order) == "queued"
