"""sync_refills: ask what became of accepted refills."""

import sys
from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from orders.management.command_line import providers_for, wait_for_lane
from orders.request_lane import refills_lane


class Command(Base):
    help = "Read the refills that are due (with --force: all accepted ones)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?")
        parser.add_argument("--force", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = False
        for provider in providers_for(options["provider"]):
            tally = wait_for_lane(refills_lane, provider.pk, force=options["force"])
            failed = failed or bool(tally.error)
            row = {
                "provider": provider.name,
                "checked": tally.sent,
                "changed": tally.changed,
                "error": tally.error,
            }
            self.say(
                row, f"{provider.name}: {tally.sent} checked, {tally.changed} changed {tally.error}".strip()
            )
        if failed:
            sys.exit(1)
