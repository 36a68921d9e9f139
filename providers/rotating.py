"""Replacing a provider's key: tried with a read-only question before it is kept."""

from django.http import HttpRequest

from customers.models import User
from providers import asking
from providers.adapters.errors import ProviderError
from providers.connecting import adapter_for, change_connection
from providers.models import Provider


def problem_with_key(provider: Provider, key: str) -> str:
    """What the provider says to this key when asked for the balance, as one sentence; "" when it works.

    Nothing is saved, whatever comes back.
    """
    trial = Provider(
        name=provider.name,
        api_url=provider.api_url,
        key=key.strip(),
        adapter=provider.adapter,
        currency=provider.currency,
        options={**provider.options, **asking.IMPATIENT},
    )
    try:
        adapter_for(trial).balance()
    except ProviderError as error:
        return error.message
    return ""


def rotate_key(
    provider: Provider, key: str, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """Keep a new key in place of the earlier one, which is gone. What is in flight goes on with the earlier one."""
    change_connection(provider, key=key, by=by, request=request)
