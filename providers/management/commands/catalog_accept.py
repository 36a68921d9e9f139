from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import split_ids
from providers.catalog_effect import effect_of
from providers.deciding import NothingWaits, accept_changes
from providers.management.choosing import chosen


class Command(Base):
    help = "Say yes to staged catalog changes, also those beyond the limits. All of them, or by service."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="the default")
        which.add_argument("--ids", help="the provider's service ids, comma-separated")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what it would do to prices and profit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        ids = split_ids(options["ids"]) if options["ids"] is not None else None
        if options["dry_run"]:
            effect = effect_of(provider, ids)
            told = asdict(effect) | {"provider": provider.name, "sentence": effect.sentence}
            self.say(told, f"{provider.name}: {effect.sentence}")
            return
        try:
            decided = accept_changes(provider, ids)
        except NothingWaits as error:
            raise CommandError(str(error)) from None
        answer = {"provider": provider.name, "applied": decided.applied, "revision": str(decided.revision)}
        self.say(answer, f"{provider.name}: {decided.applied} changes accepted.")
