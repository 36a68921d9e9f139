"""Exchange rates from the command line: as they were set, tried, and the latest taken back."""

from decimal import Decimal

import pytest

from providers.models import ExchangeRate, Service
from tests import world
from tests.providers.command_line import audited, refused, run, text
from tests.providers.shop import everything_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    """At a cost of 1.00 EUR, one EUR at 1.20, sold at twice the cost."""
    everything_at(100)
    sold = world.service(world.offer(world.provider(currency="EUR")), rate="2.40", cost_rate=Decimal("1.2"))
    run("set_rate", "EUR", "1.20", "--date", "2026-01-01")
    sold.refresh_from_db()
    return sold


def test_another_rate_is_tried_set_and_taken_back(service: Service) -> None:
    adam = world.admin()
    sums, row = run("set_rate", "EUR", "1.50", "--dry-run")
    assert (sums["touched"], Decimal(row["new_price"]), Decimal(row["cost"])) == (
        1,
        Decimal(3),
        Decimal("1.5"),
    )
    assert [Decimal(row["rate"]) for row in run("rates")] == [Decimal("1.2")]
    run("set_rate", "EUR", "1.50", "--by", adam.email)
    service.refresh_from_db()
    assert service.rate == Decimal(3)
    assert run("rates")[0]["by"] == adam.email
    assert Decimal(run("rates", "undo", "--dry-run")[1]["new_price"]) == Decimal("2.4")
    assert ExchangeRate.objects.count() == 2
    (told,) = run("rates", "undo", "--by", adam.email)
    service.refresh_from_db()
    assert (service.rate, "1.2" in told["now"]) == (Decimal("2.4"), True)
    assert audited("exchange_rate.set")[-1][0] == adam.email


def test_without_a_change_there_is_nothing_to_take_back() -> None:
    assert refused("rates", "undo") == "There is no change of an exchange rate that can be taken back."
    assert text("rates") == ""
