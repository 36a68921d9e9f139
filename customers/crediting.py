"""Deposits that customers announced: credited once by an admin who saw the money, or refused with a note.

The first decision stands. Whoever comes second changes nothing and is told who was first, and what it was.
"""

from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.translation import gettext as _

from customers import wallet
from customers.audit import actor_name, record
from customers.figures import money
from customers.models import DepositRequest, User

State = DepositRequest.State


class CannotDecide(Exception):
    """Nothing was moved; the sentence says why."""


class DecidedBefore(CannotDecide):
    """What was asked for was done earlier, by whoever is named; nothing more was done, and no note was kept."""


def credit_request(
    request_id: int, *, by: User | None = None, request: HttpRequest | None = None
) -> DepositRequest:
    """Put an announced deposit into the wallet, once. Raises DecidedBefore when it was credited earlier, else
    CannotDecide."""
    with transaction.atomic():
        asked = _locked(request_id)
        if asked.state == State.CREDITED:
            words = {"who": _who(asked), "amount": money(asked.amount), "at": _when(asked.decided_at)}
            told = _("%(who)s credited these %(amount)s already, %(at)s; nothing was moved again.") % words
            if asked.reversed_at:
                told += " " + _(
                    "The payment was taken back %(at)s. If the money came after all, record it as a new one."
                ) % {"at": _when(asked.reversed_at)}
            raise DecidedBefore(told)
        if asked.state == State.REFUSED:
            raise CannotDecide(
                _("This payment was refused by %(who)s; nothing was credited.") % {"who": _who(asked)}
            )
        _decide(asked, State.CREDITED, "", by)
        summary = f"Payment {asked.reference} of {asked.user.email} credited: {asked.amount:f}"
        details = {"amount": asked.amount, "method": asked.method, "reference": asked.reference}
        record(by, "deposit.credit", asked, summary[:300], details, request)
        note = f"{asked.method} {asked.reference}"
        wallet.deposit(asked.user, asked.amount, f"deposit:{asked.pk}", note, actor_name(by))
    return asked


def refuse_request(
    request_id: int, note: str, *, by: User | None = None, request: HttpRequest | None = None
) -> DepositRequest:
    """Say that the money did not come; the customer reads the note. Raises DecidedBefore when it was refused earlier
    (that note stays), else CannotDecide."""
    note = " ".join(note.split())
    if not note:
        raise CannotDecide(_("A refusal needs a note; the customer reads it."))
    with transaction.atomic():
        asked = _locked(request_id)
        if asked.state == State.REFUSED:
            words = {"who": _who(asked), "at": _when(asked.decided_at), "note": asked.note}
            raise DecidedBefore(
                _(
                    "%(who)s refused this payment already, %(at)s; the customer reads “%(note)s”, and your note was not kept."
                )
                % words
            )
        if asked.state == State.CREDITED:
            raise CannotDecide(
                _("This payment was credited by %(who)s; take it back instead.") % {"who": _who(asked)}
            )
        _decide(asked, State.REFUSED, note[:300], by)
        summary = f"Payment {asked.reference} of {asked.user.email} refused: {note}"
        record(by, "deposit.refuse", asked, summary[:300], {"amount": asked.amount}, request)
    return asked


def record_payment(
    user: User,
    method: str,
    amount: Decimal,
    reference: str,
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> DepositRequest:
    """A payment that an admin found himself: announced and credited in one step.

    Raises ValidationError when this reference was already used for this method: the money is in a wallet already.
    """
    asked = DepositRequest(user=user, method=method, amount=amount, reference=" ".join(reference.split()))
    asked.full_clean(exclude=["decided_by", "decided_at", "reversed_at"])
    try:
        with transaction.atomic():
            asked.save()
            return credit_request(asked.pk, by=by, request=request)
    except IntegrityError as error:
        if "deposit_reference_once" not in str(error):
            raise
        raise ValidationError(_("This payment reference was already used for this method.")) from None


def _locked(request_id: int) -> DepositRequest:
    asked = (
        DepositRequest.objects.select_for_update(of=("self",))
        .select_related("user", "decided_by")
        .filter(pk=request_id)
        .first()
    )
    if asked is None:
        raise CannotDecide(_("This payment does not exist."))
    return asked


def _decide(asked: DepositRequest, state: str, note: str, by: User | None) -> None:
    asked.state, asked.note, asked.decided_at, asked.decided_by = state, note, timezone.now(), by
    asked.save(update_fields=["state", "note", "decided_at", "decided_by"])


def _who(asked: DepositRequest) -> str:
    return asked.decided_by.email if asked.decided_by else _("Somebody at the command line")


def _when(at: datetime | None) -> str:
    """In the reader's time zone."""
    return date_format(timezone.localtime(at), "j M Y, H:i") if at else ""
