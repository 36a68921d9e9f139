"""Taking a credited payment back: out of the wallet as far as it is there, the rest owed, once."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from customers import wallet
from customers.crediting import record_payment, refuse_request
from customers.models import AuditEntry, DepositRequest, User
from customers.reversing import CannotReverse, reverse_payment
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return world.admin()


@pytest.fixture
def alice() -> User:
    return world.customer(balance="0")


def paid(user: User, amount: str = "100", reference: str = "REF-1") -> DepositRequest:
    return record_payment(user, "Bank transfer", Decimal(amount), reference)


def spend(user: User, amount: str) -> None:
    wallet.adjust(user, -Decimal(amount), "Spent", "test")


def test_what_the_wallet_holds_is_taken_and_the_rest_is_owed(alice: User, admin: User) -> None:
    asked = paid(alice)
    spend(alice, "70")
    asked, split = reverse_payment(asked.pk, "Charged back by the bank", by=admin)
    assert (split.taken, split.owed) == (Decimal(30), Decimal(70))
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (Decimal(0), Decimal(70))
    assert asked.reversed_at is not None
    entry = AuditEntry.objects.get(verb="deposit.reverse")
    assert entry.actor == admin
    assert "Charged back by the bank" in entry.summary
    world.sane()


def test_the_next_deposit_repays_what_is_owed_first(alice: User) -> None:
    asked = paid(alice)
    spend(alice, "70")
    reverse_payment(asked.pk, "Charged back")
    paid(alice, "100", "REF-2")
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (Decimal(30), Decimal(0))
    world.sane()


def test_taking_it_back_twice_changes_nothing(alice: User) -> None:
    asked = paid(alice)
    first = reverse_payment(asked.pk, "Charged back")[1]
    paid(alice, "40", "REF-2")
    assert reverse_payment(asked.pk, "Another reason")[1] == first
    assert wallet.balance_of(alice) == Decimal(40)
    assert AuditEntry.objects.filter(verb="deposit.reverse").count() == 1


def test_only_a_credited_payment_can_be_taken_back_and_only_with_a_reason(alice: User) -> None:
    waiting = DepositRequest.objects.create(user=alice, method="Cash", amount=Decimal(5), reference="C-1")
    with pytest.raises(CannotReverse, match="never credited"):
        reverse_payment(waiting.pk, "Charged back")
    refuse_request(waiting.pk, "Not seen")
    with pytest.raises(CannotReverse, match="never credited"):
        reverse_payment(waiting.pk, "Charged back")
    with pytest.raises(CannotReverse, match="does not exist"):
        reverse_payment(0, "Charged back")
    with pytest.raises(CannotReverse, match="needs a reason"):
        reverse_payment(paid(alice).pk, "  ")
    assert wallet.balance_of(alice) == Decimal(100)


def test_the_page_says_before_what_it_takes_and_what_is_owed(alice: User, admin: User) -> None:
    asked = paid(alice)
    spend(alice, "70")
    browser, address = staff_world.signed_in(admin), f"/manage/money/{asked.pk}/reverse"
    page = browser.get(address).content.decode()
    assert "$30.00" in page
    assert "$70.00" in page
    assert browser.post(address, {"reason": ""}).status_code == 422
    asks = browser.post(address, {"reason": "Charged back"})
    assert asks["Location"].startswith("/account/reauthenticate/")
    assert wallet.balance_of(alice) == Decimal(30), "nothing before the second look at who asks"
    browser.post("/account/reauthenticate/", {"password": world.PASSWORD})
    done = browser.post(address, {"reason": "Charged back"}, follow=True).content.decode()
    assert "$30.00 taken back" in done
    assert "$70.00 is owed" in done
    assert "There is nothing more to take" in browser.get(address).content.decode()


def test_the_customer_reads_it_in_his_wallet(alice: User) -> None:
    reverse_payment(paid(alice).pk, "Charged back by the bank")
    page = staff_world.signed_in(alice).get("/wallet/").content.decode()
    assert "Deposit taken back" in page
    assert "Charged back by the bank" in page
    assert "Taken back" in page


def test_the_command_finds_the_payment_by_its_reference(
    alice: User, admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    paid(alice)
    with pytest.raises(CommandError, match="No credited payment"):
        call_command("reverse_deposit", "REF-9", "--reason", "Charged back")
    call_command("reverse_deposit", "REF-1", "--reason", "Charged back", "--by", admin.email)
    assert "100.000000 taken back from alice@example.org" in capsys.readouterr().out
    assert AuditEntry.objects.get(verb="deposit.reverse").actor == admin
    record_payment(alice, "Cash", Decimal(7), "REF-3")
    record_payment(alice, "Card", Decimal(8), "REF-3")
    with pytest.raises(CommandError, match="--method"):
        call_command("reverse_deposit", "REF-3", "--reason", "Charged back")
    call_command("reverse_deposit", "REF-3", "--method", "Card", "--reason", "Charged back")
    assert wallet.balance_of(alice) == Decimal(7)
