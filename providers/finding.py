"""Which provider is meant: an id or an exact name."""

from providers.models import Provider


class NoSuchProvider(LookupError):
    """The sentence names what was looked for."""


def find_provider(text: str) -> Provider:
    """By id, else by exact name; archived ones too. Raises NoSuchProvider."""
    text = text.strip()
    provider = None
    if text.isascii() and text.isdigit() and len(text) < 19:
        provider = Provider.objects.filter(pk=int(text)).first()
    provider = provider or Provider.objects.filter(name=text).first()
    if provider is None:
        raise NoSuchProvider(f"There is no provider {text!r}.")
    return provider
