"""The sandbox's book: keys' balances, orders, refills, cancels. What is in here truly exists upstream."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .kinds import Wrong
from .progress import LATE, Clock, Plan, Reading, Shares, markers, plan_for, read
from .truth import Line, TruthLog

FINAL = frozenset({"Completed", "Partial", "Canceled", "Fail"})
CANCEL_AFTER = 1.5  # sandbox seconds between "cancel accepted" and its effect
FIRST_ORDER, FIRST_REFILL = 100_001, 501


@dataclass
class Order:
    id: str
    key: str
    service: str
    type: str
    link: str
    quantity: int
    runs: int | None
    total: int
    charge: Decimal
    parameters: dict[str, str]
    request_id: str | None
    born: float  # sandbox time
    plan: Plan
    refunded: Decimal = Decimal(0)
    cancel_at: float | None = None  # sandbox time from which an accepted cancel works
    forced: dict[str, Any] = field(default_factory=dict)  # by /control: status, remains, start_count
    children: list[str] = field(default_factory=list)

    def reading(self, now: float) -> Reading:
        seen = read(self.plan, self.total, now - self.born)
        if self.cancel_at is not None and now >= self.cancel_at:
            before = read(self.plan, self.total, self.cancel_at - self.born)
            if before.word not in FINAL:
                word = "Partial" if before.remains < self.total else "Canceled"
                seen = Reading(word, before.start_count, before.remains)
        if self.forced:
            seen = Reading(
                self.forced.get("status", seen.word),
                self.forced.get("start_count", seen.start_count),
                self.forced.get("remains", seen.remains),
            )
        return seen

    def due(self) -> list[float]:
        """Sandbox times at which money may have to go back."""
        end = self.born + self.plan.length
        times = [end] if self.plan.late_remains is None else [end, end + LATE]
        return times if self.cancel_at is None else [*times, self.cancel_at]


@dataclass
class Refill:
    id: str
    order: str
    key: str
    born: float
    rejected: bool = False
    forced: str = ""

    def word(self, now: float) -> str:
        age = now - self.born
        if self.forced:
            return self.forced
        if age < 1:
            return "Pending"
        if age < 3:
            return "In progress"
        return "Rejected" if self.rejected else "Completed"


class Book:
    """`first_order` lets a fresh book continue the numbers of an earlier truth log."""

    def __init__(
        self,
        clock: Clock,
        truth: TruthLog,
        keys: Iterable[str],
        balance: Decimal,
        seed: int = 1,
        shares: Shares | None = None,
        first_order: int = FIRST_ORDER,
    ) -> None:
        self.clock, self.truth, self.seed = clock, truth, seed
        self.shares = shares or Shares()
        self.balances: dict[str, Decimal] = dict.fromkeys(keys, balance)
        self.orders: dict[str, Order] = {}
        self.refills: dict[str, Refill] = {}
        self.by_request: dict[tuple[str, str], Order] = {}
        self._next_order, self._next_refill = first_order, FIRST_REFILL
        self._due: list[tuple[float, str]] = []
        self._dice = random.Random(f"{seed}:ids")

    # -- orders ------------------------------------------------------------------------------------------

    def insert(
        self,
        key: str,
        service: str,
        type_name: str,
        params: Mapping[str, str],
        quantity: int,
        runs: int | None,
        total: int,
        charge: Decimal,
        *,
        text_id: bool = False,
        parent: Order | None = None,
    ) -> Order:
        """Debit the key, write the truth line, and only then let anyone speak of the order.

        Raises Wrong when the key's balance does not cover the charge. A child belongs to a subscription.
        """
        if charge > self.balance(key):
            raise Wrong("Not enough funds on balance")
        number, self._next_order = self._next_order, self._next_order + 1
        order_id = self._text_id(number) if text_id else str(number)
        link = params.get("link") or params.get("username", "")
        order = Order(
            id=order_id,
            key=key,
            service=service,
            type=type_name,
            link=link,
            quantity=quantity,
            runs=runs,
            total=total,
            charge=charge,
            parameters={name: value for name, value in params.items() if name not in ("key", "action")},
            request_id=params.get("request_id") or None,
            born=self.clock.now(),
            plan=plan_for(self.seed, order_id, link, total, self.shares),
        )
        self._keep(order)
        self.balances[key] -= charge
        if parent is not None:
            parent.children.append(order_id)
        self.truth.write(
            "order" if parent is None else "child",
            key=key,
            link=link,
            service=service,
            quantity=quantity,
            order=order_id,
            request_id=order.request_id,
            type=type_name,
            runs=runs,
            total=total,
            charge=str(charge),
            parent=parent and parent.id,
        )
        return order

    def _text_id(self, number: int) -> str:
        alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        return "01" + "".join(self._dice.choices(alphabet, k=16)) + f"{number:08d}"

    def _keep(self, order: Order) -> None:
        self.orders[order.id] = order
        if order.request_id:
            self.by_request.setdefault((order.key, order.request_id), order)
        for due in order.due():
            heapq.heappush(self._due, (due, order.id))

    def find(self, key: str, order_id: str) -> Order:
        order = self.orders.get(order_id)
        if order is None or order.key != key:
            raise Wrong("Incorrect order ID")
        return order

    def reading(self, order: Order) -> Reading:
        return order.reading(self.clock.now())

    # -- money -------------------------------------------------------------------------------------------

    def balance(self, key: str) -> Decimal:
        now = self.clock.now()
        while self._due and self._due[0][0] <= now:
            self.settle(self.orders[heapq.heappop(self._due)[1]])
        return self.balances[key]

    def settle(self, order: Order) -> Decimal:
        """Give back what was not delivered, cumulatively; returns what the order has cost so far."""
        seen = self.reading(order)
        if seen.word in ("Partial", "Canceled"):
            remains = min(max(seen.remains, 0), order.total)
            target = (order.charge * remains / order.total).quantize(Decimal("1e-8"))
            if target > order.refunded:
                self.balances[order.key] += target - order.refunded
                order.refunded = target
        return order.charge - order.refunded

    # -- cancel and refill -------------------------------------------------------------------------------

    def cancel(self, order: Order) -> None:
        """Accept a cancel; it works a moment later, unless the order ends before or carries #nocancel."""
        if self.reading(order).word in FINAL:
            raise Wrong("Order cannot be canceled")
        if order.cancel_at is None and "nocancel" not in markers(order.link):
            order.cancel_at = self.clock.now() + CANCEL_AFTER
            heapq.heappush(self._due, (order.cancel_at, order.id))
        self.truth.write("cancel", key=order.key, order=order.id, link=order.link)

    def refill(self, order: Order) -> Refill:
        """Every call inserts one: a client that asks twice gets two, and the truth log shows it."""
        if self.reading(order).word not in ("Completed", "Partial"):
            raise Wrong("Order not eligible for refill")
        refill = Refill(
            id=str(self._next_refill),
            order=order.id,
            key=order.key,
            born=self.clock.now(),
            rejected="norefill" in markers(order.link),
        )
        self._next_refill += 1
        self.refills[refill.id] = refill
        self.truth.write("refill", key=order.key, order=order.id, link=order.link, refill=refill.id)
        return refill

    def find_refill(self, key: str, refill_id: str) -> Refill:
        refill = self.refills.get(refill_id)
        if refill is None or refill.key != key:
            raise Wrong("Refill not found")
        return refill

    # -- an earlier run ----------------------------------------------------------------------------------

    def restore(self, lines: Iterable[Line]) -> None:
        """Rebuild the book from truth lines: real time that passed meanwhile counts as progress."""
        wall, now = datetime.now(UTC), self.clock.now()
        for line in lines:
            self.truth.lines.append(line)
            born = now - (wall - datetime.fromisoformat(line["at"])).total_seconds() * self.clock.speed
            match line["event"]:
                case "order" | "child":
                    self._restore_order(line, born)
                    if line.get("parent") in self.orders:
                        self.orders[line["parent"]].children.append(line["order"])
                case "cancel" if line["order"] in self.orders:
                    order = self.orders[line["order"]]
                    if order.cancel_at is None and "nocancel" not in markers(order.link):
                        order.cancel_at = born + CANCEL_AFTER
                        heapq.heappush(self._due, (order.cancel_at, order.id))
                case "refill":
                    rejected = "norefill" in markers(line["link"])
                    self.refills[line["refill"]] = Refill(
                        line["refill"], line["order"], line["key"], born, rejected
                    )
                    self._next_refill = max(self._next_refill, int(line["refill"]) + 1)

    def _restore_order(self, line: Line, born: float) -> None:
        order_id, charge = line["order"], Decimal(line["charge"])
        self._next_order = max(self._next_order, number_of(order_id) + 1)
        self._keep(
            Order(
                id=order_id,
                key=line["key"],
                service=line["service"],
                type=line["type"],
                link=line["link"],
                quantity=line["quantity"],
                runs=line["runs"],
                total=line["total"],
                charge=charge,
                parameters={},
                request_id=line["request_id"],
                born=born,
                plan=plan_for(self.seed, order_id, line["link"], line["total"], self.shares),
            )
        )
        if line["key"] in self.balances:
            self.balances[line["key"]] -= charge


def number_of(order_id: str) -> int:
    """The running number inside an order id: the id itself, or the last eight digits of a text id."""
    return int(order_id[-8:] if len(order_id) > 12 else order_id)
