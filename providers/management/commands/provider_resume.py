from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from providers.management.choosing import chosen
from providers.pausing import resume_by_hand


class Command(Base):
    help = "Send to a provider again: ends any pause and closes its breaker."
    verb = "provider.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        resume_by_hand(provider, by=self.by)
        answer = {"id": provider.pk, "name": provider.name, "state": provider.state}
        self.say(answer, f"Sending to {provider.name} goes on.")
