"""What a process with many threads tells the C library about its memory, once, before it has any.

glibc gives threads pools of their own (up to eight for each core), and keeps what was large once for the next large
thing: after some hours a process holds the largest answer of every thread. Python runs one thread at a time, so two
pools serve as well, and what is large goes back to the system when it is freed. Other C libraries have no such habits.
"""

import ctypes
import gc

# From malloc.h. Any fixed threshold also ends glibc's own raising of both.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
POOLS = 2
LARGE_BYTES = 128 * 1024


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
