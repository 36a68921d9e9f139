"""The statements that benches/catalog.py shows, asserted; they are the same for any length of the list."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers.catalog import sync_catalog
from providers.models import CatalogChange, Offer, Service
from providers.publishing import publish
from tests.providers.shop import Upstream, connected, everything_at

pytestmark = pytest.mark.django_db
TABLES = ("providers_offer", "providers_service", "providers_catalogchange", "providers_route")


def asked(act: Callable[[], Any]) -> tuple[int, int]:
    """(statements, of them writing to the catalog)"""
    with CaptureQueriesContext(connection) as statements:
        act()
    writing = ("INSERT", "UPDATE", "DELETE")
    sql = [row["sql"].strip() for row in statements]
    return len(sql), sum(
        1 for text in sql if text.upper().startswith(writing) and any(name in text for name in TABLES)
    )


def test_first_unchanged_and_all_changed(shop: Upstream) -> None:
    shop.list_many(300)
    everything_at(50)
    provider = connected(shop)

    def sync() -> None:
        sync_catalog(provider, apply=True)

    first, _ = asked(sync)
    assert first <= 28
    publish(provider)
    before = list(Offer.objects.values()), list(Service.objects.values()), CatalogChange.objects.count()
    unchanged, writes = asked(sync)
    assert (unchanged <= 14, writes) == (True, 0)
    assert (
        list(Offer.objects.values()),
        list(Service.objects.values()),
        CatalogChange.objects.count(),
    ) == before
    shop.list_many(300, rate="1.05")
    changed, writes = asked(sync)
    assert (changed <= 26, writes <= 5) == (True, True)
    assert Service.objects.filter(cost_rate="1.05").count() == 300
