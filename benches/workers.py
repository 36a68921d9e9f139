"""Worker and clock processes for a bench, with the very commands that ./run starts them with."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panel.local.children import Child, stop_all
from panel.local.supervisor import processes

READY_SECONDS, STOP_SECONDS = 90, 20


@contextmanager
def workers(count: int = 1, *, clock: bool = True) -> Iterator[None]:
    """So many worker processes of 32 threads, and beat; ready when each was heard. They end with this process.

    What the bench sets by the environment (PROVIDER_ALLOWED_PRIVATE …) has to stand before. Raises RuntimeError.
    """
    environment = os.environ | {"WORKER_PROCESSES": str(count)}
    plan = processes(environment, 0)
    wanted = [f"worker{number}" for number in range(1, count + 1)] + (["beat"] if clock else [])
    children = [plan[name] for name in wanted]
    for child in children:  # the folder's own panel may be running and writes into the usual place
        child.log = Path(os.environ["STATE_DIR"]) / f"{child.name}.log"
    begun = _now()
    try:
        for child in children:
            child.start()
        _await_heartbeats(children, begun, count)
        yield
    finally:
        stop_all(children, STOP_SECONDS, hurry=lambda: False)


def _await_heartbeats(children: list[Child], begun: object, count: int) -> None:
    from customers.models import Heartbeat

    give_up = time.monotonic() + READY_SECONDS
    while Heartbeat.objects.filter(name__startswith="worker", at__gte=begun).count() < count:
        dead = [child.name for child in children if child.process and child.process.poll() is not None]
        if dead or time.monotonic() > give_up:
            raise RuntimeError(f"The workers did not start ({', '.join(dead) or 'no heartbeat'}).")
        time.sleep(0.1)


def _now() -> object:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
