"""Reading a provider's catalog: ask → compare → stage → apply what may be applied.

    1. one `services` call in the provider's catalog lane, outside any transaction
    2. compared in memory with the offers and with the changes that already wait (providers.comparing)
    3. one transaction: changes that are overtaken are closed, fresh ones staged; with `apply`, those within the
       limits are applied as one revision and services beyond them go off sale
    4. the services are repriced

The number of statements does not depend on the length of the list. An unchanged list writes no offer, no service and
no change; what it leaves are four row versions of bookkeeping, none of which touches an index: the lane taken and given
back, when the provider was last read (its own row), and the hour's count of calls. Nothing is ever deleted.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from providers.adapters.errors import ProviderError
from providers.alerts import close_alert, raise_alert
from providers.applying import (
    REFUSED,
    UNDONE,
    Applied,
    apply_to_offers,
    link_new_offers,
    refresh_services,
    set_holds,
)
from providers.comparing import (
    FIELDS,
    TWO_LISTS_APART,
    Change,
    Comparison,
    Known,
    compare,
    holds_of,
    rose,
    storable,
)
from providers.connecting import adapter_for, options_of, read_failed, read_worked
from providers.denying import HELD, DenyList
from providers.lanes import LaneBusy, hold
from providers.locking import lock_offers, lock_prices
from providers.metering import metered
from providers.models import Alert, CatalogChange, Lane, Offer, Provider
from providers.repricing import reprice_provider
from providers.throttle import RATE_USED_UP, wait_for

State = CatalogChange.State


@dataclass
class Synced:
    """What one reading found and did. `error`: a sentence, "" when all is well; `failed`: the call itself failed."""

    provider: str
    new: int = 0
    changed: int = 0
    missing: int = 0
    unchanged: int = 0
    ignored: int = 0
    applied: int = 0
    error: str = ""
    failed: bool = False
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        names = ("provider", "new", "changed", "missing", "unchanged", "ignored", "applied", "error")
        return {name: getattr(self, name) for name in names}


@dataclass
class _Standing:
    """A change that was found earlier and is not overtaken: staged, or refused by an admin."""

    pk: int
    state: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    beyond: bool
    found_at: datetime

    def says(self, change: Change) -> bool:
        return (self.before, self.after, self.beyond) == (change.before, change.after, bool(change.beyond))


@dataclass
class _Plan:
    """What the transaction will write. `due`: all that is applied; `fresh`: those of them not staged before."""

    overtaken: list[int] = field(default_factory=list)
    staged: list[Change] = field(default_factory=list)
    due: list[Change] = field(default_factory=list)
    due_standing: dict[int, Change] = field(default_factory=dict)  # by the id of its row
    fresh: list[Change] = field(default_factory=list)
    newly_missing: list[int] = field(default_factory=list)
    refused_rises: list[Change] = field(default_factory=list)
    undone: list[int] = field(
        default_factory=list
    )  # offers whose rise an admin took back, and is still charged


def sync_catalog(provider: Provider, *, apply: bool, wait_s: float | None = None) -> Synced:
    """Read a provider's list. With `apply`, what is inside the limits is applied and what is beyond goes off sale.

    Waits `wait_s` for the lane (None: one deadline). Never raises for what a provider does; the answer says it.
    """
    options, result = options_of(provider), Synced(provider.name)
    deadline = options["batch_deadline_s"]
    try:
        adapter = adapter_for(provider)
        wait_s = deadline if wait_s is None else wait_s
        with hold(provider.pk, Lane.Kind.CATALOG, seconds=deadline + 30, wait_s=wait_s) as holding:
            if not wait_for(provider.pk, options["rate_per_minute"], wait_s):
                result.error, result.failed = RATE_USED_UP, True
                return result
            with metered(adapter, provider.pk, Lane.Kind.CATALOG):
                catalog = holding.asked(adapter.services)
    except LaneBusy:
        result.error, result.failed = "The catalog is being read already.", True
        return result
    except ProviderError as error:
        read_failed(provider.pk, "Catalog", error)
        result.error, result.failed = error.message, True
        return result
    listed, dropped = storable(catalog.rows)
    result.problems = (*catalog.problems, *dropped)
    result.ignored = len(result.problems)
    with transaction.atomic():
        lock_offers(provider.pk)
        compared = _compare_and_write(provider, listed, options["price_rise_limit_percent"], apply, result)
    now = timezone.now()
    read_worked(provider.pk, "Catalog", last_catalog_at=now)
    provider.last_catalog_at = now
    _tell(provider, compared)
    return result


def _compare_and_write(
    provider: Provider, listed: Mapping[str, Any], rise_limit: float, apply: bool, result: Synced
) -> Comparison:
    now = timezone.now()
    known = _known(provider.pk)
    denied = DenyList().objections(listed)
    held_back = [external_id for external_id in denied if external_id not in known]
    if held_back:
        listed = {pk: values for pk, values in listed.items() if pk not in denied or pk in known}
        result.ignored += len(held_back)
        result.problems += tuple(f"Service {pk} was left out. {denied[pk]}" for pk in held_back)
    standing = _standing(provider.pk)
    waiting = [change.after for (_, kind), change in standing.items() if kind == "new"]
    compared = compare(known, listed, rise_limit, waiting)
    result.new, result.changed = compared.new, compared.changed
    result.missing, result.unchanged = compared.missing, compared.unchanged
    result.error = compared.refused
    if not listed:
        if held_back:
            compared.refused = result.error = "Every service of the list is on the deny-list."
        return compared
    apply = apply and not compared.refused
    plan = _plan(compared, known, standing, apply, now)
    revision = uuid.uuid4()
    if plan.overtaken:
        CatalogChange.objects.filter(pk__in=plan.overtaken).update(state=State.SUPERSEDED, decided_at=now)
    if plan.due_standing:
        CatalogChange.objects.filter(pk__in=list(plan.due_standing)).update(
            state=State.APPLIED, revision=revision, decided_at=now
        )
    if plan.staged:
        _insert_changes(provider.pk, plan.staged, State.STAGED, None, now)
    if apply:
        denials = {known[pk].offer_id: sentence[:200] for pk, sentence in denied.items() if pk in known}
        created = _apply(provider, plan, compared, known, denials, now)
        if plan.fresh:
            _insert_changes(provider.pk, plan.fresh, State.APPLIED, revision, now, created)
        result.applied = len(plan.due)
        if provider.stopped == Provider.Stop.UNREAD:
            sell_again(provider)
    return compared


def sell_again(provider: Provider) -> None:
    """Its list was read, so that its prices are today's (archiving.bring_back, currency_doubt)."""
    lock_prices()  # before the provider's row, as archiving takes them
    if Provider.objects.filter(pk=provider.pk, stopped=Provider.Stop.UNREAD).update(stopped=""):
        provider.stopped = ""
        refresh_services(provider.pk)
        reprice_provider(provider.pk)


def _plan(
    compared: Comparison,
    known: Mapping[str, Known],
    standing: dict[tuple[str, str], _Standing],
    apply: bool,
    now: datetime,
) -> _Plan:
    plan = _Plan()
    for change in compared.changes:
        earlier = standing.pop(change.key, None)
        same = earlier is not None and earlier.says(change)
        if earlier and not same:
            plan.overtaken.append(earlier.pk)
        undone = _undone_rise(change, known)
        if undone:
            plan.undone.append(known[change.external_id].offer_id)
        due = (
            apply
            and not change.beyond
            and not undone
            and not (same and earlier and earlier.state == State.REFUSED)
        )
        if same and earlier and earlier.state == State.REFUSED and change.kind == "price":
            plan.refused_rises += [change] if rose(change.before, change.after) else []
        if due and change.kind == "missing":
            due = _missing_long_enough(known[change.external_id], earlier, now)
            if not due and known[change.external_id].missing_since is None and change.offer_id:
                plan.newly_missing.append(change.offer_id)
        if due:
            plan.due.append(change)
            if same and earlier:
                plan.due_standing[earlier.pk] = change
            else:
                plan.fresh.append(change)
        elif not same:
            plan.staged.append(change)
    plan.overtaken += [earlier.pk for earlier in standing.values()]
    return plan


def _undone_rise(change: Change, known: Mapping[str, Known]) -> bool:
    """An admin took a rise back and the provider charges it all the same: it waits for him, inside the limits or not."""
    if change.kind != "price" or change.external_id not in known:
        return False
    return known[change.external_id].on_hold == UNDONE["price"] and rose(change.before, change.after)


def _missing_long_enough(offer: Known, earlier: _Standing | None, now: datetime) -> bool:
    """Two lists without it, far enough apart; a list that was refused as short does not count as one."""
    since = offer.missing_since or (earlier.found_at if earlier and not earlier.beyond else None)
    return since is not None and now - since >= TWO_LISTS_APART


def _apply(
    provider: Provider,
    plan: _Plan,
    compared: Comparison,
    known: Mapping[str, Known],
    denials: Mapping[int, str],
    now: datetime,
) -> dict[str, int]:
    """Bring offers, services and prices in line with the plan. Returns the ids of new offers by external id."""
    created: dict[str, int] = {}
    holds = {**denials, **holds_of(compared.changes, plan.refused_rises)}
    missing = {change.offer_id for change in compared.changes if change.kind == "missing"}
    held = {offer.offer_id: offer.on_hold for offer in known.values() if offer.on_hold}
    returned = {change.offer_id for change in plan.due if change.kind == "back"} | {*compared.returned}
    refused = {pk for pk, reason in held.items() if reason.startswith(REFUSED) and pk not in returned}
    keep = {*refused, *plan.undone}  # their reason is also what remembers why: no other takes its place
    fresh_holds = {pk: reason for pk, reason in holds.items() if held.get(pk) != reason and pk not in keep}
    stay = {*holds, *missing, *keep}
    lifted = [pk for pk in held if pk not in stay]
    if plan.due:
        rows = (
            Applied(change.external_id, change.kind, change.after, change.offer_id) for change in plan.due
        )
        created = apply_to_offers(provider.pk, rows, now)
        waited = {
            pk: created[due.external_id]
            for pk, due in plan.due_standing.items()
            if due.external_id in created
        }
        if waited:
            link_new_offers(waited)
    if compared.returned:
        Offer.objects.filter(pk__in=compared.returned).update(missing_since=None)
    if plan.newly_missing:
        Offer.objects.filter(pk__in=plan.newly_missing).update(missing_since=now)
    if fresh_holds:
        set_holds(fresh_holds, now)
    if lifted:
        Offer.objects.filter(pk__in=lifted).update(on_hold="", changed_at=now)
    if plan.due or fresh_holds or lifted:
        refresh_services(provider.pk)
        reprice_provider(provider.pk)
    if fresh_holds or lifted:
        tell_about_holds(provider)
    return created


def _known(provider_id: int) -> dict[str, Known]:
    rows = Offer.objects.filter(provider_id=provider_id).values_list(
        "external_id", "pk", "on_hold", "missing_since", "gone_at", *FIELDS
    )
    known = {}
    for external_id, pk, on_hold, missing_since, gone_at, *values in rows.iterator(2000):
        named = dict(zip(FIELDS, values, strict=True))
        named["rate"] = f"{named['rate']:.8f}"
        known[external_id] = Known(pk, named, on_hold, missing_since, gone_at is not None)
    return known


def _standing(provider_id: int) -> dict[tuple[str, str], _Standing]:
    """The changes that wait, and those an admin refused; a staged one hides an older refusal of its kind."""
    rows = CatalogChange.objects.filter(provider_id=provider_id, state__in=[State.STAGED, State.REFUSED])
    return {
        (external_id, kind): _Standing(*rest)
        for external_id, kind, *rest in rows.order_by("state", "id").values_list(
            "external_id", "kind", "pk", "state", "before", "after", "beyond_limits", "found_at"
        )
    }


def _insert_changes(
    provider_id: int,
    changes: Iterable[Change],
    state: str,
    revision: uuid.UUID | None,
    now: datetime,
    created: Mapping[str, int] | None = None,
) -> None:
    rows = [
        {
            "external_id": change.external_id,
            "offer_id": change.offer_id or (created or {}).get(change.external_id),
            "kind": change.kind,
            "before": change.before,
            "after": change.after,
            "beyond": bool(change.beyond),
        }
        for change in changes
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO providers_catalogchange (provider_id, external_id, offer_id, kind, before, after,
                                                 beyond_limits, state, revision, found_at, decided_at)
            SELECT %s, external_id, offer_id, kind, before, after, beyond, %s, %s, %s, %s
            FROM jsonb_to_recordset(%s::jsonb) AS row(external_id text, offer_id bigint, kind text,
                                                      before jsonb, after jsonb, beyond boolean)
            """,
            [provider_id, state, revision, now, now if revision else None, json.dumps(rows)],
        )


def _tell(provider: Provider, compared: Comparison) -> None:
    key = f"catalog:{provider.pk}"
    if compared.refused:
        raise_alert(key, f"{provider.name}: {compared.refused}", provider_id=provider.pk)
    else:
        close_alert(key)


def refused_alert(offer_id: int) -> str:
    """The key of the alert about an offer that its provider refuses to deliver."""
    return f"refused-service:{offer_id}"


def tell_about_holds(provider: Provider) -> None:
    """One alert for all of a provider's services that wait for a decision; it ends with the last of them.

    Those of offers that were refused (providers.refused) end with their holds.
    """
    refused = Offer.objects.filter(provider=provider, on_hold__startswith=REFUSED)
    keys = {refused_alert(pk) for pk in refused.values_list("pk", flat=True)}
    told = Alert.objects.filter(provider=provider, closed_at=None, key__startswith=refused_alert(0)[:-1])
    for key in set(told.values_list("key", flat=True)) - keys:
        close_alert(key)
    waiting = Offer.objects.filter(provider=provider, routes__service__published=True)
    waiting = (
        waiting.exclude(on_hold="").exclude(on_hold__startswith=HELD).exclude(on_hold__startswith=REFUSED)
    )
    count = waiting.distinct().count()
    key = f"holds:{provider.pk}"
    if count:
        changed = "1 service on sale" if count == 1 else f"{count} services on sale"
        text = f"{provider.name}: {changed} changed beyond the limits; an admin has to decide."
        raise_alert(key, text, level=Alert.Level.WARNING, provider_id=provider.pk)
    else:
        close_alert(key)
