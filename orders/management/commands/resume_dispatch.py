"""resume_dispatch [--after-restore]: send again."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.audit import record
from customers.management.command_line import Command as Base
from orders.dispatch import RestoreUndecided, resume_dispatch


class Command(Base):
    help = (
        "Send again after a pause. After a restore, everything not final in the backup becomes unknown first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--after-restore", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            doubted = resume_dispatch("command line", after_restore=options["after_restore"])
        except RestoreUndecided as error:
            raise CommandError(str(error)) from error
        record(
            None,
            "dispatch.resume",
            "dispatch",
            "Sending resumed",
            {"unknown": doubted, "after_restore": options["after_restore"]},
        )
        self.say(
            {"paused": False, "unknown": doubted},
            f"Sending is on. {doubted} orders became unknown." if doubted else "Sending is on.",
        )
