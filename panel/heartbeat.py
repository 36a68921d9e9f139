"""A worker proves every ten seconds that it still consumes, not merely that its process lives.

The worker sends a small task to the queue that only it reads. The task, run by the worker's own pool, writes
the row. A worker that lost its consumer, its broker, its database or all its threads writes nothing, and its
row goes stale, which /healthz shows.
"""

import threading
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutting_down
from celery.utils.nodenames import worker_direct

PAUSE_SECONDS = 10
log = structlog.get_logger("headwater.heartbeat")
_stopping = threading.Event()


def _beat(worker: str) -> None:
    from customers.tasks import worker_ping

    while not _stopping.is_set():
        # an unread ping is worth nothing once the next one is sent
        worker_ping.apply_async(args=[worker], queue=worker_direct(worker), expires=PAUSE_SECONDS)
        _stopping.wait(PAUSE_SECONDS)


@worker_ready.connect
def _start(sender: Any = None, **_: Any) -> None:
    threading.Thread(target=_beat, args=[sender.hostname], name="heartbeat", daemon=True).start()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    _stopping.set()
