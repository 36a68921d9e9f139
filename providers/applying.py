"""Applying differences to offers, in a constant number of statements however long the list is.

The caller holds the transaction and locking.lock_offers. Offers are never deleted: what is gone is marked.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from providers.comparing import DECISIVE, FIELDS, RISE_REFUSED, rose, sellable_type
from providers.locking import lock_prices
from providers.models import CatalogChange, Offer
from providers.service_types import TYPES

REFUSED = "Refused by the provider: "
"""How the reason of an offer starts that its provider did not deliver (providers.refused): no list ends it by naming it."""
WAITS = "A change beyond the limits waits for a decision."
UNDONE = {
    "price": "A price rise was undone here; the provider still charges the new price.",
    "limits": "A change of the limits was undone here; the provider keeps to the new ones.",
    "type": "A change of the type was undone here; the provider still sells the new one.",
}
_ABOUT = {RISE_REFUSED: "price"} | {sentence: kind for kind, sentence in UNDONE.items()}
_COLUMNS = """external_id text, name text, category text, description text, type_raw text, service_type text,
    rate numeric, minimum bigint, maximum bigint, refill boolean, cancel boolean, dripfeed boolean"""


@dataclass(frozen=True)
class Applied:
    """A difference as it is to be applied; `offer_id` is None for a new service."""

    external_id: str
    kind: str
    after: Mapping[str, Any]
    offer_id: int | None


@dataclass(frozen=True)
class Planned:
    """What changes come to: rows of new offers, and by offer id its fresh values, gone and back."""

    new: list[dict[str, Any]]
    updates: dict[int, dict[str, Any]]
    gone: list[int]
    back: list[int]


def planned(changes: Iterable[Applied]) -> Planned:
    """The changes sorted by what they write; pure. An offer that is both gone and back is back."""
    plan = Planned([], {}, [], [])
    for change in changes:
        if change.kind == "new":
            plan.new.append({"external_id": change.external_id, **change.after})
        elif change.offer_id is None:
            raise ValueError(f"A change of service {change.external_id} without its offer.")
        elif change.kind == "missing":
            plan.gone.append(change.offer_id)
        elif change.kind == "back":
            plan.back.append(change.offer_id)
        else:
            row = plan.updates.setdefault(change.offer_id, {"id": change.offer_id})
            row.update(change.after)
    return plan


def apply_to_offers(provider_id: int, changes: Iterable[Applied], now: datetime) -> dict[str, int]:
    """Write the differences into the offers. Returns the ids of new offers by external id."""
    plan = planned(changes)
    created = _insert(provider_id, plan.new, now) if plan.new else {}
    if plan.updates:
        _update(plan.updates.values(), now)
    if plan.gone:
        Offer.objects.filter(pk__in=plan.gone, gone_at=None).update(
            missing_since=Coalesce(F("missing_since"), now), gone_at=now, changed_at=now
        )
    if plan.back:
        back = Offer.objects.filter(pk__in=plan.back)
        if refused := list(back.filter(on_hold__startswith=REFUSED).values_list("pk", flat=True)):
            still_open = undecided(refused)
            Offer.objects.filter(pk__in=refused).update(on_hold="")
            Offer.objects.filter(pk__in=list(still_open)).update(on_hold=WAITS)
        back.update(missing_since=None, gone_at=None, changed_at=now)
    return created


def _insert(provider_id: int, rows: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, int]:
    names = ", ".join(FIELDS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO providers_offer (provider_id, external_id, {names}, on_hold, created_at, changed_at)
            SELECT %s, external_id, {names}, '', %s, %s FROM jsonb_to_recordset(%s::jsonb) AS row({_COLUMNS})
            ON CONFLICT (provider_id, external_id) DO NOTHING RETURNING external_id, id
            """,
            [provider_id, now, now, json.dumps(list(rows))],
        )
        return dict(cursor.fetchall())


def _update(rows: Iterable[Mapping[str, Any]], now: datetime) -> None:
    values = ", ".join(f"{name} = coalesce(row.{name}, offer.{name})" for name in FIELDS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE providers_offer offer SET {values}, changed_at = %s
            FROM jsonb_to_recordset(%s::jsonb) AS row(id bigint, {_COLUMNS}) WHERE offer.id = row.id
            """,
            [now, json.dumps(list(rows))],
        )


def set_holds(holds: Mapping[int, str], now: datetime) -> None:
    """Put offers on hold, each with its reason."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE providers_offer offer SET on_hold = hold.reason, changed_at = %s
            FROM unnest(%s::bigint[], %s::text[]) AS hold(id, reason)
            WHERE offer.id = hold.id AND offer.on_hold <> hold.reason
            """,
            [now, list(holds), list(holds.values())],
        )


def clear_decided_holds(kinds: Mapping[int, Collection[str]]) -> None:
    """End the holds of offers (with the kinds of changes that were accepted) about which nothing decisive is open."""
    held = Offer.objects.filter(pk__in=kinds.keys() - undecided(kinds).keys()).exclude(on_hold="")
    over = [pk for pk, on_hold in held.values_list("pk", "on_hold") if ends(on_hold, kinds[pk])]
    if over:
        Offer.objects.filter(pk__in=over).update(on_hold="")


def ends(on_hold: str, accepted: Collection[str]) -> bool:
    """Whether a hold is over when changes of these kinds were accepted and nothing decisive of its offer is open.

    One that came of a change that was refused or undone ends with a yes to a change of that kind alone; that of an
    offer that the provider refuses to deliver by none of them (REFUSED).
    """
    return not on_hold.startswith(REFUSED) and _ABOUT.get(on_hold) in {None, *accepted}


def undecided(offer_ids: Iterable[int]) -> dict[int, set[int]]:
    """By offer the changes that keep it on hold: beyond the limits and waiting or refused, and any refused rise."""
    found: dict[int, set[int]] = {}
    refused = Q(state=CatalogChange.State.REFUSED)
    rows = CatalogChange.objects.filter(
        Q(beyond_limits=True, kind__in=DECISIVE) | refused & Q(kind=CatalogChange.Kind.PRICE),
        refused | Q(state=CatalogChange.State.STAGED),
        offer_id__in=list(offer_ids),
    )
    for offer_id, change_id, beyond, before, after in rows.values_list(
        "offer_id", "pk", "beyond_limits", "before", "after"
    ):
        if beyond or rose(before, after):
            found.setdefault(offer_id, set()).add(change_id)
    return found


def link_new_offers(offer_of: Mapping[int, int]) -> None:
    """Point changes of new services (by id) at the offers that came of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE providers_catalogchange change SET offer_id = pair.offer_id
            FROM unnest(%s::bigint[], %s::bigint[]) AS pair(id, offer_id) WHERE change.id = pair.id
            """,
            [list(offer_of), list(offer_of.values())],
        )


def type_followed(present: str, offered: str, minimum: int, maximum: int) -> str:
    """The type as which a service is sold when its first offer is like this; refresh_services says it in SQL."""
    return offered if sellable_type(offered) and minimum <= maximum else present


def refresh_services(provider_id: int) -> list[int]:
    """Bring what services say in line with the offers behind them: all that this provider is a used route of.

    Name, description and type are those of the first offer that is used; limits, refill, cancel and drip-feed those
    of the offer that sells it now: the first that is listed, not on hold, of a provider that sells, and of that
    type (as repricing.Standing.selling). Where none sells it, limits and abilities stay as they were.

    What an admin named himself stays, and so does the type while the new one cannot be sold. His own limits narrow
    the provider's, unless nothing could be ordered within both. Returns the ids of the services that changed.
    """
    return _refresh(
        # Routes are looked up offer by offer, whatever the tables' statistics say (as in repricing.standings_of).
        "SELECT DISTINCT r.service_id FROM (SELECT id FROM providers_offer WHERE provider_id = %(id)s OFFSET 0) o"
        " CROSS JOIN LATERAL (SELECT service_id FROM providers_route WHERE offer_id = o.id AND enabled OFFSET 0) r",
        provider_id,
    )


def refresh_service(service_id: int) -> bool:
    """As refresh_services, for one service; True if it changed."""
    return bool(_refresh("SELECT %(id)s::bigint AS service_id", service_id))


def refresh_these(service_ids: Collection[int]) -> list[int]:
    """As refresh_services, for some services."""
    return _refresh("SELECT unnest(%(id)s::bigint[]) AS service_id", list(service_ids))


def _refresh(which: str, number: int | list[int]) -> list[int]:
    lock_prices()  # before the rows, as service_editing and routes: what follows here is a repricing
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE providers_service service SET
                name = says.name, description = says.description, service_type = says.service_type,
                minimum = says.minimum, maximum = says.maximum,
                refill = says.refill, cancel = says.cancel, dripfeed = says.dripfeed, changed_at = now()
            FROM ({which}) touched
            CROSS JOIN LATERAL (SELECT * FROM providers_service WHERE id = touched.service_id OFFSET 0) own
            CROSS JOIN LATERAL (
                SELECT o.* FROM providers_route r
                     CROSS JOIN LATERAL (SELECT * FROM providers_offer WHERE id = r.offer_id OFFSET 0) o
                WHERE r.service_id = own.id AND r.enabled ORDER BY r.position, r.id LIMIT 1
            ) first
            CROSS JOIN LATERAL (
                SELECT CASE WHEN first.service_type = ANY(%(sellable)s) AND first.minimum <= first.maximum
                            THEN first.service_type ELSE own.service_type END
            ) sold(as_type)
            LEFT JOIN LATERAL (
                SELECT o.* FROM providers_route r
                     CROSS JOIN LATERAL (SELECT * FROM providers_offer WHERE id = r.offer_id OFFSET 0) o
                     JOIN providers_provider p ON p.id = o.provider_id
                WHERE r.service_id = own.id AND r.enabled AND o.gone_at IS NULL AND o.on_hold = ''
                      AND p.archived_at IS NULL AND p.stopped = '' AND o.service_type = sold.as_type
                ORDER BY r.position, r.id LIMIT 1
            ) selling ON selling.minimum <= selling.maximum
            CROSS JOIN LATERAL (
                SELECT greatest(selling.minimum, own.own_minimum), least(selling.maximum, own.own_maximum)
            ) narrow(low, high)
            CROSS JOIN LATERAL (
                SELECT CASE WHEN own.own_name THEN own.name ELSE first.name END AS name,
                       CASE WHEN own.own_description THEN own.description ELSE first.description END AS description,
                       sold.as_type AS service_type,
                       CASE WHEN selling.id IS NULL THEN own.minimum
                            WHEN low <= high THEN low ELSE selling.minimum END AS minimum,
                       CASE WHEN selling.id IS NULL THEN own.maximum
                            WHEN low <= high THEN high ELSE selling.maximum END AS maximum,
                       coalesce(selling.refill, own.refill) AS refill,
                       coalesce(selling.cancel, own.cancel) AS cancel,
                       coalesce(selling.dripfeed, own.dripfeed) AS dripfeed
            ) says
            WHERE service.id = own.id
              AND (own.name, own.description, own.service_type, own.minimum, own.maximum, own.refill, own.cancel,
                   own.dripfeed)
                  IS DISTINCT FROM
                  (says.name, says.description, says.service_type, says.minimum, says.maximum, says.refill,
                   says.cancel, says.dripfeed)
            RETURNING service.id
            """,
            {"id": number, "sellable": [code for code, found in TYPES.items() if found.sellable]},
        )
        return [row[0] for row in cursor.fetchall()]
