"""A stack of its own for benches: PostgreSQL with fsync on, Valkey, gone afterwards. Nothing of var/'s data is touched.

BENCH_HISTORY=1000000 puts that many orders of 10,000 customers and 5,000 services into the database first, all ended:
what a panel has behind it after a while. Without it the tables are empty when a figure begins.
"""

import atexit
import base64
import os
import shutil
import sys

from panel.local.held import hold
from panel.local.places import VAR, new_secret

HISTORY = int(os.environ.get("BENCH_HISTORY") or 0)


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
    if HISTORY:
        from django.db import connection

        print(f"… {HISTORY} orders before", file=sys.stderr, flush=True)
        call_command(
            "seed_scale", customers=10_000, services=5_000, orders=HISTORY, biggest=20, stdout=sys.stderr
        )
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
