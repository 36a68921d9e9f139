"""A dead or hanging broker costs the sender less than a second and never an error."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from panel.celery import SCHEDULE, VISIBILITY_TIMEOUT, app
from panel.checks import LONGEST_ACT_SECONDS
from tests.conftest import ROOT

SEND = """
import time, django; django.setup()
from customers.tasks import beat_heartbeat
for _ in range(3):
    began = time.monotonic()
    answer = beat_heartbeat.apply_async()
    print(answer, round(time.monotonic() - began, 3))
"""


def send_through(url: str) -> list[float]:
    """Seconds that each of three sends took; every one of them was lost without an error."""
    done = subprocess.run(
        [sys.executable, "-c", SEND],
        cwd=ROOT,
        env=dict(os.environ) | {"REDIS_URL": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [answer for answer, _ in rows] == ["None"] * 3
    return [float(seconds) for _, seconds in rows]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers, as a stopped Redis does."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


def test_a_dead_broker_costs_less_than_a_second(silent_port: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    assert max(send_through(f"redis://127.0.0.1:{closed}/0")) < 1


def test_a_hanging_broker_costs_less_than_a_second(silent_port: int) -> None:
    assert max(send_through(f"redis://127.0.0.1:{silent_port}/0")) < 1


def test_the_cache_forgets_instead_of_failing_while_redis_is_away(silent_port: int) -> None:
    from panel.cache import ForgivingRedisCache

    away = ForgivingRedisCache(
        f"redis://127.0.0.1:{silent_port}/0", {"OPTIONS": settings.CACHES["default"]["OPTIONS"]}
    )
    away.set("a", 1)
    assert away.get("a", "nothing") == "nothing"
    assert away.get_many(["a"]) == {}
    assert away.add("a", 1) is True
    assert "a" not in away


def test_the_cache_forgets_instead_of_failing_while_redis_is_full(valkey_url: str) -> None:
    from panel.cache import ForgivingRedisCache

    full, server = ForgivingRedisCache(valkey_url, {}), redis.Redis.from_url(valkey_url)
    server.config_set("maxmemory", 1)
    try:
        full.set("a", 1)
    finally:
        server.config_set("maxmemory", 0)
    assert full.get("a", "nothing") == "nothing"


def test_a_tick_that_came_too_late_is_dropped() -> None:
    entries = app.conf.beat_schedule
    assert set(entries) == {task for task, _, _ in SCHEDULE} | {"check the whole ledger"}
    for entry in entries.values():
        every = entry["schedule"] if isinstance(entry["schedule"], int | float) else 24 * 3600
        assert 0 < entry["options"]["expires"] <= every
        assert entry["options"]["queue"] in ("submit", "sync")


def test_a_message_is_not_handed_out_again_while_its_act_may_last() -> None:
    assert app.conf.broker_transport_options["visibility_timeout"] == VISIBILITY_TIMEOUT
    assert VISIBILITY_TIMEOUT > LONGEST_ACT_SECONDS
