"""The PROVIDER argument of commands: an id, an exact name, or nothing for all that have an API."""

from django.core.management.base import CommandError

from providers.finding import NoSuchProvider, find_provider
from providers.models import Provider


def chosen(text: str) -> Provider:
    """One provider. CommandError when there is none."""
    try:
        return find_provider(text)
    except NoSuchProvider as error:
        raise CommandError(str(error)) from None


def chosen_or_all(text: str | None) -> list[Provider]:
    """The one that is named, else all that are not archived and are asked by API."""
    if text:
        return [chosen(text)]
    return list(Provider.objects.filter(archived_at=None).exclude(adapter="manual").order_by("id"))
