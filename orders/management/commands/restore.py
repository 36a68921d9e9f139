"""restore FILE: the database as it was; sending stays paused until resume_dispatch --after-restore."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.audit import record
from customers.management.command_line import Command as Base
from orders.backing_up import RestoreFailed, restore


class Command(Base):
    help = "Replace the database by the backup in FILE. Sending is paused afterwards."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--without-keys", action="store_true", help="although FIELD_KEYS cannot read its provider keys"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restored = restore(options["file"].resolve(), without_keys=options["without_keys"])
        except RestoreFailed as error:
            raise CommandError(str(error)) from error
        record(None, "database.restore", "database", f"Restored from {options['file']}"[:300], {})
        self.say(
            {
                "taken_at": restored.taken_at,
                "orders": restored.orders,
                "open_submissions": restored.open_submissions,
                "paused": True,
            },
            f"Restored: {restored.orders} orders as of {restored.taken_at:%Y-%m-%d %H:%M:%S} UTC. Sending is paused,"
            f" because {restored.open_submissions} open orders may have been sent since."
            " `resume_dispatch --after-restore` makes them unknown, for the decision desk, and sends again.",
        )
