"""What accepting waiting catalog changes would do, in figures and one sentence. Reads only."""

from collections.abc import Collection
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
    last 30 days had the changes been live then. Margins in percent, over services that stay at or above cost."""

    changes: int
    touched: int
    below_cost: int
    off_sale: int
    large_rises: int
    margin_before: Decimal | None
    margin_after: Decimal | None
    profit_change: Decimal

    @property
    def sentence(self) -> str:
        """`12 changes touch 3 services on sale: 1 would be below cost, …`"""
        if not self.touched:
            return (
                f"{_count(self.changes, 'change')} would be applied; no price of a service on sale changes."
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
        sign = "+" if self.profit_change >= 0 else "-"
        parts.append(
            f"on the orders of the last {SOLD_DAYS} days the profit would have been"
            f" {sign}{abs(self.profit_change):.2f} {settings.CURRENCY} different"
        )
        return (
            f"{_count(self.changes, 'change')} would touch {_count(self.touched, 'service')} on sale: "
            + "; ".join(parts)
            + "."
        )


def effect_of(provider: Provider, external_ids: Collection[str] | None = None) -> CatalogEffect:
    """The effect of accepting the staged changes of these upstream service ids (None: all that wait).

    Seven statements, however many changes.
    """
    staged = CatalogChange.objects.filter(provider=provider, state=CatalogChange.State.STAGED)
    if external_ids is not None:
        staged = staged.filter(external_id__in=list(external_ids))
    changes = list(staged.select_related("offer", "provider").order_by("id"))
    return _summed(effects_of(changes))


def _summed(effects: Effects) -> CatalogEffect:
    touched = [row.effect for row in effects.rows if row.effect]
    sold = units_sold() if touched else {}
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
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
