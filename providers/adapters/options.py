"""Per-provider options: what differs between providers of one dialect. Data on a provider's row, not code."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["number", "integer", "flag", "choice", "pairs", "text"]


@dataclass(frozen=True)
class Option:
    """`default` has the type that `read_options` gives: float, int, bool, str, or dict for pairs."""

    kind: Kind
    default: Any
    help: str
    least: float = 0
    most: float = 0
    choices: tuple[str, ...] = ()


OPTIONS: dict[str, Option] = {
    "deadline_s": Option("number", 45.0, "Seconds one call may take in all.", 1, 300),
    "batch_deadline_s": Option("number", 60.0, "The same for the catalog and for batches.", 1, 600),
    "concurrency": Option("integer", 8, "Calls in flight at once.", 1, 64),
    "batch_size": Option("integer", 100, "Order ids in one status call.", 1, 100),
    "rate_per_minute": Option("integer", 600, "Calls a minute; 0 means no limit.", 0, 100_000),
    "ambiguous_limit": Option("integer", 3, "Doubtful answers that stop sending.", 1, 1000),
    "ambiguous_window_s": Option("integer", 300, "Seconds within which they count together.", 1, 86_400),
    "edge_refusal_is_rejection": Option(
        "flag", False, "A 403 or 429 page without JSON proves that nothing was ordered."
    ),
    "breaker_cooldown_s": Option("integer", 60, "Seconds until one order is tried again.", 1, 3600),
    "price_rise_limit_percent": Option("number", 10.0, "A larger rise takes a service off sale.", 0, 10_000),
    "balance_every_s": Option("integer", 300, "Seconds between two readings of the balance.", 60, 86_400),
    "catalog_every_s": Option("integer", 1800, "Seconds between two readings of the catalog.", 300, 604_800),
    "request_id": Option("flag", False, "The provider documents request_id as idempotency key."),
    "quantity_with_comments": Option("flag", False, "Send quantity also where it is the number of lines."),
    "dripfeed_flag": Option("flag", False, "Send dripfeed=1 with runs and interval."),
    "field_renames": Option(
        "pairs", {}, "Our parameter=theirs, for one action with a prefix: media=media_url, refill.order=id."
    ),
    "extra_fields": Option("pairs", {}, "Parameters added to every order: name=value."),
    "order_ids": Option("choice", "any", "What an order id looks like.", choices=("any", "digits")),
    "ids_separator": Option("text", ",", "What stands between ids in a batch."),
    "line_ending": Option("choice", "lf", "What stands between lines of comments.", choices=("lf", "crlf")),
    "single_status": Option("flag", False, "Ask for one status by order= instead of orders=."),
    "multi_refill": Option("flag", False, "Ask for one refill by orders= instead of order=."),
    "single_cancel": Option("flag", False, "Ask for one cancellation by order= instead of orders=."),
    "status_words": Option("pairs", {}, "Their status word=ours: done=Completed."),
}

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off", "")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,59}")


def read_options(raw: Mapping[str, Any], options: Mapping[str, Option] | None = None) -> dict[str, Any]:
    """All options with their types and defaults. Values may be text, as from a command line, or JSON values.

    Raises ValueError with a sentence for the admin.
    """
    known = OPTIONS if options is None else options
    for name in raw:
        if name not in known:
            raise ValueError(f"There is no provider option {name}. Known: {', '.join(sorted(known))}.")
    read = {
        name: _read(name, option, raw[name]) if name in raw else option.default
        for name, option in known.items()
    }
    return {name: dict(value) if isinstance(value, dict) else value for name, value in read.items()}


def _read(name: str, option: Option, value: Any) -> Any:
    if value is None:
        return option.default
    if option.kind == "flag":
        return _flag(name, value)
    if option.kind in ("number", "integer"):
        return _number(name, option, value)
    if option.kind == "pairs":
        return _pairs(name, value)
    text = str(value)
    if option.kind == "choice" and text not in option.choices:
        raise ValueError(f"{name} must be one of: {', '.join(option.choices)}.")
    if option.kind == "text" and not 1 <= len(text) <= 5:
        raise ValueError(f"{name} must have 1 to 5 characters.")
    return text


def _flag(name: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{name} must be true or false.")


def _number(name: str, option: Option, value: Any) -> float | int:
    try:
        number = float(str(value).strip())
    except ValueError:
        raise ValueError(f"{name} must be a number.") from None
    if not option.least <= number <= option.most:
        raise ValueError(f"{name} must be between {option.least:,g} and {option.most:,g}.")
    if option.kind == "integer":
        if number != int(number):
            raise ValueError(f"{name} must be a whole number.")
        return int(number)
    return number


def _pairs(name: str, value: Any) -> dict[str, str]:
    """A mapping, JSON text of one, or k=v parts separated by comma, semicolon or line."""
    if isinstance(value, str):
        value = value.strip()
        if value.startswith("{"):
            try:
                value = json.loads(value)
            except ValueError:
                raise ValueError(f"{name} is not valid JSON.") from None
        else:
            parts = [part.strip() for part in re.split(r"[,;\n]", value) if part.strip()]
            if not all("=" in part for part in parts):
                raise ValueError(f"{name} must be written as name=value, name=value.")
            value = {key.strip(): text.strip() for key, text in (part.split("=", 1) for part in parts)}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be written as name=value, name=value.")
    pairs = {str(key): str(text) for key, text in value.items()}
    if name == "extra_fields" and not all(_NAME.fullmatch(key) for key in pairs):
        raise ValueError("extra_fields: a name may hold letters, digits, _ . - [ ] only.")
    if name == "extra_fields" and {"key", "action"} & pairs.keys():
        raise ValueError("extra_fields cannot replace key or action.")
    if name == "field_renames" and not all(
        _NAME.fullmatch(key) and _NAME.fullmatch(text) for key, text in pairs.items()
    ):
        raise ValueError("field_renames: names may hold letters, digits, _ . - [ ] only.")
    return pairs
