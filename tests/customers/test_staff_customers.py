"""Customers for staff: found, looked at, noted, suspended; admins create them and correct balances, once and written down."""

import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import wallet
from customers.managing import note_mark, suspension_mark
from customers.models import AuditEntry, DepositRequest, PriceGroup, Transfer, User
from orders.placing import Suspended, place_order
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer(name="Alice Ames")


@pytest.fixture
def reviewer() -> Client:
    return staff_world.signed_in(world.reviewer())


@pytest.fixture
def admin() -> Client:
    return staff_world.signed_in(world.admin())


def text(response: Any) -> str:
    return (
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))
        .replace(" ,", ",")
        .replace(" .", ".")
    )


def listed(response: Any) -> list[int]:
    return [int(number) for number in re.findall(r'id="customer-(\d+)"', response.content.decode())]


def adjust(
    client: Client, user: User, amount: str, reason: str = "Goodwill", key: str = "", **follow: bool
) -> Any:
    data = {"amount": amount, "reason": reason, "key": key or str(uuid.uuid4())}
    return client.post(f"/staff/customers/{user.pk}/adjust", data, **follow)


def test_customers_are_found_and_staff_are_not_among_them(reviewer: Client, alice: User) -> None:
    bob = world.bob()
    for q, expected in {
        "": [bob, alice],
        "ALICE@": [alice],
        "ames": [alice],
        str(bob.pk): [bob],
        "rita": [],
        "\x00": [bob, alice],
        "9" * 30: [],
    }.items():
        assert listed(reviewer.get("/staff/customers", {"q": q})) == [user.pk for user in expected], q
    rita = User.objects.get(email="rita@example.org")
    assert reviewer.get(f"/staff/customers/{rita.pk}").status_code == 404


def test_the_page_shows_profile_balance_and_statement(reviewer: Client, alice: User) -> None:
    order = world.order(alice, world.service(world.offer(world.provider()), rate="2.00"))
    shown = text(reviewer.get(f"/staff/customers/{alice.pk}"))
    for words in (
        "alice@example.org",
        "$98.00",
        "+100.00",
        "−2.00",
        f"Order charge, order {order.pk}",
        "Opening balance",
        "API keys 0",
        "Ledger entry",
    ):
        assert words in shown
    assert ":charge" not in shown and "deposit:" not in shown  # what the books call it is for the books
    assert "Adjust balance" not in shown
    part = reviewer.get(f"/staff/orders/of/{alice.pk}")
    assert str(order.pk) in text(part)


def test_the_statement_goes_on_by_key(reviewer: Client, alice: User) -> None:
    for at in range(30):
        wallet.adjust(alice, Decimal(1), f"line {at}", "adam@example.org")
    first = text(reviewer.get(f"/staff/customers/{alice.pk}"))
    assert ("line 29" in first, "line 4 " in first) == (True, False)
    last = Transfer.objects.get(note="line 5").pk
    assert "line 4 " in text(reviewer.get(f"/staff/customers/{alice.pk}?after={last}"))


def test_an_admin_corrects_a_balance_once_per_form(admin: Client, alice: User) -> None:
    key = str(uuid.uuid4())
    assert "+12.50 booked as entry" in text(adjust(admin, alice, "12.50", key=key, follow=True))
    assert "booked already; nothing was moved again" in text(
        adjust(admin, alice, "12.50", key=key, follow=True)
    )
    assert wallet.balance_of(alice) == Decimal("112.5")
    entry = AuditEntry.objects.get(verb="balance.adjust")
    assert (entry.actor_label, entry.subject, entry.address) == (
        "adam@example.org",
        f"user:{alice.pk}",
        "127.0.0.1",
    )
    adjust(admin, alice, "-112.5", "Paid out")
    assert wallet.balance_of(alice) == 0
    world.sane()


@pytest.mark.parametrize(
    ("amount", "reason", "words"),
    [
        ("-100.000001", "Too much", "cannot be taken from it"),
        ("0", "Nothing", "other than 0"),
        ("1", "  ", "This field is required"),
        ("0.0000001", "Too fine", "6 decimal"),
        ("abc", "No number", "Enter a number"),
        ("NaN", "No number", "Enter a number"),
        ("1e30", "Too large", "digits"),
    ],
)
def test_a_wrong_correction_moves_nothing_and_keeps_what_was_typed(
    admin: Client, alice: User, amount: str, reason: str, words: str
) -> None:
    response = adjust(admin, alice, amount, reason)
    assert (response.status_code, words in text(response)) == (422, True), text(response)
    assert f'value="{amount}"' in response.content.decode()
    assert wallet.balance_of(alice) == 100
    assert not AuditEntry.objects.filter(verb="balance.adjust").exists()


def test_a_key_with_another_amount_is_refused(admin: Client, alice: User) -> None:
    key = str(uuid.uuid4())
    adjust(admin, alice, "5", key=key)
    assert adjust(admin, alice, "6", key=key).status_code == 422
    assert wallet.balance_of(alice) == 105


def test_a_reviewer_moves_no_money_and_creates_nobody(reviewer: Client, alice: User) -> None:
    assert adjust(reviewer, alice, "5").status_code == 403
    assert reviewer.get("/staff/customers/new").status_code == 403
    assert reviewer.post(f"/manage/prices/customer/{alice.pk}", {"act": "list"}).status_code == 403
    assert wallet.balance_of(alice) == 100


def test_an_admin_creates_a_customer_who_can_sign_in(admin: Client) -> None:
    data = {"email": "Nina@Example.org", "name": "Nina", "password": "a long password 7", "balance": "20"}
    response = admin.post("/staff/customers/new", data)
    nina = User.objects.get(email="nina@example.org")
    assert response["Location"] == f"/staff/customers/{nina.pk}"
    assert (nina.role, wallet.balance_of(nina)) == ("customer", 20)
    assert AuditEntry.objects.get(verb="customer.create").actor_label == "adam@example.org"
    visitor = Client()
    visitor.post("/account/login/", {"login": "nina@example.org", "password": "a long password 7"})
    assert visitor.get("/orders/").status_code == 200
    world.sane()


@pytest.mark.parametrize(
    "change",
    [
        {"email": "alice@example.org"},
        {"email": "no"},
        {"password": "123"},
        {"password": ""},
        {"balance": "-1"},
    ],
)
def test_a_customer_that_cannot_be_made_is_not_made(
    admin: Client, alice: User, change: dict[str, str]
) -> None:
    data = {"email": "nina@example.org", "name": "", "password": "a long password 7", "balance": ""} | change
    assert admin.post("/staff/customers/new", data).status_code == 422
    assert User.objects.filter(role="customer").count() == 1


def hidden(page: Any, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.content.decode())
    assert found
    return found[1]


def test_two_staff_at_once_do_not_lift_a_suspension_of_each_other(
    reviewer: Client, admin: Client, alice: User
) -> None:
    url = f"/staff/customers/{alice.pk}"
    opened_by_both = hidden(admin.get(url), "seen_suspension")
    first = {"orders": "on", "reason": "Chargeback", "seen_suspension": opened_by_both}
    assert reviewer.post(f"{url}/suspend", first).status_code == 302
    second = {"deposits": "on", "reason": "Fake receipts", "seen_suspension": opened_by_both}
    refused = admin.post(f"{url}/suspend", second)
    assert refused.status_code == 422
    assert "nothing was saved. Suspended now: orders (Chargeback)" in text(refused)
    assert 'value="Fake receipts"' in refused.content.decode()
    alice.refresh_from_db()
    assert (alice.orders_suspended, alice.deposits_suspended) == (True, False)
    assert alice.suspended_reason == "Chargeback"
    both = second | {"orders": "on", "seen_suspension": hidden(refused, "seen_suspension")}
    assert admin.post(f"{url}/suspend", both).status_code == 302
    alice.refresh_from_db()
    assert (alice.orders_suspended, alice.deposits_suspended) == (True, True)


def test_two_staff_at_once_do_not_overwrite_the_note_of_each_other(
    reviewer: Client, admin: Client, alice: User
) -> None:
    url = f"/staff/customers/{alice.pk}"
    seen = hidden(admin.get(url), "seen_note")
    assert seen == note_mark(alice)
    reviewer.post(f"{url}/note", {"staff_note": "Calls on Fridays", "seen_note": seen})
    refused = admin.post(f"{url}/note", {"staff_note": "Pays by card", "seen_note": seen})
    assert refused.status_code == 422
    assert "It is now: “Calls on Fridays”." in text(refused) and "Pays by card" in text(refused)
    alice.refresh_from_db()
    assert alice.staff_note == "Calls on Fridays"
    again = {"staff_note": "Calls on Fridays. Pays by card", "seen_note": hidden(refused, "seen_note")}
    assert admin.post(f"{url}/note", again).status_code == 302
    alice.refresh_from_db()
    assert alice.staff_note == "Calls on Fridays. Pays by card"
    assert admin.post(f"{url}/note", {"staff_note": "No page"}).status_code == 422


def test_a_suspension_stops_orders_and_is_lifted_with_a_reason(reviewer: Client, alice: User) -> None:
    service = world.service(world.offer(world.provider()))
    url = f"/staff/customers/{alice.pk}/suspend"
    seen = {"seen_suspension": suspension_mark(alice)}
    assert reviewer.post(url, {"orders": "on", "reason": ""} | seen).status_code == 422
    reviewer.post(url, {"orders": "on", "deposits": "on", "reason": "Chargeback"} | seen)
    alice.refresh_from_db()
    assert (alice.orders_suspended, alice.api_suspended, alice.deposits_suspended) == (True, False, True)
    with pytest.raises(Suspended):
        place_order(alice, service.pk, {"link": "https://example.org", "quantity": "10"}, source="web")
    assert "Suspended: new orders, deposits. Chargeback" in text(reviewer.get(f"/staff/customers/{alice.pk}"))
    assert listed(reviewer.get("/staff/customers?tab=suspended")) == [alice.pk]
    reviewer.post(url, {"reason": "Settled", "seen_suspension": suspension_mark(alice)})
    alice.refresh_from_db()
    assert (alice.orders_suspended, alice.suspended_reason) == (False, "")
    assert AuditEntry.objects.filter(verb="customer.suspend").count() == 2
    world.sane()


def test_a_staff_note_is_kept_from_the_customer(reviewer: Client, alice: User) -> None:
    reviewer.post(
        f"/staff/customers/{alice.pk}/note", {"staff_note": "Pays late <b>", "seen_note": note_mark(alice)}
    )
    assert "Pays late &lt;b&gt;" in reviewer.get(f"/staff/customers/{alice.pk}").content.decode()
    own = staff_world.signed_in(alice)
    for path in ("/orders/", "/wallet/"):
        assert "Pays late" not in own.get(path).content.decode()


def test_an_admin_sets_the_price_list(admin: Client, alice: User) -> None:
    group = PriceGroup.objects.create(name="Agencies")
    url = f"/manage/prices/customer/{alice.pk}"
    assert f'action="{url}"' in admin.get(f"/staff/customers/{alice.pk}").content.decode()
    admin.post(url, {"act": "list", "price_group": group.pk})
    alice.refresh_from_db()
    assert alice.price_group == group
    assert admin.post(url, {"act": "list", "price_group": 999}).status_code == 422
    admin.post(url, {"act": "list", "price_group": ""})
    alice.refresh_from_db()
    assert alice.price_group is None
    assert AuditEntry.objects.filter(verb="customer.price_group").count() == 2


def test_the_queries_do_not_grow_with_the_customers(reviewer: Client, alice: User) -> None:
    def counted(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert reviewer.get(path).status_code == 200
        return len(queries)

    paths = ("/staff/customers", f"/staff/customers/{alice.pk}")
    few = [counted(path) for path in paths for _again in range(2)][1::2]
    for at in range(8):
        world.customer(f"c{at}@example.org")
        wallet.adjust(alice, Decimal(1), "more", "adam@example.org")
    assert [counted(path) for path in paths] == few


def test_announced_payments_are_on_the_customers_page_those_that_wait_first(
    reviewer: Client, admin: Client, alice: User
) -> None:
    url = f"/staff/customers/{alice.pk}"
    assert "Payments announced" not in text(reviewer.get(url))
    waits = announced(alice, "REF-OLD")
    announced(alice, "REF-NEW", state="refused", note="Nothing came", decided_at=timezone.now())
    announced(world.bob(), "REF-BOB")
    shown = text(reviewer.get(url))
    assert shown.index("REF-OLD") < shown.index("REF-NEW")
    assert "Nothing came" in shown and "REF-BOB" not in shown
    assert f"/manage/money/{waits.pk}/decide" not in reviewer.get(url).content.decode()
    assert f"/manage/money/{waits.pk}/decide" in admin.get(url).content.decode()
    answer = admin.post(
        f"/manage/money/{waits.pk}/decide",
        {"decision": "credit", "stands": "customer", "customer": alice.pk},
        follow=True,
    )
    assert answer.redirect_chain == [(f"{url}#h-payments", 302)]
    assert "$25.00 credited to alice@example.org." in text(answer)


def announced(user: User, reference: str, **fields: Any) -> DepositRequest:
    return DepositRequest.objects.create(
        user=user, method="bank transfer", amount=Decimal(25), reference=reference, **fields
    )
