"""How many calls to providers one worker process may have open, and how slow providers share them.

A process has WORKER_THREADS slots. A lane takes as many as its provider's concurrency wants and are free.
Lanes that met a deadline hold one slot each and together at most half of all, so that sick providers
never take the workers away from healthy ones.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.conf import settings


class Slots:
    def __init__(self, total: int) -> None:
        self.total, self._free, self._slow = total, total, 0
        self._lock = threading.Lock()
        # Set when this process is asked to stop: lanes begin nothing new, calls in flight are finished.
        self.closing = threading.Event()
        # Threads live on, and with them their database connections.
        self.threads = ThreadPoolExecutor(max_workers=total, thread_name_prefix="lane")

    @contextmanager
    def take(self, wanted: int, *, slow: bool) -> Iterator[int]:
        """Between 0 (none free now: come back later) and `wanted` slots; a slow lane gets at most one."""
        with self._lock:
            if slow:
                taken = 1 if self._free and self._slow < max(1, self.total // 2) else 0
                self._slow += taken
            else:
                # The last quarter is left to lanes that hold none yet: one busy provider cannot take all.
                spare = self._free if self._free <= 1 else max(1, self._free - self.total // 4)
                taken = min(wanted, spare)
            self._free -= taken
        try:
            yield taken
        finally:
            with self._lock:
                self._free += taken
                if slow:
                    self._slow -= taken


slots = Slots(settings.WORKER_THREADS)
