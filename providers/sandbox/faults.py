"""The table of faults, the grammar of a fault SPEC, and the seeded dice.

SPEC is a comma list of  name[=value][*times][:probability][@action]  for example

    hang_after:0.02@add, http500:0.01, drip=0.05@status, rst_after*1@add

Probability defaults to 1, action to every action the fault fits, `*times` stops it after that many hits.
Kinds, in the order in which a request meets them:

    unread   the connection is cut at its first bytes, before the request was read (so no @action)
    before   the answer is replaced and NOTHING was done: no order is in the book
    act      changes how the action is done
    answer   the action was done; its JSON is spoiled. Faults on status throw their dice per order id
    poison   a question about certain order ids always fails
    after    the action was done, its order IS in the book; bytes or wire are spoiled
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sort:
    """A fault: its kind, the only actions it fits (empty: all), its default value, one line of help."""

    kind: str
    actions: tuple[str, ...]
    value: str
    help: str


ADD, STATUS, SERVICES = ("add",), ("status",), ("services",)

FAULTS: dict[str, Sort] = {
    "rst_unread": Sort("unread", (), "", "TCP reset at the first bytes, request not read"),
    "fin_unread": Sort("unread", (), "", "FIN at the first bytes, request not read"),
    "rst_before": Sort("before", (), "", "TCP reset after reading, nothing done"),
    "fin_before": Sort("before", (), "", "FIN after reading, nothing done, no answer"),
    "hang_before": Sort("before", (), "3600", "never answers (VALUE seconds), nothing done"),
    "http401": Sort("before", (), "", "401 HTML page, nothing done"),
    "http403": Sort("before", (), "", "403 HTML page of an edge, nothing done"),
    "http404": Sort("before", (), "", "404 HTML page, nothing done"),
    "http429": Sort("before", (), "", "429 HTML page with Retry-After, nothing done"),
    "http429_json": Sort("before", (), "", '429 with {"error": "Rate limit exceeded"}, nothing done'),
    "http500": Sort("before", (), "", "500 HTML page, nothing done"),
    "http502": Sort("before", (), "", "502 HTML page, nothing done"),
    "http503": Sort("before", (), "", "503 HTML page, nothing done"),
    "html": Sort("before", (), "", "200 with an HTML challenge page, nothing done"),
    "empty": Sort("before", (), "", "200 with an empty body, nothing done"),
    "redirect": Sort("before", (), "", "301 to /api/v2/moved, nothing done (stats count who follows)"),
    "error": Sort("before", (), "Bad link", 'refuses with {"error": VALUE}, nothing done'),
    "error_envelope": Sort("before", (), "", "refuses in an odd envelope, VALUE 1..9 or any, nothing done"),
    "refuse": Sort("act", (), "2", "answers properly, then the listener is closed for VALUE seconds"),
    "order_text": Sort("act", ADD, "", "the order gets a ULID-like text id"),
    "duplicate_link": Sort("act", ADD, "", "refuses a link that has a running order"),
    "order_zero": Sort("answer", ADD, "", 'inserted, answers {"order": 0}'),
    "order_null": Sort("answer", ADD, "", 'inserted, answers {"order": null}'),
    "order_repeated": Sort("answer", ADD, "", "inserted, answers the id of the order before"),
    "order_with_error": Sort("answer", ADD, "", "inserted, answers its id and an error"),
    "soft_internal": Sort("answer", ADD, "", "inserted, answers an internal-looking error without id"),
    "wrong_currency": Sort("answer", ("status", "balance"), "XTS", "reports in currency VALUE"),
    "flapping": Sort("answer", STATUS, "", "every other reading shows a wrong word, never the same twice"),
    "missing_ids": Sort("answer", STATUS, "", "leaves ids out of an answer about many"),
    "bare_list": Sort("answer", STATUS, "", "an answer about many is a list without ids"),
    "unknown_word": Sort("answer", STATUS, "Reviewing", "status is VALUE"),
    "remains_above": Sort("answer", STATUS, "5000", "remains is the total + VALUE"),
    "remains_negative": Sort("answer", STATUS, "7", "remains is -VALUE"),
    "remains_text": Sort("answer", STATUS, "Unknown", "remains is the text VALUE"),
    "completed_then_partial": Sort(
        "answer", STATUS, "10", "Completed becomes Partial (VALUE % remains) at a later reading"
    ),
    "dripfeed_parent": Sort(
        "answer", STATUS, "", "orders with runs: status, runs, orders; no charge, no remains"
    ),
    "poison_id": Sort("poison", STATUS, "10", "a question with an id divisible by VALUE gets a 500"),
    "empty_catalog": Sort("answer", SERVICES, "", "services is []"),
    "short_catalog": Sort("answer", SERVICES, "30", "only the first VALUE % of the services"),
    "price_jump": Sort("answer", SERVICES, "2", "every rate is multiplied by VALUE"),
    "dup_ids": Sort("answer", SERVICES, "3", "the first VALUE services appear twice, at another rate"),
    "slow_catalog": Sort("after", SERVICES, "45", "services takes VALUE seconds"),
    "rst_after": Sort("after", (), "", "done, then TCP reset instead of an answer"),
    "fin_after": Sort("after", (), "", "done, then FIN instead of an answer"),
    "hang_after": Sort("after", (), "3600", "done, then never answers (VALUE seconds)"),
    "http500_after": Sort("after", (), "", "done, then a 500 HTML page"),
    "http503_after": Sort("after", (), "", "done, then a 503 HTML page"),
    "html_after": Sort("after", (), "", "done, then a 200 HTML challenge page"),
    "empty_after": Sort("after", (), "", "done, then 200 with an empty body"),
    "drip": Sort("after", (), "0.2", "done, the whole answer, headers too, one byte every VALUE seconds"),
    "truncated": Sort("after", (), "", "done, the JSON is cut in the middle, Content-Length fits the cut"),
    "cut_body": Sort("after", (), "", "done, Content-Length tells the whole, half is sent, then FIN"),
    "bom": Sort("after", (), "", "done, a byte order mark before the JSON"),
    "notice": Sort("after", (), "", "done, a PHP notice before the JSON, as text/html"),
    "list": Sort("after", (), "", "done, the JSON is wrapped in [ ]"),
    "oversize": Sort("after", (), "32", "done, VALUE MiB of spaces before the JSON"),
    "http201": Sort("after", (), "", "done, the right answer with status 201"),
    "text_html": Sort("after", (), "", "done, the right answer as text/html"),
}
ALIASES = {"truncate_after": "truncated", "unknown_words": "unknown_word"}

TERM = re.compile(
    r"(?P<name>\w+)(?:=(?P<value>[^*:@,]*))?(?:\*(?P<times>\d+))?(?::(?P<chance>[\d.]+))?(?:@(?P<action>\w+))?"
)


@dataclass
class Fault:
    name: str
    value: str
    chance: float = 1.0
    action: str | None = None
    left: int | None = None  # hits left; None: no limit

    @property
    def sort(self) -> Sort:
        return FAULTS[self.name]

    def fits(self, action: str) -> bool:
        if self.action is not None:
            return self.action == action
        return not self.sort.actions or action in self.sort.actions

    def number(self) -> float:
        try:
            return float(self.value)
        except ValueError:
            return float(self.sort.value or 0)


def parse(spec: str) -> list[Fault]:
    """Read a SPEC. Raises ValueError with a sentence that names the term."""
    return [_term(text.strip()) for text in spec.split(",") if text.strip()]


def _term(text: str) -> Fault:
    match = TERM.fullmatch(text)
    if match is None:
        raise ValueError(f"Cannot read the fault {text!r}: name[=value][*times][:probability][@action]")
    name = ALIASES.get(match["name"], match["name"])
    if name not in FAULTS:
        raise ValueError(f"There is no fault named {name!r}")
    sort, action = FAULTS[name], match["action"]
    if action and (sort.kind == "unread" or (sort.actions and action not in sort.actions)):
        raise ValueError(f"The fault {name!r} does not fit the action {action!r}")
    try:
        chance = float(match["chance"] or 1)
    except ValueError:
        raise ValueError(f"Cannot read the probability of {text!r}") from None
    if not 0 <= chance <= 1:
        raise ValueError(f"The probability of {text!r} is not between 0 and 1")
    value = sort.value if match["value"] is None else match["value"].strip()
    return Fault(name, value, chance, action, int(match["times"]) if match["times"] else None)


class Faults:
    """The faults in force. The same seed and the same order of requests give the same misbehavior."""

    def __init__(self, seed: int = 1, spec: str = "") -> None:
        self._dice = random.Random(f"{seed}:faults")
        self.fired: Counter[str] = Counter()
        self.spec = ""
        self._faults: list[Fault] = []
        self.set(spec)

    def set(self, spec: str) -> None:
        self._faults = parse(spec)
        self.spec = spec

    def force(self, names: Iterable[str]) -> list[Fault]:
        """Faults named by a link (#fault=name): they always fire. Unknown names are ignored."""
        found = [name for name in (ALIASES.get(name, name) for name in names) if name in FAULTS]
        return [Fault(name, FAULTS[name].value) for name in found]

    def pick(self, kind: str, action: str, forced: list[Fault]) -> Fault | None:
        """The first fault of this kind that fires on this request."""
        return next(iter(self.all(kind, action, forced)), None)

    def all(self, kind: str, action: str, forced: list[Fault]) -> Iterable[Fault]:
        """Every fault of this kind that fires on this request, lazily."""
        for fault in (*forced, *self._faults):
            if fault.sort.kind == kind and fault.fits(action) and self.hits(fault):
                yield fault

    def in_force(self, kind: str, action: str) -> list[Fault]:
        """Faults of this kind whose dice the caller throws itself, once per order id."""
        return [fault for fault in self._faults if fault.sort.kind == kind and fault.fits(action)]

    def hits(self, fault: Fault) -> bool:
        if fault.left == 0 or (fault.chance < 1 and self._dice.random() >= fault.chance):
            return False
        if fault.left is not None:
            fault.left -= 1
        self.fired[fault.name] += 1
        return True

    def choose(self, options: list[Any]) -> Any:
        return self._dice.choice(options)


def table() -> str:
    """The faults as text for --help."""
    width = max(map(len, FAULTS))
    return "\n".join(
        f"  {name:<{width}}  {sort.help}{f' (VALUE: {sort.value})' if sort.value else ''}"
        for name, sort in FAULTS.items()
    )
