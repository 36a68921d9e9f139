"""Thin tasks: what the clock wakes, one provider each, so that a sick one delays nobody else."""

from celery import shared_task

from providers import balances, catalog, pruning, quality, rate_setting, reading_times, telling
from providers.models import Lane, Provider

_WORTHLESS_AFTER_S = 300  # a hint that waited so long is overtaken by the clock's next one


@shared_task
def sync_balances() -> None:
    for provider_id in reading_times.due(Lane.Kind.BALANCE):
        balance_if_due.apply_async((provider_id,), queue="sync", expires=_WORTHLESS_AFTER_S)


@shared_task
def sync_catalogs() -> None:
    """Every minute: the lists that are due, and exchange rates whose day has begun."""
    for provider_id in reading_times.due(Lane.Kind.CATALOG):
        catalog_if_due.apply_async((provider_id,), queue="sync", expires=_WORTHLESS_AFTER_S)
    rate_setting.begin_dated_rates()  # last: what it may meet keeps no list from being read


@shared_task
def read_everything() -> None:
    """Somebody asked for it: all of them, due or not."""
    for provider_id in reading_times.readable().values_list("pk", flat=True):
        read_catalog.apply_async((provider_id,), queue="sync", expires=_WORTHLESS_AFTER_S)
        read_balance.apply_async((provider_id,), queue="sync", expires=_WORTHLESS_AFTER_S)


@shared_task
def balance_if_due(provider_id: int) -> None:
    """Of hints that waited together, the first reads."""
    if reading_times.due(Lane.Kind.BALANCE, only=provider_id):
        read_balance(provider_id)


@shared_task
def catalog_if_due(provider_id: int) -> None:
    if reading_times.due(Lane.Kind.CATALOG, only=provider_id):
        read_catalog(provider_id)


@shared_task
def catalog_after_refusal(provider_id: int) -> None:
    """An order was refused for its quantity, so our limits are old. However many are refused, it is read once."""
    if reading_times.may_read_again(Lane.Kind.CATALOG, provider_id):
        read_catalog(provider_id)


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
