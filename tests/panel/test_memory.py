"""What a process does about its memory before it has any: few pools, and nothing open that a fork would share."""

import os
import platform
import subprocess
import sys

import pytest

from tests.conftest import ROOT

POOLS = """
import ctypes, os, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
{first}
together = threading.Barrier(12)
def take():
    together.wait()
    for _ in range(200):
        libc.malloc(ctypes.c_size_t(5000))
    together.wait()
threads = [threading.Thread(target=take) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.fopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""
SETTLE = "from panel.memory import keep_little; assert keep_little()"
LOADED = """
import gc, threading
import panel.wsgi
from panel.memory import freeze_what_is_loaded
from django.db import connection
from django.urls import get_resolver
freeze_what_is_loaded()
assert "url_patterns" in vars(get_resolver()), "the pages are loaded later"
print(connection.connection, threading.active_count(), gc.get_freeze_count() > 100_000)
"""
# How much dearer a call is at the worst depth of a thread than at the best; each the best of five, so that only what is
# always slow counts.
DEPTHS = """
import threading, time
{first}
def leaf(value): return value
def dear():
    best = 1.0
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(100): leaf(1)
        best = min(best, time.perf_counter() - begun)
    return best
def at(depth): return dear() if depth == 0 else at(depth - 1)
def look():
    costs = [at(depth) for depth in range(300)]
    print(max(costs) / min(costs))
thread = threading.Thread(target=look)
thread.start()
thread.join()
"""
ROOM = "from panel.memory import give_threads_room; give_threads_room()"


def run(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's own")
def test_many_threads_share_few_pools() -> None:
    assert run(POOLS.format(first="")).count("<heap nr=") > 2
    assert run(POOLS.format(first=SETTLE)).count("<heap nr=") <= 2


def test_what_is_loaded_before_forking_has_no_connection_and_no_thread() -> None:
    """Two processes on one connection would read each other's answers."""
    assert run(LOADED, DATABASE_URL="postgres://nobody:x@127.0.0.1:1/none").split() == ["None", "1", "True"]


def test_no_depth_of_calls_is_dear_in_a_thread_that_has_room() -> None:
    worst = float(run(DEPTHS.format(first="")))
    if worst < 10:
        pytest.skip("this Python keeps a chunk of frames when the last one ends")
    assert float(run(DEPTHS.format(first=ROOM))) < 10 < worst
