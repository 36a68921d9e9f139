"""The decision "Hide service" on a catalog change: it is accepted, and what it would sell below cost leaves the list.

What was hidden is kept with the change (CatalogChange.hid) and put on the list again when its revision is undone.
"""

from collections.abc import Collection, Iterable, Sequence

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from customers.audit import record
from customers.models import User
from providers.change_effects import ServiceEffect, effects_together
from providers.foreseeing import Foresight
from providers.locking import lock_prices
from providers.models import CatalogChange, Service
from providers.publishing import unpublish


def hidden_of(effects: Iterable[ServiceEffect]) -> list[int]:
    """The services that are hidden for a change with these effects: those it would sell below cost; without any,
    those that it touches; without any, all that its offer may deliver."""
    found = list(effects)
    worst = [effect for effect in found if effect.below_cost] or [
        effect for effect in found if effect.changes
    ]
    return sorted({effect.service.pk for effect in worst or found})


def hidden_by(foresight: Foresight, changes: Sequence[CatalogChange]) -> dict[int, list[int]]:
    """By change the services that hiding for each, by itself, takes off the list; no query."""
    return {change.pk: hidden_of(effects_together(foresight, [change])) for change in changes}


def hide_for(
    change_ids: Collection[int], *, by: User | None = None, request: HttpRequest | None = None
) -> int:
    """Take off the list what is hidden for these changes, which wait still, and keep it with them.

    Returns how many services. The caller holds the transaction, and accepts the changes after it.
    """
    changes = list(
        CatalogChange.objects.filter(pk__in=change_ids, state=CatalogChange.State.STAGED).select_related(
            "offer", "provider"
        )
    )
    if not changes:
        return 0
    hidden = hidden_by(Foresight(changes), changes)
    for change in changes:
        change.hid = hidden[change.pk]
    CatalogChange.objects.bulk_update(changes, ["hid"])
    return unpublish({pk for ids in hidden.values() for pk in ids}, by=by, request=request)


def hidden_with(changes: Iterable[CatalogChange]) -> QuerySet[Service]:
    """What was hidden with these changes and is not on the list now."""
    ids = {pk for change in changes for pk in change.hid or ()}
    return Service.objects.filter(pk__in=ids, published=False, rate__gt=0)


def show_again(
    changes: Iterable[CatalogChange], *, by: User | None = None, request: HttpRequest | None = None
) -> int:
    """Put on the list again what was hidden with these changes; one that an admin put there meanwhile stays."""
    hidden = hidden_with(changes)
    lock_prices()
    ids = list(hidden.order_by("pk").values_list("pk", flat=True))
    number = hidden.update(published=True, changed_at=timezone.now()) if ids else 0
    if number:
        summary = f"{number} hidden services put on the list again by an undo of catalog changes"
        record(by, "services.publish", "services", summary, {"services": ids[:1000]}, request)
    return number
