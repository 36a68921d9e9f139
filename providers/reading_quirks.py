"""What is particular about a provider's answers, as they came: for an admin who connects it. Pure, no database."""

import codecs
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.adapters import Adapter
from providers.adapters.envelopes import service_rows
from providers.adapters.http import Reply
from providers.adapters.reading import find_json, folded, text_of
from providers.service_types import fold

ROWS_LOOKED_AT = 500


@dataclass(frozen=True)
class Quirks:
    """`speaks`: (what, how). `odd`: sentences about what deviates and is survived all the same."""

    speaks: tuple[tuple[str, str], ...] = ()
    odd: tuple[str, ...] = ()


def quirks_of(adapter: Adapter, replies: Mapping[str, Reply]) -> Quirks:
    """Look at the replies by question ("balance", "services", "status"); the provider's key is in none of this."""
    speaks: list[tuple[str, str]] = []
    odd = list(dict.fromkeys(sentence for reply in replies.values() for sentence in _wrapping(reply)))
    if "services" in replies:
        value = _value(replies["services"])
        speaks += _list_facts(adapter, value)
        odd += _row_quirks(adapter, value)
    if "balance" in replies:
        odd += _balance_quirks(_value(replies["balance"]))
    return Quirks(tuple(speaks), tuple(odd))


def _value(reply: Reply) -> Any:
    document = find_json(text_of(reply.body))
    return document.value if document else None


def _wrapping(reply: Reply) -> Iterable[str]:
    body = reply.body
    if reply.http_status != 200:
        yield f"It answers with HTTP {reply.http_status}."
    if "json" not in reply.content_type.lower():
        yield "It does not call its answers JSON."
    if body.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield "A byte order mark stands before its answers."
    elif (text := text_of(body)) and text[0] not in '{["' and find_json(text):
        yield "Other text, such as PHP notices, stands before its answers."


def _list_facts(adapter: Adapter, value: Any) -> list[tuple[str, str]]:
    rows = _rows(adapter, value)
    if not rows:
        return []
    fields = Counter(str(name) for row in rows for name in row)
    types = Counter(str(row.get("type")) for row in rows)
    named = (
        f"{adapter.say(word, 40)} {count}" + ("" if fold(word) else " (not known)")
        for word, count in types.most_common(12)
    )
    container = "a list" if isinstance(value, list) else "keyed by id" if _keyed(value) else "wrapped"
    return [
        ("List", container),
        ("Fields", ", ".join(adapter.say(name, 30) for name, _ in fields.most_common(20))),
        ("Types", ", ".join(named)),
    ]


def _keyed(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(row, Mapping) for row in value.values())


def _rows(adapter: Adapter, value: Any) -> list[Mapping[str, Any]]:
    opened = adapter.opened("services", value)
    found = []
    for row, _key, _category in service_rows(opened):
        if isinstance(row, Mapping):
            found.append(row)
        if len(found) >= ROWS_LOOKED_AT:
            break
    return found


def _row_quirks(adapter: Adapter, value: Any) -> list[str]:
    rows = _rows(adapter, value)
    odd: list[str] = []
    if not rows:
        return odd
    present = {folded(str(name)) for row in rows for name in row}
    if any(isinstance(row.get("name"), Mapping) for row in rows):
        odd.append("Names come in several languages; English is taken.")
    if "type" not in present:
        odd.append("It does not tell the types of its services: each must be mapped before it can be sold.")
    odd += [
        f"It does not tell which services allow {name}: none is assumed to."
        for name in ("refill", "cancel")
        if name not in present
    ]
    if not {"service", "serviceid", "id"} & present:
        odd.append("Ids stand only as the keys of its list.")
    return odd


_AMOUNTS = ("balance", "amount", "funds", "credit")


def _balance_quirks(value: Any) -> list[str]:
    names = {folded(str(name)) for name in _names(value)}
    # Only a balance can lack its currency; a refusal is no quirk.
    if any(word in name for name in names for word in _AMOUNTS) and not any(
        "currency" in name for name in names
    ):
        return ["It does not tell the currency of the balance; the one entered here is believed."]
    return []


def _names(value: Any, depth: int = 0) -> Iterable[str]:
    if isinstance(value, Mapping) and depth < 4:
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner, depth + 1)
