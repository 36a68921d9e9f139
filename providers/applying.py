"""Applying differences to offers, in a constant number of statements however long the list is.

The caller holds the transaction and locking.lock_offers. Offers are never deleted: what is gone is marked.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Coalesce

from providers.comparing import FIELDS, sellable_type
from providers.locking import lock_prices
from providers.models import CatalogChange, Offer
from providers.service_types import TYPES

DECISIVE = ("price", "limits", "type")  # kinds that keep an offer on hold until they are decided
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
        Offer.objects.filter(pk__in=plan.back).update(missing_since=None, gone_at=None, changed_at=now)
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


def clear_decided_holds(offer_ids: Iterable[int]) -> None:
    """End the holds of offers about which nothing decisive is open any more."""
    ids = set(offer_ids)
    Offer.objects.filter(pk__in=ids - undecided(ids).keys()).exclude(on_hold="").update(on_hold="")


def undecided(offer_ids: Iterable[int]) -> dict[int, set[int]]:
    """By offer the changes that keep it on hold: beyond the limits, waiting or refused."""
    found: dict[int, set[int]] = {}
    for offer_id, change_id in CatalogChange.objects.filter(
        state__in=[CatalogChange.State.STAGED, CatalogChange.State.REFUSED],
        offer_id__in=list(offer_ids),
        beyond_limits=True,
        kind__in=DECISIVE,
    ).values_list("offer_id", "pk"):
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
    """Carry names, limits and abilities of a provider's offers over to the services that they deliver first.

    What an admin named himself stays, and so does the type while the new one cannot be sold. His own limits narrow
    the provider's, unless nothing could be ordered within both. Returns the ids of the services that changed.
    """
    lock_prices()  # before the rows, as service_editing and routes: what follows here is a repricing
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE providers_service service SET
                name = CASE WHEN service.own_name THEN service.name ELSE offer.name END,
                description = CASE WHEN service.own_description THEN service.description ELSE offer.description END,
                service_type = CASE WHEN offer.service_type = ANY(%(sellable)s)
                                    THEN offer.service_type ELSE service.service_type END,
                minimum = limits.minimum, maximum = limits.maximum,
                refill = offer.refill, cancel = offer.cancel, dripfeed = offer.dripfeed, changed_at = now()
            FROM (
                SELECT DISTINCT ON (service_id) service_id, offer_id FROM providers_route WHERE enabled
                ORDER BY service_id, position, id
            ) first JOIN providers_offer offer ON offer.id = first.offer_id
            JOIN providers_service own ON own.id = first.service_id
            CROSS JOIN LATERAL (
                SELECT greatest(offer.minimum, own.own_minimum), least(offer.maximum, own.own_maximum)
            ) narrow(low, high)
            CROSS JOIN LATERAL (
                SELECT CASE WHEN low <= high THEN low ELSE offer.minimum END,
                       CASE WHEN low <= high THEN high ELSE offer.maximum END
            ) limits(minimum, maximum)
            WHERE service.id = first.service_id AND offer.provider_id = %(provider)s
              AND offer.minimum <= offer.maximum
              AND ((NOT service.own_name AND service.name <> offer.name)
                   OR (NOT service.own_description AND service.description <> offer.description)
                   OR (offer.service_type = ANY(%(sellable)s) AND service.service_type <> offer.service_type)
                   OR (service.minimum, service.maximum, service.refill, service.cancel, service.dripfeed)
                      IS DISTINCT FROM
                      (limits.minimum, limits.maximum, offer.refill, offer.cancel, offer.dripfeed))
            RETURNING service.id
            """,
            {
                "provider": provider_id,
                "sellable": [code for code, found in TYPES.items() if found.sellable],
            },
        )
        return [row[0] for row in cursor.fetchall()]
