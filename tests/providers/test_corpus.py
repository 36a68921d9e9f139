"""Every body of the corpus, sent over a real connection, leads to the conclusion written beside it."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers.adapters import StandardAdapter
from providers.adapters.errors import Misconfigured, ProviderError, Refused, Unavailable, Uncertain
from providers.adapters.results import AddRequest, RefillWord, Word
from providers.service_types import TYPES, Ordered
from tests.providers.replaying import Replaying, replaying

ENTRIES = json.loads((Path(__file__).parent / "corpus" / "responses.json").read_text())["entries"]
REQUEST = AddRequest("1", "default", Ordered("https://example.com/p/1", 100))
FINAL = {Word.COMPLETED, Word.PARTIAL, Word.CANCELED, RefillWord.COMPLETED, RefillWord.REJECTED}


@pytest.fixture(scope="module")
def provider() -> Iterator[Replaying]:
    with replaying() as running:
        yield running


def entries(*actions: str) -> Any:
    chosen = [entry for entry in ENTRIES if entry["action"] in actions]
    return pytest.mark.parametrize("entry", chosen, ids=[entry["id"] for entry in chosen])


def adapter_for(provider: Replaying, entry: dict[str, Any]) -> StandardAdapter:
    provider.says(entry["body"], entry["http_status"], entry["content_type"])
    return StandardAdapter(provider.url, "SECRET-KEY", {"deadline_s": 5}, provider.door())


def ids_of(entry: dict[str, Any]) -> list[str]:
    request = entry["request"]
    return next(iter(request.values())).split(",")


def test_the_corpus_is_whole() -> None:
    assert len(ENTRIES) == 93
    assert {entry["action"] for entry in ENTRIES} == {
        "services", "add", "status", "refill", "refill_status", "cancel", "balance",
    }  # fmt: skip


@entries("services")
def test_services(provider: Replaying, entry: dict[str, Any]) -> None:
    adapter, conclude = adapter_for(provider, entry), entry["conclude"]
    if conclude["kind"] == "rejected":
        with pytest.raises(Refused) as refused:
            adapter.services()
        assert refused.value.kind == conclude["error_class"]
        return
    catalog = adapter.services()
    row = catalog.rows[0]
    if conclude["kind"] == "unknown_value":
        assert row.service_type is None or catalog.problems
        assert max(offer.rate for offer in catalog.rows) == row.rate
        return
    assert len(catalog.rows) == conclude.get("count", len(catalog.rows)) and not catalog.problems
    assert [offer.service_id for offer in catalog.rows] == conclude.get(
        "ids", [offer.service_id for offer in catalog.rows]
    )
    read = {
        "type": row.service_type and TYPES[row.service_type].name,
        "rate": str(row.rate),
        "max": row.maximum,
        "refill": row.refill,
        "cancel": row.cancel,
        "dripfeed": row.dripfeed,
    }
    for name in read.keys() & conclude.keys():
        assert read[name] == conclude[name]


@entries("add")
def test_add(provider: Replaying, entry: dict[str, Any]) -> None:
    adapter, conclude = adapter_for(provider, entry), entry["conclude"]
    if conclude["kind"] == "ok":
        assert adapter.add(REQUEST).order_id == conclude["order"]
    elif conclude["kind"] == "rejected":
        with pytest.raises(Refused) as refused:
            adapter.add(REQUEST)
        assert refused.value.kind == conclude["error_class"]
    else:
        with pytest.raises(Uncertain) as doubt:
            adapter.add(REQUEST)
        assert doubt.value.candidate_id == conclude.get("order", "")


@entries("status")
def test_status(provider: Replaying, entry: dict[str, Any]) -> None:
    adapter, conclude = adapter_for(provider, entry), entry["conclude"]
    ids = ids_of(entry)
    try:
        statuses = adapter.statuses(ids)
    except (Refused, Unavailable, Misconfigured) as error:
        assert conclude["kind"] in ("rejected", "retry")
        assert "error_class" not in conclude or getattr(error, "kind", "") == conclude["error_class"]
        return
    if conclude["kind"] == "partial":
        assert sorted(statuses.found) == sorted(conclude["answered"])
        assert sorted(statuses.errors) == sorted(conclude.get("errors", []))
        return
    if conclude["kind"] == "retry":
        assert statuses.found == {}
        return
    observation = statuses.found[ids[0]]
    word = observation.word
    assert (str(word) if word else observation.raw_word) == conclude["status"] or conclude[
        "status"
    ] == "unknown"
    if "remains" in conclude:
        assert observation.remains == conclude["remains"]
    if "children" in conclude:
        assert list(observation.child_ids) == conclude["children"]
    if conclude["kind"] == "unknown_value":
        # the word is not known, or it is and a figure that money hangs on is impossible (checked by its reader)
        assert word is None or (observation.remains or 0) > 100
    else:
        assert (word in FINAL) == conclude["terminal"]


@entries("refill", "cancel")
def test_refill_and_cancel(provider: Replaying, entry: dict[str, Any]) -> None:
    adapter, conclude = adapter_for(provider, entry), entry["conclude"]
    ask = adapter.refill if entry["action"] == "refill" else adapter.cancel
    try:
        answers = ask(ids_of(entry))
    except Refused:
        assert conclude["kind"] == "rejected"
        return
    accepted = sorted(order_id for order_id, answer in answers.items() if answer.accepted)
    refused = sorted(answers.keys() - set(accepted))
    if conclude["kind"] == "rejected":
        assert accepted == [] and refused == ids_of(entry)
    else:
        assert accepted == sorted(conclude.get("accepted", conclude.get("answered", ids_of(entry))))
        assert refused == sorted(conclude.get("errors", []))
    if "refill" in conclude:
        assert answers[ids_of(entry)[0]].upstream_id == conclude["refill"]
    if entry["action"] == "cancel":
        assert all(answer.upstream_id == "" for answer in answers.values())


@entries("refill_status")
def test_refill_status(provider: Replaying, entry: dict[str, Any]) -> None:
    adapter, conclude = adapter_for(provider, entry), entry["conclude"]
    ids = ids_of(entry)
    try:
        statuses = adapter.refill_statuses(ids)
    except Unavailable:
        assert conclude["kind"] == "retry"
        return
    if conclude["kind"] == "rejected":
        assert statuses.found == {} and list(statuses.errors) == ids
    elif conclude["kind"] == "partial":
        assert [refill for refill, word in statuses.found.items() if word] == conclude["answered"]
        assert [refill for refill, word in statuses.found.items() if not word] == conclude.get("unknown", [])
        assert list(statuses.errors) == conclude.get("errors", [])
    else:
        word = statuses.found[ids[0]]
        assert str(word) == conclude["status"] and (word in FINAL) == conclude["terminal"]


@entries("balance")
def test_balance(provider: Replaying, entry: dict[str, Any]) -> None:
    adapter, conclude = adapter_for(provider, entry), entry["conclude"]
    if conclude["kind"] == "ok":
        balance = adapter.balance()
        assert balance.amount == Decimal(conclude["balance"])
        assert balance.currency == (conclude["currency"] or "")
        return
    with pytest.raises(ProviderError) as error:
        adapter.balance()
    assert isinstance(error.value, Refused if conclude["kind"] == "rejected" else Unavailable)
    assert "error_class" not in conclude or getattr(error.value, "kind", "") == conclude["error_class"]


@entries("add", "balance", "services")
def test_the_key_is_in_no_error(provider: Replaying, entry: dict[str, Any]) -> None:
    adapter = adapter_for(provider, entry)
    act = {"add": lambda: adapter.add(REQUEST), "balance": adapter.balance, "services": adapter.services}
    try:
        said = repr(act[entry["action"]]())
    except ProviderError as error:
        said = repr((error.args, vars(error), error.__cause__, error.__context__))
    assert "SECRET-KEY" not in said
