"""Calls counted by the hour, limits kept for reads, series kept small."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Response

from providers.adapters.http import Reply
from providers.balances import read_balance, series
from providers.catalog import sync_catalog
from providers.connecting import adapter_for
from providers.metering import is_error, metered
from providers.models import BalanceReading, Provider, ProviderHour
from providers.pruning import prune_hours, prune_readings
from providers.throttle import wait_for
from tests import world
from tests.providers.shop import Upstream, connected

pytestmark = pytest.mark.django_db


def test_a_run_adds_to_the_hour_with_one_statement(shop: Upstream) -> None:
    provider = connected(shop)
    adapter = adapter_for(provider)
    door = adapter.door
    for _ in range(2):
        with CaptureQueriesContext(connection) as statements, metered(adapter, provider.pk, "balance"):
            adapter.balance()
            adapter.balance()
        assert len(statements) == 1
    assert adapter.door is door
    row = ProviderHour.objects.get(provider=provider)
    assert (row.kind, row.calls, row.errors, row.deadlines) == ("balance", 4, 0, 0)
    assert row.total_ms > 0 and row.hour == row.hour.replace(minute=0, second=0, microsecond=0)


def test_nothing_asked_writes_nothing(shop: Upstream) -> None:
    provider = connected(shop)
    with (
        CaptureQueriesContext(connection) as statements,
        metered(adapter_for(provider), provider.pk, "status"),
    ):
        pass
    assert len(statements) == 0


def test_errors_and_deadlines_are_counted(shop: Upstream, httpserver: HTTPServer) -> None:
    provider = connected(shop, deadline_s="1")
    shop.answers["balance"] = Response("<html>Bad gateway</html>", status=502)
    read_balance(provider)
    httpserver.expect_request("/slow", method="POST").respond_with_handler(_slow)
    provider.api_url = provider.api_url.replace("/api/v2", "/slow")
    read_balance(provider)
    row = ProviderHour.objects.get(provider=provider, kind="balance")
    assert (row.calls, row.errors, row.deadlines, row.total_ms) == (2, 2, 1, 0)


def _slow(_request: Any) -> Response:
    import time

    time.sleep(1.5)
    return Response("{}")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b'{"balance":"1"}', False),
        (200, b'{"error":"Incorrect order ID"}', False),
        (400, b'{"error":"Bad link"}', False),
        (403, b'{"error":"Invalid API key"}', False),
        (200, b"12.5", False),
        (200, b"<br />\n<b>Notice</b>: x\n[]", False),
        (200, b"<!DOCTYPE html><script>if (a) { b }</script>", True),
        (200, b"", True),
        (403, b"[blocked]", True),
        (301, b"{}", True),
        (500, b'{"error":"x"}', True),
    ],
)
def test_which_answers_are_errors_of_the_provider(status: int, body: bytes, error: bool) -> None:
    assert is_error(Reply(status, body, "", "", 0.1)) is error


def test_reads_keep_the_providers_limit(shop: Upstream) -> None:
    shop.list(1)
    provider = connected(shop, rate_per_minute="1")
    assert sync_catalog(provider, apply=True, wait_s=0).error == ""
    refused = sync_catalog(provider, apply=True, wait_s=0)
    assert refused.failed and "rate limit" in refused.error
    balance = read_balance(provider, wait_s=0)
    assert balance.failed and "rate limit" in balance.error
    assert shop.actions == ["services"]
    provider.refresh_from_db()
    assert provider.last_error == ""  # it is our limit, no fault of the provider


def test_waiting_for_the_limit_ends(shop: Upstream) -> None:
    provider = connected(shop)
    assert wait_for(provider.pk, 1, 0)
    assert not wait_for(provider.pk, 1, 0.3)
    assert wait_for(provider.pk, 0, 0)


def reading(provider: Provider, at: datetime, amount: int) -> None:
    BalanceReading.objects.create(provider=provider, at=at, amount=amount, currency="USD")


def test_old_readings_are_thinned_to_the_last_of_each_hour_and_dropped_after_ninety_days() -> None:
    provider, other = world.provider(), world.provider(name="Other")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for days in (1, 20, 95):
        for minutes in (5, 25, 45):
            reading(provider, hour - timedelta(days=days) + timedelta(minutes=minutes), days * 100 + minutes)
    reading(other, hour - timedelta(days=20) + timedelta(minutes=50), 7)
    assert prune_readings() == 5
    kept = BalanceReading.objects.filter(provider=provider).order_by("-at").values_list("amount", flat=True)
    assert [int(amount) for amount in kept] == [145, 125, 105, 2045]
    assert BalanceReading.objects.filter(provider=other).count() == 1
    assert [int(amount) for _, amount in series(provider)] == [2045, 145]
    assert prune_readings() == 0


def test_old_sums_of_calls_are_dropped() -> None:
    provider, hour = world.provider(), timezone.now().replace(minute=0, second=0, microsecond=0)
    for days in (1, 91):
        ProviderHour.objects.create(
            provider=provider, hour=hour - timedelta(days=days), kind="status", calls=1
        )
    assert prune_hours() == 1
    assert ProviderHour.objects.count() == 1
