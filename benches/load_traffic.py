"""The people and scripts of the load test: what each kind of visit sends, and what counts as a right answer.

Every request is a connection of its own, as most clients of such panels make them. A request's latency runs from the
moment it was due, not from the moment a client was free to send it: what waits behind a slow answer counts as slow.
"""

import http.client
import json
import random
import re
import secrets
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TIMEOUT_S = 60.0
THINKING_S = 1.0  # between two steps of one visit
KEPT_ORDERS = 300  # of each customer, to look at
MOST_NAMED = 20  # errors that are told in words; all are counted

# How often each kind comes, in visits per second at the default rate, and how many requests one visit makes.
MIX: dict[str, tuple[float, int]] = {
    "api_add": (2.4, 1),
    "api_status_many": (1.5, 1),
    "api_status_one": (0.5, 1),
    "api_balance": (0.7, 1),
    "api_services": (0.4, 1),
    "api_refill": (0.12, 1),
    "api_cancel": (0.15, 1),
    "web_home": (1.2, 1),
    "web_orders": (1.4, 1),
    "web_order": (1.2, 1),
    "web_order_live": (0.6, 1),
    "web_services": (0.6, 1),
    "web_wallet": (0.6, 1),
    "web_new_order": (0.6, 4),
    "web_refill": (0.05, 2),
    "web_cancel": (0.05, 2),
    "staff_pages": (0.2, 1),
    "healthz": (0.2, 1),
}
REQUESTS = sum(often * steps for often, steps in MIX.values())  # per second at the default rate
STAFF_PAGES = ("/staff/review", "/staff/orders", "/staff/unknown")


class WrongAnswer(Exception):
    """The panel answered something that this request must not get."""


class Refused(Exception):
    """A refusal in the customer's words that is right here: a cancel of an order that has just ended."""


@dataclass
class Customer:
    key: str
    cookie: str
    orders: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT_ORDERS))
    finished: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT_ORDERS))


@dataclass
class Tally:
    """What came of the requests, by kind. Seconds of errors are not among the latencies."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    placed: set[int] = field(default_factory=set)  # numbers that clients read
    accepted: int = 0  # orders that an answer said were placed, with or without a number
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrong(self, kind: str, error: Exception) -> None:
        with self.lock:
            self.errors[kind] += 1
            if len(self.named) < MOST_NAMED:
                self.named.append(f"{kind}: {type(error).__name__}: {error}"[:300])


@dataclass
class Answer:
    status: int
    text: str
    location: str


@dataclass
class Traffic:
    port: int
    customers: list[Customer]
    staff_cookie: str
    services: list[tuple[int, int]]  # id, smallest quantity
    tally: Tally = field(default_factory=Tally)
    dice: random.Random = field(default_factory=lambda: random.Random(8))

    def visit(self, kind: str, due: float) -> None:
        """One visit of this kind, due at `due` (time.monotonic). Never raises: what went wrong is in the tally."""
        customer = self.dice.choice(self.customers)
        acts: dict[str, Callable[[str, Customer, float], None]] = {
            "web_new_order": self._new_order,
            "web_refill": self._ask,
            "web_cancel": self._ask,
        }
        act = acts.get(kind) or (self._api if kind.startswith("api_") else self._page)
        try:
            act(kind, customer, due)
        except Refused:
            with self.tally.lock:
                self.tally.refused[kind] += 1
        except (WrongAnswer, OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self.tally.wrong(kind, error)

    # ── the API ─────────────────────────────────────────────────────────────────────────────────────

    def _api(self, kind: str, customer: Customer, due: float) -> None:
        asked: dict[str, str] = {"key": customer.key, "action": kind.removeprefix("api_").split("_")[0]}
        some = list(customer.orders)
        if kind == "api_add":
            asked |= self._wish() | {"request_id": secrets.token_hex(12)}
        elif not some and kind not in ("api_balance", "api_services"):
            asked["action"] = "balance"  # nothing ordered yet
        elif kind == "api_status_many":
            asked["orders"] = ",".join(map(str, some[-100:]))
        elif kind == "api_refill":
            asked["order"] = str(self.dice.choice(list(customer.finished) or some))
        elif kind in ("api_status_one", "api_cancel"):
            asked["order"] = str(some[-1])
        answer = self._timed(kind, due, "POST", "/api/v2", asked)
        if answer.status != 200:
            raise WrongAnswer(f"{answer.status} {answer.text[:120]}")
        self._read(kind, asked, customer, json.loads(answer.text))

    def _read(self, kind: str, asked: Mapping[str, str], customer: Customer, said: object) -> None:
        if isinstance(said, dict) and "error" in said:
            if kind in ("api_refill", "api_cancel"):
                raise Refused
            raise WrongAnswer(str(said))
        if kind == "api_add" and isinstance(said, dict):
            self._accepted()
            if not self._keep(customer, int(said["order"])):
                raise WrongAnswer(f"order {said['order']} was answered twice")
        elif kind == "api_status_many" and "orders" in asked and isinstance(said, dict):
            if len(said) != len(asked["orders"].split(",")) or any("error" in one for one in said.values()):
                raise WrongAnswer("not each order was answered")
            done = [int(number) for number, one in said.items() if one["status"] == "Completed"]
            customer.finished.extend(done[-10:])
        elif kind == "api_services" and len(said) == 0:  # type: ignore[arg-type]
            raise WrongAnswer("an empty price list")

    def _wish(self) -> dict[str, str]:
        service, quantity = self.dice.choice(self.services)
        link = f"https://example.org/load/{secrets.token_hex(10)}"
        return {"service": str(service), "link": link, "quantity": str(quantity)}

    def _accepted(self) -> None:
        with self.tally.lock:
            self.tally.accepted += 1

    def _keep(self, customer: Customer, number: int) -> bool:
        """Whether the number is new."""
        with self.tally.lock:
            if number in self.tally.placed:
                return False
            self.tally.placed.add(number)
        customer.orders.append(number)
        return True

    # ── pages ───────────────────────────────────────────────────────────────────────────────────────

    def _page(self, kind: str, customer: Customer, due: float) -> None:
        cookie, newest = customer.cookie, str(customer.orders[-1]) if customer.orders else ""
        paths = {
            "web_home": "/",
            "web_orders": self.dice.choice(["/orders/", "/orders/", "/orders/?status=Completed"]),
            "web_order": f"/orders/{newest}",
            "web_order_live": f"/orders/{newest}/live" if newest else "/orders/",
            "web_services": "/services/",
            "web_wallet": "/wallet/",
            "healthz": "/healthz",
            "staff_pages": self.dice.choice(STAFF_PAGES),
        }
        if kind == "staff_pages":
            cookie = self.staff_cookie
        answer = self._timed(kind, due, "GET", paths[kind], cookie=cookie)
        if answer.status != 200 or (kind == "web_order" and newest not in answer.text):
            raise WrongAnswer(f"{paths[kind]}: {answer.status} {answer.location}")

    def _new_order(self, kind: str, customer: Customer, due: float) -> None:
        """The form, its live charge, the order, and the page that says so."""
        wish, cookie = self._wish(), customer.cookie
        form = self._timed(kind, due, "GET", f"/orders/new?service={wish['service']}", cookie=cookie)
        entries = wish | {name: _hidden(form.text, name) for name in ("csrfmiddlewaretoken", "token")}
        shown = self._timed(
            "web_quote", _after(due, 1), "POST", "/orders/quote", entries, cookie, {"HX-Request": "true"}
        )
        entries |= {name: _hidden(shown.text, name) for name in ("shown_charge", "shown_for")}
        placed = self._timed("web_place", _after(due, 2), "POST", "/orders/new", entries, cookie)
        if placed.status != 302:
            raise WrongAnswer(f"placing: {placed.status}")
        self._accepted()
        said = self._timed(kind, _after(due, 3), "GET", placed.location, cookie=cookie)
        # Visits of one person share a session: the sentence may have been shown on another page, or on both. How many
        # orders exist is compared with how many were accepted, afterwards.
        if found := re.search(r'placed, [^<]*<a href="/orders/(\d+)">', said.text):
            self._keep(customer, int(found[1]))

    def _ask(self, kind: str, customer: Customer, due: float) -> None:
        """The dialog of a refill or a cancel, then its button."""
        word, known = kind.removeprefix("web_"), list(customer.orders)
        choice = list(customer.finished) if word == "refill" else known[-1:]
        if not choice:
            raise Refused
        path = f"/orders/{self.dice.choice(choice)}/{word}"
        asked = self._timed(kind, due, "GET", path, cookie=customer.cookie)
        if asked.status == 302:
            raise Refused
        entries = {"csrfmiddlewaretoken": _hidden(asked.text, "csrfmiddlewaretoken"), "reason": "Load test"}
        done = self._timed(kind, _after(due, 1), "POST", path, entries, customer.cookie)
        if done.status != 302:
            raise WrongAnswer(f"{path}: {done.status}")

    # ── the wire ────────────────────────────────────────────────────────────────────────────────────

    def _timed(
        self,
        kind: str,
        due: float,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        cookie: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, not before it is due; its seconds run from then. An answer of 5xx raises WrongAnswer."""
        time.sleep(max(0.0, due - time.monotonic()))
        with self.tally.lock:
            self.tally.sent += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        sent = {"Connection": "close", **(FORM if form is not None else {}), **(headers or {})}
        if cookie:
            sent["Cookie"] = cookie
        try:
            connection.request(method, path, urlencode(form) if form is not None else None, sent)
            got = connection.getresponse()
            answer = Answer(got.status, got.read().decode(), got.headers.get("Location", ""))
        finally:
            connection.close()
        if answer.status >= 500 or "/account/login" in answer.location:
            raise WrongAnswer(f"{method} {path.split('?')[0]}: {answer.status} {answer.location}")
        with self.tally.lock:
            self.tally.seconds[kind].append(time.monotonic() - due)
        return answer


def _after(due: float, steps: int) -> float:
    return due + steps * THINKING_S


def _hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    if found is None:
        raise WrongAnswer(f"the page has no field {name}")
    return found[1]
