"""The standard adapter against the sandbox provider, whose truth log is the judge of every conclusion."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers.adapters import StandardAdapter
from providers.adapters.errors import NotSent, Refused, Uncertain
from providers.adapters.http import Door
from providers.adapters.results import AddRequest, RefillWord, Word
from providers.service_types import Ordered
from tests.sandbox import Sandbox

ANSWERED_IN_FULL = {"bom", "notice", "order_text", "drip", "order_repeated"}
FAULTS = [
    "rst_unread", "fin_unread", "rst_before", "fin_before", "hang_before", "http401", "http403", "http404",
    "http429", "http429_json", "http500", "http502", "http503", "html", "empty", "redirect", "error",
    *(f"error_envelope={number}" for number in range(1, 10)),
    "order_text@add", "order_zero@add", "order_null@add", "order_with_error@add", "soft_internal@add",
    "rst_after", "fin_after", "hang_after", "http500_after", "http503_after", "html_after", "empty_after",
    "drip=0.001", "drip=0.2", "truncated", "cut_body", "bom", "notice", "list",
]  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    log = tmp_path_factory.mktemp("sandbox") / "truth.jsonl"
    with Sandbox(speed=0, partial_share=0, cancel_share=0, truth_log=log) as sandbox:
        yield sandbox


def adapter_for(sandbox: Sandbox, **options: Any) -> StandardAdapter:
    door = Door(allowed_private=frozenset({sandbox.origin}))
    return StandardAdapter(sandbox.url, sandbox.key, {"deadline_s": 1, **options}, door)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_conclusion_about_an_order_contradicts_the_truth(running: Sandbox, fault: str) -> None:
    running.control(faults=fault)
    link = f"https://example.com/{fault}"
    service = next(row for row in default_services(running))
    try:
        accepted = adapter_for(running).add(AddRequest(service, "default", Ordered(link, 1000)))
        conclusion, order_id = "accepted", accepted.order_id
    except Refused:
        conclusion, order_id = "refused", ""
    except NotSent:
        conclusion, order_id = "not sent", ""
    except Uncertain as doubt:
        conclusion, order_id = "uncertain", doubt.candidate_id
    running.control(faults="")
    upstream = [str(entry["order"]) for entry in running.truth() if entry.get("link") == link]
    assert len(upstream) <= 1
    if conclusion == "accepted":
        assert upstream == [order_id]
    if conclusion in ("refused", "not sent"):
        assert upstream == []
    if order_id:
        assert upstream == [order_id]
    if fault.split("@")[0].split("=")[0] in ANSWERED_IN_FULL and fault != "drip=0.2":
        assert conclusion == "accepted"


def default_services(sandbox: Sandbox) -> list[str]:
    sandbox.control(faults="")
    rows = adapter_for(sandbox).services().rows
    return [row.service_id for row in rows if row.service_type == "default" and row.maximum >= 1000]


def test_the_whole_catalog_is_read(running: Sandbox) -> None:
    catalog = adapter_for(running).services()
    assert len(catalog.rows) >= 50 and catalog.problems == ()
    assert all(row.rate > 0 for row in catalog.rows)
    # one row has a type that nobody knows, on purpose: it stays unmapped
    assert {row.type_raw for row in catalog.rows if row.service_type is None} == {"Guided Seats"}


def test_an_order_is_followed_to_its_end(start_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = start_sandbox(speed=0)
    adapter = adapter_for(sandbox)
    balance = adapter.balance()
    services = [row for row in adapter.services().rows if row.service_type == "default" and row.refill]
    service, quantity = services[0].service_id, services[0].minimum
    ids = [
        adapter.add(AddRequest(service, "default", Ordered(f"https://example.com/{mark}", quantity))).order_id
        for mark in ("a#complete", "b#partial=3", "c#stay")
    ]
    assert adapter.balance().amount < balance.amount and balance.currency == "USD"
    assert {seen.word for seen in adapter.statuses(ids).found.values()} == {Word.PENDING}
    sandbox.control(advance=60)
    statuses = adapter.statuses([*ids, "999999999"])
    assert [statuses.found[order].word for order in ids] == [Word.COMPLETED, Word.PARTIAL, Word.IN_PROGRESS]
    assert statuses.found[ids[1]].remains == 3 and list(statuses.errors) == ["999999999"]

    refill = adapter.refill([ids[0]])[ids[0]]
    assert refill.accepted and refill.upstream_id
    assert not adapter.refill(["999999999"])["999999999"].accepted
    sandbox.control(advance=60)
    assert adapter.refill_statuses([refill.upstream_id]).found == {refill.upstream_id: RefillWord.COMPLETED}

    answers = adapter.cancel([ids[2], "999999999"])
    assert {order: answer.accepted for order, answer in answers.items()} == {ids[2]: True, "999999999": False}


@pytest.mark.parametrize(
    "fault", ["missing_ids", "bare_list", "empty", "html", "truncated", "http500", "list"]
)
def test_statuses_are_never_given_to_the_wrong_order(
    start_sandbox: Callable[..., Sandbox], fault: str
) -> None:
    sandbox = start_sandbox(speed=0)
    adapter = adapter_for(sandbox)
    service = default_services(sandbox)[0]
    ids = [
        adapter.add(AddRequest(service, "default", Ordered(f"https://example.com/{mark}", 1000))).order_id
        for mark in ("a#partial=11", "b#partial=22", "c#partial=33")
    ]
    sandbox.control(advance=60)
    sandbox.control(faults=f"{fault}@status")
    try:
        found = adapter.statuses(ids).found
    except Exception as error:
        assert type(error).__name__ in ("Unavailable", "Misconfigured", "Refused")
        return
    truth = dict(zip(ids, (11, 22, 33), strict=True))
    assert all(observation.remains == truth[order] for order, observation in found.items())
