"""Thin tasks: what the clock wakes, one provider each, so that a sick one delays nobody else."""

from celery import shared_task

from providers import balances, catalog, pruning, quality, telling
from providers.models import Provider

_WORTHLESS_AFTER_S = 300  # a hint that waited so long is overtaken by the clock's next one


def _asked_by_api() -> list[int]:
    """Paused providers too: reading goes on, and a pause for lack of funds ends by it."""
    providers = Provider.objects.filter(archived_at=None).exclude(adapter="manual").exclude(key="")
    return list(providers.values_list("pk", flat=True))


@shared_task
def sync_balances() -> None:
    for provider_id in _asked_by_api():
        read_balance.apply_async((provider_id,), queue="sync", expires=_WORTHLESS_AFTER_S)


@shared_task
def sync_catalogs() -> None:
    for provider_id in _asked_by_api():
        read_catalog.apply_async((provider_id,), queue="sync", expires=_WORTHLESS_AFTER_S)


@shared_task
def read_balance(provider_id: int) -> None:
    provider = Provider.objects.get(pk=provider_id)
    balances.read_balance(provider, wait_s=0)


@shared_task
def read_catalog(provider_id: int) -> None:
    provider = Provider.objects.get(pk=provider_id)
    catalog.sync_catalog(provider, apply=True, wait_s=0)


@shared_task
def tidy() -> None:
    """Nightly (harmless more often): thin out the series, bring the usual delivery times up to date."""
    pruning.prune_readings()
    pruning.prune_hours()
    pruning.prune_prices()
    pruning.prune_alerts()
    quality.write_medians()


@shared_task
def tell_operators() -> None:
    """What is due, through every channel that is set up; waits for slow mail servers and hooks, so a task of its own."""
    telling.tell_due()
