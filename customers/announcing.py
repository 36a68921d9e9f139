"""A customer says that he has paid: the method, the amount, the reference. Credited later, by an admin who saw the money."""

from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.figures import money
from customers.models import DepositRequest, User
from customers.site_settings import DepositMethod, load


class CannotAnnounce(Exception):
    """Nothing was kept. `field` is method, amount or reference, or "" for the whole."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


def announce(user: User, method: DepositMethod, amount: Decimal, reference: str) -> DepositRequest:
    """Keep a customer's word about a payment; no money moves. `amount`: panel currency, at most 6 decimals.

    A (method, reference) counts once among all customers, refused ones excepted. Raises CannotAnnounce.
    """
    reference = " ".join(reference.split())
    if user.deposits_suspended:
        raise CannotAnnounce(_("Adding funds is suspended for this account. Nothing was sent."))
    if not reference:
        raise CannotAnnounce(_("Enter the reference of your payment."), "reference")
    if amount < method.minimum:
        text = _("The minimum for this way to pay is %s.") % money(method.minimum)
        raise CannotAnnounce(text, "amount")
    if method.maximum is not None and amount > method.maximum:
        text = _("The maximum for this way to pay is %s.") % money(method.maximum)
        raise CannotAnnounce(text, "amount")
    try:
        with transaction.atomic():
            # Two tabs count one after another.
            User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)
            waiting = DepositRequest.objects.filter(user=user, state=DepositRequest.State.PENDING).count()
            if waiting >= load(["payments_waiting"]).payments_waiting:
                text = ngettext(
                    "%d payment waits to be checked already. Announce more when it is done.",
                    "%d payments wait to be checked already. Announce more when they are done.",
                    waiting,
                )
                raise CannotAnnounce(text % waiting)
            return DepositRequest.objects.create(
                user=user, method=method.name, amount=amount, reference=reference
            )
    except IntegrityError as error:
        if "deposit_reference_once" not in str(error):
            raise
        text = _("This reference was already used for this way to pay. Each payment is credited once.")
        raise CannotAnnounce(text, "reference") from None
