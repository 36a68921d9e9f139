"""A total deadline for a network call: one thread for the whole process shuts down the sockets of late calls.

A socket timeout bounds each single read, so an answer that arrives a byte at a time is never late. Only
somebody outside can end it.
"""

import os
import socket
import threading
import time

from providers.adapters.errors import NotSent


class Call:
    """One call against the clock. `deadline` is on time.monotonic()."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired = False
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None

    def remaining(self) -> float:
        return self.deadline - time.monotonic()

    def check(self) -> None:
        """Raises NotSent when time is up; for use before the first byte."""
        if self.expired or self.remaining() <= 0:
            raise NotSent("There was no time left to send the request.", reason="deadline")

    def watch(self, sock: socket.socket) -> None:
        """Let the watchdog end this socket's connection. It gets a descriptor of its own: wrapping a socket
        for TLS takes the first one away, and a closed one may be somebody else's by the time it is used."""
        handle = sock.dup()
        with self._lock:
            previous, self._handle = self._handle, handle
        if previous is not None:
            previous.close()
        self.check()

    def expire(self) -> None:
        with self._lock:
            self.expired = True
            if self._handle is not None:
                try:
                    self._handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def release(self) -> None:
        with self._lock:
            handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()


class Watchdog:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start anew; a forked process inherits neither the thread nor a lock in a known state."""
        self._changed = threading.Condition()
        self._calls: set[Call] = set()
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    def add(self, call: Call) -> None:
        with self._changed:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="http-watchdog", daemon=True)
                self._thread.start()
            elif call.deadline < self._wakes_at:
                self._changed.notify()

    def remove(self, call: Call) -> None:
        with self._changed:
            self._calls.discard(call)
        call.release()

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                late = [call for call in self._calls if call.deadline <= now]
                self._calls.difference_update(late)
                if not late:
                    self._wakes_at = min((call.deadline for call in self._calls), default=float("inf"))
                    self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)
            for call in late:
                call.expire()


WATCHDOG = Watchdog()
os.register_at_fork(after_in_child=WATCHDOG.reset)
