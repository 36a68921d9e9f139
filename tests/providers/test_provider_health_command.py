"""How a provider does, from the command line: the figures of its page."""

from decimal import Decimal

import pytest
from django.utils import timezone

from orders.models import Order
from providers.models import ProviderHour
from tests import world
from tests.providers.command_line import refused, run, text

pytestmark = pytest.mark.django_db


def test_balance_orders_at_risk_calls_and_how_orders_ended() -> None:
    provider = world.provider(balance=Decimal("1.50"), low_balance=Decimal(5))
    service, alice = world.service(world.offer(provider)), world.customer()
    for _ in range(2):
        world.order(alice, service)  # at a cost of 1.00 each
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    ProviderHour.objects.create(
        provider=provider, hour=hour, kind="status", calls=10, errors=1, total_ms=1800
    )
    (told,) = run("provider_health", "Meridian")
    assert (told["name"], told["state"], told["balance"]) == ("Meridian", "active", "1.500000")
    assert (told["waiting"], Decimal(told["waiting_cost"]), Decimal(told["short"])) == (
        2,
        Decimal(2),
        Decimal("0.5"),
    )
    assert (told["at_risk"], "too small" in told["funds"]) == (2, True)
    assert (told["runway_days"], told["answer_median_s"], told["sent"]) == (None, None, 0)
    assert told["calls"]["status"] == {
        "calls": 10, "errors": 1, "deadlines": 0, "total_ms": 1800, "error_percent": "10.0", "average_ms": 200,
    }  # fmt: skip
    assert told["quality"]["partial_percent"] is None, "too few orders to tell"
    assert Order.objects.count() == 2
    shown = text("provider_health")
    assert "2 wait" in shown and "status: 10 calls, 1 errors, 200 ms" in shown


def test_a_pause_is_named_as_the_problem_with_its_reason() -> None:
    world.provider()
    run("provider_pause", "Meridian", "--reason", "Slow today")
    (told,) = run("provider_health", "Meridian", "--services")
    assert (told["state"], told["pause_reason"], told["services"]) == ("paused", "Slow today", [])
    assert told["problem"].startswith("Meridian is paused: Slow today")
    assert "Nobody" in refused("provider_health", "Nobody")
