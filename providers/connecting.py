"""Connecting providers: the door and the adapter behind a row; adding and changing a connection.

The key goes in and is never shown again. Asking a provider what it speaks: providers.grading.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Value, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.adapters import OPTIONS, REGISTRY, Adapter, Option, read_options
from providers.adapters.errors import Misconfigured, ProviderError
from providers.adapters.http import Door
from providers.health import note_error
from providers.locking import lock_offers, lock_prices
from providers.models import Provider
from providers.repricing import reprice_provider

MANUAL = "manual"  # no API: staff work its orders by hand


class InvalidProvider(ValueError):
    """Nothing was saved. `errors`: a sentence by field (name, api_url, key, adapter, currency, options)."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


def adapter_for(provider: Provider) -> Adapter:
    """The adapter of a provider's row, on this process's door. Misconfigured where there is none to ask."""
    adapter = REGISTRY.get(provider.adapter)
    if adapter is None:
        raise Misconfigured(f"{provider.name} has no API: its orders are worked by hand.", reason="manual")
    if not provider.api_url or not provider.key:
        missing = "key" if provider.api_url else "address"
        raise Misconfigured(
            f"{provider.name} has no {missing}; enter it on the provider's page.", reason="wrong_url"
        )
    return adapter(provider.api_url, provider.key, provider.options, door())


def adapter_or_none(provider: Provider) -> Adapter | None:
    """As adapter_for; None where there is none to ask, which the provider's page then says."""
    try:
        return adapter_for(provider)
    except Misconfigured as error:
        note_error(provider.pk, error.message)
        return None


def options_of(provider: Provider) -> dict[str, Any]:
    """All options with their types, defaults filled in."""
    return read_options(provider.options, known_options(provider.adapter))


def known_options(adapter: str) -> dict[str, Option]:
    """The options of a dialect, its own included; the common ones where there is no API."""
    return REGISTRY[adapter].all_options() if adapter in REGISTRY else OPTIONS


def door() -> Door:
    """The one door of this process, with the private addresses of PROVIDER_ALLOWED_PRIVATE."""
    return _door(frozenset(settings.PROVIDER_ALLOWED_PRIVATE))


@lru_cache(maxsize=8)  # by address list, because tests change it
def _door(allowed_private: frozenset[str]) -> Door:
    return Door(allowed_private=allowed_private)


# ── adding and changing ─────────────────────────────────────────────────────────────────────────────


def add_provider(
    name: str,
    api_url: str,
    key: str,
    *,
    currency: str = "",
    adapter: str = "standard",
    options: Mapping[str, Any] | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> Provider:
    """Save a new provider. Nothing is asked of it yet. Raises InvalidProvider."""
    if adapter == MANUAL:  # there is nothing to connect to
        api_url = key = ""
    provider = Provider(
        name=" ".join(name.split()), api_url=api_url.strip(), key=key.strip(), adapter=adapter
    )
    provider.currency = (currency or settings.CURRENCY).strip().upper()
    errors = (
        _name_errors(provider.name) | _connection_errors(provider) | _set_options(provider, options or {})
    )
    if not provider.key and adapter != MANUAL:
        errors["key"] = _("Enter the API key.")
    if errors:
        raise InvalidProvider(errors)
    try:
        with transaction.atomic():
            provider.save()
            details = {"api_url": provider.api_url, "adapter": adapter, "currency": provider.currency}
            record(by, "provider.add", provider, f"Provider {provider.name} added", details, request)
    except IntegrityError:
        raise InvalidProvider({"name": _name_taken(provider.name)}) from None
    return provider


def change_connection(
    provider: Provider,
    *,
    api_url: str | None = None,
    key: str | None = None,
    currency: str | None = None,
    adapter: str | None = None,
    options: Mapping[str, Any] | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Change what is given. A new address without a new key clears the key: whoever runs the other server
    must not be handed it. Prices follow another currency at once; without a rate for it the provider's services go
    off sale (supply_effects.effect_of_currency). Raises InvalidProvider and then changes nothing."""
    fresh = Provider.objects.get(pk=provider.pk)
    changed = []
    if api_url is not None and api_url.strip() != fresh.api_url:
        fresh.api_url, fresh.key = api_url.strip(), ""
        changed.append("address")
    if key:
        fresh.key = key.strip()
        changed.append("key")
    if currency is not None and currency.strip().upper() != fresh.currency:
        fresh.currency = currency.strip().upper()
        changed.append("currency")
    if adapter is not None and adapter != fresh.adapter:
        known = known_options(adapter)
        if options is None:  # what only the earlier dialect knows means nothing to this one
            options = {name: value for name, value in fresh.options.items() if name in known}
        fresh.adapter = adapter
        changed.append("adapter")
    before = fresh.options
    errors = _connection_errors(fresh) | (_set_options(fresh, options) if options is not None else {})
    if errors:
        raise InvalidProvider(errors)
    if fresh.options != before:
        changed.append("options")
    if not changed:
        return
    with transaction.atomic():
        if "currency" in changed:
            lock_offers(fresh.pk)
            lock_prices()
        # It was about the connection as it was; the next reading says how this one does.
        fresh.last_error = ""
        fresh.save(update_fields=["api_url", "key", "currency", "adapter", "options", "last_error"])
        details = {"changed": changed, "api_url": fresh.api_url, "key_cleared": not fresh.key}
        if "address" in changed:  # what was confirmed about its balance was about another one
            Provider.objects.filter(pk=fresh.pk).update(balance_currency="")
        if "currency" in changed:
            details["currency"] = {"before": provider.currency, "after": fresh.currency}
        summary = f"Connection of {fresh.name} changed: {', '.join(changed)}"
        record(by, "provider.connection", fresh, summary, details, request)
        if "currency" in changed:
            Provider.objects.filter(pk=fresh.pk).update(balance_currency="")
            if fresh.stopped == Provider.Stop.CURRENCY:  # settled: catalog.sell_again ends the rest
                Provider.objects.filter(pk=fresh.pk).update(stopped=Provider.Stop.UNREAD)
            reprice_provider(fresh.pk)
    provider.refresh_from_db()


def _name_errors(name: str) -> dict[str, str]:
    if not name or len(name) > 80:
        return {"name": _("Enter a name of at most 80 characters.")}
    if name.isdigit():
        return {"name": _("A name of digits only would be taken for an id.")}
    if Provider.objects.filter(name=name).exists():
        return {"name": _name_taken(name)}
    return {}


def _name_taken(name: str) -> str:
    return _("There is a provider named %(name)s already.") % {"name": name}


def _connection_errors(provider: Provider) -> dict[str, str]:
    errors = {}
    if provider.adapter != MANUAL:
        if provider.adapter not in REGISTRY:
            errors["adapter"] = _("There is no adapter %(name)s; known: %(known)s.") % {
                "name": repr(provider.adapter),
                "known": ", ".join(sorted(REGISTRY)),
            }
        if problem := _address_problem(provider.api_url):
            errors["api_url"] = problem
    if not re.fullmatch(r"[A-Z]{3}", provider.currency):
        errors["currency"] = _("%(currency)s is not a currency: use three letters such as USD.") % {
            "currency": repr(provider.currency)
        }
    return errors


def _address_problem(url: str) -> str:
    """Why an address cannot be a provider's, or "". The door vets the resolved addresses at each call."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return _("The address is not a valid URL.")
    if not parts.hostname or parts.scheme not in ("https", "http") or len(url) > 500 or re.search(r"\s", url):
        return _("Enter the full address of the API, such as https://provider.example/api/v2.")
    if parts.username or parts.password:
        return _("The address must not hold a user name or password.")
    if parts.fragment:
        return _("The address must not hold a # part.")
    if parts.scheme == "http" and f"{parts.hostname}:{port}" not in settings.PROVIDER_ALLOWED_PRIVATE:
        return _("The address must start with https://, or the key would travel unencrypted.")
    return ""


def _set_options(provider: Provider, options: Mapping[str, Any]) -> dict[str, str]:
    """Keep only what differs from the dialect's defaults: a later default then reaches all who never chose."""
    known = known_options(provider.adapter)
    try:
        read = read_options(options, known)
    except ValueError as error:
        return {"options": str(error)}
    provider.options = {name: value for name, value in read.items() if value != known[name].default}
    return {}


# ── what a read left behind ─────────────────────────────────────────────────────────────────────────


def read_worked(provider_id: int, what: str, **values: Any) -> None:
    """Save `values` on the row; an error of an earlier read of this kind ("Balance", "Catalog") is over."""
    over = When(last_error__startswith=f"{what}: ", then=Value(""))
    Provider.objects.filter(pk=provider_id).update(last_error=Case(over, default=F("last_error")), **values)


def read_failed(provider_id: int, what: str, error: ProviderError) -> None:
    """Keep what a read met, for the provider's page and provider_show."""
    text = f"{what}: {error.message}"[:500]
    Provider.objects.filter(pk=provider_id).update(last_error=text, last_error_at=timezone.now())
