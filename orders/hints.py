"""Hints to the workers. A hint may be lost, doubled or late without changing any outcome: beat looks every 2 s anyway.

A dead broker costs a web request at most one short connection attempt every few seconds, and never an error.
"""

import logging
import threading
import time
from collections.abc import Callable

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

_EVERY_S = 0.25  # one lane run takes all that is due, so a flood of orders needs no flood of hints
_PAUSE_AFTER_FAILURE_S = 5.0
_lock = threading.Lock()
_sent: dict[str, float] = {}
_broker_down_until = 0.0


def hint_submit(provider_id: int) -> None:
    """After commit: orders of this provider are waiting to be sent."""
    transaction.on_commit(lambda: _send("orders.tasks.submit_lane", provider_id), robust=True)


def hint_requests(provider_id: int) -> None:
    """After commit: approved refills or cancels of this provider are waiting."""
    transaction.on_commit(lambda: _send("orders.tasks.requests_lane", provider_id), robust=True)


def hint_catalog(provider_id: int) -> None:
    """After commit: this provider's list says something else than we do. Read at most every few minutes."""
    transaction.on_commit(lambda: _send("providers.tasks.catalog_after_refusal", provider_id), robust=True)


def _send(task: str, provider_id: int, clock: Callable[[], float] = time.monotonic) -> None:
    global _broker_down_until
    key, now = f"{task}:{provider_id}", clock()
    with _lock:
        if now < _broker_down_until or now - _sent.get(key, -_EVERY_S) < _EVERY_S:
            return
        _sent[key] = now
    try:
        current_app.send_task(task, args=[provider_id], ignore_result=True, retry=False, expires=60)
    except (OSError, KombuError, RedisError) as error:
        with _lock:
            _broker_down_until = clock() + _PAUSE_AFTER_FAILURE_S
        log.warning("broker_down", extra={"error": type(error).__name__, "task": task})
