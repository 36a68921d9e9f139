from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.connecting import InvalidProvider, add_provider


class Command(Base):
    help = "Add a provider. Nothing is asked of it yet."
    verb = "provider.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("url", nargs="?", default="", help="full address of its API; none for manual")
        parser.add_argument("--key", default="")
        parser.add_argument("--currency", default="", help="of its rates and balance (default: the panel's)")
        parser.add_argument("--adapter", default="standard")
        parser.add_argument("--option", action="append", default=[], metavar="k=v", help="repeat for several")

    def handle(self, *args: Any, **options: Any) -> None:
        pairs = [text.partition("=") for text in options["option"]]
        for name, sign, _value in pairs:
            if not name or not sign:
                raise CommandError(f"{name!r} is not written as name=value.")
        try:
            provider = add_provider(
                options["name"],
                options["url"],
                options["key"],
                currency=options["currency"],
                adapter=options["adapter"],
                options={name.strip(): value for name, _sign, value in pairs},
                by=self.by,
            )
        except InvalidProvider as error:
            raise CommandError(str(error)) from None
        self.say(
            {"id": provider.pk, "name": provider.name}, f"Provider {provider.name} added (id {provider.pk})."
        )
