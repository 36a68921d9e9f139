"""Offers that their provider refuses to deliver: held back at the first refusal, and what ends that.

The provider's list may go on naming a service that it has disabled, so that reading the list does not end such a hold.
What ends it: an admin (sell_again), or the list, when it leaves the service out and names it again.
"""

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.alerts import raise_alert
from providers.applying import REFUSED, WAITS, refresh_service, undecided
from providers.catalog import refused_alert, tell_about_holds
from providers.denying import DenyList
from providers.locking import lock_offers, lock_prices
from providers.models import Offer, Service
from providers.repricing import reprice


class NotRefused(Exception):
    """Nothing changed; the sentence says why."""


def hold_refused(offer_id: int, said: str) -> bool:
    """Take an offer off sale that the provider refused to deliver, as it `said`; False where it is off sale already.

    Its services are sold by their next route, where they have one. Each refusal counts the offer's one alert up.
    """
    offer = Offer.objects.select_related("provider").get(pk=offer_id)
    with transaction.atomic():
        lock_offers(offer.provider_id)
        reason = f"{REFUSED}{said}"[:200]
        held = Offer.objects.filter(pk=offer_id, on_hold="").update(on_hold=reason, changed_at=timezone.now())
        if held:
            _follow(offer)
        if held or Offer.objects.filter(pk=offer_id, on_hold__startswith=REFUSED).exists():
            text = (
                f"{offer.provider.name} refuses orders of its service {offer.external_id} ({said[:120]}). It is off sale"
                " by this provider until an admin sells it again, or it leaves the provider's list and returns."
            )
            raise_alert(refused_alert(offer_id), text, provider_id=offer.provider_id)
    return bool(held)


def sell_again(offer: Offer, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """End the hold of an offer that was refused; another reason to hold it then counts. Raises NotRefused."""
    with transaction.atomic():
        lock_offers(offer.provider_id)
        fresh = Offer.objects.select_related("provider").get(pk=offer.pk)
        if not fresh.on_hold.startswith(REFUSED):
            raise NotRefused(_("This offer is not held because of a refusal."))
        otherwise = WAITS if undecided([fresh.pk]) else DenyList().hold_of("", fresh.name, fresh.category)
        Offer.objects.filter(pk=fresh.pk).update(on_hold=otherwise, changed_at=timezone.now())
        _follow(fresh)
        tell_about_holds(fresh.provider)
        summary = f"Offer {fresh.external_id} of {fresh.provider.name} is sold again after a refusal"
        record(by, "offer.sell_again", fresh, summary[:300], {"refused": fresh.on_hold}, request)
    offer.refresh_from_db()


def _follow(offer: Offer) -> None:
    lock_prices()  # before the services' rows
    services = Service.objects.filter(routes__offer=offer).distinct()
    for service_id in list(services.values_list("pk", flat=True)):
        refresh_service(service_id)
    reprice(services)
