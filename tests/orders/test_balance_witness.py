"""What left our account at a provider, against what our orders cost."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.balance_witness import unexplained_falls
from orders.ledger_check import check_ledger
from orders.models import Submission, SubmissionAttempt
from providers.models import BalanceReading, ExchangeRate, Provider
from tests import world

pytestmark = pytest.mark.django_db


def reading(of: Provider, minutes_ago: float, amount: str) -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    BalanceReading.objects.create(provider=of, at=at, amount=Decimal(amount), currency=of.currency)


def sent(of: Provider, minutes_ago: float, cost: str, state: str = "accepted") -> None:
    shop = world.service(world.offer(of, external_id=str(minutes_ago)))
    alice = world.customer(f"a{minutes_ago}@example.org")
    submission = Submission.objects.get(order=world.order(alice, shop))
    SubmissionAttempt.objects.create(
        submission=submission,
        fence=1,
        provider=of,
        offer=submission.offer,
        cost=Decimal(cost),
        state=state,
        params_hash="",
        started_at=timezone.now() - timedelta(minutes=minutes_ago),
    )


@pytest.fixture
def meridian(db: None) -> Provider:
    return world.provider()


def test_a_fall_by_what_the_orders_cost_is_explained(meridian: Provider) -> None:
    reading(meridian, 10, "100")
    sent(meridian, 8, "1.00")
    sent(meridian, 7, "2.00", "unknown")
    reading(meridian, 5, "97")
    assert unexplained_falls() == []


def test_a_fall_by_twice_the_cost_is_listed_with_both_figures(meridian: Provider) -> None:
    reading(meridian, 10, "100")
    sent(meridian, 8, "1.00")
    reading(meridian, 5, "98")
    (fall,) = unexplained_falls()
    assert (fall.provider_id, fall.expected, fall.found) == (meridian.pk, Decimal("1"), Decimal("2"))
    report = check_ledger()
    (warning,) = report.warnings
    assert report.ok, "a warning, not a broken row"
    assert (warning["invariant"], warning["expected"], warning["found"]) == (
        "unexplained_spend",
        "1.000000",
        "2.000000",
    )


def test_an_order_charged_just_after_the_reading_explains_the_next_fall(meridian: Provider) -> None:
    sent(meridian, 10.5, "3.00")
    reading(meridian, 10, "100")
    reading(meridian, 5, "97")
    assert unexplained_falls() == []


def test_a_top_up_and_small_differences_are_no_warning(meridian: Provider) -> None:
    reading(meridian, 20, "50")
    reading(meridian, 15, "100")
    sent(meridian, 12, "10.00")
    reading(meridian, 10, "89.60")
    assert unexplained_falls() == []


def test_another_currency_is_converted_and_without_a_rate_not_judged(db: None) -> None:
    euro = world.provider(name="Euro", currency="EUR")
    reading(euro, 10, "100")
    sent(euro, 8, "2.00")
    reading(euro, 5, "97")
    assert unexplained_falls() == []
    ExchangeRate.objects.create(currency="EUR", rate=Decimal("2"), date=timezone.now().date())
    (fall,) = unexplained_falls()
    assert (fall.expected, fall.found) == (Decimal("1"), Decimal("3"))
