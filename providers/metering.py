"""Counting a lane's calls to a provider: how many, how many failed, how long the answers took.

Kept cheap: counted in memory at the door while the lane works, then added to the hour's row with one statement.
"""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection

from providers.adapters import Adapter
from providers.adapters.errors import NotSent, Uncertain
from providers.adapters.http import Door, Reply

log = logging.getLogger(__name__)

# A NotSent for another reason is our own decision (too late, stopped) and says nothing about the provider.
_THEIRS = frozenset({"dns", "connect", "tls", "certificate", "deadline"})
_UNFIT = frozenset({401, 403, 404, 405, 410, 429})
_START = 5000  # bytes of an answer in which JSON must begin


class Meter(Door):
    """A door that counts what passes. Thread-safe, like the door behind it."""

    def __init__(self, inner: Door) -> None:
        self.inner = inner
        self.lock = threading.Lock()
        self.calls = self.errors = self.deadlines = self.total_ms = 0

    def post(self, *args: Any, **kwargs: Any) -> Reply:
        try:
            reply = self.inner.post(*args, **kwargs)
        except Uncertain as error:
            self._count(error=True, deadline=error.deadline)
            raise
        except NotSent as error:
            if error.reason in _THEIRS:
                self._count(error=True, deadline=error.reason == "deadline")
            raise
        failed = is_error(reply)
        self._count(error=failed, ms=0 if failed else round(reply.elapsed * 1000))
        return reply

    def _count(self, *, error: bool, deadline: bool = False, ms: int = 0) -> None:
        with self.lock:
            self.calls += 1
            self.errors += error
            self.deadlines += deadline
            self.total_ms += ms


def is_error(reply: Reply) -> bool:
    """Whether an HTTP answer is of no use: a server's fault, a page, nothing. "Incorrect order ID" is of use."""
    if reply.http_status >= 500 or 300 <= reply.http_status < 400:
        return True
    start = reply.body[:_START].strip()
    page = start[:1] == b"<" and re.search(rb"<(!doctype|html|head|body)", start, re.IGNORECASE)
    if page or not re.search(rb'[{\["\d]', start):
        return True
    return reply.http_status in _UNFIT and b"{" not in start


@contextmanager
def metered(adapter: Adapter, provider_id: int, kind: str) -> Iterator[None]:
    """Count this adapter's calls until the end of the block; then one upsert, or none where nothing was asked."""
    meter = Meter(adapter.door)
    adapter.door = meter
    try:
        yield
    finally:
        adapter.door = meter.inner
        if meter.calls:
            _write(meter, provider_id, kind)


def _write(meter: Meter, provider_id: int, kind: str) -> None:
    """A figure for a page is no reason to fail a lane."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO providers_providerhour (provider_id, hour, kind, calls, errors, deadlines, total_ms)
                VALUES (%s, date_trunc('hour', clock_timestamp()), %s, %s, %s, %s, %s)
                ON CONFLICT (provider_id, hour, kind) DO UPDATE SET
                    calls = providers_providerhour.calls + excluded.calls,
                    errors = providers_providerhour.errors + excluded.errors,
                    deadlines = providers_providerhour.deadlines + excluded.deadlines,
                    total_ms = providers_providerhour.total_ms + excluded.total_ms
                """,
                [provider_id, kind, meter.calls, meter.errors, meter.deadlines, meter.total_ms],
            )
    except DatabaseError as error:
        log.warning("calls_not_counted", extra={"provider": provider_id, "error": str(error)})
