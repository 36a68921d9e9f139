from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.figures import rate
from customers.management.command_line import Command as Base
from customers.management.command_line import counted, split_ids
from providers.management.choosing import numbers
from providers.models import Service
from providers.publishing import unpublish
from providers.sale_effects import SaleEffect, effect_of_publishing_again, effect_of_unpublishing
from providers.service_editing import publish_services


class Command(Base):
    help = (
        "Put services of ours on the list, or take them off; their open orders go on. (publish_services makes "
        "services of a provider's offers.)"
    )
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("act", choices=["publish", "unpublish"])
        parser.add_argument("services", help="their numbers, comma-separated")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only say at which price, what of it is below cost, open orders",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        ids = numbers(split_ids(options["services"]), "service")
        known = set(Service.objects.filter(pk__in=ids).values_list("pk", flat=True))
        if missing := [number for number in ids if number not in known]:
            raise CommandError(f"There is no service {', '.join(map(str, missing))}.")
        if options["dry_run"]:
            off = options["act"] == "unpublish"
            self._foretell(effect_of_unpublishing(ids) if off else effect_of_publishing_again(ids), off=off)
            return
        if options["act"] == "unpublish":
            taken = unpublish(ids, by=self.by)
            self.say(
                {"unpublished": taken}, f"{counted(taken, 'service')} off the list. Their open orders go on."
            )
            return
        fit, refused = publish_services(ids, by=self.by)
        told = {"published": len(fit), "services": fit, "refused": refused}
        self.say(told, "\n".join([f"{counted(len(fit), 'service')} on sale.", *refused]))

    def _foretell(self, effect: SaleEffect, *, off: bool) -> None:
        rows, simulation = len(effect.simulation.rows), effect.simulation
        told = {"services": rows, "open_orders": effect.open_orders, "below_cost": simulation.below_cost}
        where = "off the list" if off else f"on the list, {effect.refused} refused"
        words = f"{counted(rows, 'service')} would be {where}; {counted(effect.open_orders, 'open order')} of theirs."
        self.say(told | {"refused": 0 if off else effect.refused}, f"{words} Nothing was done.")
        for row in simulation.rows:
            why = "" if off or not row.off_sale else f" ({row.off_sale})"
            figures = f"price {rate(row.new_price)}, cost {rate(row.cost)}{', BELOW COST' * row.below_cost}"
            self.say(
                {
                    "service": row.service_id,
                    "price": row.new_price,
                    "cost": row.cost,
                    "margin": row.margin_after,
                    "below_cost": row.below_cost,
                    "refused": "" if off else row.off_sale,
                    "profit_change": row.profit_change,
                },
                f"{row.service_id}. {row.name}: {figures}{why}",
            )
