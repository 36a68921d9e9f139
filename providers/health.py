"""What went wrong last with a provider, for its page."""

from django.utils import timezone

from providers.models import Provider


def note_error(provider_id: int, message: str) -> None:
    Provider.objects.filter(pk=provider_id).update(last_error=message[:500], last_error_at=timezone.now())


def clear_error(provider_id: int) -> None:
    Provider.objects.filter(pk=provider_id).exclude(last_error="").update(last_error="", last_error_at=None)
