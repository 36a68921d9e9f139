"""What accepting catalog changes would do to our prices, each change by itself. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from providers.foreseeing import Foresight, Pair
from providers.models import CatalogChange, Service
from providers.pricing import margin_percent

ZERO = Decimal(0)


@dataclass(frozen=True)
class ServiceEffect:
    """One service that a change touches; rates per 1000 (or per order) and margins in percent of the price.

    `off_sale_before`, `off_sale`: the reason, "" while it can be ordered. `sold_by_before`, `sold_by`: the provider
    and its number of the offer that sells it.
    """

    service: Service
    cost_before: Decimal
    cost_after: Decimal
    price_before: Decimal
    price_after: Decimal
    off_sale_before: str
    off_sale: str
    sold_by_before: str
    sold_by: str
    offer_before: int | None
    open_orders: int

    @property
    def margin_before(self) -> Decimal | None:
        return margin_percent(self.price_before, self.cost_before)

    @property
    def margin_after(self) -> Decimal | None:
        return margin_percent(self.price_after, self.cost_after)

    @property
    def changes(self) -> bool:
        """Whether anything of it becomes different."""
        before = (self.price_before, self.cost_before, self.off_sale_before, self.sold_by_before)
        return before != (self.price_after, self.cost_after, self.off_sale, self.sold_by)

    @property
    def below_cost(self) -> bool:
        """Whether the change leaves it sold for less than it costs, or off sale for that reason."""
        return self.changes and self.price_after < self.cost_after

    @property
    def goes_off_sale(self) -> bool:
        return bool(self.off_sale) and not self.off_sale_before

    @property
    def stays_off_sale(self) -> bool:
        return bool(self.off_sale) and bool(self.off_sale_before)

    @property
    def comes_back(self) -> bool:
        return not self.off_sale and bool(self.off_sale_before)

    @property
    def moves(self) -> bool:
        """Whether another offer sells it from then on."""
        return not self.off_sale and self.sold_by != self.sold_by_before

    @property
    def gain_change(self) -> Decimal:
        """How much more is left of 1000 (or of an order); what goes off sale leaves nothing."""
        before = ZERO if self.off_sale_before and self.off_sale else self.price_before - self.cost_before
        after = ZERO if self.off_sale else self.price_after - self.cost_after
        return after - before

    @property
    def gain_hidden(self) -> Decimal:
        """The same where it leaves the list: what it brought is gone."""
        return ZERO if self.off_sale_before else self.cost_before - self.price_before

    @property
    def badness(self) -> tuple[bool, bool, bool, Decimal]:
        """Compared, the worst is the greatest: below cost, off sale, anything at all, then what is lost."""
        return self.below_cost, self.goes_off_sale, self.changes, -self.gain_change


@dataclass(frozen=True)
class Row:
    """A staged change with what it does by itself. `cost_*`: the provider's rate in its own currency, for prices only.

    `effects`: the published services that its offer may deliver, the worst first.
    """

    change: CatalogChange
    name: str
    cost_before: Decimal | None
    cost_after: Decimal | None
    effects: tuple[ServiceEffect, ...]

    @property
    def effect(self) -> ServiceEffect | None:
        """The worst of them; None: no service on sale uses the offer."""
        return self.effects[0] if self.effects else None

    @property
    def services(self) -> int:
        return len(self.effects)

    @property
    def touched(self) -> int:
        """How many of them become different in anything."""
        return sum(1 for effect in self.effects if effect.changes)

    @property
    def more(self) -> int:
        """How many others become different besides the worst."""
        return max(self.touched - 1, 0)

    @property
    def open_orders(self) -> int:
        return sum(effect.open_orders for effect in self.effects)

    @property
    def cost_change_percent(self) -> Decimal | None:
        if not self.cost_before or self.cost_after is None:
            return None
        return ((self.cost_after - self.cost_before) / self.cost_before * 100).quantize(Decimal("0.1"))

    @property
    def below_cost(self) -> bool:
        return self.effect is not None and self.effect.below_cost


@dataclass(frozen=True)
class Effects:
    """`foresight`: for what any of these changes would do together, without another query about them."""

    rows: tuple[Row, ...]
    foresight: Foresight = field(repr=False, compare=False)

    @property
    def below_cost(self) -> int:
        return sum(1 for row in self.rows if row.below_cost)


def effects_of(changes: Sequence[CatalogChange]) -> Effects:
    """The effect of each change by itself. A constant number of queries (changes loaded with offer and provider)."""
    foresight = Foresight(changes)
    rows = (
        Row(
            change=change,
            name=str(change.after.get("name") or (change.offer.name if change.offer else "")),
            cost_before=_rate(change.before),
            cost_after=_rate(change.after),
            effects=tuple(
                sorted(effects_together(foresight, [change]), key=lambda effect: effect.badness, reverse=True)
            ),
        )
        for change in changes
    )
    return Effects(tuple(rows), foresight)


def effects_together(foresight: Foresight, changes: Sequence[CatalogChange]) -> list[ServiceEffect]:
    """The published services that these changes touch, had all of them been accepted at once; no query."""
    return [_effect(foresight, pair) for pair in foresight.after(changes)]


def _effect(foresight: Foresight, pair: Pair) -> ServiceEffect:
    before, after = pair.before, pair.after
    return ServiceEffect(
        service=pair.service,
        cost_before=before.cost_rate,
        cost_after=after.cost_rate,
        price_before=before.rate,
        price_after=after.rate,
        off_sale_before=before.off_sale,
        off_sale=after.off_sale,
        sold_by_before=foresight.label(before.selling),
        sold_by=foresight.label(after.selling),
        offer_before=before.selling.offer_id if before.selling else None,
        open_orders=foresight.open_orders.get(pair.service.pk, 0),
    )


def _rate(values: dict[str, str]) -> Decimal | None:
    return Decimal(values["rate"]) if "rate" in values else None
