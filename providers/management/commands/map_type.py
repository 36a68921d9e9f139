from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted, split_ids
from providers.management.choosing import chosen
from providers.service_types import TYPES, fold
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
            changed = map_type(provider, options["word"], code, ids, by=self.by)
        except CannotMap as error:
            raise CommandError(str(error)) from None
        self.say(
            {"provider": provider.name, "changed": changed},
            f"{counted(changed, 'service')} of another type now.",
        )
