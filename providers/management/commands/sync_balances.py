from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.figures import money
from customers.management.command_line import Command as Base
from providers.balances import read_balance
from providers.management.choosing import chosen_or_all


class Command(Base):
    help = "Read our balance at one provider or all."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?", help="id or exact name (default: all)")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = []
        for provider in chosen_or_all(options["provider"]):
            read = read_balance(provider)
            self.say(read.as_json(), f"{read.provider}: {read.error or money(read.balance, read.currency)}")
            if read.failed:
                failed.append(f"{read.provider} could not be read: {read.error}")
        if failed:
            raise CommandError(" ".join(failed))
