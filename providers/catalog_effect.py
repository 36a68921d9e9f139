"""What accepting waiting catalog changes would do, in figures and one sentence. Reads only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from providers.change_effects import Effects, effects_of
from providers.models import CatalogChange, Provider
from providers.pricing import charge_for
from providers.simulating import LARGE_RISE, SOLD_DAYS, units_sold

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
        if not self.touched:
            return (
                f"{_count(self.changes, 'change')} would be applied; no price of a service on sale changes."
                f"{self._leaving_words}"
            )
        parts = []
        if self.below_cost:
            parts.append(f"{self.below_cost} would cost more than they are sold for")
        if self.off_sale:
            parts.append(f"{self.off_sale} would go off sale")
        if self.large_rises:
            parts.append(f"{self.large_rises} would get dearer by more than {LARGE_RISE:f} %")
        if self.margin_before is not None and self.margin_after is not None:
            parts.append(f"the average margin goes from {self.margin_before} % to {self.margin_after} %")
        parts.append(f"on the orders of the last {SOLD_DAYS} days {self._profit_words}")
        return (
            f"{_count(self.changes, 'change')} would touch {_count(self.touched, 'service')} on sale: "
            + "; ".join(parts)
            + "."
            + self._leaving_words
        )

    @property
    def _profit_words(self) -> str:
        if not self.profit_change:
            return "the profit would have been the same"
        word = "higher" if self.profit_change > 0 else "lower"
        return f"the profit would have been {abs(self.profit_change):.2f} {settings.CURRENCY} {word}"

    @property
    def _leaving_words(self) -> str:
        if not self.leaving:
            return ""
        orders = (
            f"; {_count(self.leaving_orders, 'open order')} of them would go on"
            if self.leaving_orders
            else ""
        )
        return f" {_count(self.leaving, 'service')} on sale would lose the offer that delivers it{orders}."


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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
