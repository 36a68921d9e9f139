"""What went wrong last with a provider, for its page."""

from django.utils import timezone

from providers.models import Provider


def note_error(provider_id: int, message: str) -> None:
    Provider.objects.filter(pk=provider_id).update(last_error=message[:500], last_error_at=timezone.now())
