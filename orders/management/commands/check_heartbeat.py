from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from orders.watching import silent_parts, watch
from providers.telling import plan, tell_due


class Command(Base):
    help = (
        "For cron, outside of the queue: exit 1 and tell the operators when no worker or no clock is heard."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-notices", action="store_true", help="only look and say")

    def handle(self, *args: Any, **options: Any) -> None:
        found = silent_parts()
        if not options["no_notices"]:
            watch()
            if plan():
                tell_due()
        if found:
            raise CommandError(" ".join(trouble.text for trouble in found))
        self.say({"ok": True}, "Workers and the clock are heard.")
