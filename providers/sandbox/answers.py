"""The seven actions of the panel API v2 as an honest provider answers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .book import Book, Order
from .catalog import Catalog
from .kinds import Wrong, kind_of, measure

Params = Mapping[str, str]
BATCH = 100


def plain(amount: Decimal) -> str:
    """Digits without exponent or trailing zeros: "0.27819"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Desk:
    """Answers one request of a known key. Raises Wrong for every logical error."""

    def __init__(self, book: Book, catalog: Catalog, currency: str, *, request_ids: bool = False) -> None:
        self.book, self.catalog, self.currency = book, catalog, currency
        self.request_ids = request_ids
        self.text_ids = False  # set for one call by the fault order_text
        self.one_per_link = False  # set for one call by the fault duplicate_link
        self.added: Order | None = None  # what the last add inserted; None: nothing new
        self.actions: dict[str, Callable[[str, Params], Any]] = {
            "services": self.services,
            "add": self.add,
            "status": self.status,
            "refill": self.refill,
            "refill_status": self.refill_status,
            "cancel": self.cancel,
            "balance": self.balance,
        }

    def answer(self, key: str, params: Params) -> Any:
        action = self.actions.get(params.get("action", ""))
        if action is None:
            raise Wrong("Incorrect request")
        return action(key, params)

    def services(self, key: str, params: Params) -> Any:
        return self.catalog.rows()

    def add(self, key: str, params: Params) -> Any:
        self.added = None
        service = self.catalog.get(params.get("service", ""))
        if service is None:
            raise Wrong("Incorrect service ID")
        if self.request_ids and params.get("request_id"):
            known = self.book.by_request.get((key, params["request_id"]))
            if known is not None:
                return self._again(known, params)
        try:
            low, high, rate = int(service["min"]), int(service["max"]), Decimal(service["rate"])
        except (
            ValueError,
            TypeError,
            ArithmeticError,
        ):  # an odd row made by /control shows, but does not sell
            raise Wrong("Service is disabled") from None
        size = measure(str(service["type"]), params, low, high)
        link = params.get("link", "")
        if self.one_per_link and any(
            order.link == link and self.book.reading(order).word in ("Pending", "Processing", "In progress")
            for order in self.book.orders.values()
        ):
            raise Wrong("You have active order with this link. Please wait until order being completed.")
        kind = kind_of(str(service["type"]))
        charge = rate if kind.flat else (rate * size.total / 1000).quantize(Decimal("1e-8"))
        if kind.counts == "posts":
            charge = Decimal(0)  # each child order is charged when it appears
        self.added = self.book.insert(
            key,
            str(service["service"]),
            str(service["type"]),
            params,
            size.quantity,
            size.runs,
            size.total,
            charge,
            text_id=self.text_ids,
        )
        return {"order": spoken(self.added.id)}

    def _again(self, known: Order, params: Params) -> Any:
        asked = {name: value for name, value in params.items() if name not in ("key", "action")}
        if not known.parameters:  # rebuilt from the truth log, which keeps only these three
            asked = {name: asked.get(name, "") for name in ("link", "service")}
            same = asked == {"link": known.link, "service": known.service}
        else:
            same = asked == known.parameters
        if not same:
            raise Wrong("This request_id was used with other parameters")
        return {"order": spoken(known.id)}

    def status(self, key: str, params: Params) -> Any:
        if "orders" in params:
            return {
                order_id: self._guarded(self._one_status, key, order_id)
                for order_id in ids_of(params, "orders")
            }
        return self._one_status(key, params.get("order", "").strip())

    def _one_status(self, key: str, order_id: str) -> dict[str, Any]:
        order = self.book.find(key, order_id)
        if order.type == "Subscriptions":
            return self._subscription(order)
        spent = self.book.settle(order)
        seen = self.book.reading(order)
        return {
            "charge": plain(spent),
            "start_count": str(seen.start_count),
            "status": seen.word,
            "remains": str(seen.remains),
            "currency": self.currency,
        }

    def _subscription(self, order: Order) -> dict[str, Any]:
        """Active, with one child order per post that appeared so far; children are charged as they appear."""
        seen = self.book.reading(order)
        posts = order.runs or 1
        appeared = posts - seen.remains * posts // order.total
        service = self.catalog.get(order.service)
        while service is not None and len(order.children) < appeared:
            params = {"link": f"{order.link}/post-{len(order.children) + 1}"}
            charge = (Decimal(service["rate"]) * order.quantity / 1000).quantize(Decimal("1e-8"))
            size = order.quantity
            self.book.insert(
                order.key, order.service, "Default", params, size, None, size, charge, parent=order
            )
        word = {"In progress": "Active", "Processing": "Active", "Pending": "Active"}.get(
            seen.word, seen.word
        )
        children = [spoken(child) for child in order.children]
        return {"status": word, "expiry": "", "posts": str(posts), "orders": children}

    def refill(self, key: str, params: Params) -> Any:
        if "orders" in params:
            return [
                {"order": spoken(order_id), "refill": self._guarded(self._one_refill, key, order_id)}
                for order_id in ids_of(params, "orders")
            ]
        return {"refill": str(self._one_refill(key, params.get("order", "").strip()))}

    def _one_refill(self, key: str, order_id: str) -> int:
        order = self.book.find(key, order_id)
        service = self.catalog.get(order.service)
        if service is None or not service["refill"]:
            raise Wrong("Refill is not available for this service")
        return int(self.book.refill(order).id)

    def refill_status(self, key: str, params: Params) -> Any:
        if "refills" in params:
            return [
                {
                    "refill": spoken(refill_id),
                    "status": self._guarded(self._one_refill_status, key, refill_id),
                }
                for refill_id in ids_of(params, "refills")
            ]
        return {"status": self._one_refill_status(key, params.get("refill", "").strip())}

    def _one_refill_status(self, key: str, refill_id: str) -> str:
        return self.book.find_refill(key, refill_id).word(self.book.clock.now())

    def cancel(self, key: str, params: Params) -> Any:
        name = "orders" if "orders" in params else "order"
        return [
            {"order": spoken(order_id), "cancel": self._guarded(self._one_cancel, key, order_id)}
            for order_id in ids_of(params, name)
        ]

    def _one_cancel(self, key: str, order_id: str) -> int:
        order = self.book.find(key, order_id)
        service = self.catalog.get(order.service)
        if service is None or not service["cancel"]:
            raise Wrong("Cancel is not available for this service")
        self.book.cancel(order)
        return 1

    def balance(self, key: str, params: Params) -> Any:
        return {"balance": plain(self.book.balance(key)), "currency": self.currency}

    @staticmethod
    def _guarded(act: Callable[[str, str], Any], key: str, one_id: str) -> Any:
        try:
            return act(key, one_id)
        except Wrong as wrong:
            return {"error": str(wrong)}


def spoken(one_id: str) -> int | str:
    """Ids are integers on the wire when they look like integers."""
    return int(one_id) if one_id.isascii() and one_id.isdigit() and len(one_id) < 19 else one_id


def ids_of(params: Params, name: str) -> list[str]:
    ids = [part.strip() for part in params.get(name, "").split(",") if part.strip()]
    if not ids:
        raise Wrong("Incorrect request")
    if len(ids) > BATCH:
        raise Wrong(f"Incorrect request: at most {BATCH} ids at once")
    return ids
