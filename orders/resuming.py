"""An automatic pause ends by itself: at the first good balance reading after it that covers the next order."""

from datetime import timedelta

from django.utils import timezone

from orders.models import Order, Submission
from providers import breaker
from providers.balances import balance_covers
from providers.models import Provider


def resume_covered() -> list[int]:
    """Resume the providers whose automatic pause (key refused, balance used up) is over; returns their ids."""
    resumed = []
    paused = Provider.objects.filter(
        pause_kind__in=[Provider.Pause.AUTH, Provider.Pause.FUNDS], archived_at=None
    )
    for provider in paused:
        read_since = (
            provider.balance_at is not None
            and provider.paused_at is not None
            and provider.balance_at > provider.paused_at
        )
        if read_since and (
            provider.pause_kind == Provider.Pause.AUTH or balance_covers(provider, _next_cost(provider))
        ):
            breaker.resume(provider.pk)
            Submission.objects.filter(
                provider=provider, state=Submission.State.QUEUED, waits_for__in=["auth", "provider_funds"]
            ).update(next_at=timezone.now())
            resumed.append(provider.pk)
    return resumed


def _next_cost(provider: Provider):  # type: ignore[no-untyped-def]
    waiting = Order.objects.filter(submission__provider=provider, submission__state=Submission.State.QUEUED)
    return waiting.order_by("submission__next_at", "pk").values_list("cost", flat=True).first() or 0


def due_for_a_reading() -> list[int]:
    """Paused providers whose balance should be read now, so that the pause can end."""
    lately = timezone.now() - timedelta(seconds=30)
    paused = Provider.objects.filter(
        pause_kind__in=[Provider.Pause.AUTH, Provider.Pause.FUNDS], archived_at=None
    )
    return list(paused.exclude(balance_at__gt=lately).values_list("pk", flat=True))
