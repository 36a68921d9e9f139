"""A worker proves every ten seconds that it still consumes, not merely that its process lives.

The worker sends a small task to the queue that only it reads. The task, run by the worker's own pool, writes
the row. A worker that lost its consumer, its broker, its database or all its threads writes nothing, and its
row goes stale, which /healthz shows and orders/watching.py tells. A worker that ends on purpose takes its row away.
"""

import threading
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from celery.utils.nodenames import worker_direct
from django.db import DatabaseError

PAUSE_SECONDS = 10
LOOK_SECONDS = 60  # how often a worker asks whether the clock is still heard
log = structlog.get_logger("headwater.heartbeat")
_stopping = threading.Event()


def _beat(worker: str) -> None:
    from customers.tasks import worker_ping
    from orders.tasks import watch_without_clock

    mine, since = worker_direct(worker), 0
    while not _stopping.is_set():
        # an unread ping is worth nothing once the next one is sent
        worker_ping.apply_async(args=[worker], queue=mine, expires=PAUSE_SECONDS)
        since += PAUSE_SECONDS
        if since >= LOOK_SECONDS:
            watch_without_clock.apply_async(queue=mine, expires=PAUSE_SECONDS)
            since = 0
        _stopping.wait(PAUSE_SECONDS)


@worker_ready.connect
def _start(sender: Any = None, **_: Any) -> None:
    threading.Thread(target=_beat, args=[sender.hostname], name="heartbeat", daemon=True).start()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    _stopping.set()


@worker_shutdown.connect
def _gone(sender: Any = None, **_: Any) -> None:
    """Its pool has ended, so no ping writes the row again."""
    from customers.models import Heartbeat

    try:
        Heartbeat.objects.filter(name=sender.hostname).delete()
    except DatabaseError:
        log.warning("heartbeat_not_taken_away", worker=sender.hostname)
