from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.figures import rate
from customers.management.command_line import Command as Base
from customers.management.command_line import counted, split_ids
from providers.management.choosing import chosen
from providers.service_types import TYPES, fold
from providers.supply_effects import MappingEffect, effect_of_mapping
from providers.type_mapping import CannotMap, map_type, unknown_types


class Command(Base):
    help = "Say what a provider's unknown service type is; without a type: list the unknown ones."
    verb = "provider.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        parser.add_argument("word", nargs="?", help="the provider's word")
        parser.add_argument("type", nargs="?", help='one of ours, such as "Custom Comments"; unknown: none')
        parser.add_argument("--ids", help="only these upstream ids, separated by commas")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only say what it would do to prices, and what could be published",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        if options["type"] is None:
            for word, count, code in unknown_types(provider):
                name = TYPES[code].name if code else "not mapped"
                self.say({"type": word, "offers": count, "mapped_to": code}, f"{word!r}: {count}, {name}")
            return
        code = "" if options["type"] in ("", "unknown") else fold(options["type"]) or options["type"]
        ids = split_ids(options["ids"]) if options["ids"] else None
        try:
            if options["dry_run"]:
                self._foretell(effect_of_mapping(provider, options["word"], code, ids))
                return
            changed = map_type(provider, options["word"], code, ids, by=self.by)
        except CannotMap as error:
            raise CommandError(str(error)) from None
        self.say(
            {"provider": provider.name, "changed": changed},
            f"{counted(changed, 'service')} of another type now.",
        )

    def _foretell(self, effect: MappingEffect) -> None:
        told = {"offers": effect.offers, "waiting": effect.waiting, "sentence": effect.simulation.sentence}
        lines = [f"{counted(effect.offers, 'service')} of theirs would be of another type. Nothing was done."]
        lines.append(effect.simulation.sentence)
        for one in effect.sellable:
            how = one.why_not or f"could be published: cost {rate(one.cost)}, price {rate(one.price)}"
            lines.append(f"{one.external_id} {one.name}: {how}")
        self.say(told | {"sellable": [asdict(one) for one in effect.sellable]}, "\n".join(lines))
