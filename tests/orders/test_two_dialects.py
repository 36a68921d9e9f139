"""Two providers of different dialects and currencies: connected, graded, read, sold from, followed; one jumps its
price, drops a service, sends an empty list."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orders.models import Order
from orders.status_lane import status_lane
from orders.submission import submit_lane
from providers.catalog import sync_catalog
from providers.catalog_effect import effect_of
from providers.connecting import add_provider, change_connection
from providers.deciding import accept_changes
from providers.grading import test_connection as graded
from providers.models import Alert, ExchangeRate, MarkupRule, Service
from providers.publishing import publish
from tests import world
from tests.providers.shop import service_of
from tests.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("confirm_at_once")]
KEY = "enveloped-key-0123"


class Enveloped:
    """An upstream in euros that wraps all it says, has columns of its own and asks by its own parameters."""

    def __init__(self, server: HTTPServer) -> None:
        self.rates = {"1": "0.80", "2": "1.20", "3": "0.50"}
        self.book: dict[str, str] = {}
        server.expect_request("/enveloped", method="POST").respond_with_handler(self.answer)
        self.url = f"http://127.0.0.1:{server.port}/enveloped"
        self.origin = f"127.0.0.1:{server.port}"

    def answer(self, request: Request) -> Response:
        form = request.form
        if form["key"] != KEY:
            return self.json({"status": "fail", "message": "Invalid API key"})
        if form["action"] == "add":
            number = str(9000 + len(self.book))
            self.book[number] = form["service"]
            return self.json({"status": "success", "order_id": int(number)})
        return self.json({"status": "success", "data": getattr(self, form["action"])(form)})

    @staticmethod
    def json(value: Any) -> Response:
        return Response(json.dumps(value), content_type="application/json")

    def balance(self, form: Any) -> Any:
        return {"funds": "250.00", "currency": "EUR"}

    def services(self, form: Any) -> Any:
        return [
            {"service_id": int(number), "name": {"de": f"Platz {number}", "en": f"Place {number}"},
             "type": "Default", "category": {"en": "Places"}, "rate": rate, "min": "10", "max": "5,000",
             "refill": True, "cancel": True, "description": ""}
            for number, rate in self.rates.items()
        ]  # fmt: skip

    def status(self, form: Any) -> Any:
        if "order_ids" not in form:
            return []
        return [
            {"order_id": int(number), "order_status": "completed", "price": "0.08", "start_counter": "4",
             "remaining": "0"}
            if number in self.book else {"order_id": int(number), "message": "Incorrect order ID"}
            for number in form["order_ids"].split(",")
        ]  # fmt: skip


def test_both_are_connected_graded_read_sold_from_and_followed(
    upstream: Sandbox, httpserver: HTTPServer, settings: Any
) -> None:
    theirs = Enveloped(httpserver)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({upstream.origin, theirs.origin})
    plain = add_provider("Plain", upstream.url, upstream.key)
    wrapped = add_provider("Wrapped", theirs.url, KEY, currency="EUR")

    assert graded(plain).works
    proposals = {one.option: one.value for one in graded(wrapped).proposals}
    assert proposals == {"adapter": "success_envelopes"}
    change_connection(wrapped, adapter=str(proposals["adapter"]))
    found = graded(wrapped)
    assert (found.works, found.services, str(found.balance), found.currency) == (True, 3, "250.00", "EUR")

    MarkupRule.objects.create(scope="everything", percent=100)
    for provider in (plain, wrapped):
        assert sync_catalog(provider, apply=True).error == ""
    assert publish(wrapped).services == ()  # nobody knows yet what a euro is worth
    ExchangeRate.objects.create(currency="EUR", rate="1.25", date=timezone.now().date() - timedelta(days=1))
    assert len(publish(wrapped).services) == 3
    plain_id = next(
        row["service"] for row in upstream.ask("services") if row["name"].startswith("Video pre-roll")
    )
    publish(plain, [str(plain_id)])
    place = service_of(wrapped, 1)
    assert (place.cost_rate, place.rate, place.name) == (Decimal("1.00"), Decimal("2.00"), "Place 1")

    alice = world.customer(balance="1000")
    bought = [
        world.order(alice, place, quantity=100),
        world.order(alice, service_of(plain, plain_id), quantity=1000),
    ]
    for provider in (plain, wrapped):
        assert submit_lane(provider.pk).accepted == 1
    upstream.control(advance=600)
    for provider in (plain, wrapped):
        status_lane(provider.pk, force=True)
    assert [Order.objects.get(pk=order.pk).status for order in bought] == ["Completed", "Completed"]
    world.sane()

    _a_jump_a_vanished_service_and_an_empty_list(theirs, wrapped)


def _a_jump_a_vanished_service_and_an_empty_list(theirs: Enveloped, wrapped: Any) -> None:
    theirs.rates["1"] = "1.60"
    sync_catalog(wrapped, apply=True)
    assert "The price rose from 0.8 to 1.6" in service_of(wrapped, 1).off_sale
    assert "touch 1 service on sale" in effect_of(wrapped).sentence
    accept_changes(wrapped)
    assert (service_of(wrapped, 1).off_sale, service_of(wrapped, 1).rate) == ("", Decimal("4.00"))

    extra = {str(number): "1.00" for number in range(10, 40)}
    theirs.rates |= extra
    sync_catalog(wrapped, apply=True)
    del theirs.rates["3"]
    sync_catalog(wrapped, apply=True)
    assert service_of(wrapped, 3).off_sale == ""  # once missing is not gone
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        sync_catalog(wrapped, apply=True)
    assert service_of(wrapped, 3).off_sale == "The provider no longer lists it."

    theirs.rates.clear()
    before = Service.objects.filter(off_sale="").count()
    assert "empty" in sync_catalog(wrapped, apply=True).error
    assert Service.objects.filter(off_sale="").count() == before
    assert Alert.objects.filter(key=f"catalog:{wrapped.pk}", closed_at=None).exists()
