"""The loss lock: which reported charges are losses, and what is told about them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orders.loss_lock import Sold, alert_losses, loss_on
from orders.models import Submission
from orders.status_lane import status_lane
from providers.models import Alert, ExchangeRate
from tests import staff_world, world

SOLD = Sold(Decimal("0.50"), Decimal("0.75"), 500, False, Decimal("1.00"), "USD")
USD = {"USD": Decimal(1), "EUR": Decimal("1.10")}


@pytest.mark.parametrize(
    ("reported", "currency", "loss"),
    [
        ("0.50", "USD", None),  # the frozen cost
        ("0.74", "", None),  # above it, within the margin
        ("0.755", "", None),  # rounding
        ("0.85", "", "0.100000"),
        ("0.80", "EUR", "0.130000"),
        ("0.80", "XTS", None),  # no exchange rate: not known
        ("1.00", "USD", None),  # the rate per 1000 as charge
        ("1.005", "USD", None),
        ("2.00", "USD", "1.250000"),
        ("0", "USD", None),
        ("-3", "USD", None),
    ],
)
def test_a_loss_is_what_goes_beyond_cost_and_margin(reported: str, currency: str, loss: str | None) -> None:
    found = loss_on(SOLD, Decimal(reported), currency, USD)
    assert (str(found) if found is not None else None) == loss


def test_the_rate_at_which_it_was_sold_counts_as_rate_after_a_price_change() -> None:
    changed = Sold(SOLD.cost, SOLD.charge, SOLD.total, False, Decimal("0.20"), "USD")
    assert loss_on(changed, Decimal("1.00"), "", USD) is None


def test_a_package_is_charged_its_rate() -> None:
    package = Sold(Decimal("1"), Decimal("1.5"), 1, True, Decimal("2"), "USD")
    assert loss_on(package, Decimal("2"), "", USD) == Decimal("0.5")


@pytest.mark.django_db
def test_one_alert_for_a_service_however_many_orders_lose() -> None:
    provider = world.provider(currency="EUR")
    ExchangeRate.objects.create(currency="EUR", rate="1.10", date="2026-01-01")
    service = world.service(world.offer(provider), cost_rate="1.10")
    alice = world.customer()
    orders = [world.order(alice, service, quantity=500) for _ in range(3)]
    with CaptureQueriesContext(connection) as statements:
        assert alert_losses({}) == 0
    assert len(statements) == 0
    with CaptureQueriesContext(connection) as statements:
        assert alert_losses({order.pk: (Decimal("0.60"), "") for order in orders}) == 0
    assert len(statements) == 2
    assert alert_losses({order.pk: (Decimal("1.40"), "EUR") for order in orders}) == 3
    alert = Alert.objects.get()
    assert (alert.key, alert.count, alert.provider_id) == (f"loss:{provider.pk}:{service.pk}", 3, provider.pk)
    assert alert.at_risk == Decimal("0.54")
    assert alert.text.startswith("Meridian reports 1.4 EUR as charge of order ")
    assert f"“{service.name}” (service {service.pk})" in alert.text and alert.service_id == service.pk
    page = staff_world.signed_in(world.admin()).get("/manage/alerts").content.decode()
    assert f'href="/manage/services/{service.pk}"' in page
    assert '<span class="tx">Alerts</span><span class="cnt hot">1<' in page, "the navigation counts it"
    assert Submission.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_status_that_reports_a_loss_raises_one_alert_however_often_it_is_read(
    httpserver: HTTPServer, settings: Any
) -> None:
    """The whole way of an answer, from the provider's words to the alert."""
    reported = {"charge": "1.80"}

    def status(request: Request) -> Response:
        row = {"status": "In progress", "remains": "500", "currency": "USD", **reported}
        ids = (request.form.get("orders") or request.form["order"]).split(",")
        return Response(json.dumps(dict.fromkeys(ids, row)), content_type="application/json")

    httpserver.expect_request("/api/v2", method="POST").respond_with_handler(status)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({f"{httpserver.host}:{httpserver.port}"})
    provider = world.provider(httpserver.url_for("/api/v2"))
    service = world.service(world.offer(provider))
    order = staff_world.accepted(world.order(world.customer(), service))
    assert (order.cost, order.charge) == (1, 2)

    def read() -> list[tuple[str, int, Decimal | None]]:
        status_lane(provider.pk, force=True)
        return list(Alert.objects.filter(key__startswith="loss:").values_list("key", "count", "at_risk"))

    assert read() == [], "above the cost, within the margin"
    reported["charge"] = "2.50"
    told = [(f"loss:{provider.pk}:{service.pk}", 1, Decimal("0.500000"))]
    assert [read(), read(), read()] == [told] * 3
    assert Submission.objects.get(pk=order.pk).reported_charge == Decimal("2.50")
    order.refresh_from_db()
    assert (order.cost, order.refunded) == (1, 0), "evidence only"
    world.sane()
