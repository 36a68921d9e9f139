"""sync_statuses [PROVIDER]: read the statuses that are due (with --force: of all accepted orders that are not final)."""

import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from orders.management.command_line import providers_for, wait_for_lane
from orders.status_lane import status_lane


class Command(Base):
    help = "Read the statuses that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?")
        parser.add_argument("--force", action="store_true", help="all accepted orders that are not final")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = False
        for provider in providers_for(options["provider"]):
            tally = wait_for_lane(status_lane, provider.pk, force=options["force"], budget_s=3600)
            failed = failed or tally.errors > 0
            text = f"{provider.name}: {tally.calls} calls, {tally.checked} checked, {tally.changed} changed, {tally.errors} errors"
            self.say(asdict(tally) | {"provider": provider.name}, f"{text} {tally.error}".strip())
        if failed:
            sys.exit(1)
