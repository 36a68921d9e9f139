"""What undoing a revision of catalog changes would do to prices and to what is on sale. Reads only.

It goes the way of deciding.undo_together, on the copy of the facts that foreseeing makes:

    1. nothing is undone where an offer was changed since     deciding.refuse_if_overtaken
    2. what new offers alone deliver goes off the list         deciding.sold_by_these_only
    3. the earlier values come back, provider by provider      deciding.reversed_change, applying.planned
    4. an undone rise, type or limits put its offer on hold    deciding.holds_of_undoing
    5. the way that sells it is chosen and priced              Foresight.with_values, simulating.compared
"""

import uuid
from collections import defaultdict
from dataclasses import dataclass

from django.utils.translation import gettext as _

from providers.applying import planned
from providers.deciding import (
    CannotUndo,
    holds_of_undoing,
    refuse_if_overtaken,
    reversed_change,
    sold_by_these_only,
)
from providers.foreseeing import Foresight
from providers.hiding import hidden_with
from providers.models import CatalogChange
from providers.sale_effects import SaleEffect, effect_of_unpublishing
from providers.simulating import Effect, Simulation, compared, summed


@dataclass(frozen=True)
class UndoEffect:
    """`changes`: how many are undone, of `providers`. `simulation`: the services on sale that become different.
    `unpublished`: those that go off the list, because only new offers of the revision deliver them."""

    changes: int
    providers: tuple[str, ...]
    simulation: Simulation
    unpublished: SaleEffect
    shown_again: int  # services that were hidden with it and come back on the list


def effect_of_undoing(revision: uuid.UUID) -> UndoEffect:
    """The effect of deciding.undo_together. Raises CannotUndo as it does; a constant number of statements."""
    applied = CatalogChange.objects.filter(revision=revision, state=CatalogChange.State.APPLIED)
    rows = list(applied.select_related("offer", "provider").order_by("provider_id", "id"))
    new = [change for change in rows if change.kind == CatalogChange.Kind.NEW]
    changed = [change for change in rows if change.kind != CatalogChange.Kind.NEW]
    refuse_if_overtaken(changed)
    only = sold_by_these_only({change.offer_id for change in new if change.offer_id})
    withdrawn = {offer_id for _service, offer_id in only}
    undone = [*changed, *(change for change in new if change.offer_id in withdrawn)]
    if not undone:
        raise CannotUndo(_("There is nothing to undo in this revision."))
    unpublished = {service_id for service_id, _offer in only}
    return UndoEffect(
        changes=len(undone),
        providers=tuple(dict.fromkeys(change.provider.name for change in undone)),
        simulation=_simulated(changed, unpublished),
        unpublished=effect_of_unpublishing(unpublished),
        shown_again=hidden_with(changed).count(),
    )


def _simulated(changed: list[CatalogChange], unpublished: set[int]) -> Simulation:
    foresight, holds = Foresight(changed), holds_of_undoing(changed)
    of_provider = defaultdict(list)
    for change in changed:
        of_provider[change.provider_id].append(reversed_change(change))

    then = {pk: now for pk, now in foresight.standings.items() if pk not in unpublished}
    for provider_id, back in of_provider.items():
        plan = planned(back)
        for pk, standing in then.items():
            if any(way.provider_id == provider_id for way in standing.ways):
                then[pk] = foresight.with_values(standing, provider_id, plan, holds)
    pairs = [(foresight.standings[pk].supply, standing.supply) for pk, standing in then.items()]
    all_of_them = compared(pairs, book=foresight.book, exchange=foresight.exchange)
    off_sale = {now.service_id: now.off_sale for now, _after in pairs}
    return summed(row for row in all_of_them.rows if _differs(row, off_sale[row.service_id]))


def _differs(row: Effect, off_sale: str) -> bool:
    before = (row.price_now, row.cost_before, off_sale)
    return before != (row.new_price, row.cost, row.off_sale[:200])
