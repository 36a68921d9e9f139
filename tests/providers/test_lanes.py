"""One holder of a lane, whose lease is renewed until he is done or stuck, whatever happens to the renewer's connection."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from providers import lanes
from providers.lanes import LaneBusy, hold
from providers.models import Lane
from tests import world
from tests.conftest import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leases of two seconds, renewed every tenth; a renewer of this test's own, gone at its end."""
    monkeypatch.setattr(lanes, "LEASE", timedelta(seconds=2))
    monkeypatch.setattr(lanes, "RENEW_EVERY_S", 0.1)
    monkeypatch.setattr(lanes, "_renewer", lanes._Renewer())
    yield
    thread = lanes._renewer.thread
    if thread is not None:
        thread.join(5)
        assert not thread.is_alive()


def lease_of(lane: Lane) -> Any:
    return Lane.objects.values_list("lease_until", flat=True).get(pk=lane.pk)


def grows(lane: Lane) -> Callable[[], bool]:
    now = lease_of(lane)
    return lambda: lease_of(lane) > now


@pytest.mark.usefixtures("quick")
def test_a_held_lane_is_renewed_until_it_is_let_go() -> None:
    with hold(world.provider().pk, Lane.Kind.STATUS, seconds=60) as holding:
        for _ in range(3):
            wait_until(grows(holding.lane), 5, "a renewal")
    free = Lane.objects.get()
    assert (free.holder, free.lease_until) == (None, None)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [InterfaceError("the connection is closed"), OperationalError("gone")])
def test_the_renewer_goes_on_after_the_database_was_away(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL was restarted under it: the thread has to live, take a new connection and renew."""
    failed = threading.Event()

    def broken(execute: Any, sql: str, *rest: Any) -> Any:
        if not failed.is_set() and "providers_lane" in sql:
            failed.set()
            raise error
        return execute(sql, *rest)

    original = lanes._renewer._renew

    def renew(holders: Any) -> None:
        with connection.execute_wrapper(broken):
            original(holders)

    lanes._renewer._renew = renew  # type: ignore[method-assign]
    with (
        caplog.at_level(logging.WARNING, logger="providers.lanes"),
        hold(world.provider().pk, Lane.Kind.SUBMIT, seconds=60) as holding,
    ):
        wait_until(failed.is_set, 5, "the lost connection")
        wait_until(grows(holding.lane), 5, "a renewal after it")
        assert "lanes_not_renewed" in caplog.text
        assert lanes._renewer.thread is not None and lanes._renewer.thread.is_alive()


@pytest.mark.usefixtures("quick")
def test_the_renewers_backend_can_be_killed(caplog: pytest.LogCaptureFixture) -> None:
    """The real thing: its connection is ended by the server, then closed in its own process."""
    backend: list[int] = []
    original = lanes._renewer._renew

    def renew(holders: Any) -> None:
        with connection.cursor() as cursor:
            if not backend:
                cursor.execute("SELECT pg_backend_pid()")
                backend.append(cursor.fetchone()[0])
        original(holders)

    lanes._renewer._renew = renew  # type: ignore[method-assign]
    with hold(world.provider().pk, Lane.Kind.SUBMIT, seconds=60) as holding:
        wait_until(lambda: backend, 5, "the first renewal")
        lanes._renewer._renew = original  # type: ignore[method-assign]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", backend)
        wait_until(lambda: "lanes_not_renewed" in caplog.text, 5, "the failed renewal")
        wait_until(grows(holding.lane), 5, "a renewal after it")


@pytest.mark.usefixtures("quick")
def test_a_holder_that_got_stuck_loses_the_lane() -> None:
    """Renewed for as long as he said at most, not for as long as his process lives."""
    provider = world.provider()
    with hold(provider.pk, Lane.Kind.SUBMIT, seconds=0.3) as stuck:
        begun = time.monotonic()
        with pytest.raises(LaneBusy), hold(provider.pk, Lane.Kind.SUBMIT, seconds=60):
            pass
        with hold(provider.pk, Lane.Kind.SUBMIT, seconds=60, wait_s=10):
            assert time.monotonic() - begun > 1
            assert not stuck.renew()
        assert Lane.objects.get().holder is None
