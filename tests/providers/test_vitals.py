"""A provider's vital signs: calls by the hour, money for the orders that wait, quality from our own orders."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from providers.balances import Runway
from providers.models import ExchangeRate, Provider, ProviderHour, Service
from providers.quality import quality_of, write_medians
from providers.tasks import tidy
from providers.vitals import calls_by_hour, calls_by_kind, funds_of
from tests import world

pytestmark = pytest.mark.django_db


def counted(provider: Provider, hours_ago: int, kind: str, calls: int, errors: int, ms: int) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    ProviderHour.objects.create(
        provider=provider, hour=hour, kind=kind, calls=calls, errors=errors, total_ms=ms
    )


def test_calls_are_summed_by_hour_and_by_kind() -> None:
    provider = world.provider()
    counted(provider, 0, "submit", 10, 1, 1800)
    counted(provider, 0, "status", 10, 0, 200)
    counted(provider, 3, "status", 4, 4, 0)
    counted(provider, 30, "status", 9, 9, 0)
    counted(world.provider(name="Other"), 0, "status", 100, 100, 0)
    with CaptureQueriesContext(connection) as statements:
        hours = calls_by_hour(provider)
    assert (len(statements), len(hours)) == (1, 24)
    assert (hours[-1].calls, hours[-1].error_percent, hours[-1].average_ms) == (20, Decimal("5.0"), 105)
    assert (hours[-4].calls, hours[-4].error_percent, hours[-4].average_ms) == (4, Decimal("100.0"), None)
    assert (hours[0].calls, hours[0].error_percent, hours[0].average_ms) == (0, None, None)
    kinds = calls_by_kind(provider)
    assert {kind: (row.calls, row.average_ms) for kind, row in kinds.items()} == {
        "submit": (10, 200),
        "status": (14, 20),
    }


def waiting(provider: Provider, orders: int) -> None:
    service, alice = world.service(world.offer(provider)), world.customer()
    for _ in range(orders):
        world.order(alice, service)


def test_orders_that_the_balance_does_not_pay_for_are_at_risk() -> None:
    provider = world.provider(currency="EUR", balance=Decimal("1.50"))
    ExchangeRate.objects.create(currency="EUR", rate="2", date="2026-01-01")
    waiting(provider, 3)
    cost = funds_of(provider).waiting_cost
    assert cost > 0
    provider.balance = cost / 2
    covered = funds_of(provider)
    assert (covered.waiting, covered.short, covered.at_risk, covered.words) == (3, 0, 0, "")
    provider.balance = cost / 2 - Decimal("0.50")
    short = funds_of(provider)
    assert (short.short, short.at_risk) == (1, 3)
    assert (
        short.words
        == f"3 orders wait to be sent at a cost of {cost:.2f}; the balance is 1.00 too small for that."
    )


def test_a_short_runway_puts_waiting_orders_at_risk() -> None:
    provider = world.provider(balance=Decimal(100))
    waiting(provider, 1)
    funds = funds_of(provider, Runway(Decimal(200), Decimal("0.5")))
    assert (funds.short, funds.at_risk) == (0, 1)
    assert funds.words == "1 order waits to be sent, and the balance lasts for 0.5 days."
    assert funds_of(provider, Runway(Decimal(1), Decimal(100))).words == ""


def test_without_a_balance_or_a_rate_nothing_is_claimed() -> None:
    provider = world.provider(currency="EUR")
    assert (funds_of(provider).short, funds_of(provider).at_risk) == (0, 0)


def ended(service: Service, status: str, minutes: list[int]) -> None:
    """Orders that ended so, after so many minutes each, the last one latest."""
    alice = world.customer(f"{status}-{service.pk}@example.org".lower())
    now = timezone.now()
    for age, took in enumerate(reversed(minutes)):
        order = world.order(alice, service, quantity=10)
        end = now - timedelta(hours=age + 1)
        begun = end - timedelta(minutes=took)
        with connection.cursor() as cursor:
            # straight to the end, past the triggers: the way there is other tests' business
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in ("orders_order", "orders_submission"):
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(
                "UPDATE orders_order SET status = %s, ended_at = %s, created_at = %s, refunded = CASE WHEN %s THEN charge"
                " ELSE 0 END WHERE id = %s",
                [status, end, begun, status == "Canceled", order.pk],
            )
            cursor.execute(
                "UPDATE orders_submission SET state = 'accepted', provider_order_id = %s WHERE order_id = %s",
                [f"u{order.pk}", order.pk],
            )
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in ("orders_order", "orders_submission"):
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_quality_needs_enough_orders_and_looks_at_the_last_twenty() -> None:
    provider = world.provider()
    busy, quiet = (world.service(world.offer(provider, number)) for number in ("1", "2"))
    ended(busy, "Completed", [1000] * 5 + [10] * 20)
    ended(busy, "Partial", [5] * 4)
    ended(busy, "Canceled", [5])
    ended(quiet, "Completed", [7] * 4)
    whole, (first, second) = quality_of(provider)
    assert (first.service_id, first.ended, first.median_seconds) == (busy.pk, 30, 600)
    assert (first.partial_percent, first.cancel_percent) == (Decimal("13.3"), Decimal("3.3"))
    assert (second.service_id, second.ended, second.median_seconds) == (quiet.pk, 4, None)
    assert (second.partial_percent, second.cancel_percent) == (None, None)
    assert (whole.service_id, whole.ended, whole.completed, whole.partial, whole.canceled) == (
        None,
        34,
        29,
        4,
        1,
    )
    nobody, services = quality_of(world.provider(name="Other"))
    assert (nobody.ended, nobody.median_seconds, services) == (0, None, [])


def test_medians_are_written_for_the_price_list_once() -> None:
    provider = world.provider()
    busy, quiet = (world.service(world.offer(provider, number)) for number in ("1", "2"))
    ended(busy, "Completed", [10, 20, 30, 40, 50])
    ended(quiet, "Completed", [7] * 4)
    Service.objects.filter(pk=quiet.pk).update(median_seconds=99)
    assert write_medians() == 2
    assert dict(Service.objects.values_list("pk", "median_seconds")) == {busy.pk: 1800, quiet.pk: None}
    assert write_medians() == 0


def test_the_nightly_task_does_all_of_it() -> None:
    service = world.service(world.offer(world.provider()))
    ended(service, "Completed", [10] * 5)
    counted(Provider.objects.get(), 24 * 91, "status", 1, 0, 1)
    tidy()
    service.refresh_from_db()
    assert service.median_seconds == 600
    assert not ProviderHour.objects.exists()
