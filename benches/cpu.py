"""CPU time of this process and of its PostgreSQL session: what a page costs, whatever else runs on the machine."""

import time
from pathlib import Path

from django.db import connection


def spent() -> tuple[float, float]:
    """(seconds in Python, seconds in PostgreSQL) so far; the second is 0 where the server runs on another machine.

    Of parallel workers and of writing to disk in the background nothing is counted.
    """
    postgres = 0.0
    if connection.connection is not None:
        path = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
        postgres = int(path.read_text().split()[0]) / 1e9 if path.exists() else 0.0
    return time.process_time(), postgres
