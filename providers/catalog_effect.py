"""What accepting waiting catalog changes would do, in figures and one sentence. Reads only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import ngettext

from customers.figures import count
from providers.change_effects import Effects, effects_of
from providers.models import CatalogChange, Provider
from providers.pricing import charge_for
from providers.simulating import LARGE_RISE, margin_words, profit_words, rises_words, units_sold

ZERO = Decimal(0)
AMOUNT = Decimal("0.01")


@dataclass(frozen=True)
class CatalogEffect:
    """`touched`: services on sale whose price or cost changes. `profit_change`: panel currency, on the orders of the
    last 30 days had the changes been live then. Margins in percent, over services that stay at or above cost.
    `leaving`: services on sale whose offer the provider no longer lists, with `leaving_orders` open orders."""

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

    Seven statements, however many changes.
    """
    staged = CatalogChange.objects.filter(provider=provider, state=CatalogChange.State.STAGED)
    if external_ids is not None:
        staged = staged.filter(external_id__in=list(external_ids))
    return effect_of_changes(list(staged.select_related("offer", "provider").order_by("id")))


def effect_of_changes(changes: Sequence[CatalogChange]) -> CatalogEffect:
    """The same for these changes, of one provider or several; loaded with offer and provider."""
    return summed(effects_of(changes))


def summed(effects: Effects) -> CatalogEffect:
    touched = [row.effect for row in effects.rows if row.effect]
    sold = units_sold() if touched else {}
    leaving = [row for row in effects.rows if row.change.kind == CatalogChange.Kind.MISSING and row.services]
    rises, profit = 0, ZERO
    for effect in touched:
        if effect.price_before and effect.price_after > effect.price_before * (100 + LARGE_RISE) / 100:
            rises += 1
        units, orders = sold.get(effect.service.pk, (0, 0))
        margin = (effect.price_after - effect.cost_after) - (effect.price_before - effect.cost_before)
        if units:
            per_order = effect.service.per_order
            amount = abs(margin) * orders if per_order else charge_for(abs(margin), units, per_order=False)
            profit += amount if margin >= 0 else -amount
    return CatalogEffect(
        changes=len(effects.rows),
        touched=len(touched),
        below_cost=effects.below_cost,
        off_sale=sum(1 for effect in touched if effect.off_sale),
        large_rises=rises,
        margin_before=effects.margin_before,
        margin_after=effects.margin_after,
        profit_change=profit.quantize(AMOUNT),
        leaving=sum(row.services for row in leaving),
        leaving_orders=sum(row.open_orders for row in leaving),
    )
