"""How often a provider's balance and catalog are read: its options, counted from the last try."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from providers.balances import read_balance
from providers.connecting import InvalidProvider, change_connection
from providers.models import Lane, Provider
from providers.reading_times import due
from providers.tasks import balance_if_due
from tests import staff_world, world
from tests.providers.shop import Upstream, connected

pytestmark = pytest.mark.django_db
BALANCE, CATALOG = Lane.Kind.BALANCE, Lane.Kind.CATALOG


def ran(provider: Provider, kind: str, minutes_ago: float) -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    Lane.objects.update_or_create(provider=provider, kind=kind, defaults={"ran_at": at})


def test_each_provider_has_its_own_pause() -> None:
    usual = world.provider()
    eager = world.provider(name="Eager", options={"balance_every_s": 60, "catalog_every_s": 600})
    rare = world.provider(name="Rare", options={"balance_every_s": 86_400, "catalog_every_s": 604_800})
    assert due(BALANCE) == due(CATALOG) == [usual.pk, eager.pk, rare.pk]  # never read yet
    for provider in (usual, eager, rare):
        ran(provider, BALANCE, 2)
        ran(provider, CATALOG, 20)
    assert due(BALANCE) == due(CATALOG) == [eager.pk]
    for provider in (usual, eager, rare):
        ran(provider, BALANCE, 5)
        ran(provider, CATALOG, 30)
    assert due(BALANCE) == due(CATALOG) == [usual.pk, eager.pk]
    day, week = timezone.now() + timedelta(days=1), timezone.now() + timedelta(days=7)
    assert rare.pk in due(BALANCE, day)
    assert rare.pk not in due(CATALOG, day)
    assert rare.pk in due(CATALOG, week)


def test_a_reading_that_failed_counts_and_one_that_was_asked_for_too(shop: Upstream) -> None:
    provider = connected(shop)
    Provider.objects.update(key="another-key")
    provider.refresh_from_db()
    assert read_balance(provider).failed
    assert due(BALANCE) == []


def test_of_two_hints_the_second_reads_nothing(shop: Upstream) -> None:
    provider = connected(shop)
    balance_if_due(provider.pk)
    balance_if_due(provider.pk)
    assert provider.balance_readings.count() == 1


def test_what_has_no_api_no_key_or_is_archived_is_never_due() -> None:
    world.provider("", "", "Desk", adapter="manual")
    world.provider(key="", name="Keyless")
    world.provider(name="Old", archived_at=timezone.now())
    assert due(BALANCE) == due(CATALOG) == []


def test_a_hundred_providers_cost_one_query() -> None:
    for number in range(20):
        world.provider(name=f"Provider {number}")
    with CaptureQueriesContext(connection) as statements:
        assert len(due(BALANCE)) == 20
    assert len(statements) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("balance_every_s", "59"),
        ("balance_every_s", "86401"),
        ("catalog_every_s", "299"),
        ("catalog_every_s", "604801"),
        ("catalog_every_s", "1000.5"),
    ],
)
def test_a_pause_outside_its_bounds_is_refused(name: str, value: str) -> None:
    provider = world.provider()
    with pytest.raises(InvalidProvider, match=name):
        change_connection(provider, options={name: value})


@pytest.fixture
def admin() -> Client:
    return staff_world.signed_in(world.admin())


def test_it_is_set_on_the_providers_page(admin: Client) -> None:
    provider: Any = world.provider(options={})
    form = {
        "name": provider.name, "adapter": "standard", "api_url": provider.api_url, "currency": "USD",
        "option-balance_every_s": "120", "option-catalog_every_s": "3600",
    }  # fmt: skip
    page = admin.get(f"/manage/providers/{provider.pk}/connection").content.decode()
    assert "Seconds between two readings of the catalog. Default: 1800." in page
    assert admin.post(f"/manage/providers/{provider.pk}/connection", form).status_code == 302
    provider.refresh_from_db()
    assert (provider.options["balance_every_s"], provider.options["catalog_every_s"]) == (120, 3600)
