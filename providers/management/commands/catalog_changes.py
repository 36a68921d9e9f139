from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from providers.change_effects import Row, ServiceEffect, effects_of
from providers.management.choosing import chosen
from providers.management.staged import waiting
from providers.models import CatalogChange

AT_A_TIME = 500


class Command(Base):
    help = (
        "The catalog changes that wait for a decision, with their numbers and what accepting each would do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?", help="id or exact name (default: all)")
        parser.add_argument("--kind", choices=CatalogChange.Kind.values)
        parser.add_argument("--beyond", action="store_true", help="only those beyond the limits")

    def handle(self, *args: Any, **options: Any) -> None:
        changes = waiting(chosen(options["provider"]) if options["provider"] else None)
        if options["kind"]:
            changes = changes.filter(kind=options["kind"])
        if options["beyond"]:
            changes = changes.filter(beyond_limits=True)
        found = list(changes)
        for start in range(0, len(found), AT_A_TIME):
            for row in effects_of(found[start : start + AT_A_TIME]).rows:
                self.say(_as_json(row), _text(row))


def _as_json(row: Row) -> dict[str, Any]:
    """`before`, `after`: the provider's values, its currency; `effect`: ours, of the service that it touches worst,
    None where nothing becomes different; `touched`: how many services do."""
    change, effect = row.change, row.effect
    return {
        "id": change.pk,
        "provider": change.provider.name,
        "service": change.external_id,
        "name": row.name,
        "kind": change.kind,
        "before": change.before,
        "after": change.after,
        "beyond_limits": change.beyond_limits,
        "found_at": change.found_at,
        "services": row.services,
        "touched": row.touched,
        "open_orders": row.open_orders,
        "preset": "hide" if row.below_cost else "accept",
        "effect": None
        if effect is None or not effect.changes
        else {
            "service": effect.service.pk,
            "cost_before": effect.cost_before,
            "cost_after": effect.cost_after,
            "price_before": effect.price_before,
            "price_after": effect.price_after,
            "margin_before": effect.margin_before,
            "margin_after": effect.margin_after,
            "below_cost": effect.below_cost,
            "off_sale_before": effect.off_sale_before,
            "off_sale": effect.off_sale,
            "sold_by_before": effect.sold_by_before,
            "sold_by": effect.sold_by,
        },
    }


def _text(row: Row) -> str:
    change, effect = row.change, row.effect
    words = f"{change.pk}. {change.provider.name} {change.external_id} {row.name}: {change.kind}"
    if change.kind not in (CatalogChange.Kind.NEW, CatalogChange.Kind.MISSING):
        words += f" {_values(change.before)} → {_values(change.after)}"
    if effect and effect.changes:
        words += (
            f"; our price {effect.price_before.normalize():f} → {effect.price_after.normalize():f}"
            f" at a cost of {effect.cost_after.normalize():f}{' BELOW COST, better hidden (catalog_decide --hide)' if effect.below_cost else ''}"
        )
        words += _off_and_on(effect)
    if row.more:
        words += f"; {row.more} more of our services"
    return f"{words}{' (beyond the limits)' if change.beyond_limits else ''}"


def _off_and_on(effect: ServiceEffect) -> str:
    if effect.off_sale:
        return f", {'goes' if effect.goes_off_sale else 'stays'} off sale: {effect.off_sale}"
    back = ", comes back on sale" if effect.comes_back else ""
    return f"{back}, sold by {effect.sold_by} then" if effect.moves else back


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}"[:80] for name, value in values.items()) or "–"
