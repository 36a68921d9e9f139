"""pause_dispatch: the kill switch. Nothing is sent any more; reading goes on."""

from typing import Any

from django.core.management.base import CommandParser

from customers.audit import record
from customers.management.command_line import Command as Base
from orders.dispatch import pause_dispatch


class Command(Base):
    help = "Stop sending orders, refills and cancels to all providers."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="Paused on the command line")

    def handle(self, *args: Any, **options: Any) -> None:
        changed = pause_dispatch("command line", options["reason"])
        if changed:
            record(None, "dispatch.pause", "dispatch", options["reason"], {})
        self.say(
            {"paused": True, "changed": changed},
            "Sending is paused." if changed else "Sending was paused already.",
        )
