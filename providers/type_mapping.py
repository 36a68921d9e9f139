"""An admin's word on what a provider's unknown service type is. Later lists follow it (providers.comparing)."""

from collections.abc import Collection

from django.db import connection, transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.applying import refresh_services
from providers.comparing import sellable_type
from providers.locking import lock_offers
from providers.models import CatalogChange, Offer, Provider
from providers.repricing import reprice_provider
from providers.service_types import TYPES, fold


class CannotMap(ValueError):
    """Nothing changed; the sentence says why."""


def unknown_types(provider: Provider) -> list[tuple[str, int, str]]:
    """(the provider's word, how many listed offers have it, the code it is mapped to or ""), most frequent first.

    Words that our own table knows are not among them.
    """
    rows = Offer.objects.filter(provider=provider, gone_at=None).values_list("type_raw", "service_type")
    counts = rows.annotate(n=Count("pk")).order_by()
    return sorted(
        ((word, n, code) for word, code, n in counts if fold(word) is None),
        key=lambda row: (-row[1], row[0], row[2]),
    )


def map_type(
    provider: Provider,
    word: str,
    code: str,
    external_ids: Collection[str] | None = None,
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> int:
    """Let the provider's `word` mean the type `code` of ours ("" = unknown again); returns how many offers changed.

    `external_ids` narrows it to single services, which an empty word needs: it stands for no type at all.
    Their services are priced anew; those still unpublished can be published now. Raises CannotMap.
    """
    with transaction.atomic():
        lock_offers(provider.pk)
        offers = offers_meant(provider, word, code, external_ids)
        changed = offers.exclude(service_type=code).update(service_type=code, changed_at=timezone.now())
        if external_ids is None:
            _map_staged(provider, word, code)
        if changed:
            refresh_services(provider.pk)
            reprice_provider(provider.pk)
        summary = f"{provider.name}: type {word!r} is {TYPES[code].name if code else 'unknown'}"
        record(by, "provider.map_type", provider, summary[:300], {"type": code, "offers": changed}, request)
    return changed


def offers_meant(
    provider: Provider, word: str, code: str, external_ids: Collection[str] | None = None
) -> QuerySet[Offer]:
    """The offers whose type map_type would set. Raises CannotMap where there are none, or it cannot be."""
    if fold(word) is not None:
        raise CannotMap(
            _("The type %(word)s is known already, as %(name)s.")
            % {"word": repr(word), "name": TYPES[fold(word) or ""].name}
        )
    if code and sellable_type(code) is None:
        known = ", ".join(sorted(name for name, found in TYPES.items() if found.sellable))
        raise CannotMap(
            _("%(code)s is not a type that can be sold. Known: %(known)s.")
            % {"code": repr(code), "known": known}
        )
    if not word and not external_ids:
        raise CannotMap(_("These services have no type at all: name the ones that are meant."))
    offers = Offer.objects.filter(provider=provider, type_raw=word)
    if external_ids is not None:
        offers = offers.filter(external_id__in=list(external_ids))
        if missing := set(external_ids) - set(offers.values_list("external_id", flat=True)):
            raise CannotMap(
                _("%(provider)s has no service %(services)s of the type %(word)s.")
                % {"provider": provider.name, "services": ", ".join(sorted(missing)), "word": repr(word)}
            )
    elif not offers.exists() and not waiting_of(provider, word).exists():
        raise CannotMap(
            _("%(provider)s has no service of the type %(word)s.")
            % {"provider": provider.name, "word": repr(word)}
        )
    return offers


def waiting_of(provider: Provider, word: str) -> QuerySet[CatalogChange]:
    """New services of this type that wait for a decision."""
    waiting = CatalogChange.objects.filter(provider=provider, state=CatalogChange.State.STAGED)
    return waiting.filter(kind=CatalogChange.Kind.NEW, after__type_raw=word)


def _map_staged(provider: Provider, word: str, code: str) -> None:
    """New services that still wait for a decision are of that type, too."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE providers_catalogchange SET after = jsonb_set(after, '{service_type}', to_jsonb(%s::text))
            WHERE provider_id = %s AND state = 'staged' AND kind = 'new' AND after->>'type_raw' = %s
            """,
            [code, provider.pk, word],
        )
