from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted
from providers.catalog_effect import effect_of_changes
from providers.deciding import accept_changes
from providers.management.choosing import chosen
from providers.management.staged import add_selection, selected


class Command(Base):
    help = "Say yes to staged catalog changes, also those beyond the limits: all of them, some, or one kind."
    verb = "catalog.decide"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        add_selection(parser, required=False)
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what it would do to prices and profit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        changes = selected(provider, options)
        if options["dry_run"]:
            effect = effect_of_changes(changes)
            told = asdict(effect) | {"provider": provider.name, "sentence": effect.sentence}
            self.say(told, f"{provider.name}: {effect.sentence}")
            return
        decided = accept_changes(provider, change_ids=[change.pk for change in changes], by=self.by)
        answer = {"provider": provider.name, "applied": decided.applied, "revision": str(decided.revision)}
        self.say(answer, f"{provider.name}: {counted(decided.applied, 'change')} accepted.")
