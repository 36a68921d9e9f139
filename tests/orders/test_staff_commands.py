"""Staff's acts on orders and payments from the command line: the pages' rules, in somebody's name."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from customers import wallet
from customers.models import AuditEntry, DepositRequest, User
from orders.models import Order, OrderEvent
from providers.models import Route, Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def shop() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def rita() -> User:
    return world.reviewer()


def told(*words: Any, **options: Any) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command(*words, as_json=True, stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_orders_are_refunded_ended_in_part_noted_and_sent_by_another_route(
    alice: User, shop: Service, rita: User
) -> None:
    unsent, odd, part = (world.order(alice, shop, f"https://example.org/{n}") for n in range(3))
    other = world.offer(world.provider(name="Borealis"), external_id="7", rate=Decimal("1.50"))
    Route.objects.create(service=shop, offer=other, position=2)
    by = {"by": rita.email, "reason": "Called them"}
    (line,) = told("order_act", unsent.pk, "route", offer=other.pk, **by)
    assert (line["status"], Order.objects.get(pk=unsent.pk).cost) == ("Pending", Decimal("1.5"))
    (line,) = told("order_act", unsent.pk, "refund", **by)
    assert (line["status"], line["refunded"]) == ("Canceled", "2.000000")
    for order in (odd, part):
        staff_world.accepted(order, attention="Look")
    assert told("order_act", odd.pk, "refund", **by)[0]["status"] == "Canceled"
    (line,) = told("order_act", part.pk, "partial", remains=500, **by)
    assert (line["status"], line["remains"], line["refunded"]) == ("Partial", 500, "1.000000")
    told("order_act", part.pk, "note", **by)
    assert OrderEvent.objects.get(order=part, after="note").actor == rita.email
    assert wallet.balance_of(alice) == 99
    assert set(AuditEntry.objects.filter(actor=rita).values_list("verb", flat=True)) == {
        "order.route", "order.reject", "order.settle", "order.note",
    }  # fmt: skip
    world.sane()


def test_what_the_page_refuses_the_command_refuses(alice: User, shop: Service, rita: User) -> None:
    order = staff_world.accepted(world.order(alice, shop))
    for words, options, says in (
        (("refund",), {"by": rita.email}, "does not wait for a decision"),
        (("refund",), {}, "--by EMAIL"),
        (("partial",), {"by": rita.email}, "--remains"),
        (("route",), {"by": rita.email}, "Name another offer"),
        (("note",), {"by": alice.email}, "may not do this"),
    ):
        with pytest.raises(CommandError, match=says):
            call_command("order_act", order.pk, *words, reason="x", **options)
    assert wallet.balance_of(alice) == 98


def test_payments_are_listed_approved_once_and_rejected_with_a_note(alice: User, rita: User) -> None:
    adam = world.admin()
    good, bad = (
        DepositRequest.objects.create(user=alice, method="bank transfer", amount=Decimal(25), reference=name)
        for name in ("REF-1", "REF-2")
    )
    assert [row["id"] for row in told("deposits")] == [good.pk, bad.pk]
    assert told("deposits", "approve", good.pk, by=adam.email)[0]["state"] == "credited"
    with pytest.raises(CommandError, match=r"credited these .* already"):
        call_command("deposits", "approve", good.pk, by=adam.email)
    with pytest.raises(CommandError, match="needs a note"):
        call_command("deposits", "reject", bad.pk)
    assert told("deposits", "reject", bad.pk, note="Nothing came")[0]["state"] == "refused"
    with pytest.raises(CommandError, match="may not do this"):
        call_command("deposits", "approve", bad.pk, by=rita.email)
    with pytest.raises(CommandError, match="refused"):
        call_command("deposits", "approve", bad.pk)
    assert wallet.balance_of(alice) == 125
    assert AuditEntry.objects.get(verb="deposit.credit").actor == adam
    world.sane()
