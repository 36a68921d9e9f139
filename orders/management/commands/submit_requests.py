"""submit_requests: send the approved refills and cancels that are due."""

import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from orders.management.command_line import providers_for, wait_for_lane
from orders.request_lane import requests_lane


class Command(Base):
    help = "Send the approved refills and cancels that are due (with --force: whatever their back-off or undo time)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?")
        parser.add_argument("--force", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = False
        for provider in providers_for(options["provider"]):
            tally = wait_for_lane(requests_lane, provider.pk, force=options["force"])
            failed = failed or bool(tally.error)
            text = f"{provider.name}: {tally.sent} sent, {tally.accepted} accepted, {tally.refused} refused, {tally.unclear} unclear"
            self.say(asdict(tally) | {"provider": provider.name}, f"{text} {tally.error}".strip())
        if failed:
            sys.exit(1)
