from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted, decimal, split_ids
from providers.management.choosing import chosen
from providers.publishing import NoSuchOffer, PublishingEffect, effect_of_publishing, publish


class Command(Base):
    help = "Put a provider's offers on sale: all of them, or by its service ids."
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="the default")
        which.add_argument("--ids", help="the provider's service ids, comma-separated")
        parser.add_argument("--markup", help="percent on cost: writes a rule for each service")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what it would do to rules, prices and profit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        ids = split_ids(options["ids"]) if options["ids"] is not None else None
        markup = decimal(options["markup"], "markup") if options["markup"] is not None else None
        try:
            if options["dry_run"]:
                self._foretell(provider.name, effect_of_publishing(provider, ids, markup=markup))
                return
            done = publish(provider, ids, markup=markup, by=self.by)
        except (NoSuchOffer, ValueError) as error:
            raise CommandError(str(error)) from None
        answer = {
            "published": len(done.services),
            "services": list(done.services),
            "skipped": list(done.skipped),
            "rules_added": done.rules_added,
            "rules_replaced": done.rules_replaced,
        }
        lines = [f"{counted(len(done.services), 'service')} of {provider.name} on sale.", *done.skipped]
        if done.rules_added or done.rules_replaced:
            lines.append(
                f"Rules of services: {done.rules_added} added, {done.rules_replaced} replaced, as one change; "
                "`markup undo` takes it back, or “Undo” at /manage/markup."
            )
        self.say(answer, "\n".join(lines))

    def _foretell(self, name: str, effect: PublishingEffect) -> None:
        simulation = effect.simulation
        answer = {
            "new": effect.new,
            "rules_added": effect.rules_added,
            "rules_replaced": effect.rules_replaced,
            "skipped": list(effect.skipped),
            "touched": simulation.touched,
            "changed": simulation.changed,
            "below_cost": simulation.below_cost,
            "large_rises": simulation.large_rises,
            "margin_before": simulation.average_margin_before,
            "margin_after": simulation.average_margin_after,
            "profit_change": simulation.profit_change,
            "sentence": simulation.sentence,
        }
        rules = f"{effect.rules_added} rules of services would be added, {effect.rules_replaced} replaced"
        first = f"{name}: {effect.new} services would be new; {rules}. Nothing was done."
        self.say(answer, "\n".join([first, simulation.sentence, *effect.skipped]))
