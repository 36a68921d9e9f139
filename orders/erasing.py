"""Erasing a customer, all rooms together: customers.erasing, and what he wrote on orders and has as own prices.

Orders stay with their links: open ones must finish, and closed ones are what the ledger is about.
"""

from django.db import transaction
from django.http import HttpRequest

from customers import erasing
from customers.models import User
from orders.models import MassRest, Order
from providers.models import SpecialRate
from providers.reporting import forget_reports


def erase_customer(
    user: User, *, typed: str, write_off: str, by: User | None, request: HttpRequest | None = None
) -> str:
    """See customers.erasing.erase. Raises CannotErase; nothing is erased by halves."""
    with transaction.atomic():
        left = erasing.erase(user, typed=typed, write_off=write_off, by=by, request=request)
        Order.objects.for_user(user).exclude(reference="").update(reference="")
        MassRest.objects.filter(user=user).delete()
        SpecialRate.objects.filter(user=user).delete()
        user.favorites.all().delete()
        forget_reports(user)
    return left
