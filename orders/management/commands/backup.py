"""backup FILE: the whole database in one file, with what a restore has to check."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.audit import record
from customers.management.command_line import Command as Base
from orders.backing_up import BackupFailed, backup


class Command(Base):
    help = "Write the database to FILE. FIELD_KEYS and SECRET_KEY are not in it: keep them elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        file = options["file"].resolve()
        try:
            manifest = backup(file)
        except BackupFailed as error:
            raise CommandError(str(error)) from error
        record(None, "database.backup", "database", f"Backup written to {file}"[:300], {})
        size = file.stat().st_size
        self.say(
            {
                "file": str(file),
                "bytes": size,
                "orders": manifest["orders"],
                "taken_at": manifest["taken_at"],
            },
            f"{file} holds {manifest['orders']} orders ({size} bytes). Keep FIELD_KEYS and SECRET_KEY"
            " elsewhere (var/secrets.json): without FIELD_KEYS the provider keys in it cannot be read.",
        )
