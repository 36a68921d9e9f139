"""The one writer of money: every cause once, no wallet below zero, nothing ever edited."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import Q, Sum

from customers import wallet
from customers.models import Account, Transfer, User
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org", "secret")


def with_money(user: User, amount: str) -> User:
    wallet.deposit(user, Decimal(amount), f"deposit:first-{user.pk}", "", "test")
    return user


def books_are_right(user: User) -> bool:
    """The wallet's balance is the sum of its transfers, and each row kept the balance after it."""
    own = wallet.wallet_of(user)
    sums = Transfer.objects.aggregate(
        into=Sum("amount", filter=Q(target=own)), out=Sum("amount", filter=Q(source=own))
    )
    last = Transfer.objects.filter(Q(source=own) | Q(target=own)).order_by("id").last()
    total = (sums["into"] or 0) - (sums["out"] or 0)
    return own.balance == total and (last is None or last.balance_after == own.balance)


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run `act` in `count` real threads that start together; exceptions are results."""
    together = threading.Barrier(min(count, 16))

    def run(number: int) -> Any:
        if number < together.parties:
            together.wait(10)
        try:
            return act(number)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(run, range(count)))


def test_a_wallet_starts_empty_and_is_made_once(alice: User) -> None:
    assert wallet.balance_of(alice) == 0
    made = at_once(16, lambda _: wallet.wallet_of(alice).pk)
    assert len(set(made)) == 1
    assert wallet.balance_of(alice) == 0


def test_a_deposit_a_charge_and_a_refund_leave_a_row_each_with_the_balance_after(alice: User) -> None:
    with_money(alice, "10")
    wallet.charge_order(alice, Decimal("4.5"), 42, "customer")
    wallet.refund_order(alice, Decimal("1.25"), Decimal("1.25"), 42, "Partial", "system")
    assert wallet.balance_of(alice) == Decimal("6.75")
    rows = [(row.cause, row.amount, row.balance_after) for row in Transfer.objects.order_by("id")]
    assert rows == [
        (f"deposit:first-{alice.pk}", Decimal(10), Decimal(10)),
        ("order:42:charge", Decimal("4.5"), Decimal("5.5")),
        ("order:42:refunded-to:1.25", Decimal("1.25"), Decimal("6.75")),
    ]
    assert [row.amount for row in world.transfers_of(42)] == [Decimal("4.5"), Decimal("1.25")]
    assert books_are_right(alice)


def test_a_charge_beyond_the_balance_moves_nothing(alice: User) -> None:
    with_money(alice, "1")
    with pytest.raises(wallet.InsufficientFunds) as raised:
        wallet.charge_order(alice, Decimal("1.000001"), 1, "customer")
    assert (raised.value.balance, raised.value.missing) == (Decimal(1), Decimal("0.000001"))
    assert Transfer.objects.count() == 1
    wallet.charge_order(alice, Decimal(1), 1, "customer")
    assert wallet.balance_of(alice) == 0


def test_four_hundred_debits_at_once_take_exactly_what_is_there(alice: User) -> None:
    with_money(alice, "100")
    results = at_once(400, lambda number: wallet.charge_order(alice, Decimal("1.00"), number, "customer"))
    assert sum(isinstance(result, Transfer) for result in results) == 100
    assert sum(isinstance(result, wallet.InsufficientFunds) for result in results) == 300
    assert wallet.balance_of(alice) == 0
    assert Transfer.objects.filter(cause__startswith="order:").count() == 100
    assert books_are_right(alice)


def test_without_the_conditional_update_the_same_race_would_lose_money(alice: User) -> None:
    """The control run: read, compute, write back. If this did not go wrong, the test above proves nothing."""
    with_money(alice, "100")

    def naive(_number: int) -> None:
        own = Account.objects.get(user=alice, kind="wallet")
        if own.balance is not None and own.balance >= 1:
            Account.objects.filter(pk=own.pk).update(balance=own.balance - 1)

    at_once(100, naive)
    assert wallet.balance_of(alice) > 0  # a hundred debits of 1, and something is left


def test_a_repeated_cause_is_a_no_op_that_returns_the_first_transfer(alice: User) -> None:
    with_money(alice, "10")
    wallet.charge_order(alice, Decimal(5), 7, "customer")
    first = wallet.refund_order(alice, Decimal(2), Decimal(2), 7, "", "system")
    again = wallet.refund_order(alice, Decimal(2), Decimal(2), 7, "", "system")
    assert first.pk == again.pk
    assert wallet.balance_of(alice) == 7
    assert wallet.deposit(alice, Decimal(10), f"deposit:first-{alice.pk}", "", "test").balance_after == 10
    assert wallet.balance_of(alice) == 7


def test_the_same_cause_with_other_content_is_an_error(alice: User) -> None:
    bob = User.objects.create_user("bob@example.org", "secret")
    with_money(alice, "10")
    cause = f"deposit:first-{alice.pk}"
    for user, amount in ((alice, "11"), (bob, "10")):
        with pytest.raises(wallet.CauseConflict):
            wallet.deposit(user, Decimal(amount), cause, "", "test")
    with pytest.raises(wallet.CauseConflict):
        wallet.adjust(alice, Decimal(-10), "", "test", key="form-1") and wallet.adjust(
            alice, Decimal(10), "", "test", key="form-1"
        )
    assert wallet.balance_of(bob) == 0
    assert books_are_right(alice)


def test_an_order_is_charged_once_however_often_it_is_tried(alice: User) -> None:
    with_money(alice, "10")
    wallet.charge_order(alice, Decimal(1), 7, "customer")
    with pytest.raises(IntegrityError):
        wallet.charge_order(alice, Decimal(1), 7, "customer")
    assert wallet.balance_of(alice) == 9


def test_sixteen_racers_with_one_cause_move_the_money_once(alice: User) -> None:
    with_money(alice, "100")
    wallet.charge_order(alice, Decimal(50), 7, "customer")
    acts: list[Callable[[int], Any]] = [
        lambda _: wallet.refund_order(alice, Decimal(5), Decimal(5), 7, "", "system"),
        lambda _: wallet.deposit(alice, Decimal(5), "deposit:9", "", "admin"),
        lambda _: wallet.adjust(alice, Decimal(5), "", "admin", key="form-2"),
        lambda _: wallet.adjust(alice, Decimal(-5), "", "admin", key="form-3"),
    ]
    for act, expected in zip(acts, ("55", "60", "65", "60"), strict=True):
        results = at_once(16, act)
        assert len({result.pk for result in results}) == 1
        assert wallet.balance_of(alice) == Decimal(expected)
    assert books_are_right(alice)


def test_only_positive_amounts_with_six_decimals_are_moved(alice: User) -> None:
    with_money(alice, "10")
    for amount in ("0", "-1", "0.0000001"):
        with pytest.raises(ValueError, match="positive amount"):
            wallet.charge_order(alice, Decimal(amount), 1, "customer")
    with pytest.raises(ValueError, match="positive amount"):
        wallet.adjust(alice, Decimal(0), "", "test")
    with pytest.raises(ValueError, match="not a cause"):
        wallet.deposit(alice, Decimal(1), "because", "", "test")
    assert wallet.balance_of(alice) == 10


def test_a_write_off_pays_the_customer_from_its_own_account(alice: User) -> None:
    with_money(alice, "10")
    wallet.charge_order(alice, Decimal(4), 7, "customer")
    moved = wallet.write_off_order(alice, Decimal(4), Decimal(4), 7, "Cannot find out", "adam@example.org")
    assert moved.source_id == Account.HOUSE_IDS[Account.Kind.WRITE_OFF]
    assert wallet.balance_of(alice) == 10
    # The refund of the same cumulative target from sales is refused: it would pay twice.
    with pytest.raises(wallet.CauseConflict):
        wallet.refund_order(alice, Decimal(4), Decimal(4), 7, "", "system")


def test_a_correction_goes_both_ways_but_never_below_zero(alice: User) -> None:
    wallet.adjust(alice, Decimal("5.5"), "A gift", "adam@example.org")
    moved = wallet.adjust(alice, Decimal("-5"), "A mistake", "adam@example.org")
    assert (moved.balance_after, moved.note) == (Decimal("0.5"), "A mistake")
    with pytest.raises(wallet.InsufficientFunds):
        wallet.adjust(alice, Decimal(-1), "", "adam@example.org")


def test_a_reversal_beyond_the_wallet_is_owed_and_repaid_first_by_the_next_deposit(alice: User) -> None:
    with_money(alice, "100")
    wallet.charge_order(alice, Decimal(70), 7, "customer")
    assert wallet.reverse_deposit(alice, Decimal(100), "reversal:1", "Charged back", "adam") == 70
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (0, 70)
    wallet.deposit(alice, Decimal(50), "deposit:2", "", "adam")
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (0, 20)
    wallet.deposit(alice, Decimal(50), "deposit:3", "", "adam")
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (30, 0)
    wallet.deposit(alice, Decimal(50), "deposit:3", "", "adam")
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (30, 0)
    assert books_are_right(alice)


def test_a_repeated_reversal_is_a_no_op_whatever_the_balance_is_by_then(alice: User) -> None:
    with_money(alice, "100")
    assert wallet.reverse_deposit(alice, Decimal(60), "reversal:1", "", "adam") == 0
    wallet.charge_order(alice, Decimal(40), 7, "customer")
    assert wallet.reverse_deposit(alice, Decimal(60), "reversal:1", "", "adam") == 0
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (0, 0)
    with pytest.raises(wallet.CauseConflict):
        wallet.reverse_deposit(alice, Decimal(61), "reversal:1", "", "adam")

    assert wallet.reverse_deposit(alice, Decimal(30), "reversal:2", "", "adam") == 30
    wallet.adjust(alice, Decimal(10), "", "adam")
    assert wallet.reverse_deposit(alice, Decimal(30), "reversal:2", "", "adam") == 30
    assert (wallet.balance_of(alice), wallet.owed_by(alice)) == (10, 30)


def test_transfers_cannot_be_changed_deleted_or_emptied(alice: User) -> None:
    with_money(alice, "10")
    acts: list[Callable[[], Any]] = [
        lambda: Transfer.objects.update(amount=Decimal(1_000_000)),
        lambda: Transfer.objects.all().delete(),
        lambda: Transfer.objects.get().delete(),
        lambda: _truncate(),
    ]
    for act in acts:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            act()
    assert Transfer.objects.get().amount == 10


def _truncate() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL headwater.allow_truncate = 'off'; TRUNCATE customers_transfer CASCADE")


def test_the_database_itself_refuses_a_negative_wallet_and_a_second_one(alice: User) -> None:
    own = wallet.wallet_of(alice)
    refused: list[Callable[[], Any]] = [
        lambda: Account.objects.filter(pk=own.pk).update(balance=Decimal(-1)),
        lambda: Account.objects.create(user=alice, kind="wallet", balance=0),
        lambda: Account.objects.create(kind="sales"),
        lambda: Account.objects.create(user=alice, kind="receivable", balance=0),
        lambda: Transfer.objects.create(source=own, target=own, amount=1, cause="x:1"),
    ]
    for act in refused:
        with pytest.raises(IntegrityError), transaction.atomic():
            act()


def test_a_charge_that_is_rolled_back_was_never_taken(alice: User) -> None:
    with_money(alice, "10")
    with pytest.raises(RuntimeError), transaction.atomic():
        wallet.charge_order(alice, Decimal(4), 7, "customer")
        raise RuntimeError
    assert wallet.balance_of(alice) == 10
    assert not Transfer.objects.filter(order_number=7).exists()


def test_money_is_neither_made_nor_lost_between_accounts(alice: User) -> None:
    with_money(alice, "100")
    at_once(
        32,
        lambda number: (
            wallet.charge_order(alice, Decimal(3), number, "customer")
            and wallet.refund_order(alice, Decimal(1), Decimal(1), number, "", "system")
        ),
    )
    assert wallet.balance_of(alice) == 100 - 32 * 2
    assert books_are_right(alice)
