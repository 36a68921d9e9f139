"""Lanes: one provider's work of one kind has one holder at a time, by a lease on the database clock.

The lease only keeps a provider's concurrency and rate limits honest. That nothing is sent twice does
not depend on it: claims carry their own fence (orders.submission).
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from providers.models import Lane


class LaneBusy(Exception):
    """Somebody else does this provider's work of this kind now."""


class Holding:
    """A held lane: renew it between batches, tell it whether the provider was slow."""

    def __init__(self, lane: Lane, seconds: float) -> None:
        self.lane, self.seconds = lane, seconds

    @property
    def slow(self) -> bool:
        return self.lane.slow_since is not None

    def renew(self) -> bool:
        """Extend the lease; False when it was lost (we were frozen, and another holder took over)."""
        mine = Lane.objects.filter(pk=self.lane.pk, holder=self.lane.holder)
        return mine.update(lease_until=Now() + timedelta(seconds=self.seconds)) == 1

    def met_deadline(self) -> None:
        """A call ran into its deadline: from now on one call in flight, until a success."""
        if self.lane.slow_since is None:
            self.lane.slow_since = timezone.now()
            Lane.objects.filter(pk=self.lane.pk, slow_since=None).update(slow_since=self.lane.slow_since)

    def answered(self) -> None:
        if self.lane.slow_since is not None:
            self.lane.slow_since = None
            Lane.objects.filter(pk=self.lane.pk).update(slow_since=None)


@contextmanager
def hold(provider_id: int, kind: str, *, seconds: float, wait_s: float = 0) -> Iterator[Holding]:
    """Hold a provider's lane for `kind` (Lane.Kind), at most `seconds` without renewing.

    Raises LaneBusy when it is held by another and stays so for `wait_s` seconds.
    """
    lane, _ = Lane.objects.get_or_create(provider_id=provider_id, kind=kind)
    holder, give_up = uuid.uuid4(), time.monotonic() + wait_s
    while not _take(lane, holder, seconds):
        if time.monotonic() >= give_up:
            raise LaneBusy(f"The {kind} lane of provider {provider_id} is busy.")
        time.sleep(min(0.2, wait_s))
    lane.refresh_from_db()
    holding = Holding(lane, seconds)
    try:
        yield holding
    finally:
        Lane.objects.filter(pk=lane.pk, holder=holder).update(holder=None, lease_until=None, ran_at=Now())


def _take(lane: Lane, holder: uuid.UUID, seconds: float) -> bool:
    free = Q(holder=None) | Q(lease_until__lt=Now())
    return (
        Lane.objects.filter(free, pk=lane.pk).update(
            holder=holder, lease_until=Now() + timedelta(seconds=seconds)
        )
        == 1
    )


def slow_lanes_held(besides: int) -> int:
    """How many lanes marked slow are being held now by others: together they may use half of all slots."""
    return Lane.objects.filter(slow_since__isnull=False, lease_until__gt=Now()).exclude(pk=besides).count()
