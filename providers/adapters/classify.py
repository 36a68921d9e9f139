"""What an answer to `add` proves. Pure and total: any status with any bytes gets exactly one verdict.

The order of the rules is the promise not to send an order twice nor to refund one that is being delivered;
docs/reliability.md gives the table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from providers.adapters.reading import clean, error_of, find_json, folded, id_of, pick, text_of, words_of

_AUTH = (
    r"\b(invalid|incorrect|wrong|bad|unknown|missing|expired|inactive|disabled)( \w+)? (key|token)\b",
    r"\b(key|token) (\S+ )?(is |was )?"
    r"(not valid|not found|invalid|incorrect|wrong|expired|inactive|disabled)",
    r"\b(invalid|incorrect|wrong) api$|\bapi (access )?(is )?(disabled?|blocked|not allowed)\b",
    # Only our own account there: "user not found" may be the customer's link.
    r"^(your |the |this |api )?(account|user) (\w+ )?(is |was |has been )?"
    r"(suspended|banned|blocked|disabled|inactive|not active)",
    r"\bip( address)?( [\da-f ]+)? (is |was )?"
    r"(not allowed|blocked|banned|not whitelisted|denied|not authorized)",
    r"\bunauthori[sz]ed\b|\bunauthenticated\b|\bnot authori[sz]ed\b|\bauthentication\b|^access denied",
    r"^(403 )?forbidden$",
)
_FUNDS = (
    r"(\bno|not|n't) (have )?(enough|sufficient)( \w+)? (fund|balance|money|credit)|\bno (funds?|money|credits?)\b",
    r"\binsufficient( \w+)? (fund|balance|money|credit)",
    r"\b(funds?|balance|credit) (\w+ )?(is |are )?(not enough|insufficient|too low|not sufficient)",
    r"\b(low|empty|zero|exceeds( your)?) balance\b|\btop up\b|\badd funds\b",
)
_DUPLICATE = (
    r"\b(active|running|pending|existing|another) order (with|for|on) (this|the same|same) (link|url|page)",
    r"\blink duplicate\b|\bduplicate (link|order)\b|\bduplicated? (link|order)\b",
    r"\border (with this|for this|with the same|with same) link\b|\blink (is )?already\b",
    r"\balready (have|has|exists?)\b.*\b(order|link)\b",
)
_MISSING = (
    r"\bmissing( \w+)* (parameter|param|field|argument|value)",
    r"\b(parameter|param|field|argument)s?( \w+)* (is |are )?(missing|required|empty)",
    r"\b(is|are) required\b|\brequired (parameter|field)|\bmust be (present|provided|filled)\b",
    r"\bmissing (link|quantity|service|comments?|usernames?|username|key\w+)\b",
)
_SERVICE = (
    r"\b(incorrect|invalid|wrong|bad|unknown|disabled|inactive|deleted) service( id| type)?(?! \w*res)\b",
    r"\bservice( id)?( \d+)? (is |was |has been )?(currently )?"
    r"(inactive|not found|disabled|invalid|incorrect|not active|deleted|removed|closed|not exist)",
    r"\bselected service( id)? is (invalid|incorrect)|\bno such service\b",
    r"\bservice (id )?(does not|doesn't) exist\b",
)
_ORDER = (
    r"\b(incorrect|invalid|wrong|bad|unknown) (order|refill)( id)?\b",
    r"\b(order|refill)s?( id)?( \S+)? (is |was )?(not found|invalid|incorrect|does not exist)",
    r"\bno such (order|refill)\b|\bnot a number\b",
)
_RATE = (
    r"\brate limit|\btoo many (requests|attempts|orders|calls)|\brequest limit|\bslow down\b|\bthrottl",
    r"^429\b",
)
_QUANTITY = (
    r"\b(less|lower|smaller) than( the)? min|\b(more|greater|higher|larger) than( the)? max",
    r"\b(min|max|minimum|maximum|minimal|maximal) (order )?(quantity|amount|is|order)\b",
    r"^(min|max|minimum|maximum) \d|\bbetween \d+ and \d+\b|\berror quantity\b",
    r"\b(invalid|incorrect|wrong|bad) (order )?(quantity|amount)\b",
    r"\bquantity (is |must |should |can ?not |less|more|exceeds?|too |out of|not )",
)
_LINK = (
    r"\b(bad|incorrect|invalid|wrong|broken|unsupported) (\w+ )?(link|url|username|user name|profile|page)\b",
    r"\b(link|url|user|username|user name|profile|account|page|post) (\w+ )?(is |was )?"
    r"(not valid|invalid|incorrect|wrong|private|not found|not supported|bad|not public|does not exist)",
    r"\berror link$|\blink (error|format)\b",
)
_PROTOCOL = (
    r"\b(incorrect|invalid|bad|unknown|wrong|unsupported) (request|action|method|api action|parameters?)\b",
    r"\baction (is )?(not found|invalid|unknown|not supported)\b|\bmethod not allowed\b",
)
# Order matters: the more specific sentence first, so that "Link is required" is a missing field.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile("|".join(patterns)))
    for kind, patterns in (
        ("provider_funds", _FUNDS),
        ("rate_limit", _RATE),
        ("duplicate_link", _DUPLICATE),
        ("missing_field", _MISSING),
        ("service", _SERVICE),
        ("quantity", _QUANTITY),
        ("auth", _AUTH),
        ("link", _LINK),
        ("order", _ORDER),
        ("protocol", _PROTOCOL),
    )
)

# Said by programs that broke half-way, often after they had ordered from their own provider.
_INTERNAL = re.compile(
    r"time ?d? ?out|database|\bsql|\bdb error|\bagain\b|\blater\b|\bretry\b|exception|internal|server error|"
    r"gateway|unavailable|connection|could not|couldn't|\bcurl\b|stack ?trace|traceback|fatal|syntax|"
    r"undefined|null pointer|deadlock|unexpected|went wrong|unknown error|upstream|provider|supplier|"
    r"cloudflare|error occurr?ed|\ban error\b|oops|failed to|order failed|"
    r"(unable to|cannot|can not|can't) (create|place|process|save|add|complete)|\bmemory\b|not responding|"
    r"no response|api error|\bjson\b|\bparse|(processing|system) error"
)
_EMPTY_WORDS = frozenset({"", "error", "errors", "err", "fail", "failed", "failure", "true", "unknown", "ko"})


@dataclass(frozen=True)
class Verdict:
    """`refusal` is a kind of errors.REFUSAL_KINDS when rejected. `message` is cleaned, not redacted."""

    kind: Literal["accepted", "rejected", "not_sent", "unknown"]
    reason: str
    order_id: str = ""
    candidate_id: str = ""
    refusal: str = ""
    message: str = ""


def refusal_kind(text: str) -> str:
    """The class of an error text or code; "unknown" is the rest."""
    words = re.sub(r"[^\w']+", " ", text.replace("_", " ")).strip().lower()[:1000]
    return next((kind for kind, pattern in _KINDS if pattern.search(words)), "unknown")


def looks_internal(text: str) -> bool:
    """Whether the text tells of a breakdown rather than of a decision, so that it proves nothing.
    A bare "error" or a number tells neither."""
    wordless = folded(text) in _EMPTY_WORDS or not re.search(r"[^\W\d]", text)
    return wordless or bool(_INTERNAL.search(text.lower()[:2000]))


def classify(
    sent_started: bool, http_status: int | None, body: bytes, *, edge_refusal_is_rejection: bool = False
) -> Verdict:
    """First match wins. An id already stored for the provider is the caller's to notice, when recording."""
    if not sent_started:
        return Verdict("not_sent", "not_sent")
    text = text_of(body)
    document = find_json(text)
    if document is None or not isinstance(document.value, dict):
        return _without_object(http_status, text, document and document.value, edge_refusal_is_rejection)
    return _object(http_status, document.value, document.clean)


def _object(http_status: int | None, answer: Mapping[str, Any], certain: bool) -> Verdict:
    order_id, candidate = find_order_id(answer)
    error = error_of(answer)
    status = http_status or 0
    message = clean(error or "", 300)
    doubt = candidate or order_id or ""
    if not certain:
        return Verdict("unknown", "noise", candidate_id=doubt, message=message)
    if order_id is None:
        return Verdict("unknown", "odd_id", candidate_id=doubt, message=message)
    if order_id and error is not None:
        return Verdict("unknown", "error_beside_id", candidate_id=order_id, message=message)
    if order_id and 200 <= status < 300:
        return Verdict("accepted", "accepted", order_id=order_id)
    if order_id:
        return Verdict("unknown", f"http_{status}", candidate_id=order_id)
    if candidate:
        return Verdict("unknown", "odd_id", candidate_id=candidate, message=message)
    if error is None and 400 <= status < 500:
        # Frameworks answer {"message": "Unauthenticated."}; believed only where the words are known.
        told = words_of(pick(answer, "message", "msg"))
        error = told if refusal_kind(told) != "unknown" else None
        message = clean(error or "", 300)
    if error is None:
        return Verdict("unknown", "no_id" if 200 <= status < 300 else f"http_{status}")
    if not 0 < status < 500:
        return Verdict("unknown", f"http_{status}", message=message)
    return _refusal(error, message)


def _refusal(error: str, message: str) -> Verdict:
    kind = refusal_kind(error)
    if kind == "order":
        # "Incorrect order ID" answers some other question; it proves nothing about this order.
        return Verdict("unknown", "no_information", message=message)
    if kind == "unknown" and looks_internal(error):
        return Verdict("unknown", "internal_error", message=message)
    return Verdict("rejected", "refused", refusal=kind, message=message)


def _without_object(http_status: int | None, text: str, value: Any, edge_refusal: bool) -> Verdict:
    status = http_status or 0
    if value is None and edge_refusal and status in (403, 429):
        return Verdict("rejected", "edge_refusal", refusal="rate_limit", message=f"HTTP {status} page")
    candidate = ""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        order_id, doubt = find_order_id(value[0])
        candidate = order_id or doubt
    return Verdict("unknown", _why(status, text, value), candidate_id=candidate)


def _why(status: int, text: str, value: Any) -> str:
    if status == 0:
        return "no_answer"
    if status >= 500:
        return "http_5xx"
    if 300 <= status < 400:
        return "redirect"
    if status >= 400:
        return f"http_{status}"
    if not text:
        return "empty"
    if isinstance(value, list):
        return "list"
    if text[0] == "<":
        return "html"
    return "truncated" if text[0] in "{[" else "not_json"


def find_order_id(answer: Mapping[str, Any]) -> tuple[str | None, str]:
    """(id, candidate): the id as `id_of` gives it, from `order` or `order_id`, also inside `data`; and what a
    person may look at when there is doubt."""
    values = [value for key, value in answer.items() if folded(str(key)) in ("order", "orderid")]
    if not any(is_something(value) for value in values):
        inner = pick(answer, "data", "result", "response")
        if isinstance(inner, Mapping):
            if pick(inner, "order", "orderid") is not None and error_of(inner) is None:
                return find_order_id(inner)
            answer = inner if pick(answer, "id") is None else answer
        candidate = id_of(pick(answer, "id")) or ""
        return "", candidate
    ids = {_id_within(value) for value in values if is_something(value)}
    if len(ids) == 1 and (only := ids.pop()) is not None:
        return only, ""
    return None, _shown(values)


def _id_within(value: Any) -> str | None:
    if isinstance(value, Mapping):
        if error_of(value) is not None:
            return None
        return id_of(pick(value, "order", "orderid", "id"))
    return id_of(value)


def is_something(value: Any) -> bool:
    return id_of(value) != ""


def _shown(values: list[Any]) -> str:
    texts = [str(value) for value in values if isinstance(value, int | str) and not isinstance(value, bool)]
    return clean(" ".join(texts), 100)
