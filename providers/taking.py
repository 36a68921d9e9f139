"""Taking what a test of the connection proposes: an adapter, options, or both, over what is set already."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.models import User
from providers.adapters import REGISTRY
from providers.connecting import InvalidProvider, change_connection, known_options
from providers.models import Provider

ADAPTER = "adapter"


def proposals_of(pairs: Iterable[str]) -> dict[str, str]:
    """`option=value` texts, as a page posts what was ticked, by option. Raises InvalidProvider for anything else."""
    taken = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise InvalidProvider(
                {
                    "options": _("%(text)s is no proposal of the form option=value.")
                    % {"text": repr(pair[:80])}
                }
            )
        taken[name] = value
    return taken


def merged(provider: Provider, taken: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(adapter, options) with `taken` over what the row has. What only the earlier dialect knows is left out."""
    adapter = str(taken.get(ADAPTER, provider.adapter))
    if adapter not in REGISTRY:
        raise InvalidProvider({ADAPTER: _("There is no adapter %(name)s.") % {"name": repr(adapter)}})
    known = known_options(adapter)
    kept = {name: value for name, value in provider.options.items() if name in known}
    return adapter, kept | {name: value for name, value in taken.items() if name != ADAPTER}


def take_proposals(
    provider: Provider,
    taken: Mapping[str, Any],
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Set what was proposed; other options stay. Raises InvalidProvider and then changes nothing."""
    adapter, options = merged(provider, taken)
    change_connection(provider, adapter=adapter, options=options, by=by, request=request)
