"""Status, refill, refill status and cancel: one order, or up to 100 of them.

Another customer's number answers exactly like one that was never given.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from customers.models import ApiKey, User
from orders.actions import Action, Actions, actions_for
from orders.api import errors
from orders.api.errors import Refusal
from orders.api.parsing import Parameters
from orders.api.shapes import Answer, refill_word, status_of
from orders.models import Order, Request
from orders.requests import NotAllowed, ask_cancel, ask_refill

MOST_IDS = 100
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def number_of(text: str) -> int | None:
    """An id as this panel writes them; None for anything else. Always small enough for a bigint column."""
    return int(text) if _NUMBER.fullmatch(text) else None


def status(key: ApiKey, parameters: Parameters) -> Answer:
    if "orders" in parameters:
        ids = _ids(parameters["orders"])
        orders = Order.objects.for_user(key.user).in_bulk(_numbers(ids))
        return {given: _status_or_error(orders.get(number_of(given))) for given in ids}
    number = number_of(parameters.get("order", ""))
    order = Order.objects.for_user(key.user).filter(pk=number).first() if number else None
    if order is None:
        raise Refusal(errors.ORDER)
    return status_of(order)


def _status_or_error(order: Order | None) -> dict[str, Any]:
    return status_of(order) if order else {"error": errors.ORDER}


def refill(key: ApiKey, parameters: Parameters) -> Answer:
    if "orders" in parameters:
        asked = _ask_all(key.user, _ids(parameters["orders"]), lambda actions: actions.refill, _refill)
        return [{"order": _echo(given), "refill": _number_or_error(result)} for given, result in asked]
    [(_given, result)] = _ask_all(key.user, [parameters.get("order", "")], lambda a: a.refill, _refill)
    if isinstance(result, str):
        raise Refusal(result)
    return {"refill": str(result.pk)}


def _number_or_error(result: Request | str) -> int | dict[str, str]:
    return {"error": result} if isinstance(result, str) else result.pk


def refill_status(key: ApiKey, parameters: Parameters) -> Answer:
    refills = Request.objects.for_user(key.user).filter(kind=Request.Kind.REFILL)
    if "refills" in parameters:
        ids = _ids(parameters["refills"])
        found = refills.in_bulk(_numbers(ids))
        return [
            {"refill": _echo(given), "status": _word_or_error(found.get(number_of(given)))} for given in ids
        ]
    number = number_of(parameters.get("refill", ""))
    one = refills.filter(pk=number).first() if number else None
    if one is None:
        raise Refusal(errors.REFILL)
    return {"status": refill_word(one)}


def _word_or_error(request: Request | None) -> str | dict[str, str]:
    return refill_word(request) if request else {"error": errors.REFILL}


def cancel(key: ApiKey, parameters: Parameters) -> Answer:
    """`cancel: 1` says that the request was taken; whether the order is Canceled, its status tells."""
    if "orders" in parameters:
        asked = _ask_all(key.user, _ids(parameters["orders"]), lambda actions: actions.cancel, _cancel)
        return [
            {"order": _echo(given), "cancel": {"error": result} if isinstance(result, str) else 1}
            for given, result in asked
        ]
    [(given, result)] = _ask_all(key.user, [parameters.get("order", "")], lambda a: a.cancel, _cancel)
    if isinstance(result, str):
        raise Refusal(result)
    return {"order": _echo(given), "cancel": 1, "status": "success"}


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────


def _refill(order_id: int) -> Request:
    return ask_refill(order_id, by="api")


def _cancel(order_id: int) -> Request:
    return ask_cancel(order_id, by="api")


def _ask_all(
    user: User, ids: list[str], pick: Callable[[Actions], Action], ask: Callable[[int], Request]
) -> list[tuple[str, Request | str]]:
    """Per id the request, or the sentence why not. Only what may be asked takes locks; the rest is read at once."""
    orders = (
        Order.objects.for_user(user)
        .select_related("service", "submission")
        .prefetch_related("requests")
        .in_bulk(_numbers(ids))
    )
    done: dict[str, Request | str] = {}
    for given in dict.fromkeys(ids):
        order = orders.get(number_of(given))
        done[given] = errors.ORDER if order is None else _ask_one(order, pick(actions_for(order)), ask)
    return [(given, done[given]) for given in ids]


def _ask_one(order: Order, action: Action, ask: Callable[[int], Request]) -> Request | str:
    if action.open_request:
        return action.open_request
    if not action.allowed:
        return action.why_not
    try:
        return ask(order.pk)
    except NotAllowed as error:
        return str(error)


# ── ids ─────────────────────────────────────────────────────────────────────────────────────────────


def _ids(text: str) -> list[str]:
    ids = [part for part in (part.strip() for part in text.split(",", MOST_IDS * 3)) if part]
    if len(ids) > MOST_IDS:
        raise Refusal(errors.TOO_MANY_IDS)
    if not ids:
        raise Refusal(errors.INCORRECT_REQUEST)
    return ids


def _numbers(ids: Iterable[str]) -> list[int]:
    return [number for number in map(number_of, ids) if number is not None]


def _echo(given: str) -> int | str:
    """An id as it was asked for: a number where it is one."""
    number = number_of(given)
    return given if number is None else number
