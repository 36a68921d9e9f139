from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.archiving import CannotArchive, archive, bring_back
from providers.connecting import InvalidProvider, change_connection
from providers.management.choosing import chosen


class Command(Base):
    help = "Rotate a provider's key, change its address, dialect, currency or options, archive it or bring it back."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        parser.add_argument("--key", help="a new key; - reads it from standard input")
        parser.add_argument("--url", help="a new address, which clears the key unless a new one is given too")
        parser.add_argument("--adapter")
        parser.add_argument("--currency")
        parser.add_argument("--option", action="append", default=[], metavar="k=v", help="repeat for several")
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--archive", action="store_true")
        end.add_argument("--bring-back", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        key = input() if options["key"] == "-" else options["key"]
        pairs = [text.partition("=") for text in options["option"]]
        if any(not name or not sign for name, sign, _ in pairs):
            raise CommandError("An option is written as name=value.")
        given = {name.strip(): value for name, _, value in pairs}
        try:
            change_connection(
                provider,
                api_url=options["url"],
                key=key,
                adapter=options["adapter"],
                currency=options["currency"],
            )
            if given:
                change_connection(provider, options={**provider.options, **given})
            if options["archive"]:
                archive(provider)
            elif options["bring_back"]:
                bring_back(provider)
        except (InvalidProvider, CannotArchive) as error:
            raise CommandError(str(error)) from None
        told = {
            "id": provider.pk,
            "name": provider.name,
            "key_set": bool(provider.key),
            "archived": provider.archived_at is not None,
        }
        self.say(
            told, f"{provider.name} changed." if provider.key else f"{provider.name} changed; it has no key."
        )
