"""A wallet's statement: its transfers, newest first, as the owner and staff read them."""

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from customers.models import Account, Transfer, User


@dataclass(frozen=True)
class Entry:
    """One line: `amount` has the wallet's sign (6 decimals), `balance_after` is the wallet's."""

    transfer: Transfer
    amount: Decimal


def statement(user: User, size: int, after: int | None = None) -> tuple[list[Entry], int | None]:
    """`size` lines older than transfer `after`, and the cursor of the next page (None at the end)."""
    wallet = Account.objects.filter(user=user, kind=Account.Kind.WALLET).values_list("pk", flat=True).first()
    if wallet is None:
        return [], None
    rows = Transfer.objects.filter(Q(source_id=wallet) | Q(target_id=wallet))
    if after:
        rows = rows.filter(pk__lt=after)
    found = list(rows.order_by("-pk")[: size + 1])
    entries = [Entry(row, row.amount if row.target_id == wallet else -row.amount) for row in found[:size]]
    return entries, found[size - 1].pk if len(found) > size else None
