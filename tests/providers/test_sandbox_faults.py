"""Each fault of the sandbox does on the wire what its table says, and the truth log says what happened."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from providers.sandbox.faults import FAULTS, parse
from tests.sandbox import ROOT, Sandbox

Start = Callable[..., Sandbox]
ORDER = {"service": 1, "link": "https://example.org/#stay", "quantity": 1000}


@dataclass
class Wire:
    """What a client saw: bytes until the end, and how it ended: closed (FIN), reset, or silence."""

    data: bytes
    end: str

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.head.split(b" ")[1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        for line in self.head.decode().split("\r\n")[1:]:
            if line.lower().startswith(name.lower() + ":"):
                return line.partition(":")[2].strip()
        return ""


def post(sandbox: Sandbox, action: str, timeout: float = 5, **params: Any) -> Wire:
    body = urlencode({"key": sandbox.key, "action": action, **params}).encode()
    head = (
        f"POST /api/v2 HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    data = bytearray()
    host, port = sandbox.origin.split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as client:
        client.sendall(head.encode() + body)
        try:
            while part := client.recv(65536):
                data += part
        except ConnectionResetError:
            return Wire(bytes(data), "reset")
        except TimeoutError:
            return Wire(bytes(data), "silence")
    return Wire(bytes(data), "closed")


def post_order(sandbox: Sandbox, fault: str, **kwargs: Any) -> tuple[Wire, int]:
    """One add under this fault: what the client saw, and how many orders exist afterwards."""
    sandbox.control(faults=f"{fault}@add")
    wire = post(sandbox, "add", **ORDER, **kwargs)
    return wire, len(sandbox.truth("order"))


def add(sandbox: Sandbox, **params: Any) -> str:
    return str(sandbox.ask("add", **{**ORDER, **params})["order"])


# -- the connection --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "end", "exists"),
    [
        ("rst_before", "reset", 0),
        ("rst_after", "reset", 1),
        ("fin_before", "closed", 0),
        ("fin_after", "closed", 1),
        ("hang_before", "silence", 0),
        ("hang_after", "silence", 1),
        ("hang_after=0.2", "closed", 1),
    ],
)
def test_the_connection_ends_without_an_answer(sandbox: Sandbox, fault: str, end: str, exists: int) -> None:
    wire, orders = post_order(sandbox, fault, timeout=0.6)
    assert (wire.data, wire.end, orders) == (b"", end, exists)


@pytest.mark.parametrize(("fault", "end"), [("rst_unread", "reset"), ("fin_unread", "closed")])
def test_the_connection_is_cut_before_the_request_was_read(sandbox: Sandbox, fault: str, end: str) -> None:
    sandbox.control(faults=fault)
    host, port = sandbox.origin.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"POST /api/v2 HT")
        try:
            got = "closed" if client.recv(100) == b"" else "bytes"
        except ConnectionResetError:
            got = "reset"
    assert got == end
    assert sandbox.stats()["total"] == 0  # and the control endpoint is still there


def test_refuse_answers_and_then_closes_the_listener_for_a_while(sandbox: Sandbox) -> None:
    wire, _ = post_order_without_truth(sandbox, "refuse=1*1")
    assert "order" in wire.json
    assert_refused_soon(sandbox)
    assert_reachable_again(sandbox)
    assert len(sandbox.truth("order")) == 1


def test_the_listener_can_be_closed_by_hand(sandbox: Sandbox) -> None:
    sandbox.control(refuse=1)
    assert_refused_soon(sandbox)
    assert_reachable_again(sandbox)


def post_order_without_truth(sandbox: Sandbox, fault: str) -> tuple[Wire, None]:
    sandbox.control(faults=f"{fault}@add")
    return post(sandbox, "add", **ORDER), None


def assert_refused_soon(sandbox: Sandbox) -> None:
    """A client that was accepted before the listener closed is still answered, or its connection closed."""
    deadline = time.monotonic() + 5
    with pytest.raises(ConnectionRefusedError):
        while time.monotonic() < deadline:
            post(sandbox, "balance")


def assert_reachable_again(sandbox: Sandbox) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            assert "balance" in post(sandbox, "balance").json
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_drip_sends_the_answer_byte_by_byte(sandbox: Sandbox) -> None:
    started = time.monotonic()
    wire, orders = post_order(sandbox, "drip=0.005")
    assert time.monotonic() - started > 0.005 * (len(wire.data) - 1)
    assert (wire.json["order"], orders) == (100001, 1)


def test_cut_body_tells_more_than_it_sends(sandbox: Sandbox) -> None:
    wire, orders = post_order(sandbox, "cut_body")
    assert 0 < len(wire.body) < int(wire.header("Content-Length"))
    assert (wire.end, orders) == ("closed", 1)


# -- pages and bytes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "exists"),
    [
        ("http401", 401, 0),
        ("http403", 403, 0),
        ("http404", 404, 0),
        ("http429", 429, 0),
        ("http500", 500, 0),
        ("http502", 502, 0),
        ("http503", 503, 0),
        ("html", 200, 0),
        ("http500_after", 500, 1),
        ("http503_after", 503, 1),
        ("html_after", 200, 1),
    ],
)
def test_an_html_page_replaces_the_answer(sandbox: Sandbox, fault: str, status: int, exists: int) -> None:
    wire, orders = post_order(sandbox, fault)
    assert (wire.status, orders) == (status, exists)
    assert b"<html>" in wire.body
    assert wire.header("Content-Type").startswith("text/html")
    assert bool(wire.header("Retry-After")) == (status == 429)


@pytest.mark.parametrize(("fault", "exists"), [("empty", 0), ("empty_after", 1)])
def test_an_empty_body(sandbox: Sandbox, fault: str, exists: int) -> None:
    wire, orders = post_order(sandbox, fault)
    assert (wire.status, wire.body, wire.header("Content-Length"), orders) == (200, b"", "0", exists)


def test_a_rate_limit_in_json(sandbox: Sandbox) -> None:
    wire, orders = post_order(sandbox, "http429_json")
    assert (wire.status, wire.json, orders) == (429, {"error": "Rate limit exceeded"}, 0)


def test_a_redirect_and_whoever_follows_it(sandbox: Sandbox) -> None:
    wire, orders = post_order(sandbox, "redirect")
    assert (wire.status, wire.header("Location"), orders) == (301, "/api/v2/moved", 0)
    assert sandbox.stats()["redirects_followed"] == 0
    sandbox.url += "/moved"
    sandbox.ask("balance")
    assert sandbox.stats()["redirects_followed"] == 1


@pytest.mark.parametrize(
    ("fault", "starts", "ends"),
    [
        ("bom", b'\xef\xbb\xbf{"order":', b"}"),
        ("notice", b"<br />\n<b>Notice</b>", b'{"order":100001}'),
        ("list", b'[{"order":', b"}]"),
        ("oversize=1", b" " * 1024 * 1024 + b'{"order":', b"}"),
    ],
)
def test_bytes_around_a_valid_answer(sandbox: Sandbox, fault: str, starts: bytes, ends: bytes) -> None:
    wire, orders = post_order(sandbox, fault)
    assert wire.body.startswith(starts)
    assert wire.body.endswith(ends)
    assert orders == 1


def test_truncated_json_comes_as_a_complete_http_answer(sandbox: Sandbox) -> None:
    wire, orders = post_order(sandbox, "truncate_after")
    assert len(wire.body) == int(wire.header("Content-Length"))
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        _ = wire.json
    assert orders == 1


@pytest.mark.parametrize(
    ("fault", "status", "kind"), [("http201", 201, "application/json"), ("text_html", 200, "text/html")]
)
def test_a_right_answer_in_odd_clothes(sandbox: Sandbox, fault: str, status: int, kind: str) -> None:
    wire, orders = post_order(sandbox, fault)
    assert (wire.status, wire.json, orders) == (status, {"order": 100001}, 1)
    assert wire.header("Content-Type").startswith(kind)


# -- add -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("order_zero", {"order": 0}),
        ("order_null", {"order": None}),
        ("order_with_error", {"order": 100001, "error": "Low balance warning"}),
    ],
)
def test_an_order_exists_although_its_id_is_doubtful(sandbox: Sandbox, fault: str, answer: Any) -> None:
    wire, orders = post_order(sandbox, fault)
    assert (wire.json, orders) == (answer, 1)


def test_a_soft_internal_error_hides_an_order(sandbox: Sandbox) -> None:
    wire, orders = post_order(sandbox, "soft_internal")
    assert list(wire.json) == ["error"]
    assert orders == 1


def test_a_repeated_id_is_that_of_the_order_before(sandbox: Sandbox) -> None:
    first = add(sandbox)
    wire, orders = post_order(sandbox, "order_repeated")
    assert (str(wire.json["order"]), orders) == (first, 2)
    assert sandbox.truth()[1]["order"] != first


def test_a_text_id_works_everywhere(sandbox: Sandbox) -> None:
    wire, _ = post_order(sandbox, "order_text")
    order = wire.json["order"]
    assert not order.isdigit()
    assert len(order) == 26
    assert sandbox.truth()[0]["order"] == order
    assert "charge" in sandbox.ask("status", order=order)
    assert list(sandbox.ask("status", orders=f"{order},1")) == [order, "1"]
    assert sandbox.ask("cancel", orders=order) == [{"order": order, "cancel": 1}]


def test_faults_on_add_leave_a_refusal_alone(sandbox: Sandbox) -> None:
    sandbox.control(faults="order_zero,soft_internal,order_with_error")
    assert sandbox.ask("add", service=1, link="x", quantity=1) == {"error": "Quantity less than minimal 1000"}


def test_a_running_link_is_refused_when_the_provider_minds(sandbox: Sandbox) -> None:
    sandbox.control(faults="duplicate_link")
    add(sandbox)
    assert sandbox.ask("add", **ORDER)["error"].startswith("You have active order with this link")
    assert len(sandbox.truth("order")) == 1


def test_a_chosen_error_refuses(sandbox: Sandbox) -> None:
    wire, orders = post_order(sandbox, "error=Incorrect service ID")
    assert (wire.json, orders) == ({"error": "Incorrect service ID"}, 0)


def test_error_envelopes_come_in_nine_shapes(sandbox: Sandbox) -> None:
    shapes = [post_order(sandbox, f"error_envelope={number}")[0] for number in range(1, 10)]
    assert len({(wire.status, wire.body) for wire in shapes}) == 9
    assert all("Bad link" in wire.body.decode() for wire in shapes)
    assert sandbox.truth() == []


# -- status ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "field", "value"),
    [
        ("unknown_word", "status", "Reviewing"),
        ("unknown_word=Fail", "status", "Fail"),
        ("remains_above", "remains", "6000"),
        ("remains_negative", "remains", "-7"),
        ("remains_text", "remains", "Unknown"),
        ("wrong_currency", "currency", "XTS"),
    ],
)
def test_a_status_field_lies_alone_and_in_a_batch(
    sandbox: Sandbox, fault: str, field: str, value: str
) -> None:
    order = add(sandbox)
    honest = sandbox.ask("status", order=order)
    assert honest[field] != value
    sandbox.control(faults=fault)
    assert sandbox.ask("status", order=order)[field] == value
    seen = sandbox.ask("status", orders=f"{order},5")
    assert seen[order][field] == value
    assert seen["5"] == {"error": "Incorrect order ID"}


def test_ids_are_missing_with_their_own_probability(sandbox: Sandbox) -> None:
    ids = [add(sandbox) for _ in range(40)]
    sandbox.control(faults="missing_ids:0.5")
    seen = sandbox.ask("status", orders=",".join(ids))
    assert 0 < len(seen) < 40
    assert "status" in sandbox.ask("status", order=ids[0])


def test_a_bare_list_has_no_ids(sandbox: Sandbox) -> None:
    ids = [add(sandbox), add(sandbox)]
    sandbox.control(faults="bare_list")
    seen = sandbox.ask("status", orders=",".join(ids))
    assert [sorted(row) for row in seen] == [["charge", "currency", "remains", "start_count", "status"]] * 2


def test_flapping_never_tells_the_same_lie_twice_in_a_row(frozen_sandbox: Sandbox) -> None:
    order = add(frozen_sandbox)
    frozen_sandbox.control(advance=30, faults="flapping")
    words = [frozen_sandbox.ask("status", order=order)["status"] for _ in range(20)]
    assert words[1::2] == ["In progress"] * 10
    assert "In progress" not in words[0::2]
    assert {"Canceled", "Partial", "Completed"} <= set(words)
    assert all(now != then for now, then in itertools.pairwise(words))


def test_completed_turns_partial_later_and_the_provider_refunds(frozen_sandbox: Sandbox) -> None:
    order = add(frozen_sandbox, link="x#complete")
    frozen_sandbox.control(advance=30, faults="completed_then_partial=25")
    assert frozen_sandbox.ask("status", order=order)["status"] == "Completed"
    seen = frozen_sandbox.ask("status", order=order)
    assert (seen["status"], seen["remains"], seen["charge"]) == ("Partial", "250", "0.675")


def test_a_poison_id_spoils_every_batch_it_is_in(sandbox: Sandbox) -> None:
    good, bad = add(sandbox), add(sandbox)
    sandbox.control(faults=f"poison_id={bad}")
    assert post(sandbox, "status", orders=f"{good},{bad}").status == 500
    assert post(sandbox, "status", order=bad).status == 500
    assert post(sandbox, "status", orders=good).status == 200
    sandbox.control(faults="")
    marked = add(sandbox, link="x#poison")
    assert post(sandbox, "status", orders=f"{good},{marked}").status == 500


def test_a_drip_feed_parent_tells_runs_and_no_money(sandbox: Sandbox) -> None:
    parent, plain = add(sandbox, runs=2, interval=5), add(sandbox)
    sandbox.control(faults="dripfeed_parent")
    assert sandbox.ask("status", order=parent) == {"status": "Pending", "runs": "2", "orders": []}
    assert "charge" in sandbox.ask("status", order=plain)


# -- services and balance --------------------------------------------------------------------------------


def test_catalogs_go_empty_short_dear_and_double(sandbox: Sandbox) -> None:
    honest = sandbox.ask("services")
    seen = {}
    for fault in ("empty_catalog", "short_catalog=50", "price_jump=1.5", "dup_ids"):
        sandbox.control(faults=fault)
        seen[fault] = sandbox.ask("services")
    assert seen["empty_catalog"] == []
    assert seen["short_catalog=50"] == honest[: len(honest) // 2]
    assert (honest[0]["rate"], seen["price_jump=1.5"][0]["rate"]) == ("0.90", "1.35")
    assert len(seen["dup_ids"]) == len(honest) + 3
    assert seen["dup_ids"][-1]["service"] == 3
    sandbox.control(faults="")
    assert sandbox.ask("services") == honest


def test_a_slow_catalog_slows_nothing_else(sandbox: Sandbox) -> None:
    sandbox.control(faults="slow_catalog=30")
    assert post(sandbox, "services", timeout=0.3).end == "silence"
    assert "balance" in post(sandbox, "balance").json


def test_the_balance_comes_in_another_currency(sandbox: Sandbox) -> None:
    sandbox.control(faults="wrong_currency=EUR")
    assert sandbox.ask("balance")["currency"] == "EUR"


# -- the grammar and the dice ----------------------------------------------------------------------------


def test_a_link_names_its_own_fault(sandbox: Sandbox) -> None:
    assert post(sandbox, "add", **{**ORDER, "link": "x#fault=rst_after"}).end == "reset"
    assert "order" in post(sandbox, "add", **ORDER).json
    assert len(sandbox.truth("order")) == 2


def test_a_fault_fires_so_many_times_and_only_on_its_action(sandbox: Sandbox) -> None:
    sandbox.control(faults="http500*2@add")
    assert [post(sandbox, "add", **ORDER).status for _ in range(3)] == [500, 500, 200]
    assert sandbox.stats()["faults"] == {"http500": 2}
    sandbox.control(faults="http500@add")
    assert post(sandbox, "balance").status == 200


def test_the_same_seed_misbehaves_at_the_same_requests(start_sandbox: Start) -> None:
    def story(seed: int) -> list[int]:
        sandbox = start_sandbox(seed=seed, faults="http500:0.3,http403:0.2@add")
        return [post(sandbox, "add", **ORDER).status for _ in range(40)]

    first = story(3)
    assert first == story(3) != story(4)
    assert set(first) == {200, 403, 500}


def test_a_spec_is_read_to_the_letter() -> None:
    drip, hang = parse(" drip=0.05*3:0.25@status , hang_after")
    assert (drip.name, drip.value, drip.left, drip.chance, drip.action) == ("drip", "0.05", 3, 0.25, "status")
    assert (hang.name, hang.value, hang.left, hang.chance, hang.action) == (
        "hang_after",
        "3600",
        None,
        1,
        None,
    )


@pytest.mark.parametrize(
    "spec", ["explode", "http500:2", "http500:1.2.3", "order_zero@status", "rst_unread@add", "drip=", "a b:c"]
)
def test_a_wrong_spec_is_refused(spec: str) -> None:
    if spec == "drip=":
        assert parse(spec)[0].number() == 0.2
    else:
        with pytest.raises(ValueError, match=r"fault|probability"):
            parse(spec)


def test_every_fault_stands_in_the_docs_and_in_this_file() -> None:
    docs = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    tests = (ROOT / "tests" / "providers" / "test_sandbox_faults.py").read_text(encoding="utf-8")
    assert [name for name in FAULTS if f"`{name}`" not in docs] == []
    assert [name for name in FAULTS if name not in tests and name != "truncated"] == []
