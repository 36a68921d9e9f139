"""Testing a connection: read-only questions, what this provider speaks, and which options would fit it.

    1. balance, services, status of two ids that cannot exist, once together and once singly: never an order
    2. an answer that no later one can mend (address, key, bot check, TLS) ends the test with one sentence
    3. the answers as they came are read once more for what is odd about them
    4. every other dialect reads the same answers, and asks for the statuses in its way where they were not
       understood: one that does better is proposed

Nothing is written; it works on a row that is not saved yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from providers.adapters import REGISTRY, Adapter
from providers.adapters.classify import refusal_kind
from providers.adapters.errors import ProviderError, Refused
from providers.adapters.http import Door, Reply
from providers.adapters.results import Catalog, Statuses
from providers.connecting import adapter_for, known_options
from providers.models import Provider
from providers.reading_quirks import quirks_of
from providers.service_types import TYPES

IMPOSSIBLE = ("2147483646", "2147483647")
"""Order ids that no provider has given yet, small enough for a 32-bit column."""

# What to do about it, by the error's reason or kind; beside the sentence that says what happened.
ADVICE = {
    "auth": "Copy the key again from the provider's API page, and check that this server's address is allowed there.",
    "rate_limit": "Wait a few minutes, then test again; a lower rate_per_minute keeps it from happening.",
    "redirect": "Nothing was sent to the other address.",
    "challenge": "Until then nothing can be read or ordered.",
    "wrong_url": "It usually ends in /api/v2.",
    "not_json": "It usually ends in /api/v2.",
    "forbidden": "Check the key, and whether the provider wants to know this server's address.",
    "address": "Nothing was sent. A provider in your own network must stand in PROVIDER_ALLOWED_PRIVATE as host:port.",
    "certificate": "Nothing was sent. The provider has to renew it, or the address is not the provider's.",
    "tls": "Nothing was sent. The provider's server has to be put right.",
    "dns": "Check the spelling of the address.",
    "connect": "The server is down, or a firewall is in between. Nothing was sent.",
    "deadline": "Test again later; if it stays slow, allow more time in the options.",
}
# After these the next question would meet the same.
HOPELESS = frozenset(
    {"auth", "rate_limit", "redirect", "challenge", "wrong_url", "not_json", "forbidden", "address", "certificate",
     "tls", "dns", "connect", "deadline", "manual"}
)  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """An option (or `adapter`) that would fit this provider better than what is set, and why."""

    option: str
    value: Any
    why: str


@dataclass(frozen=True)
class Found:
    """What a provider answered to read-only questions.

    `failures`: one sentence per question that failed. `seconds`: by question. `speaks`: (what, how), for people.
    """

    balance: Decimal | None = None
    currency: str = ""
    services: int | None = None
    sellable: int = 0
    unknown_types: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    speaks: tuple[tuple[str, str], ...] = ()
    quirks: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()

    @property
    def works(self) -> bool:
        return not self.failures

    @property
    def grade(self) -> str:
        """good, fair (works, with something to set or to know), or none (it does not work as it is)."""
        if self.failures:
            return "none"
        return "fair" if self.quirks or self.proposals or self.problems or self.unknown_types else "good"

    def as_json(self) -> dict[str, Any]:
        return {
            "grade": self.grade,
            "works": self.works,
            "balance": self.balance,
            "currency": self.currency,
            "services": self.services,
            "sellable": self.sellable,
            "unknown_types": list(self.unknown_types),
            "problems": len(self.problems),
            "seconds": dict(self.seconds),
            "failures": list(self.failures),
            "speaks": dict(self.speaks),
            "quirks": list(self.quirks),
            "proposals": [
                {"option": one.option, "value": one.value, "why": one.why} for one in self.proposals
            ],
        }


class _Listening(Door):
    """The process's door, keeping the answers that came through it."""

    def __init__(self, inner: Door) -> None:
        self.inner = inner
        self.replies: list[Reply] = []

    def post(self, *args: Any, **kwargs: Any) -> Reply:
        reply = self.inner.post(*args, **kwargs)
        self.replies.append(reply)
        return reply


class _Replaying(Door):
    """No door at all: answers that came before, for another dialect to read."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def post(self, *args: Any, **kwargs: Any) -> Reply:
        return self.reply


@dataclass
class _Test:
    """One run: what was asked, what came, what failed."""

    adapter: Adapter
    listening: _Listening
    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    errors: dict[str, ProviderError] = field(default_factory=dict)
    hopeless: bool = False
    dialect: str = ""  # another one whose question about statuses was understood

    def ask(self, name: str, question: Callable[[], Any], *, must_work: bool = True) -> Any:
        """The answer, or None; a failure is kept as one sentence with what to do about it."""
        if self.hopeless:
            return None
        heard = len(self.listening.replies)
        answer = None
        try:
            answer = question()
        except ProviderError as error:
            self.errors[name] = error
            reason = error.kind if isinstance(error, Refused) else error.reason
            self.hopeless = reason in HOPELESS
            if must_work or self.hopeless:
                self.failures.append(_sentence(name, error, reason))
        if len(self.listening.replies) > heard:
            self.replies[name] = self.listening.replies[-1]
            self.seconds[name] = round(self.replies[name].elapsed, 3)
        return answer


def _sentence(name: str, error: ProviderError, reason: str) -> str:
    said = _ended(error.message)
    if reason == "auth":
        said = f"The provider refuses the key: {said}"
    elif isinstance(error, Refused) and not said.startswith("The provider"):
        said = f"The provider says: {said}"
    return f"{name.capitalize()}: {said} {ADVICE.get(reason, '')}".strip()


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def test_connection(provider: Provider, impatient: Mapping[str, Any] | None = None) -> Found:
    """Ask, grade and propose. `impatient`: options for these calls only, as where a person waits.

    Three calls, a few more where statuses were not understood, all of them reads. Never raises for what a provider does.
    """
    try:
        adapter = adapter_for(provider)
    except ProviderError as error:
        return Found(failures=(error.message,))
    options = {**provider.options, **(impatient or {})}
    listening = _Listening(adapter.door)
    adapter = type(adapter)(provider.api_url, provider.key, options, listening)
    test = _Test(adapter, listening)
    found: dict[str, Any] = {}
    balance = test.ask("balance", adapter.balance)
    if balance is not None:
        found |= {"balance": balance.amount, "currency": balance.currency}
        if balance.currency and balance.currency != provider.currency:
            test.failures.append(
                f"Balance: The provider's account is in {balance.currency}, but {provider.currency} is entered here."
                " Prices would be wrong."
            )
    catalog = test.ask("services", adapter.services)
    if catalog is not None:
        found |= _catalog_facts(catalog)
        if not catalog.rows:
            test.failures.append("Services: The list is empty. Nothing can be sold from it.")
    many = single = None
    if balance is not None or catalog is not None:
        ids = IMPOSSIBLE if adapter.options["batch_size"] > 1 else IMPOSSIBLE[:1]
        many = test.ask("status", lambda: adapter.statuses(ids), must_work=False)
        if not _understood(many, ids) and not _better_dialect(provider, test):
            test.dialect = _understood_by(provider, test, options, listening)
        if not _understood(many, ids) and not test.dialect and not test.hopeless:
            alone = type(adapter)(
                provider.api_url, provider.key, {**options, "single_status": True}, listening
            )
            single = test.ask("one status", lambda: alone.statuses(IMPOSSIBLE[:1]), must_work=False)
    quirks = quirks_of(adapter, test.replies)
    proposals = _proposals(provider, test, many, single)
    no_status, unclear = _cannot_follow(test, many, single)
    if no_status and not any(one.option == "adapter" for one in proposals):
        test.failures.append(no_status)
    return Found(
        **found,
        seconds=test.seconds,
        failures=tuple(test.failures),
        speaks=(*quirks.speaks, *_status_words(test, many, single)),
        quirks=(*quirks.odd, *unclear),
        proposals=tuple(proposals),
    )


def _cannot_follow(
    test: _Test, many: Statuses | None, single: Statuses | None
) -> tuple[str, tuple[str, ...]]:
    """(why orders cannot be followed there, or ""; what was answered instead and nobody understands).

    A refusal of the question itself is no word about ids. Any other error may only mean that these do not exist.
    """
    if test.hopeless:
        return "", ()
    said = [error.message for name, error in test.errors.items() if name in ("status", "one status")]
    refused = [
        error for error in test.errors.values() if isinstance(error, Refused) and error.kind == "protocol"
    ]
    texts = {text for answer in (many, single) if answer is not None for text in answer.errors.values()}
    protocol = [text for text in texts if refusal_kind(text) == "protocol"]
    if refused or protocol:
        if _understood(many, IMPOSSIBLE[:1]) or _understood(single, IMPOSSIBLE[:1]):
            return "", ()
        text = refused[0].message if refused else protocol[0]
        told = f"Status: The provider says: {_ended(text)}"
        return f"{told} Orders placed there could not be followed, so nothing of it should be sold.", ()
    if not said or _understood(many, IMPOSSIBLE[:1]) or _understood(single, IMPOSSIBLE[:1]):
        return "", ()
    if all(refusal_kind(text) == "order" for text in said):  # it knows that these ids do not exist
        return "", ()
    told = f"The question about statuses was answered with: {_ended(said[-1])}"
    return "", (f"{told} Place one small order and see that it is followed before you sell from it.",)


def _understood_by(provider: Provider, test: _Test, options: Mapping[str, Any], listening: _Listening) -> str:
    """Ask for the statuses in the other dialects' way; the name of the first whose question was understood, or ""."""
    for name, dialect in REGISTRY.items():
        if name == provider.adapter or test.hopeless:
            continue
        known = known_options(name)
        own = {option: value for option, value in options.items() if option in known}
        other = dialect(provider.api_url, provider.key, own, listening)
        ids = IMPOSSIBLE if other.options["batch_size"] > 1 else IMPOSSIBLE[:1]
        asked = test.ask(f"status as {name}", partial(other.statuses, ids), must_work=False)
        if _understood(asked, ids):
            return name
    return ""


def _catalog_facts(catalog: Catalog) -> dict[str, Any]:
    codes = [row.service_type for row in catalog.rows]
    return {
        "services": len(catalog.rows),
        "sellable": sum(1 for code in codes if code and TYPES[code].sellable),
        "unknown_types": tuple(sorted({row.type_raw for row in catalog.rows if not row.service_type})),
        "problems": catalog.problems,
    }


def _understood(statuses: Statuses | None, ids: tuple[str, ...]) -> bool:
    """Each id was answered by itself, with an error about it or (against all odds) a status."""
    if statuses is None or any(refusal_kind(text) == "protocol" for text in statuses.errors.values()):
        return False
    return set(ids) <= {*statuses.found, *statuses.errors}


def _status_words(test: _Test, many: Statuses | None, single: Statuses | None) -> list[tuple[str, str]]:
    if "status" not in test.replies:
        return []
    ids = IMPOSSIBLE if test.adapter.options["batch_size"] > 1 else IMPOSSIBLE[:1]
    if _understood(many, ids):
        how = "each id is answered by itself" if len(ids) > 1 else "asked one by one"
    elif _understood(single, IMPOSSIBLE[:1]):
        how = "only one by one"
    else:
        how = "could not be told from ids that do not exist"
    return [("Statuses", how)]


def _proposals(
    provider: Provider, test: _Test, many: Statuses | None, single: Statuses | None
) -> list[Proposal]:
    options = known_options(provider.adapter)
    present = {name: provider.options.get(name, option.default) for name, option in options.items()}
    proposals = []
    if (dialect := _better_dialect(provider, test)) is not None:
        proposals.append(dialect)
    elif many is not None or "status" in test.errors:
        asked_many = present["batch_size"] > 1
        if asked_many and not _understood(many, IMPOSSIBLE) and _understood(single, IMPOSSIBLE[:1]):
            why = "Several ids in one status call were not answered; a single one was."
            proposals.append(Proposal("batch_size", 1, why))
            if not present["single_status"]:
                proposals.append(Proposal("single_status", True, why))
    if any(isinstance(error, Refused) and error.kind == "rate_limit" for error in test.errors.values()):
        proposals.append(
            Proposal("rate_per_minute", 60, "It complained about too many requests during this test.")
        )
    for name, option, share in (("services", "batch_deadline_s", 0.5), ("balance", "deadline_s", 0.3)):
        took = test.seconds.get(name, 0)
        late = test.errors.get(name)
        if took > present[option] * share or (late is not None and late.reason == "deadline"):
            wanted = min(options[option].most, max(present[option] * 2, round(took * 4, -1)))
            if wanted > present[option]:
                proposals.append(
                    Proposal(
                        option,
                        wanted,
                        f"{name.capitalize()} took {took:.0f} s." if took else "No answer in time.",
                    )
                )
    return proposals


def _better_dialect(provider: Provider, test: _Test) -> Proposal | None:
    """The dialect that reads more of the very same answers than the one that is set."""
    scores = {name: _score(name, provider, test.replies) for name in REGISTRY}
    best = max(scores, key=lambda name: (scores[name], name == provider.adapter))
    if scores[best] > scores.get(provider.adapter, 0):
        why = "It understands more of this provider's answers than the one that is set."
        return Proposal("adapter", best, why)
    if test.dialect:
        return Proposal("adapter", test.dialect, "The provider understands its way of asking for statuses.")
    return None


def _score(name: str, provider: Provider, replies: Mapping[str, Reply]) -> int:
    score = 0
    for question, reply in replies.items():
        reader = REGISTRY[name](provider.api_url, provider.key, {}, _Replaying(reply))
        try:
            if question == "balance":
                score += 2 if reader.balance() else 0
            elif question == "services":
                catalog = reader.services()
                score += 2 if catalog.rows and len(catalog.problems) < len(catalog.rows) else 0
                score += (
                    1
                    if catalog.rows and all(row.name != f"Service {row.service_id}" for row in catalog.rows)
                    else 0
                )
            elif question == "status":
                answered = reader.statuses(IMPOSSIBLE)
                score += len(answered.errors.keys() & set(IMPOSSIBLE))
        except ProviderError:
            continue
    return score
