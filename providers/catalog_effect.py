"""What accepting waiting catalog changes would do, in figures and one sentence. Reads only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import ngettext

from customers.figures import count
from providers.change_effects import ServiceEffect, effects_together
from providers.foreseeing import Foresight
from providers.hiding import hidden_by
from providers.models import CatalogChange, Provider
from providers.pricing import charge_for
from providers.simulating import LARGE_RISE, margin_words, profit_words, rises_words, units_sold

ZERO = Decimal(0)
AMOUNT = Decimal("0.01")


@dataclass(frozen=True)
class CatalogEffect:
    """What the changes would do together.

    `touched`: published services of which anything changes: price, cost, the offer that sells them, on or off sale.
    `off_sale`: of them those that go off sale; `staying_off`: those that are and stay so; `back`: those that return;
    `moving`: those that another offer sells then. `profit_change`: panel currency, on the orders of the last 30 days
    had the changes been live then; what would have been off sale would have earned nothing. Margins in percent, over
    services that are on sale then, at or above cost. `leaving`: services on sale whose offer the provider no longer
    lists, with `leaving_orders` open orders. `hidden`: services taken off the list with it; no other figure but the
    profit counts them.
    """

    changes: int
    touched: int
    below_cost: int
    off_sale: int
    large_rises: int
    margin_before: Decimal | None
    margin_after: Decimal | None
    profit_change: Decimal
    leaving: int = 0
    leaving_orders: int = 0
    staying_off: int = 0
    back: int = 0
    moving: int = 0
    hidden: int = 0

    @property
    def sentence(self) -> str:
        """`12 changes touch 3 services on sale: 1 would be below cost, …`"""
        changes = {"n": count(self.changes)}
        if not self.touched:
            applied = ngettext(
                "%(n)s change would be applied; no price of a service on sale changes.",
                "%(n)s changes would be applied; no price of a service on sale changes.",
                self.changes,
            )
            return f"{applied % changes}{self._leaving_words}"
        services = ngettext("%(n)s service on sale", "%(n)s services on sale", self.touched) % {
            "n": count(self.touched)
        }
        touch = ngettext(
            "%(n)s change would touch %(services)s", "%(n)s changes would touch %(services)s", self.changes
        ) % (changes | {"services": services})
        return f"{touch}: {'; '.join(self._parts)}.{self._leaving_words}"

    @property
    def _parts(self) -> list[str]:
        parts = []
        if self.hidden:
            hidden = ngettext("%(n)s would be hidden", "%(n)s would be hidden", self.hidden)
            parts.append(hidden % {"n": count(self.hidden)})
        if self.below_cost:
            dearer = ngettext(
                "%(n)s would cost more than they are sold for",
                "%(n)s would cost more than they are sold for",
                self.below_cost,
            )
            parts.append(dearer % {"n": count(self.below_cost)})
        if self.off_sale:
            off = ngettext("%(n)s would go off sale", "%(n)s would go off sale", self.off_sale)
            parts.append(off % {"n": count(self.off_sale)})
        if self.staying_off:
            stay = ngettext("%(n)s would stay off sale", "%(n)s would stay off sale", self.staying_off)
            parts.append(stay % {"n": count(self.staying_off)})
        if self.back:
            back = ngettext("%(n)s would come back on sale", "%(n)s would come back on sale", self.back)
            parts.append(back % {"n": count(self.back)})
        if self.moving:
            moving = ngettext(
                "%(n)s would be sold by another offer", "%(n)s would be sold by another offer", self.moving
            )
            parts.append(moving % {"n": count(self.moving)})
        if self.large_rises:
            parts.append(rises_words(self.large_rises))
        if self.margin_before is not None and self.margin_after is not None:
            parts.append(margin_words(self.margin_before, self.margin_after))
        return [*parts, profit_words(self.profit_change)]

    @property
    def _leaving_words(self) -> str:
        if not self.leaving:
            return ""
        words = ngettext(
            "%(n)s service on sale would lose the offer that delivers it",
            "%(n)s services on sale would lose the offer that delivers it",
            self.leaving,
        ) % {"n": count(self.leaving)}
        if self.leaving_orders:
            orders = ngettext(
                "%(n)s open order of them would go on",
                "%(n)s open orders of them would go on",
                self.leaving_orders,
            )
            words += "; " + orders % {"n": count(self.leaving_orders)}
        return f" {words}."


def effect_of(provider: Provider, external_ids: Collection[str] | None = None) -> CatalogEffect:
    """The effect of accepting the staged changes of these upstream service ids (None: all that wait).

    A constant number of statements, however many changes.
    """
    staged = CatalogChange.objects.filter(provider=provider, state=CatalogChange.State.STAGED)
    if external_ids is not None:
        staged = staged.filter(external_id__in=list(external_ids))
    return effect_of_changes(list(staged.select_related("offer", "provider").order_by("id")))


def effect_of_changes(changes: Sequence[CatalogChange], hide: Sequence[CatalogChange] = ()) -> CatalogEffect:
    """The same for these changes, of one provider or several; loaded with offer and provider."""
    return summed(Foresight(changes), changes, hide)


def summed(
    foresight: Foresight, changes: Sequence[CatalogChange], hide: Sequence[CatalogChange] = ()
) -> CatalogEffect:
    """The same for some of the changes that the foresight was made for; one query, for what was sold.

    `hide`: those among them that are accepted with "Hide service".
    """
    off_the_list = {pk for ids in hidden_by(foresight, hide).values() for pk in ids}
    found = effects_together(foresight, changes)
    hidden = [effect for effect in found if effect.service.pk in off_the_list]
    touched = [effect for effect in found if effect.changes and effect.service.pk not in off_the_list]
    missing = {change.offer_id for change in changes if change.kind == CatalogChange.Kind.MISSING}
    leaving = [e for e in touched if e.offer_before in missing and not e.off_sale_before]
    on_sale = [effect for effect in touched if not effect.off_sale and not effect.below_cost]
    return CatalogEffect(
        changes=len(changes),
        touched=len(touched) + len(hidden),
        below_cost=sum(1 for effect in touched if effect.below_cost),
        off_sale=sum(1 for effect in touched if effect.goes_off_sale),
        large_rises=sum(1 for effect in touched if _large_rise(effect)),
        margin_before=_average([effect.margin_before for effect in on_sale]),
        margin_after=_average([effect.margin_after for effect in on_sale]),
        profit_change=_profit_change(
            [(one, one.gain_change) for one in touched] + [(one, one.gain_hidden) for one in hidden]
        ).quantize(AMOUNT),
        leaving=len(leaving),
        leaving_orders=sum(effect.open_orders for effect in leaving),
        staying_off=sum(1 for effect in touched if effect.stays_off_sale),
        back=sum(1 for effect in touched if effect.comes_back),
        moving=sum(1 for effect in touched if effect.moves),
        hidden=len(hidden),
    )


def _large_rise(effect: ServiceEffect) -> bool:
    return bool(effect.price_before) and effect.price_after > effect.price_before * (100 + LARGE_RISE) / 100


def _profit_change(touched: Sequence[tuple[ServiceEffect, Decimal]]) -> Decimal:
    sold = units_sold([effect.service.pk for effect, _gain in touched]) if touched else {}
    profit = ZERO
    for effect, change in touched:
        units, orders = sold.get(effect.service.pk, (0, 0))
        if units and change:
            gain, per_order = abs(change), effect.service.per_order
            amount = gain * orders if per_order else charge_for(gain, units, per_order=False)
            profit += amount if change > 0 else -amount
    return profit


def _average(margins: Sequence[Decimal | None]) -> Decimal | None:
    known = [margin for margin in margins if margin is not None]
    return (sum(known, ZERO) / len(known)).quantize(Decimal("0.1")) if known else None
