"""Live steering for tests and demos: POST /control with JSON, GET /control/<what>. Never expose it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .api import Api
from .book import Order
from .kinds import Wrong


class Control:
    """Each name of the JSON object is one change, made in the order given; the first bad one stops."""

    def __init__(self, api: Api, close_listener: Callable[[float], None]) -> None:
        self.api, self._close_listener = api, close_listener
        self._changes: dict[str, Callable[[Any], None]] = {
            "faults": lambda spec: api.faults.set(str(spec)),
            "latency_ms": self._latency,
            "speed": self._speed,
            "advance": self._advance,
            "prices": self._prices,
            "change_services": self._change_services,
            "remove_services": lambda ids: api.desk.catalog.remove(map(str, ids)),
            "add_services": lambda rows: api.desk.catalog.add(rows),
            "balance": self._balance,
            "set_order": self._set_order,
            "set_refill": self._set_refill,
            "deny_key": lambda yes: setattr(api, "deny_keys", bool(yes)),
            "refuse": self._refuse,
            "reset_stats": lambda yes: api.reset_stats() if yes else None,
        }

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if method == "GET":
            return self._look(path.removeprefix("/control").strip("/"))
        try:
            wanted = json.loads(body or b"{}")
            if not isinstance(wanted, dict):
                raise ValueError("The body must be a JSON object")
            for name, value in wanted.items():
                if name not in self._changes:
                    raise ValueError(f"There is no control named {name!r}")
                self._changes[name](value)
        except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError, Wrong) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}
        return 200, {"ok": True, "faults": self.api.faults.spec, "speed": self.api.desk.book.clock.speed}

    def _look(self, what: str) -> tuple[int, Any]:
        book = self.api.desk.book
        match what:
            case "orders":
                return 200, [self._shown(order) for order in book.orders.values()]
            case "truth":
                return 200, book.truth.lines
            case "stats":
                return 200, {**self.api.stats(), "orders": len(book.orders), "refills": len(book.refills)}
            case "requests":
                return 200, list(self.api.log)
            case "balances":
                return 200, {key: str(book.balance(key)) for key in book.balances}
        return 404, {"error": "GET /control/orders, truth, stats, requests or balances; POST /control"}

    def _shown(self, order: Order) -> dict[str, Any]:
        seen = self.api.desk.book.reading(order)
        return {
            "order": order.id,
            "key": order.key,
            "service": order.service,
            "type": order.type,
            "link": order.link,
            "quantity": order.quantity,
            "runs": order.runs,
            "total": order.total,
            "charge": str(order.charge),
            "refunded": str(order.refunded),
            "request_id": order.request_id,
            "parameters": order.parameters,
            "status": seen.word,
            "start_count": seen.start_count,
            "remains": seen.remains,
        }

    def _latency(self, milliseconds: Any) -> None:
        self.api.latency = max(float(milliseconds), 0) / 1000

    def _speed(self, speed: Any) -> None:
        if not float(speed) >= 0:
            raise ValueError("speed must be 0 or more")
        self.api.desk.book.clock.speed = float(speed)

    def _advance(self, seconds: Any) -> None:
        if not float(seconds) >= 0:
            raise ValueError("time does not run backwards")
        self.api.desk.book.clock.advance(float(seconds))

    def _prices(self, prices: dict[str, Any]) -> None:
        for service, rate in prices.items():
            Decimal(str(rate))
            self.api.desk.catalog.change(str(service), {"rate": str(rate)})

    def _change_services(self, changes: dict[str, dict[str, Any]]) -> None:
        for service, values in changes.items():
            self.api.desk.catalog.change(str(service), values)

    def _balance(self, wanted: Any) -> None:
        """ "12.50" for every key, or {"key": "12.50"}."""
        book = self.api.desk.book
        for key in book.balances:
            book.balance(key)  # settle what is due before the balance is overwritten
        amounts = wanted if isinstance(wanted, dict) else dict.fromkeys(book.balances, wanted)
        for key, amount in amounts.items():
            book.balances[key] = Decimal(str(amount))

    def _set_order(self, wanted: dict[str, Any]) -> None:
        """{"id": …, "status": …, "remains": …, "start_count": …}; a null lets the order go on by its plan."""
        order = self.api.desk.book.orders[str(wanted["id"])]
        for name in ("status", "remains", "start_count"):
            if name in wanted and wanted[name] is None:
                order.forced.pop(name, None)
            elif name in wanted:
                order.forced[name] = str(wanted[name]) if name == "status" else int(wanted[name])
        self.api.desk.book.settle(order)

    def _set_refill(self, wanted: dict[str, Any]) -> None:
        self.api.desk.book.refills[str(wanted["id"])].forced = str(wanted["status"])

    def _refuse(self, seconds: Any) -> None:
        """Close the listener for so many real seconds, as soon as this answer has left."""
        asyncio.get_running_loop().call_later(0.01, self._close_listener, float(seconds))
