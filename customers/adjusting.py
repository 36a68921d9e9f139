"""Correcting a customer's balance by hand: always a transfer with a reason, never an edit."""

from decimal import Decimal

from django.db import transaction
from django.http import HttpRequest

from customers import wallet
from customers.audit import actor_name, record
from customers.models import Transfer, User


class CannotAdjust(ValueError):
    """Nothing was moved; the sentence says why."""


def adjust_balance(
    user: User,
    amount: Decimal,
    reason: str,
    *,
    by: User | None = None,
    key: str | None = None,
    request: HttpRequest | None = None,
) -> Transfer:
    """Move `amount` (6 decimals, panel currency; negative takes away) with a reason.

    `key` makes a repeated submit of one form a no-op. The audit entry and the transfer commit together.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise CannotAdjust("A correction needs a reason.")
    if amount == 0 or amount != amount.quantize(wallet.CENT_OF_CENTS):
        raise CannotAdjust(f"{amount} cannot be moved: use an amount other than 0 with at most 6 decimals.")
    try:
        with transaction.atomic():
            if key is None or not Transfer.objects.filter(cause=f"adjust:{key}").exists():
                summary = f"Balance of {user.email} corrected by {amount:+f}: {reason}"
                record(by, "balance.adjust", user, summary, {"amount": amount, "reason": reason}, request)
            return wallet.adjust(user, amount, reason, actor_name(by), key)
    except wallet.InsufficientFunds as error:
        raise CannotAdjust(
            f"The balance of {user.email} is {error.balance:f}, so {error.amount:f} cannot be taken from it."
        ) from None
    except wallet.CauseConflict:
        raise CannotAdjust("This form was already sent with another amount; nothing was moved.") from None
