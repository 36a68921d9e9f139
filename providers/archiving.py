"""A provider's own facts and its end: name, note, the balance to warn at; putting it away, bringing it back."""

from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.audit import record
from customers.figures import count
from customers.models import User
from providers.applying import refresh_services
from providers.connecting import InvalidProvider
from providers.locking import lock_prices
from providers.models import Provider
from providers.repricing import reprice_provider

NOT_SENT = ("held", "queued", "claimed", "sending", "unknown")


class CannotArchive(Exception):
    """Nothing changed; the sentence says why."""


def change_details(
    provider: Provider,
    *,
    name: str,
    note: str,
    low_balance: Decimal | None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Rename a provider, keep a note, warn below a balance (its own currency). Raises InvalidProvider."""
    name = " ".join(name.split())
    if not name or len(name) > 80:
        raise InvalidProvider({"name": _("Enter a name of at most 80 characters.")})
    if name.isdigit():
        raise InvalidProvider({"name": _("A name of digits only would be taken for an id.")})
    fresh = Provider.objects.get(pk=provider.pk)
    wanted = {"name": name, "note": note.strip(), "low_balance": low_balance}
    changed = [key for key, value in wanted.items() if getattr(fresh, key) != value]
    if not changed:
        return
    try:
        with transaction.atomic():
            Provider.objects.filter(pk=provider.pk).update(**{key: wanted[key] for key in changed})
            summary = f"{fresh.name}: {', '.join(key.replace('_', ' ') for key in changed)} changed"
            record(by, "provider.change", provider, summary, {key: wanted[key] for key in changed}, request)
    except IntegrityError:
        raise InvalidProvider(
            {"name": _("There is a provider named %(name)s already.") % {"name": name}}
        ) from None
    provider.refresh_from_db()


def archive(provider: Provider, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """Put a provider away: nothing is sent to it any more and its services go off sale or to their next route.

    Orders that it has accepted are followed to their end. Raises CannotArchive while orders wait to be sent there
    or to be decided, because nobody would ever send or decide them.
    """
    with transaction.atomic():
        lock_prices()  # before the row: accepting a list holds prices when it needs the provider's row
        locked = Provider.objects.select_for_update().get(pk=provider.pk)
        if locked.archived_at:
            return
        check_nothing_waits(locked)
        Provider.objects.filter(pk=provider.pk).update(archived_at=timezone.now())
        record(by, "provider.archive", provider, f"Provider {locked.name} archived", request=request)
        refresh_services(provider.pk)
        reprice_provider(provider.pk)
    provider.refresh_from_db()


def check_nothing_waits(provider: Provider) -> None:
    """Raises CannotArchive while orders wait to be sent there or to be decided."""
    waiting = Provider.objects.filter(
        Q(submissions__state__in=NOT_SENT), pk=provider.pk, submissions__order__ended_at=None
    ).count()
    if waiting:
        raise CannotArchive(
            ngettext(
                "%(n)s order still waits to be sent to %(provider)s or to be decided. Cancel, decide or deliver"
                " it first; then archive the provider.",
                "%(n)s orders still wait to be sent to %(provider)s or to be decided. Cancel, decide or deliver"
                " them first; then archive the provider.",
                waiting,
            )
            % {"n": count(waiting), "provider": provider.name}
        )


def bring_back(provider: Provider, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """End an archiving. Nothing of it is sold before its list was read once: its prices are those from before.

    What staff deliver by hand has no list, and is on sale again at once.
    """
    with transaction.atomic():
        lock_prices()
        if Provider.objects.filter(pk=provider.pk, archived_at__isnull=False).update(archived_at=None):
            if provider.sends_by_itself:
                Provider.objects.filter(pk=provider.pk, stopped="").update(stopped=Provider.Stop.UNREAD)
            record(
                by, "provider.restore", provider, f"Provider {provider.name} brought back", request=request
            )
            refresh_services(provider.pk)
            reprice_provider(provider.pk)
    provider.refresh_from_db()
