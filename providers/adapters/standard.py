"""The standard dialect of the panel API v2, tolerant by rule to what providers really send.

A dialect that contradicts it subclasses StandardAdapter and overrides the words, the names or one step.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any, ClassVar

from providers.adapters.base import BATCH_BYTES, Adapter, BeforeWrite
from providers.adapters.classify import refusal_kind
from providers.adapters.envelopes import (
    CALL_OK,
    TAKEN,
    balance_holders,
    by_id,
    currency_of,
    dumped,
    is_empty_list,
    is_failed_call,
    is_refusal,
    language_text,
    named_order,
    service_rows,
)
from providers.adapters.errors import Misconfigured, Refused, Unavailable, Uncertain
from providers.adapters.reading import (
    decimal_of,
    error_of,
    flag_of,
    folded,
    id_of,
    integer_of,
    pick,
    plain,
    words_of,
)
from providers.adapters.results import (
    AddRequest,
    Balance,
    Catalog,
    Observation,
    OfferRow,
    RefillStatuses,
    RefillWord,
    RequestAnswer,
    Statuses,
    Word,
)
from providers.service_types import MAX_QUANTITY, TYPES, fold, lines_of

_EIGHT_PLACES = Decimal("0.00000001")
_LARGEST_RATE = Decimal("9999999999")


class StandardAdapter(Adapter):
    words: ClassVar[Mapping[str, Word]] = {
        "pending": Word.PENDING,
        "processing": Word.PROCESSING,
        "inprogress": Word.IN_PROGRESS,
        "inprogess": Word.IN_PROGRESS,
        "completed": Word.COMPLETED,
        "complete": Word.COMPLETED,
        "partial": Word.PARTIAL,
        "canceled": Word.CANCELED,
        "cancelled": Word.CANCELED,
        "refunded": Word.CANCELED,
    }
    """Folded words. Fail, Error, Awaiting, Active, Paused, Expired and all others: known to mean nothing
    certain, so they change nothing."""

    refill_words: ClassVar[Mapping[str, RefillWord]] = {
        "pending": RefillWord.PENDING,
        "awaiting": RefillWord.PENDING,
        "inprogress": RefillWord.IN_PROGRESS,
        "completed": RefillWord.COMPLETED,
        "rejected": RefillWord.REJECTED,
        "canceled": RefillWord.REJECTED,
        "cancelled": RefillWord.REJECTED,
    }

    # ------------------------------------------------------------------------------------------ add

    def add_parameters(self, request: AddRequest) -> dict[str, str]:
        service_type = TYPES[request.service_type]
        ordered = request.ordered
        line_ending = "\r\n" if self.options["line_ending"] == "crlf" else "\n"
        data = {"service": request.service}
        if service_type.has_link:
            data["link"] = ordered.link
        if service_type.counts == "quantity" or (
            service_type.counts == "lines" and self.options["quantity_with_comments"]
        ):
            data["quantity"] = str(ordered.quantity)
        for wanted in service_type.fields:
            if wanted.name in ordered.fields:
                value = ordered.fields[wanted.name]
                data[wanted.name] = line_ending.join(lines_of(value)) if wanted.kind == "lines" else value
        if service_type.drip_feed and ordered.runs:
            data["runs"] = str(ordered.runs)
            if ordered.interval:
                data["interval"] = str(ordered.interval)
            if self.options["dripfeed_flag"]:
                data["dripfeed"] = "1"
        data |= self.options["extra_fields"]
        if self.options["request_id"] and request.request_key:
            data["request_id"] = request.request_key
        return data

    # ------------------------------------------------------------------------------------- services

    def services(self) -> Catalog:
        answer = self._read("services", {})
        self._refuse(answer)
        found = next(service_rows(answer), None) is not None
        if isinstance(answer, Mapping) and not (found or is_empty_list(answer)):
            raise Misconfigured(
                "The provider's answer is not a list of services.",
                reason="unexpected",
                excerpt=self._shown(answer),
            )
        rows: dict[str, OfferRow] = {}
        problems: list[str] = []
        for raw, key, category in service_rows(answer):
            self._add_row(raw, key, category, rows, problems)
        return Catalog(tuple(rows.values()), tuple(problems))

    def _add_row(
        self, raw: Any, key: str, category: str, rows: dict[str, OfferRow], problems: list[str]
    ) -> None:
        if not isinstance(raw, Mapping):
            problems.append("A row that is not a service was dropped.")
            return
        service_id = id_of(pick(raw, "service", "serviceid", "id") or key) or ""
        if not service_id:
            problems.append("A service without an id was dropped.")
            return
        row, problem = self._offer(service_id, raw, category)
        if row is None:
            problems.append(f"Service {service_id} was dropped: {problem}")
            return
        earlier = rows.get(service_id)
        if earlier is not None:
            problems.append(f"Service {service_id} is listed more than once; the dearest was kept.")
            row = max(earlier, row, key=lambda offer: offer.rate)
        rows[service_id] = row

    def _offer(self, service_id: str, raw: Mapping[str, Any], category: str) -> tuple[OfferRow | None, str]:
        type_raw = self.say(words_of(raw.get("type")), 100)
        code = fold(type_raw)
        rate = decimal_of(pick(raw, "rate"))
        if rate is None or not 0 <= rate <= _LARGEST_RATE:
            return None, "its rate cannot be read."
        one = code is not None and TYPES[code].counts == "one"
        minimum = integer_of(pick(raw, "min", "minimum"))
        maximum = integer_of(pick(raw, "max", "maximum"))
        if minimum is None and one:
            minimum = 1
        if maximum is None and one:
            maximum = 1
        if minimum is None or maximum is None or minimum < 0 or maximum < 0:
            return None, "its minimum or maximum cannot be read."
        return OfferRow(
            service_id=service_id,
            name=self.say(language_text(pick(raw, "name", "title")), 255) or f"Service {service_id}",
            category=self.say(language_text(pick(raw, "category")) or category, 255),
            type_raw=type_raw,
            service_type=code,
            # Rounded up: a cost must never look smaller than it is.
            rate=rate
            if rate == rate.quantize(_EIGHT_PLACES)
            else rate.quantize(_EIGHT_PLACES, ROUND_CEILING),
            minimum=min(minimum, MAX_QUANTITY),
            maximum=min(maximum, MAX_QUANTITY),
            refill=flag_of(pick(raw, "refill")),
            cancel=flag_of(pick(raw, "cancel")),
            dripfeed=_drip_feed(pick(raw, "dripfeed"), code),
            description=self._redact(plain(language_text(pick(raw, "description", "desc")), 5000)),
        ), ""

    # --------------------------------------------------------------------------------------- status

    def statuses(self, ids: Sequence[str]) -> Statuses:
        if len(ids) == 1 and self.options["single_status"]:
            answer = self._read("status", {"order": ids[0]}, BATCH_BYTES)
        else:
            answer = self._read("status", {"orders": self._joined(ids)}, BATCH_BYTES)
        entries = dict(by_id(_error_as_entry(answer, ids), ids, ("order", "orderid", "id"), self._is_status))
        if not entries:
            self._refuse_or_note(answer, ids, entries)
        found: dict[str, Observation] = {}
        errors: dict[str, str] = {}
        for order_id, entry in entries.items():
            observation = self._observation(entry)
            if observation is not None:
                found[order_id] = observation
            elif (text := self._entry_error(entry)) is not None:
                errors[order_id] = self.say(text) or "The provider reported an error."
        return Statuses(found, errors)

    def _is_status(self, answer: Mapping[str, Any]) -> bool:
        """Whether an answer without ids is itself the status of the one order asked for."""
        status = pick(answer, "status")
        return isinstance(status, str) and folded(status) not in CALL_OK and not is_failed_call(answer)

    def _observation(self, entry: Any) -> Observation | None:
        if isinstance(entry, str):
            word = self.word(entry)
            return None if word is None else Observation(word, self.say(entry, 60), raw=self.say(entry, 500))
        if not isinstance(entry, Mapping) or is_failed_call(entry):
            return None
        status = pick(entry, "status")
        if not isinstance(status, str) or not status.strip():
            return None
        children = pick(entry, "orders")
        return Observation(
            word=self.word(status),
            raw_word=self.say(status, 60),
            charge=decimal_of(pick(entry, "charge")),
            start_count=integer_of(pick(entry, "startcount")),
            remains=integer_of(pick(entry, "remains", "remain")),
            currency=currency_of(pick(entry, "currency")),
            runs=integer_of(pick(entry, "runs")),
            child_ids=tuple(filter(None, map(id_of, children))) if isinstance(children, list) else (),
            raw=self._shown(entry),
        )

    def word(self, raw: str) -> Word | None:
        own = {folded(theirs): folded(ours) for theirs, ours in self.options["status_words"].items()}
        name = folded(raw)
        return self.words.get(own.get(name, name))

    def _entry_error(self, entry: Any) -> str | None:
        if isinstance(entry, str):
            return entry or None
        if not isinstance(entry, Mapping):
            return None
        status = pick(entry, "status")
        if isinstance(status, Mapping):
            return error_of(status)
        return error_of(entry)

    # --------------------------------------------------------------------------------------- refill

    def refill(self, ids: Sequence[str], *, before_write: BeforeWrite = None) -> Mapping[str, RequestAnswer]:
        single = len(ids) == 1 and not self.options["multi_refill"]
        parameters = {"order": ids[0]} if single else {"orders": self._joined(ids)}
        answer, reply = self._ask("refill", parameters, before_write)
        return self._answers("refill", answer, ids, reply.http_status, self.excerpt(reply.body))

    def refill_statuses(self, refill_ids: Sequence[str]) -> RefillStatuses:
        single = len(refill_ids) == 1
        parameters = {"refill": refill_ids[0]} if single else {"refills": self._joined(refill_ids)}
        answer = self._read("refill_status", parameters, BATCH_BYTES)
        if single and isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], Mapping):
            answer = answer[0]
        answer = _error_as_entry(answer, refill_ids)
        entries = dict(by_id(answer, refill_ids, ("refill", "refillid", "id"), self._is_status))
        if not entries:
            self._refuse_or_note(answer, refill_ids, entries)
        found: dict[str, RefillWord | None] = {}
        raw: dict[str, str] = {}
        errors: dict[str, str] = {}
        for refill_id, entry in entries.items():
            status = pick(entry, "status") if isinstance(entry, Mapping) else entry
            if isinstance(status, str) and status.strip() and not self._is_refill_error(entry, status):
                found[refill_id] = self.refill_words.get(folded(status))
                raw[refill_id] = self.say(status, 60)
            elif (text := self._entry_error(entry)) is not None:
                errors[refill_id] = self.say(text) or "The provider reported an error."
        return RefillStatuses(found, raw, errors)

    def _is_refill_error(self, entry: Any, status: str) -> bool:
        if isinstance(entry, Mapping):
            return is_failed_call(entry)
        return folded(status) not in self.refill_words

    # --------------------------------------------------------------------------------------- cancel

    def cancel(self, ids: Sequence[str], *, before_write: BeforeWrite = None) -> Mapping[str, RequestAnswer]:
        single = len(ids) == 1 and self.options["single_cancel"]
        parameters = {"order": ids[0]} if single else {"orders": self._joined(ids)}
        answer, reply = self._ask("cancel", parameters, before_write)
        return self._answers("cancel", answer, ids, reply.http_status, self.excerpt(reply.body))

    def _answers(
        self, name: str, answer: Any, ids: Sequence[str], http_status: int, excerpt: str
    ) -> dict[str, RequestAnswer]:
        """One order's answer per id. A flat answer speaks for the order asked for when there was only one."""
        if isinstance(answer, Mapping) and pick(answer, name) is None:
            inner = pick(answer, "data", "result")
            answer = inner if isinstance(inner, Mapping) and pick(inner, name) is not None else answer
        if isinstance(answer, list) and len(ids) == len(answer) == 1 and isinstance(answer[0], Mapping):
            answer = answer[0] if pick(answer[0], "order", "orderid") is None else answer
        flat = isinstance(answer, Mapping) and (
            pick(answer, name, "success") is not None
            or error_of(answer) is not None
            or isinstance(pick(answer, "status"), str)
        )
        entries: dict[str, Any] = {}
        if not (flat and len(ids) == 1 and named_order(answer) in ("", ids[0])):
            entries = dict(by_id(answer, ids, ("order", "orderid"), lambda _: False))
        elif isinstance(answer, Mapping):
            entries = {ids[0]: answer}
        if not entries and isinstance(answer, Mapping) and (text := error_of(answer)) is not None:
            raise Refused(
                self.say(text) or "The provider refused the request.",
                kind=refusal_kind(text),
                http_status=http_status,
                excerpt=excerpt,
            )
        read = {order_id: self._request_answer(name, entry) for order_id, entry in entries.items()}
        answers = {order_id: given for order_id, given in read.items() if given is not None}
        if not answers:
            raise Uncertain(
                "The provider's answer does not tell whether the request was taken.",
                reason="no_information",
                http_status=http_status,
                excerpt=excerpt,
            )
        return answers

    def _request_answer(self, name: str, entry: Any) -> RequestAnswer | None:
        """None: no information."""
        value = pick(entry, name) if isinstance(entry, Mapping) else entry
        error = error_of(value) if isinstance(value, Mapping) else None
        if error is None and isinstance(entry, Mapping):
            error = error_of(entry)
        if error is not None:
            return self._refused_answer(error)
        if isinstance(value, Mapping):
            value = pick(value, "id", name, f"{name}id", "status")
        if value is None and isinstance(entry, Mapping):
            success = pick(entry, "success")
            taken = success is True or folded(str(pick(entry, "status"))) in TAKEN
            return RequestAnswer(True) if taken else None
        if value is True or (isinstance(value, str) and folded(value) in TAKEN):
            return RequestAnswer(True)
        given = id_of(value)
        if given:
            return RequestAnswer(True, given if name == "refill" else "")
        if given == "" and value is not None:
            return self._refused_answer("")
        return self._refused_answer(value) if isinstance(value, str) and is_refusal(value) else None

    def _refused_answer(self, text: str) -> RequestAnswer:
        message = self.say(text) or "The provider refused without giving a reason."
        return RequestAnswer(False, kind=refusal_kind(text), message=message)

    # -------------------------------------------------------------------------------------- balance

    def balance(self) -> Balance:
        answer = self._read("balance", {}, BATCH_BYTES)
        self._refuse(answer)
        if isinstance(answer, int | Decimal) and (bare := decimal_of(answer)) is not None:
            return Balance(bare)
        outer = currency_of(pick(answer, "currency")) if isinstance(answer, Mapping) else ""
        for holder in balance_holders(answer):
            value = pick(holder, "balance", "funds", "amount")
            if isinstance(value, Mapping):
                holder, value = value, pick(value, "amount", "balance", "value")
            amount = decimal_of(value)
            if amount is not None:
                code = currency_of(pick(holder, "currency")) or currency_of(value)
                return Balance(amount, code or outer)
        raise Unavailable("The provider's answer names no balance.", reason="no_value")

    # --------------------------------------------------------------------------------------- shared

    def _joined(self, ids: Sequence[str]) -> str:
        if not 1 <= len(ids) <= self.options["batch_size"]:
            raise ValueError(f"{len(ids)} ids in one call; the limit is {self.options['batch_size']}")
        return str(self.options["ids_separator"]).join(ids)

    def _refuse(self, answer: Any) -> None:
        """Raises Refused when the answer is an error."""
        if isinstance(answer, Mapping) and (text := error_of(answer)) is not None:
            message = self.say(text) or "The provider reported an error without saying which."
            raise Refused(message, kind=refusal_kind(text), excerpt=self._shown(answer))

    def _refuse_or_note(self, answer: Any, ids: Sequence[str], entries: dict[str, Any]) -> None:
        """No id was answered. For a single id, an error about orders is that order's; other errors refuse the
        call; anything else is no information."""
        if not isinstance(answer, Mapping) or (text := error_of(answer)) is None:
            return
        if len(ids) == 1 and refusal_kind(text) in ("order", "unknown"):
            entries[ids[0]] = answer
            return
        self._refuse(answer)

    def _shown(self, answer: Any) -> str:
        return self.say(dumped(answer), 500)


def _drip_feed(told: Any, code: str | None) -> bool:
    """The documented list has no such field: untold, the type decides (Default and Web Traffic take runs)."""
    if told is None:
        return code is not None and TYPES[code].drip_feed
    return flag_of(told)


def _error_as_entry(answer: Any, ids: Sequence[str]) -> Any:
    """{"status":{"error":…}} in answer to a question about one id is that id's error."""
    if len(ids) == 1 and isinstance(answer, Mapping) and isinstance(pick(answer, "status"), Mapping):
        return {ids[0]: answer}
    return answer
