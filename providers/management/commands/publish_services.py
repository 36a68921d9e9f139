from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import decimal, split_ids
from providers.management.choosing import chosen
from providers.publishing import NoSuchOffer, publish


class Command(Base):
    help = "Put a provider's offers on sale: all of them, or by its service ids."
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="the default")
        which.add_argument("--ids", help="the provider's service ids, comma-separated")
        parser.add_argument("--markup", help="percent on cost: writes a rule for each service")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        ids = split_ids(options["ids"]) if options["ids"] is not None else None
        markup = decimal(options["markup"], "markup") if options["markup"] is not None else None
        try:
            done = publish(provider, ids, markup=markup, by=self.by)
        except (NoSuchOffer, ValueError) as error:
            raise CommandError(str(error)) from None
        answer = {
            "published": len(done.services),
            "services": list(done.services),
            "skipped": list(done.skipped),
        }
        lines = [f"{len(done.services)} services of {provider.name} are on sale.", *done.skipped]
        self.say(answer, "\n".join(lines))
