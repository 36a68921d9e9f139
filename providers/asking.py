"""Asking a provider now because an admin wants to see it: by a worker where one runs, else by the page itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import Now
from django.utils import timezone

from customers.models import Heartbeat
from providers import tasks
from providers.catalog import Synced, sync_catalog
from providers.models import CatalogChange, Lane, Provider

# As long as a person waits before a page: the provider's own deadlines are for workers.
IMPATIENT: dict[str, Any] = {"deadline_s": 15, "batch_deadline_s": 30}
ALIVE = timedelta(seconds=45)
TAKEN_UP, WRITING = timedelta(seconds=30), timedelta(seconds=60)


def worker_runs() -> bool:
    """Whether a worker gave a sign of life within the last 45 seconds."""
    return Heartbeat.objects.filter(kind="worker", at__gt=Now() - ALIVE).exists()


def ask_for_catalog(provider: Provider) -> Synced | None:
    """Let a worker read the catalog (None), or read it here where none runs: then the answer says what was found."""
    if (
        worker_runs()
        and tasks.read_catalog.apply_async((provider.pk,), queue="sync", expires=120) is not None
    ):
        return None
    return sync_catalog(provider, apply=True, wait_s=1)


def ask_for_everything() -> bool:
    """Let the workers read all catalogs and balances; False where none runs."""
    if not worker_runs():
        return False
    return tasks.read_everything.apply_async(queue="sync", expires=120) is not None


@dataclass(frozen=True)
class Reading:
    """How the last catalog reading stands. state: reading, waiting, lost (nobody took it up), failed, read, never."""

    state: str
    at: datetime | None
    error: str
    found: dict[str, int]

    @property
    def moves(self) -> bool:
        return self.state in ("reading", "waiting")


def reading_of(provider: Provider, asked: datetime | None) -> Reading:
    """Where the catalog reading is that was asked for at `asked` (None: the last one)."""
    lane = Lane.objects.filter(provider=provider, kind=Lane.Kind.CATALOG).first()
    error = provider.last_error if provider.last_error.startswith("Catalog: ") else ""
    now = timezone.now()
    if asked and not _answered_since(provider, error, asked):
        state = _on_its_way(lane, asked, now)
    elif lane and lane.lease_until and lane.lease_until > now:
        state = "reading"
    elif error:
        state = "failed"
    else:
        state = "read" if provider.last_catalog_at else "never"
    since = asked or (provider.last_catalog_at and provider.last_catalog_at - timedelta(seconds=2))
    changes = CatalogChange.objects.filter(provider=provider, found_at__gte=since) if since else None
    found = (
        dict(changes.values_list("state").annotate(n=Count("pk")).order_by()) if changes is not None else {}
    )
    return Reading(state, provider.last_catalog_at, error, found)


def _answered_since(provider: Provider, error: str, asked: datetime) -> bool:
    ends = (provider.last_catalog_at, provider.last_error_at if error else None)
    return any(end is not None and end >= asked for end in ends)


def _on_its_way(lane: Lane | None, asked: datetime, now: datetime) -> str:
    """The lane is free again once the list is here; comparing and writing it takes a little longer."""
    held = lane is not None and lane.lease_until is not None and lane.lease_until > now
    ran = lane.ran_at if lane else None
    if held or (ran is not None and ran >= asked and now - ran < WRITING):
        return "reading"
    return "lost" if now - asked > TAKEN_UP or not worker_runs() else "waiting"
