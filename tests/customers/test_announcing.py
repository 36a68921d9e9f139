"""Adding funds: a customer announces a payment, an admin credits it once, each reference counts once."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers import site_settings
from customers.crediting import DecidedBefore, credit_request, refuse_request
from customers.models import DepositRequest, User
from customers.wallet import balance_of
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db
BANK = {"name": "Bank transfer", "note": "1 to 2 working days", "instructions": "IBAN XX00 1234", "minimum": "10",
        "maximum": "5000"}  # fmt: skip
SENT = {"method": "Bank transfer", "amount": "25.00", "reference": "TX 1"}


@pytest.fixture(autouse=True)
def methods() -> None:
    site_settings.change({"deposit_methods": [BANK, {**BANK, "name": "Card", "minimum": "1"}]})


@pytest.fixture
def alice() -> User:
    return world.customer(balance="4")


@pytest.fixture
def client(alice: User) -> Client:
    return signed_in(alice)


def test_the_page_shows_the_ways_to_pay_with_their_instructions(client: Client) -> None:
    page = client.get("/wallet/").content.decode()
    assert "Bank transfer" in page and "IBAN XX00 1234" in page and "At least $10.00." in page
    assert "Your balance is below $5.00." in page


def test_without_ways_to_pay_it_says_how_else(client: Client, alice: User) -> None:
    site_settings.change({"deposit_methods": []})
    page = client.get("/wallet/").content.decode()
    assert "Pay as agreed with us." in page and "I have paid" not in page
    assert client.post("/wallet/", SENT).status_code == 422


def test_an_announced_payment_waits_and_moves_no_money(client: Client, alice: User) -> None:
    assert client.post("/wallet/", SENT).status_code == 302
    made = DepositRequest.objects.get()
    assert (made.user, made.state, made.amount) == (alice, "pending", Decimal("25"))
    assert balance_of(alice) == 4
    page = client.get("/wallet/").content.decode()
    assert "Not in your balance yet" in page and "TX 1" in page
    world.sane()


def test_it_is_credited_once_and_shown_as_such(client: Client, alice: User) -> None:
    client.post("/wallet/", SENT)
    made = DepositRequest.objects.get()
    credit_request(made.pk, by=world.admin())
    with pytest.raises(DecidedBefore, match="credited these"):
        credit_request(made.pk, by=world.admin("ann@example.org"))
    assert balance_of(alice) == 29
    assert "Credited" in client.get("/wallet/").content.decode()
    world.sane()


def test_a_refusal_is_shown_with_its_reason_and_frees_the_reference(client: Client) -> None:
    client.post("/wallet/", SENT)
    refuse_request(DepositRequest.objects.get().pk, "Nothing arrived.", by=world.admin())
    assert "Nothing arrived." in client.get("/wallet/").content.decode()
    assert client.post("/wallet/", SENT).status_code == 302


def test_a_reference_counts_once_among_all_customers(client: Client) -> None:
    signed_in(world.bob()).post("/wallet/", SENT)
    answer = client.post("/wallet/", SENT | {"reference": " TX   1 "})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "This reference was already used for this way to pay." in page and 'value="25.00"' in page
    assert (
        client.post("/wallet/", SENT | {"method": "Card"}).status_code == 302
    )  # another way, another payment
    assert DepositRequest.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"amount": "9.99"}, "The minimum for this way to pay is $10.00."),
        ({"amount": "5000.01"}, "The maximum for this way to pay is $5,000.00."),
        ({"amount": "0"}, "greater than or equal to 0.01"),
        ({"amount": "NaN"}, "Enter a number."),
        ({"amount": "1e3000"}, "no more than 14 digits"),
        ({"reference": "  "}, "This field is required."),
        ({"method": "Gold"}, "Select a valid choice"),
    ],
)
def test_it_refuses_what_cannot_be_and_keeps_the_rest(
    client: Client, change: dict[str, str], says: str
) -> None:
    answer = client.post("/wallet/", SENT | change)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not DepositRequest.objects.exists()


def test_a_suspended_customer_announces_nothing(client: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(deposits_suspended=True)
    assert client.post("/wallet/", SENT).status_code == 422
    assert "suspended" in client.get("/wallet/").content.decode()


def test_a_queue_is_not_flooded(client: Client) -> None:
    for number in range(11):
        last = client.post("/wallet/", SENT | {"reference": f"TX {number}"})
    assert last.status_code == 422
    assert DepositRequest.objects.count() == 10


def test_the_wallet_costs_the_same_however_many_payments_there_are(client: Client) -> None:
    client.get("/wallet/")
    with CaptureQueriesContext(connection) as few:
        client.get("/wallet/")
    for number in range(5):
        client.post("/wallet/", SENT | {"reference": f"TX {number}"})
    client.get("/wallet/")
    with CaptureQueriesContext(connection) as many:
        client.get("/wallet/")
    assert len(many) == len(few)


def test_staff_record_under_the_name_that_customers_announce(client: Client) -> None:
    client.post("/wallet/", SENT)
    form = {"email": "alice@example.org", "method": "bank  TRANSFER", "amount": "25", "reference": "TX 1"}
    admin = signed_in(world.admin())
    admin.post("/account/reauthenticate/", {"password": world.PASSWORD})
    assert admin.post("/manage/money", form).status_code == 422
    assert DepositRequest.objects.count() == 1
