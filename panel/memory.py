"""What a process with many threads does about its memory, once, before it has any.

glibc gives threads pools of their own (up to eight for each core), and keeps what was large once for the next large
thing: after some hours a process holds the largest answer of every thread. Python runs one thread at a time, so two
pools serve as well, and what is large goes back to the system when it is freed. Other C libraries have no such habits.

CPython lays the frames of a thread into chunks of 16 KB, and gives a chunk back to the system with the last frame in it. A
loop whose calls begin a new chunk asks the system for memory at each of them: a call takes 7 microseconds instead of 0.03,
and a page with fifty rows took twice its time when one more function stood above it. So a thread begins in a frame that is
wider than half of a chunk of 128 KB; what is free of it holds all frames of a page.
"""

import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

# From malloc.h. Any fixed threshold also ends glibc's own raising of both.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
POOLS = 2
LARGE_BYTES = 128 * 1024
WIDE = 9_000  # entries of 8 bytes: 72 KB, of which nothing is touched


def keep_little() -> bool:
    """Set it for this process and those it forks; False where the C library has no such settings."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {M_ARENA_MAX: POOLS, M_MMAP_THRESHOLD: LARGE_BYTES, M_TRIM_THRESHOLD: LARGE_BYTES}
    taken = [mallopt(name, value) == 1 for name, value in wanted.items()]
    return all(taken)


def freeze_what_is_loaded() -> None:
    """Before forking: the collector of the children leaves what they share alone, so that it stays shared."""
    gc.collect()
    gc.freeze()


def with_room(call: Callable[..., Any], *values: Any) -> Any:
    """What `call(*values)` returns, called from a wide frame."""
    return call(*values)


with_room.__code__ = with_room.__code__.replace(
    co_stacksize=WIDE
)  # as if it had so many values to keep at hand


def give_threads_room() -> None:
    """Every thread that this process starts from now on."""
    run = threading.Thread.run
    threading.Thread.run = lambda thread: with_room(run, thread)  # type: ignore[assignment, method-assign]
