"""A balance in another currency than is set for the provider: nothing of it is sold until that is settled.

Either the rates are in the reported currency, and an admin sets it; or they are in the one that is set, and he
confirms that; or the next balance comes in the set one again. In each case the list is read once before it is sold.
"""

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.alerts import close_alert
from providers.applying import refresh_services
from providers.locking import lock_prices
from providers.models import BalanceReading, Provider
from providers.repricing import reprice_provider

Stop = Provider.Stop


class NothingToSettle(ValueError):
    """Nothing changed; the sentence says why."""


def doubted_currency(provider: Provider) -> str:
    """The currency that its balance came in instead; "" where there is no doubt."""
    if provider.stopped != Stop.CURRENCY:
        return ""
    # A reading that named none was kept as the set one; it says nothing about the doubt.
    others = BalanceReading.objects.filter(provider=provider).exclude(currency=provider.currency)
    latest = others.order_by("-at", "-pk").first()
    return latest.currency if latest else ""


def doubt_currency(provider: Provider) -> None:
    """Take its services off sale, or to their next routes; recorded once."""
    with transaction.atomic():
        lock_prices()
        changed = Provider.objects.filter(pk=provider.pk).exclude(stopped=Stop.CURRENCY)
        if changed.update(stopped=Stop.CURRENCY):
            record(None, "provider.stop", provider, f"{provider.name} is not sold: its currency is in doubt")
            refresh_services(provider.pk)
            reprice_provider(provider.pk)
    provider.stopped = Stop.CURRENCY


def end_doubt(
    provider: Provider, why: str, by: User | None = None, request: HttpRequest | None = None
) -> bool:
    """Sold again once its list was read (catalog.sell_again). False where there was no doubt."""
    with transaction.atomic():
        lock_prices()
        doubted = Provider.objects.filter(pk=provider.pk, stopped=Stop.CURRENCY)
        if not doubted.update(stopped=Stop.UNREAD):
            return False
        record(by, "provider.currency", provider, f"Currency of {provider.name} settled: {why}", {}, request)
        refresh_services(provider.pk)
        reprice_provider(provider.pk)
    close_alert(f"currency:{provider.pk}")
    provider.stopped = Stop.UNREAD
    return True


def confirm_currency(
    provider: Provider, *, by: User | None = None, request: HttpRequest | None = None
) -> str:
    """The admin's word that rates are in the currency that is set, whatever the balance comes in; returns that.

    Raises NothingToSettle where there is no doubt. The same currency of a balance is not doubted again.
    """
    provider.refresh_from_db()
    reported = doubted_currency(provider)
    if not reported:
        raise NothingToSettle(_("There is no doubt about the currency of %s.") % provider.name)
    with transaction.atomic():
        Provider.objects.filter(pk=provider.pk).update(balance_currency=reported)
        end_doubt(provider, f"rates are in {provider.currency}, its balance in {reported}", by, request)
    provider.refresh_from_db()
    return reported
