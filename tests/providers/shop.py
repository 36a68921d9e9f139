"""An upstream whose price list a test writes row by row, over real HTTP."""

import json
from decimal import Decimal
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from providers.connecting import add_provider
from providers.models import MarkupRule, Offer, Provider, Service

KEY = "upstream-key-1234"


class Upstream:
    """`rows`: what `services` answers, by id. `balance`: what `balance` answers. `actions`: what was asked."""

    def __init__(self, server: HTTPServer) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.more_rows: list[dict[str, Any]] = []  # rows beyond the dict: duplicates
        self.balance: Any = {"balance": "100.84292", "currency": "USD"}
        self.answers: dict[str, Response] = {}  # by action: instead of the honest answer
        self.actions: list[str] = []
        server.expect_request("/api/v2", method="POST").respond_with_handler(self._answer)
        self.url = f"http://127.0.0.1:{server.port}/api/v2"
        self.origin = f"127.0.0.1:{server.port}"

    def _answer(self, request: Request) -> Response:
        action = request.form["action"]
        self.actions.append(action)
        if request.form["key"] != KEY:
            return self.json({"error": "Invalid API key"})
        if action in self.answers:
            return self.answers[action]
        if action == "status":
            ids = (request.form.get("orders") or request.form["order"]).split(",")
            return self.json({order: {"error": "Incorrect order ID"} for order in ids})
        rows = [*self.rows.values(), *self.more_rows]
        return self.json(rows if action == "services" else self.balance)

    @staticmethod
    def json(value: Any, status: int = 200) -> Response:
        return Response(json.dumps(value), status=status, content_type="application/json")

    def list(self, number: int | str, **values: Any) -> None:
        """Put a service into the list, or change it there."""
        earlier = self.rows.get(str(number)) or {
            "service": number,
            "name": f"Placement {number}",
            "type": "Default",
            "category": "Placements",
            "rate": "1.00",
            "min": "10",
            "max": "10000",
            "refill": True,
            "cancel": True,
        }
        self.rows[str(number)] = {**earlier, **values}

    def list_many(self, count: int, **values: Any) -> None:
        for number in range(1, count + 1):
            self.list(number, **values)

    def drop(self, *numbers: int) -> None:
        for number in numbers:
            del self.rows[str(number)]


def connected(upstream: Upstream, name: str = "Meridian", **options: Any) -> Provider:
    currency = options.pop("currency", "USD")
    return add_provider(name, upstream.url, KEY, currency=currency, options=options)


def everything_at(percent: str | int, **values: Any) -> MarkupRule:
    """The rule for everything else."""
    return MarkupRule.objects.create(scope="everything", percent=Decimal(percent), **values)


def offer_of(provider: Provider, number: int | str) -> Offer:
    return Offer.objects.get(provider=provider, external_id=str(number))


def service_of(provider: Provider, number: int | str) -> Service:
    return Service.objects.get(routes__offer=offer_of(provider, number))
