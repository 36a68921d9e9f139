"""Lanes: one provider's work of one kind has one holder at a time, by a lease on the database clock.

The lease only keeps a provider's concurrency and rate limits honest. That nothing is sent twice does
not depend on it: claims carry their own fence (orders.submission).

A lease is short, so that the lane of a killed worker is free again within seconds. One thread per process
renews all leases this process holds, each for as long as its holder said at most: a holder that got stuck
loses the lane.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from providers import reaching
from providers.adapters.errors import ProviderError, Refused
from providers.models import Lane

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

LEASE = timedelta(seconds=20)
RENEW_EVERY_S = 5.0


class LaneBusy(Exception):
    """Somebody else does this provider's work of this kind now."""


class Holding:
    """A held lane: renew it between batches, tell it whether the provider was slow, and what its calls met."""

    def __init__(self, lane: Lane, holder: uuid.UUID, seconds: float) -> None:
        self.lane, self.holder, self.seconds = lane, holder, seconds
        self.until = time.monotonic() + seconds
        self.heard = False  # a call of this run was answered
        self.fault: ProviderError | None = None  # the last that was not

    @property
    def slow(self) -> bool:
        return self.lane.slow_since is not None

    def renew(self) -> bool:
        """Go on for another `seconds`; False when the lane was lost (we were frozen, and another took over)."""
        self.until = time.monotonic() + self.seconds
        return Lane.objects.filter(pk=self.lane.pk, holder=self.holder).update(lease_until=Now() + LEASE) == 1

    def met_deadline(self) -> None:
        """A call ran into its deadline: from now on one call in flight, until a success."""
        if self.lane.slow_since is None:
            self.lane.slow_since = timezone.now()
            Lane.objects.filter(pk=self.lane.pk, slow_since=None).update(slow_since=self.lane.slow_since)

    def answered(self) -> None:
        self.heard = True
        if self.lane.slow_since is not None:
            self.lane.slow_since = None
            Lane.objects.filter(pk=self.lane.pk).update(slow_since=None)

    def met(self, error: ProviderError) -> None:
        """A call brought nothing of use. A refusal is an answer, but for one that says: not now."""
        if isinstance(error, Refused) and error.kind != "rate_limit":
            self.answered()
        else:
            self.fault = error

    def asked(self, call: Callable[[], Answer]) -> Answer:
        """Make a call and keep how it went. Raises what the call raises."""
        try:
            answer = call()
        except ProviderError as error:
            self.met(error)
            raise
        self.answered()
        return answer


@contextmanager
def hold(provider_id: int, kind: str, *, seconds: float, wait_s: float = 0) -> Iterator[Holding]:
    """Hold a provider's lane for `kind` (Lane.Kind), at most `seconds` without renewing.

    Raises LaneBusy when it is held by another and stays so for `wait_s` seconds.
    """
    lane, _ = Lane.objects.get_or_create(provider_id=provider_id, kind=kind)
    holder, give_up = uuid.uuid4(), time.monotonic() + wait_s
    while not _take(lane, holder):
        if time.monotonic() >= give_up:
            raise LaneBusy(f"The {kind} lane of provider {provider_id} is busy.")
        time.sleep(min(0.2, wait_s))
    lane.refresh_from_db()
    holding = Holding(lane, holder, seconds)
    _renewer.add(holding)
    try:
        yield holding
    finally:
        _renewer.remove(holding)
        # One statement, as it always was: what the calls met goes with it.
        met = reaching.after_run(holding.lane, heard=holding.heard, fault=holding.fault)
        Lane.objects.filter(pk=lane.pk, holder=holder).update(
            holder=None, lease_until=None, ran_at=Now(), **met
        )


def _take(lane: Lane, holder: uuid.UUID) -> bool:
    free = Q(holder=None) | Q(lease_until__lt=Now())
    return Lane.objects.filter(free, pk=lane.pk).update(holder=holder, lease_until=Now() + LEASE) == 1


class _Renewer:
    """The thread that keeps this process's leases alive while there are any."""

    def __init__(self) -> None:
        self.holdings: set[Holding] = set()
        self.lock = threading.Lock()
        self.changed = threading.Event()
        self.thread: threading.Thread | None = None

    def add(self, holding: Holding) -> None:
        with self.lock:
            self.holdings.add(holding)
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="lane-renewer", daemon=True)
                self.thread.start()

    def remove(self, holding: Holding) -> None:
        with self.lock:
            self.holdings.discard(holding)
            if not self.holdings:
                self.changed.set()

    def _run(self) -> None:
        idle = 0
        try:
            while idle < 6:  # half a minute without a lane: end, and with it the database connection
                self.changed.wait(RENEW_EVERY_S)
                self.changed.clear()
                now = time.monotonic()
                with self.lock:
                    ours = [holding.holder for holding in self.holdings if now < holding.until]
                    idle = 0 if self.holdings else idle + 1
                if ours:
                    self._renew(ours)
        finally:
            connection.close()

    def _renew(self, holders: list[uuid.UUID]) -> None:
        try:
            Lane.objects.filter(holder__in=holders).update(lease_until=Now() + LEASE)
        except (DatabaseError, InterfaceError) as error:
            log.warning("lanes_not_renewed", extra={"error": str(error)})
            connection.close()


_renewer = _Renewer()
