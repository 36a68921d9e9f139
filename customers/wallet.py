"""The one writer of money. Nothing else inserts transfers or touches a balance.

Every movement has a unique cause. The same cause with the same accounts and amount is a no-op that
returns the first transfer; the same cause with other content is CauseConflict. Amounts are Decimal
with 6 places in the panel currency and positive; a negative or zero one is a ValueError.

Posting is one SQL statement: the wallet's conditional UPDATE and the INSERT of the transfer with the
balance after it. It takes the wallet's row lock, so callers make it their last statement before commit
and lock the order first (lock order: order, then wallet).
"""

import re
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, Sum
from django.utils.translation import gettext_noop

from customers.models import Account, Transfer, User
from customers.prepared import rows_of

CENT_OF_CENTS = Decimal("0.000001")
ZERO = Decimal("0")
_CAUSE = re.compile(r"^[a-z-]+:[\w:.\-]+$")


class InsufficientFunds(Exception):
    """The wallet holds less than the amount; nothing was moved."""

    def __init__(self, amount: Decimal, balance: Decimal) -> None:
        super().__init__(f"{amount} is more than the balance of {balance}.")
        self.amount, self.balance = amount, balance

    @property
    def missing(self) -> Decimal:
        return self.amount - self.balance


class CauseConflict(Exception):
    """This cause was already posted with other accounts or another amount: a programming error or an attack."""


def wallet_of(user: User) -> Account:
    """The user's wallet, made on first use with a balance of 0."""
    wallet, _ = Account.objects.get_or_create(user=user, kind=Account.Kind.WALLET, defaults={"balance": ZERO})
    return wallet


def balance_of(user: User) -> Decimal:
    """What the user can spend now, 6 decimals; 0 where there is no wallet yet."""
    balance = (
        Account.objects.filter(user=user, kind=Account.Kind.WALLET).values_list("balance", flat=True).first()
    )
    return balance if balance is not None else ZERO


def owed_by(user: User) -> Decimal:
    """What the user owes after a reversal larger than his balance; repaid first by his next deposit."""
    # The account first: most people have none, and his transfers are found by its number.
    debts = Account.objects.filter(user=user, kind="receivable").values_list("pk", flat=True).first()
    if debts is None:
        return ZERO
    sums = Transfer.objects.filter(Q(source=debts) | Q(target=debts)).aggregate(
        lent=Sum("amount", filter=Q(source=debts)), repaid=Sum("amount", filter=Q(target=debts))
    )
    return (sums["lent"] or ZERO) - (sums["repaid"] or ZERO)


def charge_order(user: User, amount: Decimal, order_number: int, actor: str) -> Transfer:
    """Take an order's charge: wallet → sales. InsufficientFunds moves nothing; the caller's transaction must then end.

    The order is new, so its cause cannot have been posted, and the wallet is found by its owner: one statement.
    """
    sales, cause = Account.HOUSE_IDS[Account.Kind.SALES], f"order:{order_number}:charge"
    rows = rows_of(_charge, _checked(user.pk, sales, amount, cause, order_number, "", actor))
    if not rows:
        raise InsufficientFunds(amount, balance_of(user))
    pk, balance_after, wallet = rows[0]
    return Transfer(
        pk=pk,
        source_id=wallet,
        target_id=sales,
        amount=amount,
        cause=cause,
        order_number=order_number,
        actor=actor,
        balance_after=balance_after,
    )


def charge_orders(user: User, charges: Sequence[tuple[int, Decimal]], actor: str) -> Sequence[int]:
    """Take the charges of many new orders at once, each as a transfer of its own: all of them or none.

    `charges` holds (order number, amount); the balance after each is as if they had come one after another.
    One statement whatever their number; the ids of the transfers, in the same order. InsufficientFunds (with the
    sum) moves nothing; the caller's transaction must then end.
    """
    if not charges or any(amount <= 0 or amount != amount.quantize(CENT_OF_CENTS) for _, amount in charges):
        raise ValueError("Each charge needs a positive amount with at most 6 decimals.")
    total = sum((amount for _, amount in charges), ZERO)
    values: dict[str, Any] = {
        "user": user.pk,
        "target": Account.HOUSE_IDS[Account.Kind.SALES],
        "total": total,
        "orders": [number for number, _ in charges],
        "amounts": [amount for _, amount in charges],
        "actor": actor[:254],
    }
    with connection.cursor() as cursor:
        cursor.execute(_charge_many, values)
        rows = cursor.fetchall()
    if not rows:
        raise InsufficientFunds(total, balance_of(user))
    return [row[0] for row in rows]


def refund_order(
    user: User, amount: Decimal, refunded_to: Decimal, order_number: int, note: str, actor: str
) -> Transfer:
    """Give back part of a charge: sales → wallet. `refunded_to` is the cumulative refund after this one."""
    cause = f"order:{order_number}:refunded-to:{refunded_to:f}"
    return _once(
        _give,
        Account.HOUSE_IDS[Account.Kind.SALES],
        wallet_of(user).pk,
        amount,
        cause,
        order_number,
        note,
        actor,
    )


def write_off_order(
    user: User, amount: Decimal, refunded_to: Decimal, order_number: int, note: str, actor: str
) -> Transfer:
    """Give the customer his money back at our own loss: write-off → wallet; the sale stays booked."""
    cause = f"order:{order_number}:refunded-to:{refunded_to:f}"
    return _once(
        _give,
        Account.HOUSE_IDS[Account.Kind.WRITE_OFF],
        wallet_of(user).pk,
        amount,
        cause,
        order_number,
        note,
        actor,
    )


def deposit(user: User, amount: Decimal, cause: str, note: str, actor: str) -> Transfer:
    """Money came in: deposits → wallet; what the user owes is repaid from it at once."""
    with transaction.atomic():
        # Locked first, so that of two racers with one cause the second sees the first's transfer.
        wallet = Account.objects.select_for_update().get(pk=wallet_of(user).pk)
        known = Transfer.objects.filter(cause=cause).exists()
        moved = _once(
            _give, Account.HOUSE_IDS[Account.Kind.DEPOSITS], wallet.pk, amount, cause, None, note, actor
        )
        owed = ZERO if known else owed_by(user)
        if owed > 0:
            receivable, _ = Account.objects.get_or_create(user=user, kind=Account.Kind.RECEIVABLE)
            _once(
                _take,
                wallet.pk,
                receivable.pk,
                min(owed, amount),
                f"{cause}:repaid",
                None,
                gettext_noop("Repayment of an earlier reversal"),
                actor,
            )
    return moved


def reverse_deposit(user: User, amount: Decimal, cause: str, note: str, actor: str) -> Decimal:
    """A deposit was taken back outside: take what the wallet holds, book the rest as owed. Returns what is owed of it."""
    with transaction.atomic():
        wallet = Account.objects.select_for_update().get(pk=wallet_of(user).pk)
        deposits = Account.HOUSE_IDS[Account.Kind.DEPOSITS]
        # Asked by cause first: how a first reversal was split depended on the balance of that moment.
        if done := {
            row.cause: row.amount for row in Transfer.objects.filter(cause__in=[cause, f"{cause}:owed"])
        }:
            if sum(done.values(), ZERO) != amount:
                raise CauseConflict(f"{cause} was already posted with another amount.")
            return done.get(f"{cause}:owed", ZERO)
        there = min(wallet.balance or ZERO, amount)
        short = amount - there
        if short > 0:
            receivable, _ = Account.objects.get_or_create(user=user, kind=Account.Kind.RECEIVABLE)
            _once(_between_others, receivable.pk, deposits, short, f"{cause}:owed", None, note, actor)
        if there > 0:
            _once(_take, wallet.pk, deposits, there, cause, None, note, actor)
    return short


def adjust(user: User, amount: Decimal, note: str, actor: str, key: str | None = None) -> Transfer:
    """Correct a balance by hand, up or down, with a reason. `key` makes a repeated submit of one form a no-op."""
    wallet, house = wallet_of(user).pk, Account.HOUSE_IDS[Account.Kind.ADJUSTMENTS]
    cause = f"adjust:{key or uuid.uuid4()}"
    if amount < 0:
        return _once(_take, wallet, house, -amount, cause, None, note, actor)
    return _once(_give, house, wallet, amount, cause, None, note, actor)


# ── posting ─────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = "(at, source_id, target_id, amount, cause, order_number, note, actor, balance_after)"
_take = f"""
    WITH wallet AS (
        UPDATE customers_account SET balance = balance - %(amount)s
        WHERE id = %(source)s AND kind = 'wallet' AND balance >= %(amount)s RETURNING balance
    )
    INSERT INTO customers_transfer {_COLUMNS}
    SELECT clock_timestamp(), %(source)s, %(target)s, %(amount)s, %(cause)s, %(order)s, %(note)s, %(actor)s, wallet.balance FROM wallet
    RETURNING id, balance_after
"""
_charge = f"""
    WITH wallet AS (
        UPDATE customers_account SET balance = balance - %(amount)s
        WHERE user_id = %(source)s AND kind = 'wallet' AND balance >= %(amount)s RETURNING id, balance
    )
    INSERT INTO customers_transfer {_COLUMNS}
    SELECT clock_timestamp(), wallet.id, %(target)s, %(amount)s, %(cause)s, %(order)s, %(note)s, %(actor)s, wallet.balance FROM wallet
    RETURNING id, balance_after, source_id
"""
_charge_many = f"""
    WITH wallet AS (
        UPDATE customers_account SET balance = balance - %(total)s
        WHERE user_id = %(user)s AND kind = 'wallet' AND balance >= %(total)s RETURNING id, balance
    ), charge AS (
        SELECT number, amount, place, sum(amount) OVER (ORDER BY place) AS upto
        FROM unnest(%(orders)s::bigint[], %(amounts)s::numeric[]) WITH ORDINALITY AS listed(number, amount, place)
    )
    INSERT INTO customers_transfer {_COLUMNS}
    SELECT clock_timestamp(), wallet.id, %(target)s, charge.amount, 'order:' || charge.number || ':charge', charge.number, '', %(actor)s,
        wallet.balance + %(total)s - charge.upto
    FROM wallet, charge ORDER BY charge.place
    RETURNING id
"""
_give = f"""
    WITH wallet AS (
        UPDATE customers_account SET balance = balance + %(amount)s WHERE id = %(target)s AND kind = 'wallet' RETURNING balance
    )
    INSERT INTO customers_transfer {_COLUMNS}
    SELECT clock_timestamp(), %(source)s, %(target)s, %(amount)s, %(cause)s, %(order)s, %(note)s, %(actor)s, wallet.balance FROM wallet
    RETURNING id, balance_after
"""
_between_others = f"""
    INSERT INTO customers_transfer {_COLUMNS}
    VALUES (clock_timestamp(), %(source)s, %(target)s, %(amount)s, %(cause)s, %(order)s, %(note)s, %(actor)s, NULL)
    RETURNING id, balance_after
"""


def _post(
    statement: str,
    source: int,
    target: int,
    amount: Decimal,
    cause: str,
    order: int | None,
    note: str,
    actor: str,
) -> Transfer:
    row = _execute(statement, source, target, amount, cause, order, note, actor)
    if row is None:
        balance = Account.objects.values_list("balance", flat=True).get(pk=source)
        raise InsufficientFunds(amount, balance or ZERO)
    return Transfer(
        pk=row[0],
        source_id=source,
        target_id=target,
        amount=amount,
        cause=cause,
        order_number=order,
        note=note,
        actor=actor,
        balance_after=row[1],
    )


def _execute(
    statement: str,
    source: int,
    target: int,
    amount: Decimal,
    cause: str,
    order: int | None,
    note: str,
    actor: str,
) -> tuple[Any, ...] | None:
    """The posted row (id, balance after, …); None where the wallet holds too little."""
    with connection.cursor() as cursor:
        cursor.execute(statement, _checked(source, target, amount, cause, order, note, actor))
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _checked(
    source: int, target: int, amount: Decimal, cause: str, order: int | None, note: str, actor: str
) -> dict[str, Any]:
    """The values of a posting. ValueError: no positive amount with at most 6 decimals, or not a cause."""
    if amount <= 0 or amount != amount.quantize(CENT_OF_CENTS):
        raise ValueError(f"A transfer needs a positive amount with at most 6 decimals, not {amount}.")
    if not _CAUSE.match(cause):
        raise ValueError(f"{cause!r} is not a cause.")
    return {
        "amount": amount,
        "source": source,
        "target": target,
        "cause": cause,
        "order": order,
        "note": note[:300],
        "actor": actor[:254],
    }


def _once(
    statement: str,
    source: int,
    target: int,
    amount: Decimal,
    cause: str,
    order: int | None,
    note: str,
    actor: str,
) -> Transfer:
    """Post unless this cause was posted already; two racers of one cause end with one transfer."""
    found = Transfer.objects.filter(cause=cause).first()
    if found is None:
        try:
            with transaction.atomic():
                return _post(statement, source, target, amount, cause, order, note, actor)
        except IntegrityError:
            found = Transfer.objects.filter(cause=cause).first()
            if found is None:
                raise
    if (found.source_id, found.target_id, found.amount) != (source, target, amount):
        raise CauseConflict(f"{cause} was already posted with other accounts or another amount.")
    return found
