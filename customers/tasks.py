"""Heartbeats: rows that say which worker and which clock were alive when."""

from datetime import timedelta

from celery import shared_task
from django.db.models.functions import Now

from customers.models import Heartbeat

# A worker that has been gone for so long was taken away on purpose (another host name, a smaller fleet).
FORGOTTEN_AFTER = timedelta(days=1)


@shared_task
def worker_ping(worker: str) -> None:
    """Run by the very worker that it names, through its own queue: proof that it consumes."""
    Heartbeat.objects.update_or_create(name=worker, defaults={"kind": "worker", "at": Now()})


@shared_task
def beat_heartbeat() -> None:
    """Sent by beat every 10 s; a fresh row means that beat, broker, a worker and the database all work."""
    Heartbeat.objects.update_or_create(name="beat", defaults={"kind": "beat", "at": Now()})
    Heartbeat.objects.filter(kind="worker", at__lt=Now() - FORGOTTEN_AFTER).delete()
