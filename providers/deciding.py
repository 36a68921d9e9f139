"""An admin's decisions on catalog changes that wait: accept, refuse, and undo what was applied together."""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.alerts import close_alert
from providers.applying import (
    REFUSED,
    UNDONE,
    Applied,
    apply_to_offers,
    clear_decided_holds,
    link_new_offers,
    refresh_services,
    set_holds,
)
from providers.catalog import tell_about_holds
from providers.comparing import DECISIVE, RISE_REFUSED, rose
from providers.denying import hold_denied
from providers.hiding import hide_for, show_again
from providers.locking import lock_offers
from providers.models import CatalogChange, Offer, Provider, Route
from providers.publishing import unpublish
from providers.repricing import reprice_provider

REFUSALS = {
    "price": RISE_REFUSED,
    "limits": "A change of the limits was refused here; the provider keeps to the new ones.",
    "type": "A change of the type was refused here; the provider sells the new one.",
}

State = CatalogChange.State
Kind = CatalogChange.Kind


class NothingWaits(LookupError):
    """No staged change fits what was asked for."""


class CannotUndo(Exception):
    """Nothing was undone; the sentence says why."""


@dataclass(frozen=True)
class Decided:
    """`revision`: what undo_together takes. `hidden`: services that were taken off the list with it."""

    revision: uuid.UUID
    applied: int
    refused: int = 0
    hidden: int = 0


def accept_changes(
    provider: Provider,
    external_ids: Collection[str] | None = None,
    *,
    change_ids: Collection[int] | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> Decided:
    """Apply the staged changes of these upstream service ids (None: all), as one revision.

    `change_ids` narrows to single changes, as a page selects them. A missing service goes off sale at once.
    Raises NothingWaits for an id without a staged change, and then applies nothing.
    """
    revision = uuid.uuid4()
    with transaction.atomic():
        lock_offers(provider.pk)
        changes = list(_staged(provider, external_ids, change_ids))
        _accept(provider, changes, revision, by, request)
    return Decided(revision, len(changes))


def decide_together(
    accept: Collection[int],
    refuse: Collection[int] = (),
    hide: Collection[int] = (),
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> Decided:
    """Accept and refuse staged changes by their ids, of one provider or several: all of it or nothing.

    `hide`: accepted as well, and what they would sell below cost leaves the list (hiding.hidden_of).
    What is accepted is one revision, that undo_together takes back as one; each provider's audit names it. Ids that
    do not wait any more are left out. Offers of the providers are locked in the order of their ids, before any price.
    """
    revision, applied, refused = uuid.uuid4(), 0, 0
    accept, refuse = {*accept, *hide}, set(refuse) - {*accept, *hide}
    waiting = CatalogChange.objects.filter(state=State.STAGED, pk__in=accept | refuse)
    with transaction.atomic():
        providers = _locked(waiting.values_list("provider", flat=True))
        hidden = hide_for(hide, by=by, request=request) if hide else 0
        for provider in providers:
            changes = list(_staged(provider, None, accept))
            _accept(provider, changes, revision, by, request)
            applied += len(changes)
            refused += refuse_changes(provider, change_ids=refuse, by=by, request=request)
    return Decided(revision, applied, refused, hidden)


def _locked(provider_ids: Iterable[int]) -> list[Provider]:
    """These providers with their offers locked, always in the same order, so that no two wait for each other."""
    ids = sorted(set(provider_ids))
    for provider_id in ids:
        lock_offers(provider_id)
    return list(Provider.objects.filter(pk__in=ids).order_by("pk"))


def _accept(
    provider: Provider,
    changes: Sequence[CatalogChange],
    revision: uuid.UUID,
    by: User | None,
    request: HttpRequest | None,
) -> None:
    if not changes:
        return
    now = timezone.now()
    CatalogChange.objects.filter(pk__in=[change.pk for change in changes]).update(
        state=State.APPLIED, revision=revision, decided_at=now, decided_by=by
    )
    rows = (Applied(change.external_id, change.kind, change.after, change.offer_id) for change in changes)
    created = apply_to_offers(provider.pk, rows, now)
    new = [change for change in changes if change.external_id in created]
    if new:
        link_new_offers({change.pk: created[change.external_id] for change in new})
    kinds: dict[int, set[str]] = {}
    for change in changes:
        if change.offer_id:
            kinds.setdefault(change.offer_id, set()).add(change.kind)
    clear_decided_holds(kinds)
    hold_denied(provider.pk)  # an admin's yes to a change is not one to what is on the deny-list
    _carry_over(provider)
    summary = f"{_n_changes(len(changes))} of {provider.name} accepted"
    record(by, "catalog.accept", provider, summary, {"revision": str(revision)}, request)
    if not CatalogChange.objects.filter(provider=provider, state=State.STAGED, beyond_limits=True).exists():
        close_alert(f"catalog:{provider.pk}")


def refuse_changes(
    provider: Provider,
    external_ids: Collection[str] | None = None,
    *,
    change_ids: Collection[int] | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> int:
    """Say no: the same change is not offered again, and a service that it put on hold stays off sale.

    So does from now on what was to be dearer, inside the limits or not, or to be sold by another unit or within other
    limits: the provider does not ask us. Returns how many were refused. Raises NothingWaits as accept_changes does.
    """
    now = timezone.now()
    with transaction.atomic():
        lock_offers(provider.pk)
        changes = list(_staged(provider, external_ids, change_ids).select_related("offer"))
        ids = [change.pk for change in changes]
        if ids:
            CatalogChange.objects.filter(pk__in=ids).update(
                state=State.REFUSED, decided_at=now, decided_by=by
            )
            summary = f"{_n_changes(len(ids))} of {provider.name} refused"
            record(by, "catalog.refuse", provider, summary, {}, request)
            if holds := _holds(changes, REFUSALS, lambda offer: not offer.on_hold):
                set_holds(holds, now)
                _carry_over(provider)
    return len(ids)


def undo_together(
    revision: uuid.UUID, *, by: User | None = None, request: HttpRequest | None = None
) -> dict[str, int]:
    """Give the offers of a revision their earlier values, whichever providers it touched: all of it or nothing.

    New services stay as offers, because the provider lists them; what was put on sale of them and has no other
    way to be delivered is unpublished, its open orders go on. An undone price rise leaves its service on hold,
    because the provider still charges the new price; so do a type and limits that were beyond what we can sell. What
    was hidden with it is on the list again. Returns the changes undone by provider. Raises CannotUndo when a later
    change touched a value of any of them.
    """
    applied = CatalogChange.objects.filter(revision=revision, state=State.APPLIED)
    with transaction.atomic():
        providers = _locked(applied.values_list("provider", flat=True))
        withdrawn = _unpublish_new(applied.filter(kind=Kind.NEW), by, request)
        undone = {
            provider.name: _undo(
                provider, revision, [one for one in withdrawn if one.provider_id == provider.pk], by, request
            )
            for provider in providers
        }
        if not any(undone.values()):
            raise CannotUndo(_("There is nothing to undo in this revision."))
    return {name: number for name, number in undone.items() if number}


def _undo(
    provider: Provider,
    revision: uuid.UUID,
    withdrawn: Sequence[CatalogChange],
    by: User | None,
    request: HttpRequest | None,
) -> int:
    now = timezone.now()
    applied = CatalogChange.objects.filter(provider=provider, revision=revision, state=State.APPLIED)
    changes = list(applied.exclude(kind=Kind.NEW).select_related("offer"))
    if not changes and not withdrawn:
        return 0
    refuse_if_overtaken(changes)
    apply_to_offers(provider.pk, (reversed_change(change) for change in changes), now)
    if holds := holds_of_undoing(changes):
        set_holds(holds, now)
    undone = [change.pk for change in (*changes, *withdrawn)]
    CatalogChange.objects.filter(pk__in=undone).update(state=State.UNDONE, decided_at=now, decided_by=by)
    show_again(changes, by=by, request=request)
    _carry_over(provider)
    summary = f"{_n_changes(len(undone))} of {provider.name} undone"
    record(by, "catalog.undo", provider, summary, {"revision": str(revision)}, request)
    return len(undone)


def _unpublish_new(
    new: Iterable[CatalogChange], by: User | None, request: HttpRequest | None
) -> list[CatalogChange]:
    """Take off the list what is delivered by these new offers only, of whichever providers they are.

    Returns the changes that it was on sale by.
    """
    by_offer = {change.offer_id: change for change in new if change.offer_id}
    only = sold_by_these_only(by_offer)
    if only:
        unpublish(sorted({service_id for service_id, _offer in only}), by=by, request=request)
    return [by_offer[offer_id] for offer_id in sorted({offer_id for _service, offer_id in only})]


def sold_by_these_only(offer_ids: Collection[int]) -> list[tuple[int, int]]:
    """(service, offer) of what is on the list and has no other used route than these offers."""
    routes = Route.objects.filter(offer__in=offer_ids, service__published=True)
    elsewhere = Route.objects.filter(service=OuterRef("service"), enabled=True).exclude(offer__in=offer_ids)
    return list(routes.exclude(Exists(elsewhere)).values_list("service_id", "offer_id"))


def holds_of_undoing(changes: Iterable[CatalogChange]) -> dict[int, str]:
    """The offers that an undo of these puts on hold, each with its reason."""
    return _holds(changes, UNDONE, lambda offer: not offer.on_hold.startswith(REFUSED))


def _staged(
    provider: Provider, external_ids: Collection[str] | None, change_ids: Collection[int] | None
) -> QuerySet[CatalogChange]:
    changes = CatalogChange.objects.filter(provider=provider, state=State.STAGED).order_by("id")
    if change_ids is not None:
        changes = changes.filter(pk__in=change_ids)
    if external_ids is not None:
        changes = changes.filter(external_id__in=external_ids)
        unknown = set(external_ids) - set(changes.values_list("external_id", flat=True))
        if unknown:
            raise NothingWaits(
                _("No change waits for service %(services)s of %(provider)s.")
                % {"services": ", ".join(sorted(unknown)), "provider": provider.name}
            )
    return changes


def refuse_if_overtaken(changes: Iterable[CatalogChange]) -> None:
    """Raises CannotUndo where an offer is not as one of these changes left it."""
    for change in changes:
        offer = change.offer
        for name, value in change.after.items():
            present = getattr(offer, name)
            if (f"{present:.8f}" if name == "rate" else present) != value:
                raise CannotUndo(
                    _("Service %(service)s was changed again since; undo that first.")
                    % {"service": change.external_id}
                )
        if offer is not None and (
            (change.kind == Kind.MISSING and offer.gone_at is None)
            or (change.kind == Kind.BACK and offer.gone_at is not None)
        ):
            raise CannotUndo(
                _("Service %(service)s was changed again since; undo that first.")
                % {"service": change.external_id}
            )


def reversed_change(change: CatalogChange) -> Applied:
    """What takes it back."""
    kind = {Kind.MISSING: Kind.BACK, Kind.BACK: Kind.MISSING}.get(Kind(change.kind), change.kind)
    return Applied(change.external_id, str(kind), change.before, change.offer_id)


def _holds(
    changes: Iterable[CatalogChange], sentences: Mapping[str, str], free: Callable[[Offer], bool]
) -> dict[int, str]:
    """The offers about which we say something else without these changes than the provider does: a cost, a unit or
    limits. `free`: whether the offer may get this reason; of several kinds the price counts."""
    return {
        change.offer.pk: sentences[change.kind]
        for change in sorted(changes, key=lambda change: change.kind == Kind.PRICE)
        if change.offer is not None and _matters(change) and free(change.offer)
    }


def _matters(change: CatalogChange) -> bool:
    if change.kind == Kind.PRICE:
        return rose(change.before, change.after)
    return change.beyond_limits and change.kind in DECISIVE


def _carry_over(provider: Provider) -> None:
    refresh_services(provider.pk)
    reprice_provider(provider.pk)
    tell_about_holds(provider)


def _n_changes(number: int) -> str:
    return "1 catalog change" if number == 1 else f"{number} catalog changes"
