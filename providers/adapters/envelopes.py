"""The containers and envelopes that answers come in, opened by rule. Pure functions on JSON values."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from providers.adapters.reading import error_of, folded, id_of, pick, words_of


def dumped(answer: Any) -> str:
    try:
        return json.dumps(answer, ensure_ascii=False, default=str)
    except RecursionError:
        return "(nested too deeply to show)"


CALL_OK = ("success", "successful", "ok", "true")
TAKEN = ("success", "successful", "ok", "true", "requested", "accepted", "pending", "queued", "done", "yes")
_REFUSING = ("not", "cannot", "cant", "error", "invalid", "incorrect", "fail", "unable", "already", "denied")


def is_refusal(text: str) -> bool:
    squeezed = text.lower().replace("'", "")
    return any(word in squeezed for word in _REFUSING)


def named_order(answer: Any) -> str:
    return id_of(pick(answer, "order", "orderid")) or "" if isinstance(answer, Mapping) else ""


def is_failed_call(answer: Mapping[str, Any]) -> bool:
    """{"status":"fail","message":…} is a failed call; {"status":"Fail","remains":…} is an order's word."""
    error = error_of(answer)
    if error is None:
        return False
    status = pick(answer, "status")
    told_otherwise = any(pick(answer, name) is not None for name in ("error", "errors", "success"))
    if not isinstance(status, str) or told_otherwise:
        return True
    counted = any(
        name in {folded(str(key)) for key in answer} for name in ("remains", "charge", "startcount")
    )
    return bool(error) and not counted


def by_id(
    answer: Any, ids: Sequence[str], names: tuple[str, ...], is_one: Callable[[Mapping[str, Any]], bool]
) -> Iterator[tuple[str, Any]]:
    """(id, entry) for ids that were asked for. Rows of a list count only when they carry their id: PHP drops
    keys and filters, so positions lie. Two different rows for one id say nothing."""
    asked = set(ids)
    if isinstance(answer, Mapping):
        keyed = {str(key).strip(): entry for key, entry in answer.items() if str(key).strip() in asked}
        if keyed:
            yield from ((key, entry) for key, entry in keyed.items() if _agrees(entry, key, names))
            return
        # Some echo a number of their own in the answer about the one order asked for.
        if len(ids) == 1 and is_one(answer):
            yield ids[0], answer
            return
        rows: Iterable[Any] = [answer]
        for name in ("data", "result", "results", "orders", "statuses", "refills"):
            inner = pick(answer, name)
            if isinstance(inner, Mapping) and set(map(str, inner)) & asked:
                yield from by_id(inner, ids, names, lambda _: False)
                return
            if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
                rows = inner
                break
            if isinstance(inner, Mapping) and len(ids) == 1 and is_one(inner):
                yield ids[0], inner
                return
    elif isinstance(answer, list):
        rows = answer
    else:
        return
    seen: dict[str, Any] = {}
    doubtful: set[str] = set()
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        row_id = next((found for name in names if (found := id_of(pick(row, name)))), "")
        if row_id in asked:
            if row_id in seen and seen[row_id] != row:
                doubtful.add(row_id)
            seen[row_id] = row
    yield from ((row_id, row) for row_id, row in seen.items() if row_id not in doubtful)


def _agrees(entry: Any, order_id: str, names: tuple[str, ...]) -> bool:
    """An entry that names another order than its key does is not believed."""
    if not isinstance(entry, Mapping):
        return True
    named = id_of(pick(entry, *names[:2]))
    return not named or named == order_id


def service_rows(answer: Any, depth: int = 0) -> Iterator[tuple[Any, str, str]]:
    """(row, id if it was the key, category if that was the key) from all the containers in use."""
    if isinstance(answer, list):
        for row in answer:
            yield row, "", ""
        return
    if not isinstance(answer, Mapping):
        return
    if depth < 3 and (inner := _services_in(answer)) is not None:
        yield from service_rows(inner, depth + 1)
        return
    for key, row in answer.items():
        if isinstance(row, list):
            for inside in row:
                yield inside, "", str(key)
        elif isinstance(row, Mapping):
            yield row, str(key), ""


def is_empty_list(answer: Any, depth: int = 0) -> bool:
    """Whether an answer says that there are no services: an empty list, also in the container where services are.

    An object that is none of these, such as `{"message": "…"}`, is no list at all.
    """
    if isinstance(answer, Mapping) and depth < 3 and (inner := _services_in(answer)) is not None:
        return is_empty_list(inner, depth + 1)
    return isinstance(answer, list | Mapping) and not answer


def _services_in(answer: Mapping[str, Any]) -> Any:
    """The first container that services come in, or None."""
    named = (pick(answer, name) for name in ("services", "data", "result"))
    return next((inner for inner in named if isinstance(inner, list | Mapping)), None)


def language_text(value: Any) -> str:
    """Text, or the English (else the first) text of a per-language object."""
    if isinstance(value, Mapping):
        chosen = pick(value, "en", "name", "title")
        return words_of(chosen if chosen is not None else next(iter(value.values()), ""))
    return words_of(value)


def currency_of(value: Any) -> str:
    """An upper-case code such as USD, also from "12.50 EUR"; "" when there is none."""
    if not isinstance(value, str):
        return ""
    letters = "".join(char for char in value if char.isalpha())
    return letters.upper() if letters.isascii() and 3 <= len(letters) <= 5 else ""


def balance_holders(answer: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if isinstance(answer, Mapping):
        yield answer
        for name in ("data", "result", "user"):
            inner = pick(answer, name)
            if isinstance(inner, Mapping):
                yield inner
