"""Reading what providers really send: JSON behind noise, numbers in disguise, text that is not to be trusted.

Everything here is total: odd input gives None (or Noise), never an exception.
"""

import codecs
import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

EXCERPT = 500
LARGEST = 10**15
_MAX_DIGITS = 100
_MAX_TRIES = 500


@dataclass(frozen=True)
class Document:
    """`clean` False: a JSON value was found, but what surrounds it casts doubt on it."""

    value: Any
    clean: bool


class _Duplicate(ValueError):
    pass


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _MAX_DIGITS else text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """PHP cannot write one key twice; an answer that does, with two values, says nothing reliable."""
    read = dict(pairs)
    if len(read) != len(pairs) and any(read[key] != value for key, value in pairs):
        raise _Duplicate
    return read


_DECODER = json.JSONDecoder(
    parse_float=Decimal,
    parse_int=_integer,
    parse_constant=lambda _: None,
    object_pairs_hook=_object,
)
_NO_JSON = (ValueError, RecursionError, InvalidOperation)
# A PHP notice, or a comment of the kind that hosts append; both may follow a complete answer.
_TAIL = re.compile(
    r"(?:\s|<br\s*/?>|<!--.*?-->"
    r"|(?:<b>)?(?:PHP )?(?:Notice|Warning|Deprecated|Fatal error|Strict Standards)(?:</b>)?:[^{}\[\]]*)*",
    re.DOTALL | re.IGNORECASE,
)
_PAGE = re.compile(r"<(?:!doctype|html|head|body|script)", re.IGNORECASE)
# The start of some other JSON value: what was found behind it may be only a part of it.
_OTHER_JSON = re.compile(r"[{\[]\s*[\"{\[]")


def text_of(body: bytes) -> str:
    """The body as text: byte order marks obeyed and dropped, undecodable bytes replaced."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = body.decode("utf-16", "replace")
    else:
        text = body.decode("utf-8", "replace")
    return text.strip("\ufeff\x00 \t\r\n\v\f\u00a0\u200b")


def find_json(text: str) -> Document | None:
    """The JSON value in a body given by `text_of`, also behind PHP notices. None: there is none, or it is cut
    off. A value that is itself JSON text (encoded twice) is read once more."""
    if not text:
        return None
    document = _whole(text) or (None if text[0] in '{["' else _behind_noise(text))
    if document and isinstance(document.value, str) and document.value.lstrip()[:1] in ("{", "["):
        inner = _whole(document.value.strip())
        return Document(inner.value, inner.clean and document.clean) if inner else document
    return document


def _whole(text: str) -> Document | None:
    try:
        value, end = _DECODER.raw_decode(text)
    except _NO_JSON:
        return None
    return Document(value, bool(_TAIL.fullmatch(text, end)))


def _behind_noise(text: str) -> Document | None:
    """The first object, list or final null that runs to the end of the text."""
    for tries, start in enumerate(re.finditer(r"[{\[]", text)):
        if tries >= _MAX_TRIES:
            break
        try:
            value, end = _DECODER.raw_decode(text, start.start())
        except _NO_JSON:
            continue
        if _TAIL.fullmatch(text, end):
            noise = text[: start.start()]
            return Document(value, not (_PAGE.search(noise) or _OTHER_JSON.search(noise)))
    return None


def clean(text: str, limit: int = EXCERPT, *, keep_lines: bool = False) -> str:
    """Plain text for people: control, bidirectional and other invisible characters removed, spaces folded,
    at most `limit` characters."""
    text = text[: limit * 20]
    if text.isprintable() and "  " not in text:
        return text.strip()[:limit].strip()  # nearly every text, and a catalog has tens of thousands
    spaced = re.sub(r"[^\S\n]+" if keep_lines else r"\s+", " ", text)
    if (spaced.replace("\n", " ") if keep_lines else spaced).isprintable():
        return spaced.strip()[:limit].strip()
    shown = "".join(
        char
        for char in spaced
        if char in "\n\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co")
    )
    return shown.strip()[:limit].strip()


def plain(text: str, limit: int) -> str:
    """A description as text: line breaks kept, tags dropped, entities read."""
    if not any(sign in text for sign in "<&\r\n"):
        return clean(text, limit)
    text = re.sub(r"<br\s*/?>|</p>|</li>|</div>", "\n", text[: limit * 20], flags=re.IGNORECASE)
    text = html.unescape(re.sub(r"</?[a-zA-Z][^<>]{0,500}>", "", text))
    return re.sub(r"\n\s*\n\s*", "\n\n", clean(text.replace("\r\n", "\n"), limit, keep_lines=True))


HIDDEN = "[key]"


def redactor(key: str) -> Callable[[str], str]:
    """A function that hides the key, also as providers echo it: percent-encoded, escaped, in other case."""
    if len(key) < 4:
        return lambda text: text
    pattern = re.compile("".join(map(_spellings, key)), re.IGNORECASE)
    landmark = landmark_of(key).decode()
    return lambda text: pattern.sub(HIDDEN, text) if landmark in text.lower() else text


def _spellings(char: str) -> str:
    """One character of a key as a pattern: itself, or encoded for an address, for JSON or for HTML. By character,
    because encoders differ in what they leave alone: "/" may stand as it is beside a "%2B"."""
    if char.isalnum():
        return re.escape(char)
    escaped = json.dumps(char)[1:-1]
    forms = {char, quote(char, safe=""), quote_plus(char), html.escape(char), escaped, f"\\{char}"}
    forms |= {f"%{ord(char):02x}", f"\\u{ord(char):04x}", f"&#{ord(char)};", f"&#x{ord(char):x};"}
    return f"(?:{'|'.join(re.escape(form) for form in sorted(forms, key=len, reverse=True))})"


@lru_cache(maxsize=256)
def landmark_of(key: str) -> bytes:
    """The longest run of letters and digits in a key, lower case: what stands in every spelling of it, and is
    looked for fast."""
    runs: list[str] = re.findall(r"[^\W_]+", key.lower())
    return max(runs, key=len, default="").encode()


# What may stand beside a number: a currency's sign, with letters or not ("$", "US$", "₹"), its code ("EUR", "USDT"), or
# what people write for it. Anything else changes what the number means: "50%", "10k", "0.005/unit", "2 x 0.5".
_SIGN = r"[A-Za-z]{0,3}[$\u00a2-\u00a5\u20a0-\u20cf][A-Za-z]{0,3}"
_LOCAL = r"rp|rs|r|kr|kc|kč|zl|zł|tl|lei|din|ft|fr|p|р|руб|rub|грн|usdt|usdc|busd"
_BESIDE = rf"(?:{_SIGN}|(?!mln|mio|mil|mrd|tsd|thd|per|pct|prc|pcs)[A-Za-z]{{3}}|(?:{_LOCAL})\.?)?"
_NUMBER = re.compile(
    rf"([-+]?)({_BESIDE})[:=]?([-+]?)(\d[\d.,]*|\.\d+)(e[-+]?\d{{1,3}})?({_BESIDE})", re.IGNORECASE
)
# In these a point parts thousands, and there are no cents to mistake it for.
_POINT_PARTS_THOUSANDS = re.compile(r"rp\.?|idr|vnd|đ|₫|clp|cop|pyg|₲", re.IGNORECASE)
_ONE_POINT_AND_THREE = re.compile(r"[1-9]\d{0,2}\.\d{3}")


def decimal_of(value: Any) -> Decimal | None:
    """A number as providers write it: 0.5, "0.50", "$0.50", "1,234.56", "0,90", "12.50 EUR", 1.0E-5.

    None for booleans, words, several numbers, numbers with anything beside them that is no currency ("50%", "10k",
    "0.5/unit"), and what lies beyond 10^15 or below 10^-20.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    if isinstance(value, str) and not (
        len(value) < 30 and value.replace(".", "", 1).isdecimal() and value.isascii()
    ):
        text = re.sub(r"[\s'\u00a0\u202f]", "", value[:100])
        match = _NUMBER.fullmatch(text)
        if match is None:
            return None
        outer, before, inner, digits, exponent, after = match.groups()
        if _ONE_POINT_AND_THREE.fullmatch(digits) and any(
            _POINT_PARTS_THOUSANDS.fullmatch(beside) for beside in (before, after)
        ):
            digits = digits.replace(".", "")
        plain_digits = _separators(digits)
        if plain_digits is None or (outer and inner):
            return None
        value = f"{outer or inner}{plain_digits}{exponent or ''}"
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or (number and not -20 <= number.adjusted() <= 15) or abs(number) > LARGEST:
        return None
    return number


def _separators(digits: str) -> str | None:
    """Digits with a point as decimal sign and nothing else. A single comma before three digits separates
    thousands ("10,000"), unless it follows a lone zero."""
    commas, points = digits.count(","), digits.count(".")
    if commas and points:
        thousands, sign = (",", ".") if digits.rfind(".") > digits.rfind(",") else (".", ",")
        head, _, tail = digits.rpartition(sign)
        if not re.fullmatch(rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{2,3}})*", head):
            return None
        return f"{head.replace(thousands, '')}.{tail}"
    if commas and re.fullmatch(r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}", digits):
        return digits.replace(",", "")
    if commas > 1:
        return None
    if points > 1:
        return digits.replace(".", "") if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", digits) else None
    return digits.replace(",", ".")


def integer_of(value: Any) -> int | None:
    """A whole number, negative ones too; "157.0" is one. None for words, fractions and booleans, and for
    "10.000" in text, which means ten to some and ten thousand to others."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?[1-9]\d{0,2}\.\d{3}\s*", value):
        return None
    number = decimal_of(value)
    if number is None or number != number.to_integral_value():
        return None
    return int(number)


_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:#/+=|~@-]{0,99}")


def id_of(value: Any) -> str | None:
    """An order or refill id as text. "" when it is empty (None, false, 0, "", [], {}); None when something
    stands there that is no id: a sentence, a bare word such as "success", a list, true, a fraction."""
    if value is None or value == 0 or value in ("", [], {}):
        return ""
    if isinstance(value, Decimal):
        whole = integer_of(value)
        return str(whole) if whole is not None and whole > 0 else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    if not text or (decimal_of(text) == 0 or re.fullmatch(r"0x0+", text, re.IGNORECASE)):
        return ""
    # A word is no id, however its parts are joined: "order_placed".
    return text if _ID.fullmatch(text) and any(char.isdigit() for char in text) else None


def flag_of(value: Any) -> bool:
    """Booleans, 0 and 1, "true", null or missing. 3 means off in the dialect that counts 1, 2, 3."""
    if isinstance(value, str):
        return value.strip().lower() in ("true", "yes", "on", "1", "2")
    return value is True or (isinstance(value, int) and value in (1, 2))


@lru_cache(maxsize=4096)
def folded(key: str) -> str:
    """Letters and digits only, lower case: "In progress", "in_progress" and "InProgress" are one word."""
    return re.sub(r"[\W_]+", "", key).lower()


def pick(row: Mapping[str, Any], *names: str) -> Any:
    """The first value under one of the names (given folded) that is not None; keys differ in case and in
    underscores from one provider to the next."""
    for name in names:
        if row.get(name) is not None:
            return row[name]
    by_folded = {folded(str(key)): value for key, value in row.items() if value is not None}
    return next((by_folded[name] for name in names if name in by_folded), None)


_NOTHING = ("", "0", "false", "null", "none", "no")
_TEXTS = ("message", "msg", "text", "error", "errors", "description", "detail", "details", "reason", "code")
_FAILED = ("error", "errors", "fail", "failed", "failure", "false", "0", "ko")


def words_of(value: Any, depth: int = 0) -> str:
    """Whatever sentence an error value holds; "" when it holds none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None or depth > 4:
        return ""
    if isinstance(value, Mapping):
        named = (words_of(pick(value, name), depth + 1) for name in _TEXTS)
        found = next((text for text in named if re.search(r"[^\W\d]", text)), "")
        return found or _joined(value.values(), depth)
    if isinstance(value, list):
        return _joined(value, depth)
    return str(value)


def _joined(values: Iterable[Any], depth: int) -> str:
    texts = [words_of(value, depth + 1) for _, value in zip(range(10), values, strict=False)]
    return "; ".join(text for text in texts if text)


def is_truthy(value: Any) -> bool:
    """Whether an error value says that there is an error; 0, "false" and empty containers do not."""
    if isinstance(value, str):
        return value.strip().lower() not in _NOTHING
    return bool(value)


def error_of(answer: Mapping[str, Any]) -> str | None:
    """The error text of an answer in any of the known envelopes: "" for an error without words, None when no
    error is reported. `"error": null` or "" beside a valid answer is not an error."""
    for name in ("error", "errors", "err"):
        value = pick(answer, name)
        if is_truthy(value):
            text = words_of(value)
            return text if re.search(r"[^\W\d]", text) else _beside(answer) or text
    status = pick(answer, "status")
    if isinstance(status, str) and folded(status) in _FAILED:
        return _beside(answer)
    if status is False or (isinstance(status, int) and not isinstance(status, bool) and 400 <= status < 600):
        return _beside(answer)
    for name in ("success", "ok"):
        if name in answer and answer[name] is not None and not is_truthy(answer[name]):
            return _beside(answer)
    return None


def _beside(answer: Mapping[str, Any]) -> str:
    return words_of(pick(answer, "msg", "message", "description", "detail", "reason"))
