"""What each fault does to an answer: pages that replace it, JSON that lies, bytes and wires that break."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from .answers import plain, spoken
from .book import Book, Order
from .faults import Fault, Faults

JSON, HTML = "application/json", "text/html; charset=UTF-8"
PAGES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    b"<noscript>Enable JavaScript and cookies to continue</noscript></body></html>"
)
NOTICE = b"<br />\n<b>Notice</b>:  Undefined index: link in <b>/www/api/v2.php</b> on line <b>118</b><br />\n"
INTERNAL = ["Internal error, please try again later", "timeout", "Database error", "Unknown exception"]


@dataclass(frozen=True)
class Reply:
    """What leaves on the wire. `how`: send, rst, fin, hang, drip, or cut (half of the body, then FIN)."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    how: str = "send"
    seconds: float = 0.0  # hang: how long; drip: between bytes
    delay: float = 0.0  # real seconds before the reply starts
    refuse: float = 0.0  # real seconds for which the listener is closed afterwards


def as_json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def page(status: int) -> Reply:
    title = PAGES[status]
    body = f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>".encode()
    headers = (("Retry-After", "30"),) if status == 429 else ()
    return Reply(status, body, HTML, headers)


def envelopes(text: str) -> list[Reply]:
    return [
        as_json({"error": {"code": 400, "message": text}}, 400),
        as_json({"Error": text}),
        as_json({"errors": [text]}, 422),
        as_json({"status": "error", "msg": text}),
        as_json({"status": "error", "message": text}, 402),
        as_json({"status": "fail", "message": text}),
        as_json({"success": False, "message": text}, 404),
        as_json({"success": False, "error": text, "order": None}, 201),
        replace(as_json({"error": text}, 401), content_type=HTML),
    ]


def instead(fault: Fault, faults: Faults, action: str) -> Reply:
    """The reply of a fault of kind "before": nothing was done."""
    name = fault.name
    if name in ("rst_before", "fin_before", "hang_before"):
        return Reply(how=name.removesuffix("_before"), seconds=fault.number())
    if name == "http429_json":
        return replace(as_json({"error": "Rate limit exceeded"}, 429), headers=(("Retry-After", "30"),))
    if name.startswith("http"):
        return page(int(name[4:]))
    if name == "html":
        return Reply(200, CHALLENGE, HTML)
    if name == "empty":
        return Reply(200, b"", HTML)
    if name == "redirect":
        return Reply(301, b"", HTML, (("Location", "/api/v2/moved"),))
    if name == "error":
        return as_json({"error": fault.value})
    odd = envelopes({"add": "Bad link", "status": "Incorrect order ID"}.get(action, "Incorrect request"))
    return odd[int(fault.value) - 1] if fault.value in map(str, range(1, 10)) else faults.choose(odd)


def spoiled_add(fault: Fault, faults: Faults, answer: Any, book: Book, order: Order) -> Any:
    """The order is in the book; the answer lies about it."""
    match fault.name:
        case "order_zero":
            return {"order": 0}
        case "order_null":
            return {"order": None}
        case "order_repeated":
            ids = list(book.orders)
            return {"order": spoken(ids[-2] if len(ids) > 1 else ids[-1])}
        case "order_with_error":
            return {**answer, "error": "Low balance warning"}
        case "soft_internal":
            return {"error": faults.choose(INTERNAL)}
    return answer


def spoiled_services(fault: Fault, rows: Any) -> Any:
    match fault.name:
        case "empty_catalog":
            return []
        case "short_catalog":
            return rows[: int(len(rows) * fault.number() / 100)]
        case "price_jump":
            return [{**row, "rate": times(row["rate"], fault.value)} for row in rows]
        case "dup_ids":
            return [*rows, *({**row, "rate": times(row["rate"], "3")} for row in rows[: int(fault.number())])]
    return rows


def times(rate: str, factor: str) -> str:
    return plain(Decimal(rate) * Decimal(factor))


class StatusLies:
    """Faults on status readings: the dice fall once per order id."""

    WRONG = ("Pending", "Canceled", "In progress", "Partial", "Completed", "Processing")

    def __init__(self, faults: Faults, book: Book) -> None:
        self._faults, self._book = faults, book
        self._readings: Counter[str] = Counter()
        self._lies: dict[str, Callable[[Fault, Order, dict[str, Any]], None]] = {
            "flapping": self._flap,
            "unknown_word": lambda fault, order, seen: seen.update(status=fault.value),
            "remains_above": lambda fault, order, seen: seen.update(
                remains=str(order.total + int(fault.number()))
            ),
            "remains_negative": lambda fault, order, seen: seen.update(remains=str(-int(fault.number()))),
            "remains_text": lambda fault, order, seen: seen.update(remains=fault.value),
            "wrong_currency": lambda fault, order, seen: seen.update(currency=fault.value),
            "completed_then_partial": self._late,
            "dripfeed_parent": self._parent,
        }

    def tell(self, answer: dict[str, Any], active: list[Fault]) -> Any:
        """Spoil an answer about many orders, keyed by id."""
        told: dict[str, Any] = {}
        for order_id, seen in answer.items():
            if any(fault.name == "missing_ids" and self._faults.hits(fault) for fault in active):
                continue
            told[order_id] = self.one(order_id, seen, active)
        if any(fault.name == "bare_list" and self._faults.hits(fault) for fault in active):
            return list(told.values())
        return told

    def one(self, order_id: str, seen: dict[str, Any], active: list[Fault]) -> dict[str, Any]:
        order = self._book.orders.get(order_id)
        if order is None or "error" in seen:
            return seen
        seen = dict(seen)
        for fault in active:
            lie = self._lies.get(fault.name)
            if lie is not None and self._faults.hits(fault):
                lie(fault, order, seen)
        return seen

    def _flap(self, fault: Fault, order: Order, seen: dict[str, Any]) -> None:
        """Odd readings lie, even ones are true, and no lie is told twice in a row."""
        self._readings[order.id] += 1
        turn, odd = divmod(self._readings[order.id], 2)
        if odd:
            words = [word for word in self.WRONG if word != seen["status"]]
            seen["status"] = words[turn % len(words)]
            seen["remains"] = str(order.total // 2 if seen["status"] == "Partial" else order.total)

    def _above(self, fault: Fault, order: Order, seen: dict[str, Any]) -> None:
        seen["remains"] = str(order.total + int(fault.number()))

    def _late(self, fault: Fault, order: Order, seen: dict[str, Any]) -> None:
        """This reading is still Completed; later the book itself changes its mind, and refunds."""
        if seen["status"] == "Completed" and order.plan.late_remains is None:
            remains = max(int(order.total * fault.number() / 100), 1)
            order.plan = replace(order.plan, late_remains=remains)

    def _parent(self, fault: Fault, order: Order, seen: dict[str, Any]) -> None:
        if order.runs:
            word = seen["status"]
            seen.clear()
            seen.update(status=word, runs=str(order.runs), orders=[])


def is_poison(fault: Fault, order_id: str) -> bool:
    divisor = int(fault.number()) or 10
    digits = order_id[-8:]
    return digits.isdigit() and int(digits) % divisor == 0


def broken(fault: Fault, reply: Reply) -> Reply:
    """Spoil the finished reply: faults of kind "after"."""
    match fault.name:
        case "rst_after" | "fin_after" | "hang_after":
            return replace(reply, how=fault.name.removesuffix("_after"), seconds=fault.number())
        case "http500_after" | "http503_after":
            return page(int(fault.name[4:7]))
        case "html_after":
            return Reply(200, CHALLENGE, HTML)
        case "empty_after":
            return Reply(200, b"", HTML)
        case "drip":
            return replace(reply, how="drip", seconds=fault.number())
        case "truncated":
            return replace(reply, body=reply.body[: max(len(reply.body) // 2, 1)])
        case "cut_body":
            return replace(reply, how="cut")
        case "bom":
            return replace(reply, body=b"\xef\xbb\xbf" + reply.body)
        case "notice":
            return replace(reply, body=NOTICE + reply.body, content_type=HTML)
        case "list":
            return replace(reply, body=b"[" + reply.body + b"]")
        case "oversize":
            return replace(reply, body=b" " * int(fault.number() * 1024 * 1024) + reply.body)
        case "http201":
            return replace(reply, status=201)
        case "text_html":
            return replace(reply, content_type=HTML)
        case "slow_catalog":
            return replace(reply, delay=reply.delay + fault.number())
    return reply
