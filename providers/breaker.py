"""Whether a provider may be sent orders now: pauses, and a breaker that trips on ambiguous answers.

Three ambiguous answers within five minutes (options ambiguous_limit, ambiguous_window_s) stop `add` for
this provider only; after a cool-down (60 s doubling to 15 min) one order is tried. Refused connects and
attempts that the sweeper gave up do not count: they say nothing about the provider's answers.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from providers.alerts import close_alert, raise_alert
from providers.models import Alert, Provider

LONGEST_COOLDOWN_S = 900


@dataclass(frozen=True)
class Permit:
    """How many orders may be sent now: 0 (and why), 1 (half-open), or no limit of the breaker's own."""

    limit: int | None
    why_not: str = ""


def permit(provider_id: int) -> Permit:
    """Read the provider's pause and breaker; moves an open breaker whose cool-down is over to half-open."""
    provider = Provider.objects.get(pk=provider_id)
    if provider.archived_at:
        return Permit(0, "archived")
    if provider.paused_at:
        return Permit(0, "paused")
    if provider.breaker == Provider.Breaker.OPEN:
        if provider.breaker_until and provider.breaker_until > timezone.now():
            return Permit(0, "breaker open")
        Provider.objects.filter(pk=provider_id, breaker=Provider.Breaker.OPEN).update(
            breaker=Provider.Breaker.HALF_OPEN
        )
        return Permit(1)
    return Permit(1 if provider.breaker == Provider.Breaker.HALF_OPEN else None)


def count_ambiguous(provider_id: int, options: dict[str, Any], reason: str) -> bool:
    """Count one ambiguous answer or deadline; True when the breaker is open after it."""
    now = timezone.now()
    with transaction.atomic():
        provider = Provider.objects.select_for_update().get(pk=provider_id)
        window = now - timedelta(seconds=options["ambiguous_window_s"])
        provider.breaker_marks = [mark for mark in provider.breaker_marks if mark > window] + [now]
        provider.last_error, provider.last_error_at = f"Orders: {reason}"[:500], now
        trips = (
            provider.breaker == Provider.Breaker.HALF_OPEN
            or len(provider.breaker_marks) >= options["ambiguous_limit"]
        )
        if trips and provider.breaker != Provider.Breaker.OPEN:
            doubled = provider.breaker_cooldown_s * 2 if provider.breaker == Provider.Breaker.HALF_OPEN else 0
            provider.breaker_cooldown_s = min(max(doubled, options["breaker_cooldown_s"]), LONGEST_COOLDOWN_S)
            provider.breaker, provider.breaker_marks = Provider.Breaker.OPEN, []
            provider.breaker_until = now + timedelta(seconds=provider.breaker_cooldown_s)
        provider.save(
            update_fields=[
                "breaker",
                "breaker_marks",
                "breaker_until",
                "breaker_cooldown_s",
                "last_error",
                "last_error_at",
            ]
        )
    if provider.breaker == Provider.Breaker.OPEN:
        raise_alert(
            f"breaker:{provider_id}",
            f"{provider.name} gave unclear answers to orders; sending to it stopped for {provider.breaker_cooldown_s} s. Its orders wait.",
            level=Alert.Level.CRITICAL,
            provider_id=provider_id,
        )
        return True
    return False


def count_clear_answer(provider_id: int) -> None:
    """The provider answered an order clearly: a half-open breaker closes."""
    closed = Provider.objects.filter(pk=provider_id, breaker=Provider.Breaker.HALF_OPEN).update(
        breaker=Provider.Breaker.CLOSED, breaker_until=None, breaker_marks=[], breaker_cooldown_s=0
    )
    if closed:
        close_alert(f"breaker:{provider_id}")


def pause(provider_id: int, kind: str, reason: str) -> bool:
    """Stop sending to a provider (Provider.Pause kind). A pause by hand is never replaced by an automatic one."""
    changed = Provider.objects.filter(pk=provider_id, paused_at=None).update(
        paused_at=timezone.now(), pause_kind=kind, pause_reason=reason[:200]
    )
    if kind == Provider.Pause.BY_HAND and not changed:
        changed = Provider.objects.filter(pk=provider_id).update(pause_kind=kind, pause_reason=reason[:200])
    if changed and kind != Provider.Pause.BY_HAND:
        raise_alert(
            f"paused:{provider_id}",
            f"Sending paused: {reason}",
            level=Alert.Level.CRITICAL,
            provider_id=provider_id,
        )
    return bool(changed)


def resume(provider_id: int) -> bool:
    """Send again: ends a pause of any kind and closes the breaker."""
    changed = Provider.objects.filter(pk=provider_id).update(
        paused_at=None,
        pause_kind="",
        pause_reason="",
        breaker=Provider.Breaker.CLOSED,
        breaker_until=None,
        breaker_marks=[],
        breaker_cooldown_s=0,
    )
    close_alert(f"paused:{provider_id}")
    close_alert(f"breaker:{provider_id}")
    return bool(changed)
