"""The statements that benches/catalog.py shows, asserted; they are the same for any length of the list."""

import tracemalloc
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
# What every reading leaves behind, whatever the list says: the lane is taken and given back, the provider's row says
# when it was read (there is no other place for that), and the hour's row counts the call. No index is touched (HOT).
BOOKKEEPING = {"providers_lane": 2, "providers_provider": 1, "providers_providerhour": 1}
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


def rows_written(hot_only: bool = False) -> dict[str, int]:
    """Rows inserted, updated and deleted so far in this transaction, by table, as PostgreSQL counts them itself."""
    figures = "n_tup_hot_upd" if hot_only else "n_tup_ins + n_tup_upd + n_tup_del"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT relname, {figures} FROM pg_stat_xact_user_tables")
        return dict(cursor.fetchall())


def test_an_unchanged_list_writes_four_rows_of_bookkeeping_and_none_of_the_catalog(shop: Upstream) -> None:
    shop.list_many(300)
    everything_at(50)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    sync_catalog(provider, apply=True)
    before, hot = rows_written(), rows_written(hot_only=True)
    assert sync_catalog(provider, apply=True).unchanged == 300
    after, hot_after = rows_written(), rows_written(hot_only=True)
    assert {table: n - before.get(table, 0) for table, n in after.items() if n != before.get(table, 0)} == (
        BOOKKEEPING
    )
    assert {table: hot_after[table] - hot[table] for table in BOOKKEEPING} == BOOKKEEPING


def test_the_counting_sees_a_single_row_that_changed(shop: Upstream) -> None:
    shop.list_many(20)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    before = rows_written()
    shop.list(7, rate="1.01")
    sync_catalog(provider, apply=True)
    after = rows_written()
    changed = {table: after[table] - before.get(table, 0) for table in TABLES}
    assert (changed["providers_offer"], changed["providers_catalogchange"]) == (1, 1)


def test_ten_times_the_list_takes_as_many_statements_and_bounded_memory(shop: Upstream) -> None:
    """First, unchanged, all prices changed. benches/catalog.py shows the same at 8,000."""
    everything_at(50)

    def counts(size: int) -> list[int]:
        shop.rows.clear()
        shop.list_many(size)
        provider = connected(shop, name=f"{size} services")
        first, _ = asked(lambda: sync_catalog(provider, apply=True))
        publish(provider)
        tracemalloc.start()
        try:
            unchanged, writes = asked(lambda: sync_catalog(provider, apply=True))
            peak = tracemalloc.get_traced_memory()[
                1
            ]  # with what the upstream in this process takes to answer
        finally:
            tracemalloc.stop()
        assert writes == 0
        if size > 1000:
            assert peak < size * 8_000, "8 kB for each service, of what Python objects took at once"
        shop.list_many(size, rate="1.05")
        changed, _ = asked(lambda: sync_catalog(provider, apply=True))
        assert Service.objects.filter(routes__offer__provider=provider, cost_rate="1.05").count() == size
        return [first, unchanged, changed]

    assert counts(300) == counts(3000)
