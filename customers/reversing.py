"""Taking back a credited payment that the bank, the card or a chargeback took back from us: once, whole, with a reason."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers import wallet
from customers.audit import actor_name, record
from customers.models import DepositRequest, User

State = DepositRequest.State


class CannotReverse(ValueError):
    """Nothing was moved; the sentence says why."""


@dataclass(frozen=True)
class Split:
    """Where a payment is taken from, in panel currency: the wallet, and what the customer owes from then on."""

    taken: Decimal
    owed: Decimal


def split_now(asked: DepositRequest) -> Split:
    """What reversing it now would do. Reads only; the balance may be another a moment later."""
    taken = min(wallet.balance_of(asked.user), asked.amount)
    return Split(taken, asked.amount - taken)


def reverse_payment(
    request_id: int, reason: str, *, by: User | None = None, request: HttpRequest | None = None
) -> tuple[DepositRequest, Split]:
    """Take a credited payment out of the wallet, as far as it is there; the rest is owed and repaid first by the next
    deposit (RELIABILITY: money). Repeating it changes nothing and returns what it did. Orders that the money paid for
    stay as they are.

    The customer reads the reason in his ledger. Raises CannotReverse.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise CannotReverse(_("Taking a payment back needs a reason; the customer reads it."))
    with transaction.atomic():
        asked = (
            DepositRequest.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(pk=request_id)
            .first()
        )
        if asked is None:
            raise CannotReverse(_("This payment does not exist."))
        if asked.state != State.CREDITED:
            raise CannotReverse(_("This payment was never credited, so there is nothing to take back."))
        if asked.reversed_at is None:
            asked.reversed_at = timezone.now()
            asked.save(update_fields=["reversed_at"])
            summary = (
                f"Payment {asked.reference} of {asked.user.email} taken back: {asked.amount:f}: {reason}"
            )
            details = {"amount": asked.amount, "reference": asked.reference, "reason": reason}
            record(by, "deposit.reverse", asked, summary[:300], details, request)
        owed = wallet.reverse_deposit(
            asked.user, asked.amount, f"deposit:{asked.pk}:reversed", reason[:300], actor_name(by)
        )
    return asked, Split(asked.amount - owed, owed)
