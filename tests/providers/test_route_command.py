"""The order of a service's routes from the command line; the price follows the first that can be used."""

from decimal import Decimal

import pytest

from providers.models import Service
from tests import world
from tests.providers.command_line import audited, refused, run
from tests.providers.shop import everything_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    """Delivered by Meridian at 1.00, then by Other at 0.80; sold at twice the cost."""
    everything_at(100)
    sold = world.service(world.offer(world.provider()), rate="2.00")
    world.offer(world.provider(name="Other"), "9", rate=Decimal("0.80"))
    run("route", str(sold.pk), "add", "Other", "9")
    return sold


def test_a_route_moves_up_and_down_and_the_price_follows(service: Service) -> None:
    adam = world.admin()
    rows = run("route", str(service.pk), "up", "Other", "9", "--by", adam.email)
    assert [row["provider"] for row in rows] == ["Other", "Meridian"]
    service.refresh_from_db()
    assert (service.cost_rate, service.rate) == (Decimal("0.8"), Decimal("1.6"))
    rows = run("route", str(service.pk), "down", "Other", "9")
    assert [row["provider"] for row in rows] == ["Meridian", "Other"]
    service.refresh_from_db()
    assert service.rate == Decimal(2)
    ((who, summary), _back) = audited("service.route")[1:]
    assert (who, "moved up" in summary) == (adam.email, True)


def test_a_route_is_switched_off_and_on_without_losing_its_place(service: Service) -> None:
    rows = run("route", str(service.pk), "off", "Meridian", "1")
    assert [(row["provider"], row["enabled"]) for row in rows] == [("Meridian", False), ("Other", True)]
    service.refresh_from_db()
    assert service.rate == Decimal("1.6")
    run("route", str(service.pk), "on", "Meridian", "1")
    service.refresh_from_db()
    assert service.rate == Decimal(2)


def test_a_dry_run_tells_the_price_and_moves_nothing_and_an_act_is_taken_back(service: Service) -> None:
    before = run("route", str(service.pk))
    sums, row = run("route", str(service.pk), "first", "Other", "9", "--dry-run")
    assert (sums["touched"], Decimal(row["new_price"])) == (1, Decimal("1.6"))
    assert run("route", str(service.pk)) == before
    run("route", str(service.pk), "cheapest")
    assert run("route", str(service.pk))[0]["provider"] == "Other"
    run("service_undo", str(service.pk))
    assert run("route", str(service.pk)) == before


def test_what_is_no_route_is_refused_and_nothing_moves(service: Service) -> None:
    before = run("route", str(service.pk))
    other = world.offer(world.provider(name="Third"), "5")
    assert other.routes.count() == 0
    assert refused("route", str(service.pk), "up", "Third", "5") == "This offer is none of its routes."
    assert refused("route", str(service.pk), "off", "Third", "6") == "Third has no service 6."
    assert refused("route", str(service.pk), "off") == "Name the provider and its service id."
    assert run("route", str(service.pk)) == before
