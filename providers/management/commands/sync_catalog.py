from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.catalog import sync_catalog
from providers.management.choosing import chosen_or_all


class Command(Base):
    help = (
        "Read the services of one provider or all. Without --apply differences are only staged; with it, those "
        "inside the limits are applied and services beyond them go off sale."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?", help="id or exact name (default: all)")
        parser.add_argument("--apply", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = []
        for provider in chosen_or_all(options["provider"]):
            found = sync_catalog(provider, apply=options["apply"])
            counts = (
                f"{found.new} new, {found.changed} changed, {found.missing} missing, {found.unchanged} unchanged, "
                f"{found.ignored} ignored, {found.applied} applied."
            )
            self.say(found.as_json(), f"{found.provider}: {found.error or counts}")
            if found.failed:
                failed.append(f"{found.provider} could not be read: {found.error}")
        if failed:
            raise CommandError(" ".join(failed))
