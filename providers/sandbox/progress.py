"""The sandbox's clock and the plan of an order.

A status is a pure function of (plan, total, age), so nothing has to tick in the background, an answer is the
same however often it is asked, and a restart loses nothing. Ages are sandbox seconds: real seconds x speed.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

MARKER = re.compile(
    r"#(partial|cancel|slow|fast|stay|pending|complete|fail|word|late|norefill|nocancel|poison|fault)\b"
    r"(?:=([\w .+-]*))?"
)


class Clock:
    """Sandbox seconds since the start. The speed may change at any time without a jump."""

    def __init__(self, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._real, self._base = monotonic(), 0.0
        self._speed = speed

    def now(self) -> float:
        return self._base + (self._monotonic() - self._real) * self._speed

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._base, self._real = self.now(), self._monotonic()
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Jump forward by so many sandbox seconds."""
        self._base += seconds


class Reading(NamedTuple):
    word: str
    start_count: int
    remains: int


@dataclass(frozen=True)
class Plan:
    """pending, processing, running: lengths of the phases in sandbox seconds."""

    pending: float
    processing: float
    running: float
    start_count: int
    ending: str = "Completed"
    remains: int = 0  # at the end
    running_word: str = "In progress"
    holds: bool = False  # never leaves the running phase
    late_remains: int | None = None  # Completed turns into Partial with this, LATE seconds after the end

    @property
    def length(self) -> float:
        return self.pending + self.processing + self.running


LATE = 5.0


@dataclass(frozen=True)
class Shares:
    """How many orders without a marker end Partial or Canceled (0..1)."""

    partial: float = 0.08
    canceled: float = 0.04


def markers(link: str) -> dict[str, str]:
    """Words after # in a link by which a customer or a test steers an order: {"partial": "40"}."""
    if "#" not in link:
        return {}
    return {word: (value or "").strip() for word, value in MARKER.findall(link)}


def plan_for(seed: int, order_id: str, link: str, total: int, shares: Shares) -> Plan:
    """The same seed, order id and link give the same plan."""
    dice = random.Random(f"{seed}:{order_id}")
    plan = Plan(
        pending=dice.uniform(0.5, 2),
        processing=dice.uniform(0.5, 2),
        running=dice.uniform(5, 16),
        start_count=dice.randrange(0, 5000),
    )
    share, cut = dice.random(), dice.uniform(0.1, 0.7)
    marks = markers(link)
    if not marks.keys() & {"complete", "late", "partial", "cancel", "fail"}:
        if share < shares.partial and total > 1:
            plan = replace(plan, ending="Partial", remains=min(max(int(total * cut), 1), total - 1))
        elif share < shares.partial + shares.canceled:
            plan = replace(plan, ending="Canceled", remains=total)
    return _steered(plan, marks, total) if marks else plan


def _steered(plan: Plan, marks: dict[str, str], total: int) -> Plan:
    if "fast" in marks:
        plan = replace(plan, pending=0.1, processing=0.1, running=0.8)
    if "slow" in marks:
        plan = replace(plan, running=plan.running * 10)
    if "partial" in marks:
        plan = replace(plan, ending="Partial", remains=_number(marks["partial"], max(total // 2, 1)))
    if "cancel" in marks:
        plan = replace(plan, ending="Canceled", remains=_number(marks["cancel"], total))
    if "fail" in marks:
        plan = replace(plan, ending="Fail", remains=total)
    if "late" in marks:
        plan = replace(plan, late_remains=_number(marks["late"], max(total // 10, 1)))
    if marks.get("word"):
        plan = replace(plan, running_word=marks["word"], holds=True)
    if "stay" in marks:
        plan = replace(plan, holds=True)
    if "pending" in marks:
        plan = replace(plan, pending=float("inf"))
    return plan


def _number(text: str, default: int) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,12}", text) else default


def read(plan: Plan, total: int, age: float) -> Reading:
    """What an honest provider would report about an order of this age, in sandbox seconds."""
    if age < plan.pending:
        return Reading("Pending", 0, total)
    if age < plan.pending + plan.processing:
        return Reading("Processing", 0, total)
    done = (age - plan.pending - plan.processing) / plan.running
    if plan.holds:
        done = min(done, 0.5)
    if done < 1:
        return Reading(plan.running_word, plan.start_count, total - int((total - plan.remains) * done))
    if plan.late_remains is not None and age >= plan.length + LATE:
        return Reading("Partial", plan.start_count, plan.late_remains)
    return Reading(plan.ending, plan.start_count, plan.remains)
