"""The sequence of a provider call: build, send, read, classify. Dialects fill the steps (standard.py).

Every text that leaves here is cleaned and has the provider key taken out.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from providers.adapters.classify import Verdict, classify, find_order_id, looks_internal, refusal_kind
from providers.adapters.errors import Misconfigured, NotSent, Refused, Unavailable, Uncertain
from providers.adapters.http import Door, Reply
from providers.adapters.options import OPTIONS, Option, read_options
from providers.adapters.reading import (
    clean,
    error_of,
    find_json,
    landmark_of,
    pick,
    redactor,
    text_of,
    words_of,
)
from providers.adapters.results import (
    Accepted,
    AddRequest,
    Balance,
    Catalog,
    RefillStatuses,
    RequestAnswer,
    Statuses,
)

BeforeWrite = Callable[[], None] | None
ADD_BYTES = 256 * 1024
BATCH_BYTES = 4 * 1024 * 1024

_CHALLENGE = re.compile(
    r"just a moment|attention required|cf-chl|cf_chl|captcha|ddos-guard|checking your browser|"
    r"enable javascript|access denied|incapsula|sucuri",
    re.IGNORECASE,
)
_CALL_LEVEL = ("auth", "provider_funds", "rate_limit", "protocol", "missing_field")
"""Refusals of the call itself, whatever order it was about."""

_NOTHING = object()


class Adapter(ABC):
    """One provider. Stateless but for its settings, and as thread-safe as its door.

    Reads (services, statuses, refill_statuses, balance) raise Refused, Unavailable or Misconfigured; acts
    (add, refill, cancel) raise Refused, NotSent or Uncertain.
    """

    own_options: ClassVar[Mapping[str, Option]] = {}
    """Options that only this dialect knows."""

    def __init__(self, api_url: str, key: str, options: Mapping[str, Any], door: Door) -> None:
        self.api_url = api_url
        self.key = key
        self.options = read_options(options, self.all_options())
        self.door = door
        self._redact = redactor(key)

    @classmethod
    def all_options(cls) -> dict[str, Option]:
        """The options of this dialect: what read_options takes as its second argument."""
        return OPTIONS | dict(cls.own_options)

    @abstractmethod
    def services(self) -> Catalog:
        """The whole price list."""

    @abstractmethod
    def add_parameters(self, request: AddRequest) -> dict[str, str]:
        """The form of an order, without key and action."""

    @abstractmethod
    def statuses(self, ids: Sequence[str]) -> Statuses:
        """One call for at most `batch_size` order ids."""

    @abstractmethod
    def refill(self, ids: Sequence[str], *, before_write: BeforeWrite = None) -> Mapping[str, RequestAnswer]:
        """Ask for refills, one call. Orders that are not in the answer: no information. `before_write`: as for add."""

    @abstractmethod
    def refill_statuses(self, refill_ids: Sequence[str]) -> RefillStatuses:
        """One call for at most `batch_size` refill ids."""

    @abstractmethod
    def cancel(self, ids: Sequence[str], *, before_write: BeforeWrite = None) -> Mapping[str, RequestAnswer]:
        """Ask for cancellations, one call. Accepted means taken, not canceled: no money moves on it. `before_write`: as
        for add."""

    @abstractmethod
    def balance(self) -> Balance:
        """Our balance there, in the provider's currency; it may be negative."""

    def add(self, request: AddRequest, *, before_write: BeforeWrite = None) -> Accepted:
        """Buy. `before_write` runs right before the first byte and may raise to stop it.

        Raises Refused (certainly not accepted), NotSent (nothing left), Uncertain (perhaps accepted).
        """
        parameters = self.add_parameters(request)
        try:
            reply = self._post("add", parameters, cap_bytes=ADD_BYTES, before_write=before_write)
        except Uncertain as error:
            raise self._with_evidence(error) from None
        verdict = classify(
            True,
            reply.http_status,
            reply.body,
            edge_refusal_is_rejection=self.options["edge_refusal_is_rejection"],
        )
        if verdict.kind == "accepted" and self._fits(verdict.order_id):
            return Accepted(verdict.order_id, reply.http_status, self.excerpt(reply.body))
        raise self._refusal_or_doubt(verdict, reply)

    def _fits(self, order_id: str) -> bool:
        return self.options["order_ids"] == "any" or order_id.isdigit()

    def _refusal_or_doubt(self, verdict: Verdict, reply: Reply) -> Refused | Uncertain:
        message = self.say(verdict.message)
        excerpt = self.excerpt(reply.body)
        if verdict.kind == "rejected":
            return Refused(
                message or "The provider refused the order.",
                kind=verdict.refusal,
                reason=verdict.reason,
                http_status=reply.http_status,
                excerpt=excerpt,
            )
        return Uncertain(
            message or "The provider's answer does not tell whether the order was placed.",
            reason="odd_id" if verdict.kind == "accepted" else verdict.reason,
            http_status=reply.http_status,
            excerpt=excerpt,
            candidate_id=self._redact(verdict.candidate_id or verdict.order_id),
        )

    def _with_evidence(self, error: Uncertain) -> Uncertain:
        """What had arrived before the answer broke off may name the order."""
        document = find_json(text_of(error.partial))
        if document and isinstance(document.value, dict):
            order_id, candidate = find_order_id(document.value)
            error.candidate_id = self._redact(order_id or candidate)
        error.excerpt = self.excerpt(error.partial)
        error.partial = b""
        return error

    def _post(
        self,
        action: str,
        parameters: Mapping[str, str],
        *,
        cap_bytes: int | None = None,
        before_write: BeforeWrite = None,
    ) -> Reply:
        renames = self.options["field_renames"]
        data = {"key": self.key, "action": action, **parameters}
        data = {
            renames.get(f"{action}.{name}") or renames.get(name, name): text for name, text in data.items()
        }
        one = action in ("add", "balance") or (action != "services" and "order" in parameters)
        deadline = self.options["deadline_s" if one else "batch_deadline_s"]
        reply = self.door.post(
            self.api_url, data, deadline_s=deadline, before_write=before_write, cap_bytes=cap_bytes
        )
        return replace(reply, body=self._without_key(reply.body))

    def _without_key(self, body: bytes) -> bytes:
        """Some providers echo the key; it is gone before anything is read or kept."""
        if len(self.key) < 8 or landmark_of(self.key) not in body.lower():
            return body
        return self._redact(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _read(self, action: str, parameters: Mapping[str, str], cap_bytes: int | None = None) -> Any:
        """The JSON value of a call that may be repeated freely. An error in an envelope is not looked at."""
        try:
            reply = self._post(action, parameters, cap_bytes=cap_bytes)
        except NotSent as error:
            if error.reason in ("address", "certificate"):
                raise Misconfigured(error.message, reason=error.reason) from None
            raise Unavailable(error.message, reason=error.reason) from None
        except Uncertain as error:
            excerpt = self.excerpt(error.partial)
            raise Unavailable(error.message, reason=error.reason, excerpt=excerpt) from None
        text = text_of(reply.body)
        document = find_json(text)
        if (
            document is None
            or not document.clean
            or document.value is None
            or isinstance(document.value, str)
        ):
            raise self._unreadable(reply, text)
        if reply.http_status >= 500:
            raise self._unavailable(
                reply, f"The provider answered with HTTP {reply.http_status}.", "http_5xx"
            )
        if 300 <= reply.http_status < 400:
            raise self._redirected(reply)
        if reply.http_status >= 400 and isinstance(document.value, dict) and error_of(document.value) is None:
            self._raise_told(reply, document.value)
        return self.opened(action, document.value)

    def _raise_told(self, reply: Reply, answer: Mapping[str, Any]) -> None:
        told = self.say(words_of(pick(answer, "message", "msg")))
        kind = "rate_limit" if reply.http_status == 429 else refusal_kind(told)
        if told or kind != "unknown":
            raise Refused(
                told or f"The provider answered with HTTP {reply.http_status}.",
                kind=kind,
                http_status=reply.http_status,
                excerpt=self.excerpt(reply.body),
            )

    def _unreadable(self, reply: Reply, text: str) -> Refused | Misconfigured | Unavailable:
        status = reply.http_status
        said = f"The provider answered with HTTP {status}"
        if 300 <= status < 400:
            return self._redirected(reply)
        if _CHALLENGE.search(text[:20_000]):
            return self._misconfigured(
                reply,
                f"{said} and a bot check meant for browsers. Ask the provider to let this server in.",
                "challenge",
            )
        if status == 429:
            return Refused(
                "The provider says that there were too many requests.",
                kind="rate_limit",
                http_status=status,
                excerpt=self.excerpt(reply.body),
            )
        if status >= 500:
            return self._unavailable(reply, f"{said}.", "http_5xx")
        if status in (401, 403):
            return self._misconfigured(
                reply, f"{said}: it does not let this server or this key in.", "forbidden"
            )
        if status in (404, 405, 410):
            return self._misconfigured(reply, f"{said}: the address is probably wrong.", "wrong_url")
        if not text or text.endswith("null"):
            return self._unavailable(reply, f"{said} and nothing else.", "empty")
        if text[0] in "{[":
            return self._unavailable(reply, "The provider's answer broke off.", "truncated")
        return self._misconfigured(reply, f"{said} and no JSON: the address is probably wrong.", "not_json")

    def _redirected(self, reply: Reply) -> Misconfigured:
        target = self.say(reply.location) or "an address it does not name"
        return self._misconfigured(
            reply,
            f"The address redirects to {target}. Enter the final address of the API instead.",
            "redirect",
        )

    def _misconfigured(self, reply: Reply, message: str, reason: str) -> Misconfigured:
        excerpt = self.excerpt(reply.body)
        return Misconfigured(message, reason=reason, http_status=reply.http_status, excerpt=excerpt)

    def _unavailable(self, reply: Reply, message: str, reason: str) -> Unavailable:
        excerpt = self.excerpt(reply.body)
        return Unavailable(message, reason=reason, http_status=reply.http_status, excerpt=excerpt)

    def _ask(
        self, action: str, parameters: Mapping[str, str], before_write: BeforeWrite
    ) -> tuple[Any, Reply]:
        """The JSON value of a refill or cancel request. Raises Refused for a refusal of the whole call,
        NotSent, or Uncertain."""
        try:
            reply = self._post(action, parameters, cap_bytes=BATCH_BYTES, before_write=before_write)
        except Uncertain as error:
            error.excerpt, error.partial = self.excerpt(error.partial), b""
            raise error from None
        document = find_json(text_of(reply.body))
        answer = document.value if document and document.clean else _NOTHING
        error_text = error_of(answer) if isinstance(answer, dict) else None
        if error_text is None and isinstance(answer, dict) and 400 <= reply.http_status < 500:
            error_text = words_of(pick(answer, "message", "msg")) or None
        excerpt = self.excerpt(reply.body)
        if error_text is not None and reply.http_status < 500:
            kind = refusal_kind(error_text)
            if kind in _CALL_LEVEL:
                raise Refused(self.say(error_text), kind=kind, http_status=reply.http_status, excerpt=excerpt)
            if kind == "unknown" and looks_internal(error_text):
                raise Uncertain(
                    self.say(error_text) or "The provider reported an error without saying which.",
                    reason="internal_error",
                    http_status=reply.http_status,
                    excerpt=excerpt,
                )
            return self.opened(action, answer), reply
        if answer is _NOTHING or not 200 <= reply.http_status < 300 or not isinstance(answer, dict | list):
            raise Uncertain(
                "The provider's answer does not tell whether the request was taken.",
                reason=f"http_{reply.http_status}" if reply.http_status >= 300 else "not_json",
                http_status=reply.http_status,
                excerpt=excerpt,
            )
        return self.opened(action, answer), reply

    def opened(self, action: str, answer: Any) -> Any:
        """The answer as the standard has it: a dialect takes its own envelope off here, or renames what is in
        it. It is given every answer but those to `add`, also errors and nonsense, and must leave alone what it
        does not know."""
        return answer

    def say(self, text: str, limit: int = 300) -> str:
        """A provider's text for people: plain, short, without the key."""
        return self._redact(clean(self._redact(text), limit + len(self.key)))[:limit]

    def excerpt(self, body: bytes) -> str:
        return self.say(text_of(body[:100_000]), 500)
