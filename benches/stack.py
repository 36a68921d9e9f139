"""A stack of its own for benches: PostgreSQL with fsync on, Valkey, gone afterwards. Nothing of var/'s data is touched."""

import atexit
import base64
import os
import shutil

from panel.local.held import hold
from panel.local.places import VAR, new_secret


def start() -> None:
    """Start the servers, point this process (and its children) at them, set up Django and migrate."""
    home = VAR / f"bench-{os.getpid()}"
    (home / "state").mkdir(parents=True)
    database = hold("postgres", home / "postgres", home / "postgres.log")  # durable: not a throw-away cluster
    broker = hold("valkey", home / "valkey", home / "valkey.log", throwaway=True)

    def stop() -> None:
        for held in (database, broker):
            held.release()
        shutil.rmtree(home, ignore_errors=True)

    atexit.register(stop)
    os.environ.update(
        DATABASE_URL=database.url,
        REDIS_URL=broker.url,
        SECRET_KEY=new_secret(),
        FIELD_KEYS=base64.urlsafe_b64encode(os.urandom(32)).decode(),
        STATE_DIR=str(home / "state"),
        DJANGO_SETTINGS_MODULE="panel.settings",
        LOG_LEVEL="ERROR",
        API_RATE_LIMITS="off",
        STATUS_CONFIRM_SECONDS="0",
    )
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, skip_checks=True)
