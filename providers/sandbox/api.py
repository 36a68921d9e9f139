"""One request through the sandbox: faults before, the key, the action, faults on its answer and the wire."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .answers import Desk, ids_of
from .faults import Fault, Faults
from .kinds import Wrong
from .progress import markers
from .spoil import Reply, StatusLies, as_json, broken, instead, is_poison, page, spoiled_add, spoiled_services

LOGGED = 5000


class Api:
    """Everything behind POST /api/v2 but the sockets. Latency is in real seconds."""

    def __init__(self, desk: Desk, faults: Faults, latency: float = 0.0) -> None:
        self.desk, self.faults, self.latency = desk, faults, latency
        self.deny_keys = False
        self.lies = StatusLies(faults, desk.book)
        self.log: deque[dict[str, Any]] = deque(maxlen=LOGGED)
        self.reset_stats()

    def reset_stats(self) -> None:
        self.requests: Counter[str] = Counter()
        self.faults.fired.clear()
        self.log.clear()
        self.largest_batch = self.in_flight = self.in_flight_peak = self.redirects_followed = 0

    def stats(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "total": self.requests.total(),
            "faults": dict(self.faults.fired),
            "largest_batch": self.largest_batch,
            "in_flight": self.in_flight,
            "in_flight_peak": self.in_flight_peak,
            "redirects_followed": self.redirects_followed,
        }

    def reply_to(self, params: Mapping[str, str]) -> Reply:
        """Act at once; the latency passes between the act and the answer, as with a slow provider."""
        action = params.get("action", "")
        self.requests[action if action in self.desk.actions else "other"] += 1
        shown = {name: value for name, value in params.items() if name != "key"}
        self.log.append({"at": time.time(), **shown})
        link = params.get("link", "")
        fault_name = markers(link).get("fault") if action == "add" and "#fault" in link else None
        forced = self.faults.force([fault_name]) if fault_name else []
        early = self.faults.pick("before", action, forced)
        if early is not None:
            reply = instead(early, self.faults, action)
        else:
            reply = self._acted(action, params, forced)
        return replace(reply, delay=reply.delay + self.latency) if self.latency else reply

    def _acted(self, action: str, params: Mapping[str, str], forced: list[Fault]) -> Reply:
        acting = {fault.name: fault for fault in self.faults.all("act", action, forced)}
        self.desk.text_ids = "order_text" in acting
        self.desk.one_per_link = "duplicate_link" in acting
        try:
            answer = self._answer(action, params, forced)
        except Wrong as wrong:
            answer = {"error": str(wrong)}
        reply = answer if isinstance(answer, Reply) else as_json(answer)
        for fault in self.faults.all("after", action, forced):
            reply = broken(fault, reply)
        if "refuse" in acting:
            reply = replace(reply, refuse=acting["refuse"].number())
        return reply

    def _answer(self, action: str, params: Mapping[str, str], forced: list[Fault]) -> Any:
        key = params.get("key", "")
        if self.deny_keys or key not in self.desk.book.balances:
            raise Wrong("Invalid API key")
        many = next((name for name in ("orders", "refills") if name in params), None)
        if many:
            self.largest_batch = max(self.largest_batch, len(ids_of(params, many)))
        if action == "status" and self._poisoned(params):
            return page(500)
        self.desk.added = None
        answer = self.desk.answer(key, params)
        if action == "add" and self.desk.added is not None:
            for fault in self.faults.all("answer", action, forced):
                answer = spoiled_add(fault, self.faults, answer, self.desk.book, self.desk.added)
        elif action == "services":
            for fault in self.faults.all("answer", action, forced):
                answer = spoiled_services(fault, answer)
        elif action == "status":
            active = self.faults.in_force("answer", action)
            if active and many:
                answer = self.lies.tell(answer, active)
            elif active:
                answer = self.lies.one(params.get("order", "").strip(), answer, active)
        elif action == "balance":
            for fault in self.faults.all("answer", action, forced):
                answer = {**answer, "currency": fault.value}
        return answer

    def _poisoned(self, params: Mapping[str, str]) -> bool:
        active = self.faults.in_force("poison", "status")
        orders = self.desk.book.orders
        for order_id in (params.get("orders") or params.get("order", "")).split(","):
            order = orders.get(order_id.strip())
            if order is None:
                continue
            if "#poison" in order.link:
                return True
            if any(is_poison(fault, order.id) and self.faults.hits(fault) for fault in active):
                return True
        return False
