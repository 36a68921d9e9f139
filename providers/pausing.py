"""Pausing and resuming a provider by hand, with a trace of who did it. (Automatic pauses: providers.breaker.)"""

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers import breaker
from providers.models import Provider


def pause_by_hand(
    provider: Provider, reason: str, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """Stop sending until somebody resumes it. ValueError without a reason."""
    reason = " ".join(reason.split())
    if not reason:
        raise ValueError(_("A pause needs a reason."))
    with transaction.atomic():
        breaker.pause(provider.pk, Provider.Pause.BY_HAND, reason)
        summary = f"Sending to {provider.name} paused: {reason}"
        record(by, "provider.pause", provider, summary, request=request)
    provider.refresh_from_db()


def resume_by_hand(provider: Provider, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """End a pause of any kind and close the breaker. The next worker's round sends what waits."""
    with transaction.atomic():
        breaker.resume(provider.pk)
        record(by, "provider.resume", provider, f"Sending to {provider.name} resumed", request=request)
    provider.refresh_from_db()
