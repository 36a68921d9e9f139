from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted
from providers.deciding import refuse_changes
from providers.management.choosing import chosen
from providers.management.staged import add_selection, selected


class Command(Base):
    help = (
        "Say no to staged catalog changes: the same change is not offered again, and a service that it put on hold "
        "stays off sale."
    )
    verb = "catalog.decide"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        add_selection(parser, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        changes = [change.pk for change in selected(provider, options)]
        refused = refuse_changes(provider, change_ids=changes, by=self.by)
        self.say(
            {"provider": provider.name, "refused": refused},
            f"{provider.name}: {counted(refused, 'change')} refused.",
        )
