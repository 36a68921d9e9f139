"""The clock's tasks on a real worker: one provider each, and a sick one delays nobody."""

from collections.abc import Callable
from typing import Any

import pytest

from providers.models import BalanceReading, Offer, Provider
from providers.tasks import sync_balances, sync_catalogs
from tests.conftest import wait_until
from tests.providers.shop import Upstream, connected

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_reads_every_provider_though_one_refuses(
    shop: Upstream, start_worker: Callable[..., Any]
) -> None:
    shop.list_many(3)
    bad = connected(shop, "Bad")
    Provider.objects.update(key="another-key")
    good = connected(shop, "Good")
    Provider.objects.filter(pk=good.pk).update(paused_at="2026-01-01T00:00Z", pause_kind="funds")
    with start_worker():
        sync_catalogs.apply_async(queue="sync")
        sync_balances.apply_async(queue="sync")
        wait_until(
            lambda: Offer.objects.filter(provider=good).count() == 3, what="the good provider's offers"
        )
        wait_until(lambda: BalanceReading.objects.filter(provider=good).exists(), what="its balance")
        wait_until(lambda: Provider.objects.get(pk=bad.pk).last_error, what="the bad provider's error")
    assert not Offer.objects.filter(provider=bad).exists()
    assert Provider.objects.get(pk=good.pk).pause_kind == "funds"  # ended by who knows the next order
