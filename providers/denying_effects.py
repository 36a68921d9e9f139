"""What putting an entry on the deny-list, or taking it off, would do: to offers, services and orders. Reads only.

Holds are those of denying.DenyList; which way sells a service then, and at what price, is asked of repricing.
"""

import json
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from providers.denying import DenyList, concerns_catalog, holds_wanted
from providers.denying_orders import FOR_ORDERS, OrderDenials
from providers.models import CatalogChange, Denial, Offer, Service
from providers.overview import OPEN
from providers.repricing import Way
from providers.simulating import SOLD_DAYS, Simulation, summed
from providers.supply_effects import effect_of_ways

LOOKED_AT = 10_000  # the latest orders that an entry is held against


@dataclass(frozen=True)
class DenyEffect:
    """`held`, `freed`: offers that go on hold, or off it. `left_out`: new services, waiting for a decision, that would
    not be imported. `open_orders`: of the services that go off sale; they go on.

    `looked_at`: of the latest orders (30 days, LOOKED_AT at most), `refused` would not have been taken, and `refused_open`
    of these are open and go on.
    """

    held: int
    freed: int
    left_out: int
    simulation: Simulation
    open_orders: int
    looked_at: int = 0
    refused: int = 0
    refused_open: int = 0

    @property
    def asks(self) -> bool:
        """Whether there is anything to see before it is done."""
        return bool(self.held or self.freed or self.left_out or self.refused)


def effect_of_denying(entry: Denial) -> DenyEffect:
    """The effect of denying.deny with this entry, which is not saved (denying.checked_entry)."""
    effect = _on_catalog(DenyList(also=[entry])) if concerns_catalog(entry) else _NOTHING
    if entry.kind not in FOR_ORDERS or entry.scope not in (Denial.Scope.ALL, Denial.Scope.ORDERS):
        return effect
    looked_at, refused, refused_open = _on_orders(entry)
    return replace(effect, looked_at=looked_at, refused=refused, refused_open=refused_open)


def effect_of_allowing(entry: Denial) -> DenyEffect:
    """The effect of denying.allow: what no other entry holds back may be sold again."""
    return _on_catalog(DenyList(without=entry)) if concerns_catalog(entry) else _NOTHING


_NOTHING = DenyEffect(0, 0, 0, summed(()), 0)


def _on_catalog(denied: DenyList) -> DenyEffect:
    holds = holds_wanted(denied)
    held_now = Offer.objects.filter(pk__in=list(holds)).exclude(on_hold="")
    already = set(held_now.values_list("pk", flat=True))  # only for another reason then

    def held(way: Way) -> Way:
        return replace(way, on_hold=holds[way.offer_id]) if way.offer_id in holds else way

    services = Service.objects.filter(routes__enabled=True, routes__offer__in=list(holds)).distinct()
    simulation = effect_of_ways(services, held)
    off_sale = [row.service_id for row in simulation.rows if row.off_sale]
    new = CatalogChange.objects.filter(state=CatalogChange.State.STAGED, kind=CatalogChange.Kind.NEW)
    rows = new.values_list("after__name", "after__category").iterator(2000)
    return DenyEffect(
        held=sum(1 for pk, hold in holds.items() if hold and pk not in already),
        freed=sum(1 for hold in holds.values() if not hold),
        left_out=sum(1 for name, category in rows if denied.objection(name or "", category or "")),
        simulation=simulation,
        open_orders=Service.objects.filter(pk__in=off_sale, orders__status__in=OPEN).count(),
    )


def _on_orders(entry: Denial) -> tuple[int, int, int]:
    """(orders looked at, those that it would have refused, those of them that are open)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT o.user_id, u.email, o.link, o.fields, o.status = ANY(%s)
            FROM (SELECT user_id, link, fields, status FROM orders_order WHERE created_at >= %s
                  ORDER BY created_at DESC LIMIT %s) o JOIN customers_user u ON u.id = o.user_id
            """,
            [list(OPEN), timezone.now() - timedelta(days=SOLD_DAYS), LOOKED_AT],
        )
        rows = cursor.fetchall()
    denials, refused, refused_open = OrderDenials.of([(entry.kind, entry.text)]), 0, 0
    for user_id, email, link, fields, is_open in rows:
        texts = {name: str(value) for name, value in json.loads(fields).items()}
        if denials.names_customer(user_id, email) or denials.objections(link, texts):
            refused, refused_open = refused + 1, refused_open + is_open
    return len(rows), refused, refused_open
