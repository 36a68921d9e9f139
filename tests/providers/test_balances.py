"""Reading balances: kept, warned about, and how long they last."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from customers.models import AuditEntry
from orders.placing import NotOnSale, find_service
from providers.balances import balance_covers, read_balance, runway, series
from providers.breaker import pause
from providers.catalog import sync_catalog
from providers.connecting import change_connection
from providers.models import Alert, BalanceReading, ExchangeRate, Provider
from providers.publishing import publish
from providers.tasks import read_balance as read_balance_task
from tests import staff_world, world
from tests.providers.shop import Upstream, connected, everything_at, service_of

pytestmark = pytest.mark.django_db


def open_alert(key: str) -> bool:
    return Alert.objects.filter(key=key, closed_at=None).exists()


def readings(provider: Provider, *amounts: tuple[float, str]) -> None:
    """(days ago, amount) each."""
    now = timezone.now()
    for days, amount in amounts:
        BalanceReading.objects.create(
            provider=provider, at=now - timedelta(days=days), amount=Decimal(amount), currency="USD"
        )


def test_a_reading_is_kept_with_its_time(shop: Upstream) -> None:
    provider = connected(shop)
    read = read_balance(provider)
    assert (read.balance, read.currency, read.error, read.failed) == (Decimal("100.84292"), "USD", "", False)
    provider.refresh_from_db()
    assert provider.balance == Decimal("100.84292")
    assert provider.balance_at is not None
    assert BalanceReading.objects.get().amount == Decimal("100.84292")


def test_a_failure_keeps_the_last_balance_and_says_why_until_the_next_success(shop: Upstream) -> None:
    provider = connected(shop)
    read_balance(provider)
    shop.answers["balance"] = Upstream.json({"error": "Rate limit exceeded"})
    read = read_balance(provider)
    assert (read.failed, read.balance) == (True, Decimal("100.84292"))
    provider.refresh_from_db()
    assert provider.last_error == f"Balance: {read.error}"
    assert BalanceReading.objects.count() == 1
    del shop.answers["balance"]
    read_balance(provider)
    provider.refresh_from_db()
    assert provider.last_error == ""


def test_a_refused_key_pauses_the_provider(shop: Upstream) -> None:
    provider = connected(shop)
    shop.answers["balance"] = Upstream.json({"error": "Invalid API key"})
    assert read_balance(provider).failed
    provider.refresh_from_db()
    assert (provider.state, provider.pause_kind) == ("paused", "auth")
    assert open_alert(f"paused:{provider.pk}")


def test_a_pause_by_hand_is_not_replaced_by_an_automatic_one(shop: Upstream) -> None:
    provider = connected(shop)
    pause(provider.pk, Provider.Pause.BY_HAND, "Holiday")
    shop.answers["balance"] = Upstream.json({"error": "Invalid API key"})
    read_balance(provider)
    provider.refresh_from_db()
    assert (provider.pause_kind, provider.pause_reason) == ("manual", "Holiday")


def test_a_low_balance_is_no_alert_of_the_readings_own(shop: Upstream) -> None:
    """It is one incident with the runway, and told by who looks at both (tests/orders/test_watching.py)."""
    provider = connected(shop)
    provider.low_balance = Decimal(50)
    provider.save(update_fields=["low_balance"])
    shop.balance = {"balance": "49.99", "currency": "USD"}
    assert read_balance(provider).error == ""
    assert not Alert.objects.exists()


def test_another_currency_than_ours_is_an_alarm(shop: Upstream) -> None:
    provider = connected(shop)
    shop.balance = {"balance": "5", "currency": "EUR"}
    read = read_balance(provider)
    assert (read.failed, read.currency) == (False, "EUR")
    assert "EUR" in read.error
    assert open_alert(f"currency:{provider.pk}")
    shop.balance = {"balance": "5"}
    assert read_balance(provider).error == ""
    assert open_alert(f"currency:{provider.pk}"), "one that names none says nothing about it"
    shop.balance = {"balance": "5", "currency": "USD"}
    assert read_balance(provider).error == ""
    assert not open_alert(f"currency:{provider.pk}")


def test_a_negative_balance_is_a_balance(shop: Upstream) -> None:
    provider = connected(shop)
    shop.balance = {"balance": "-3.5", "currency": "USD"}
    assert read_balance(provider).balance == Decimal("-3.5")


def test_the_balance_covers_an_amount_in_the_panels_currency(shop: Upstream) -> None:
    provider = connected(shop, currency="EUR")
    assert not balance_covers(provider, Decimal("0.01"))  # not known yet
    provider.balance = Decimal(10)
    assert not balance_covers(provider, Decimal("0.01"))  # no exchange rate
    ExchangeRate.objects.create(currency="EUR", rate=Decimal("1.1"), date=timezone.now().date())
    assert balance_covers(provider, Decimal(11))
    assert not balance_covers(provider, Decimal("11.000001"))


def test_the_runway_counts_spend_and_ignores_top_ups(shop: Upstream) -> None:
    provider = connected(shop)
    readings(provider, (9, "999"), (4, "100"), (3, "80"), (2.5, "180"), (1, "170"), (0, "150"))
    provider.balance = Decimal(150)
    found = runway(provider)
    assert found.daily_spend is not None
    assert abs(found.daily_spend - Decimal("12.5")) < Decimal("0.01")  # 20 + 10 + 20 in 4 days
    assert found.days == Decimal("12.0")


def test_there_is_no_runway_before_three_days_of_readings(shop: Upstream) -> None:
    provider = connected(shop)
    provider.balance = Decimal(10)
    readings(provider, (2.9, "100"), (0, "10"))
    assert runway(provider).days is None
    readings(provider, (3.1, "100"))
    assert runway(provider).days is not None


def test_nothing_spent_lasts_for_no_known_time(shop: Upstream) -> None:
    provider = connected(shop)
    provider.balance = Decimal(10)
    readings(provider, (5, "10"), (0, "10"))
    assert runway(provider).days is None


def test_the_series_has_the_last_reading_of_each_hour(shop: Upstream) -> None:
    provider = connected(shop)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for minutes, amount in ((0, 9), (30, 8), (59, 7), (60, 6), (-60 * 24 * 40, 5)):
        BalanceReading.objects.create(
            provider=provider, at=hour + timedelta(minutes=minutes), amount=amount, currency="USD"
        )
    assert [amount for _at, amount in series(provider)] == [7, 6]


def test_the_task_reads_one_provider_and_survives_its_failure(shop: Upstream) -> None:
    provider = connected(shop)
    shop.answers["balance"] = Upstream.json({"error": "Internal error"}, status=500)
    read_balance_task(provider.pk)
    provider.refresh_from_db()
    assert provider.last_error.startswith("Balance: ")


def test_a_balance_in_another_currency_takes_its_services_off_sale_until_an_admin_settles_it(
    shop: Upstream,
) -> None:
    everything_at(50)
    shop.list_many(20)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    shop.balance = {"balance": "90", "currency": "EUR"}
    assert "off sale until an admin" in read_balance(provider).error
    assert open_alert(f"currency:{provider.pk}")
    service = service_of(provider, 1)
    assert service.off_sale == "Its provider counts in another currency than is set here."
    with pytest.raises(NotOnSale):
        find_service(service.pk)
    sync_catalog(provider, apply=True)
    assert not service_of(provider, 1).on_sale, "reading its list does not settle it"
    shop.balance = {"balance": "90"}
    read_balance(provider)
    assert open_alert(f"currency:{provider.pk}"), (
        "a balance without a currency does not settle it, nor hide which it was"
    )
    adam = world.admin()
    page = staff_world.signed_in(adam)
    address = f"/manage/providers/{provider.pk}"
    assert "Its rates are in USD" in page.get(address).content.decode()
    page.post(f"{address}/currency")
    provider.refresh_from_db()
    assert (provider.stopped, provider.balance_currency) == ("unread", "EUR")
    assert not open_alert(f"currency:{provider.pk}")
    entry = AuditEntry.objects.get(verb="provider.currency")
    assert (entry.actor_label, "rates are in USD" in entry.summary) == (adam.email, True)
    read_balance(provider)
    provider.refresh_from_db()
    sync_catalog(provider, apply=True)
    assert find_service(service.pk)[0].rate == Decimal("1.5")


def test_setting_the_right_currency_settles_it_too(shop: Upstream) -> None:
    everything_at(50)
    ExchangeRate.objects.create(currency="EUR", rate="2", date="2026-01-01")
    shop.list_many(20)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    shop.balance = {"balance": "90", "currency": "EUR"}
    read_balance(provider)
    change_connection(provider, currency="EUR")
    assert provider.stopped == "unread"
    sync_catalog(provider, apply=True)
    assert service_of(provider, 1).on_sale and service_of(provider, 1).rate == 3
