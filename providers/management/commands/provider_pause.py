from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.management.choosing import chosen
from providers.pausing import pause_by_hand


class Command(Base):
    help = "Stop sending orders to a provider; they wait as queued. Reading goes on."
    verb = "provider.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        try:
            pause_by_hand(provider, options["reason"], by=self.by)
        except ValueError as error:
            raise CommandError(str(error)) from None
        answer = {"id": provider.pk, "name": provider.name, "state": provider.state}
        self.say(answer, f"Sending to {provider.name} is paused: {provider.pause_reason}")
