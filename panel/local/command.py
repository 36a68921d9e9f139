"""./manage: a command on the running panel's database, or on the embedded one, started for its sake."""

import fcntl
import os
import sys

from panel.local.held import Hold, hold, try_lock
from panel.local.places import RUN_LOCK, VAR, Refusal
from panel.local.surroundings import VARIABLES, log_file, remembered, surroundings

# These neither read nor write the database, so nothing is started for them.
WITHOUT_SERVERS = {"help", "--help", "-h", "version", "--version", "sandbox_provider", "makemessages",
                   "compilemessages", "collectstatic"}  # fmt: skip
MIGRATES_ITSELF = {"migrate", "makemigrations", "showmigrations", "sqlmigrate"}


def migrate_an_empty_database() -> None:
    """A command may be the first thing ever run here; it should find tables, not a traceback."""
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    if "django_migrations" not in connection.introspection.table_names():
        print("First use: making the tables", file=sys.stderr, flush=True)
        call_command("migrate", verbosity=0, interactive=False)


def main() -> None:
    arguments = sys.argv[1:]
    command = arguments[0] if arguments else "help"
    caller = dict(os.environ)
    if not try_lock(RUN_LOCK, fcntl.LOCK_SH):  # ./run is running
        # what ./run was told holds here too, unless this caller says otherwise
        caller = remembered() | {
            name: value for name, value in caller.items() if value or name not in VARIABLES
        }
    holds: list[Hold] = []  # let go when this process ends, however it ends
    database = broker = ""
    try:
        if command not in WITHOUT_SERVERS:
            if not caller.get("DATABASE_URL"):
                holds.append(hold("postgres", VAR / "postgres", log_file("postgres")))
                database = holds[-1].url
            if not caller.get("REDIS_URL"):
                holds.append(hold("valkey", VAR / "valkey", log_file("valkey")))
                broker = holds[-1].url
    except Refusal as refusal:
        sys.exit(str(refusal))
    except PermissionError as error:
        sys.exit(
            f"{error.filename} belongs to another user: give it to yourself (chown) or start as that user."
        )
    environment = surroundings(
        caller, database or "postgres://none@127.0.0.1:1/none", broker or "redis://127.0.0.1:1/0"
    )
    os.environ.update({"DB_STATEMENT_TIMEOUT_MS": "0", "LOG_LEVEL": "WARNING"} | environment)
    from panel.startup import read_settings

    try:
        read_settings()
        run(arguments, command, fresh=bool(holds))
    finally:
        for held in holds:
            held.lock.close()
        for held in holds:
            held.release()


def run(arguments: list[str], command: str, fresh: bool) -> None:
    if fresh and command not in MIGRATES_ITSELF:
        migrate_an_empty_database()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["./manage", *arguments])


if __name__ == "__main__":
    main()
