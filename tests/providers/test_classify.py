"""The verdict on an answer to `add`: the table, its order, and properties over arbitrary answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters.classify import Verdict, classify
from providers.adapters.errors import REFUSAL_KINDS


def verdict(body: Any, status: int | None = 200, **more: Any) -> Verdict:
    raw = (
        body
        if isinstance(body, bytes)
        else body.encode()
        if isinstance(body, str)
        else json.dumps(body).encode()
    )
    return classify(True, status, raw, **more)


def test_nothing_sent_is_not_sent_whatever_came_back() -> None:
    assert classify(False, 200, b'{"order":1}').kind == "not_sent"
    assert classify(False, None, b"").kind == "not_sent"


@pytest.mark.parametrize(
    ("body", "order_id"),
    [
        ({"order": 23501}, "23501"),
        ({"order": "23501"}, "23501"),
        ({"order": " 23501 "}, "23501"),
        ({"order_id": 7}, "7"),
        ({"orderId": 7}, "7"),
        ({"Order": 7}, "7"),
        ({"order": 7, "order_id": "7"}, "7"),
        ({"order": None, "order_id": "7"}, "7"),
        ({"order": {"id": 7}}, "7"),
        ({"status": "success", "data": {"order": 7}}, "7"),
        ({"order": "ord_01HG9X7KJP4N"}, "ord_01HG9X7KJP4N"),
        ({"order": "5f3c-77aa"}, "5f3c-77aa"),
        ({"order": 7, "error": None}, "7"),
        ({"order": 7, "error": ""}, "7"),
        ({"order": 7, "error": False}, "7"),
        ({"order": 7, "error": 0}, "7"),
        ({"order": 7, "errors": []}, "7"),
        ({"order": 7, "success": True, "message": "Order failed last time"}, "7"),
        ('{"order":23501.0}', "23501"),
        ('{"order":123456789012345678901234567890}', "123456789012345678901234567890"),
        (b'\xef\xbb\xbf{"order":7}', "7"),
        ('\ufeff{"order":7}'.encode("utf-16-le"), "7"),
        (b'\n\n \x00{"order":7}\n', "7"),
        (b'<br />\n<b>Notice</b>: Undefined index in api.php on line 3<br />\n{"order":7}', "7"),
        (b'<b>Warning</b>: Array to string [0] at #0 {main}<br />{"order":7}', "7"),
        (b'PHP Warning:  foo() in /a.php on line 3\n{"order":7}', "7"),
        (b'{"order":7}\n<br />\n<b>Deprecated</b>: thing in /a.php on line 9<br />', "7"),
        (b'{"order":7}<!-- served by edge 3 -->', "7"),
        (json.dumps('{"order":7}'), "7"),
    ],
)
def test_an_id_without_an_error_is_accepted(body: Any, order_id: str) -> None:
    assert verdict(body, 201) == Verdict("accepted", "accepted", order_id=order_id)


@pytest.mark.parametrize(
    ("body", "status", "candidate"),
    [
        # an id beside a truthy error, in any envelope, at any status
        ({"order": 7, "error": "Low balance warning"}, 200, "7"),
        ({"order": 7, "error": True}, 200, "7"),
        ({"order": 7, "error": {"code": 5}}, 200, "7"),
        ({"order": 7, "status": "error", "msg": "no"}, 200, "7"),
        ({"order": 7, "success": False}, 200, "7"),
        ({"order": 7, "error": "Not enough funds on balance"}, 402, "7"),
        # an id at a status that is no success
        ({"order": 7}, 302, "7"),
        ({"order": 7}, 404, "7"),
        ({"order": 7}, 500, "7"),
        ({"order": 7}, 503, "7"),
        # something that is no id stands where the id belongs
        ({"order": "success"}, 200, "success"),
        ({"order": "Order placed successfully"}, 200, "Order placed successfully"),
        ({"order": "12,13"}, 200, "12,13"),
        ({"order": True}, 200, ""),
        ({"order": -1}, 200, "-1"),
        ({"order": [7]}, 200, ""),
        ({"order": "1", "order_id": "2"}, 200, "1 2"),
        ({"order": {"error": "Bad link"}}, 200, ""),
        ({"order": "x" * 101}, 200, "x" * 100),
        ({"success": True, "id": 77}, 200, "77"),
        ([{"order": 7}], 200, "7"),
        # the id is there, but what surrounds it casts doubt on it
        (b'{"order":7}{"error":"Bad link"}', 200, "7"),
        (b'{"order":7} and more', 200, "7"),
        (b'<!DOCTYPE html><html>oops</html>{"order":7}', 200, "7"),
        (b'{"debug":1}{"order":7}', 200, ""),
        # no words, or words that prove nothing
        ({}, 200, ""),
        ({"order": 0}, 200, ""),
        ({"order": None}, 200, ""),
        ({"order": ""}, 200, ""),
        ({"error": True}, 200, ""),
        ({"error": 1}, 200, ""),
        ({"error": "error"}, 200, ""),
        ({"success": False}, 200, ""),
        ({"status": "error"}, 200, ""),
        ({"status": "success", "msg": "scheduled"}, 200, ""),
        ({"message": "Something new"}, 400, ""),
        ({"error": "Unknown error, please try again"}, 200, ""),
        ({"error": "SQLSTATE[HY000]"}, 200, ""),
        ({"error": "Incorrect order ID"}, 200, ""),
        # a breakdown is no refusal, whatever it says
        ({"error": "Bad link"}, 500, ""),
        ({"error": "Invalid API key"}, 503, ""),
        ({"error": "Bad link"}, None, ""),
        # no JSON object
        (b"", 200, ""),
        (b"null", 200, ""),
        (b"7", 200, ""),
        (b'"7"', 200, ""),
        (b"[]", 200, ""),
        (b'{"order":2350', 200, ""),
        (b'{"status":"success","data":{"order":7}', 200, ""),
        (b'<br />Notice: x\n{"status":"success","data":{"order":7}', 200, "7"),
        (b'{"order":1,"order":2}', 200, ""),
        (b'{"order":NaN}', 200, ""),
        (b"<html>Just a moment...</html>", 200, ""),
        (b"<html>moved</html>", 301, ""),
        (b"<html>no</html>", 401, ""),
        (b"<html>no</html>", 403, ""),
        (b"<html>slow down</html>", 429, ""),
        (b"<html>away</html>", 503, ""),
        (b"\xff\xfe\x00\xd8", 200, ""),
        (b"[" * 100_000, 200, ""),
        (b'{"a":' * 50_000, 200, ""),
        (b"x" + b'{"a":[' * 50_000, 200, ""),
        (b'{"order":' + b"9" * 5000 + b"}", 200, "9" * 100),
        (b'{"order":1e999999999}', 200, ""),
    ],
)
def test_everything_in_doubt_is_unknown(body: Any, status: int | None, candidate: str) -> None:
    found = verdict(body, status)
    assert (found.kind, found.order_id, found.candidate_id) == ("unknown", "", candidate)
    assert found.reason


@pytest.mark.parametrize("status", [200, 201, 400, 401, 402, 403, 404, 422, 429])
@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"error": "Not enough funds on balance"}, "provider_funds"),
        ({"error": {"message": "Bad link", "code": 3}}, "link"),
        ({"error": {"code": "neworder.error.min_quantity"}}, "quantity"),
        ({"Error": "Invalid API key"}, "auth"),
        ({"errors": ["Incorrect service ID"]}, "service"),
        ({"errors": {"link": ["The link field is required."]}}, "missing_field"),
        ({"status": "error", "msg": "Rate limit exceeded"}, "rate_limit"),
        ({"status": "fail", "message": "Incorrect request"}, "protocol"),
        ({"success": False, "message": "Only for verified resellers"}, "unknown"),
        ({"order": 0, "error": "Bad link"}, "link"),
        ({"order": None, "error": "Bad link"}, "link"),
        ({"order": "", "error": "Bad link"}, "link"),
        ({"order": False, "error": "Bad link"}, "link"),
        ({"error": "Rate limit exceeded, try again later"}, "rate_limit"),
        (b'\xef\xbb\xbf{"error":"Bad link"}', "link"),
        (b'<b>Notice</b>: x\n{"error":"Bad link"}', "link"),
    ],
)
def test_an_error_text_without_an_id_is_a_rejection(body: Any, refusal: str, status: int) -> None:
    found = verdict(body, status)
    assert (found.kind, found.refusal) == ("rejected", refusal) and found.message


def test_a_message_alone_is_believed_only_when_its_words_are_known_and_the_status_agrees() -> None:
    assert verdict({"message": "Unauthenticated."}, 401).refusal == "auth"
    assert verdict({"message": "Too Many Attempts."}, 429).refusal == "rate_limit"
    assert verdict({"message": "Unauthenticated."}, 200).kind == "unknown"


@pytest.mark.parametrize("status", [403, 429])
def test_an_edge_refusal_is_a_rejection_only_when_the_provider_is_set_so(status: int) -> None:
    page = b"<html>Attention required</html>"
    assert verdict(page, status).kind == "unknown"
    found = verdict(page, status, edge_refusal_is_rejection=True)
    assert (found.kind, found.refusal) == ("rejected", "rate_limit")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>", 200), (b"<html>", 503), (b"[]", 403), (b'{"order":7}', 403), (b"{}", 429)],
)
def test_the_edge_setting_touches_nothing_else(body: bytes, status: int) -> None:
    assert verdict(body, status, edge_refusal_is_rejection=True).kind == "unknown"


# --------------------------------------------------------------------------------------- properties

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
keys = st.sampled_from(
    [
        "order",
        "order_id",
        "Order",
        "id",
        "error",
        "errors",
        "Error",
        "status",
        "success",
        "msg",
        "message",
        "data",
    ]
)
words = st.sampled_from(
    [
        "Bad link",
        "error",
        "success",
        "fail",
        "timeout",
        "",
        "0",
        "null",
        "Invalid API key",
        "Incorrect order ID",
    ]
)
answers = st.dictionaries(keys, values | words | st.integers(-1, 3), max_size=5)
statuses = st.none() | st.integers(100, 999)
noise = st.sampled_from(
    [b"", b"\xef\xbb\xbf", b"<br />\n<b>Notice</b>: x<br />\n", b"<html>", b'{"a":1}', b" "]
)
bodies = st.binary(max_size=200) | st.builds(
    lambda before, answer, after: before + json.dumps(answer).encode() + after, noise, answers | values, noise
)


def well_formed(found: Verdict) -> None:
    assert found.kind in ("accepted", "rejected", "not_sent", "unknown")
    assert (found.kind == "accepted") == bool(found.order_id)
    assert (found.kind == "rejected") == (found.refusal in REFUSAL_KINDS)
    assert found.reason
    assert len(found.candidate_id) <= 100 and len(found.order_id) <= 100 and len(found.message) <= 300
    assert not found.candidate_id or found.kind == "unknown"


@given(st.booleans(), statuses, bodies, st.booleans())
def test_any_answer_has_one_verdict(sent: bool, status: int | None, body: bytes, edge: bool) -> None:
    found = classify(sent, status, body, edge_refusal_is_rejection=edge)
    well_formed(found)
    assert (found.kind == "not_sent") == (not sent)
    assert found == classify(sent, status, body, edge_refusal_is_rejection=edge)


@given(statuses, answers)
def test_acceptance_and_rejection_need_their_conditions(status: int | None, answer: dict[str, Any]) -> None:
    found = verdict(answer, status)
    if found.kind == "accepted":
        assert status is not None and 200 <= status < 300
    if found.kind == "rejected":
        assert status is not None and status < 500
        assert found.message


@given(statuses, st.integers(1, 10**12) | st.from_regex(r"\A[0-9][A-Za-z0-9_-]{0,30}\Z"), answers)
def test_an_order_that_may_exist_is_never_rejected(
    status: int | None, order_id: int | str, answer: dict[str, Any]
) -> None:
    found = verdict({**answer, "order": order_id}, status)
    assert found.kind != "rejected" or str(order_id).strip("0") == ""
    if found.kind == "unknown" and str(order_id).strip("0"):
        assert str(order_id) in found.candidate_id


@given(st.integers(500, 999) | st.none(), bodies)
def test_a_breakdown_is_always_unknown(status: int | None, body: bytes) -> None:
    assert verdict(body, status).kind == "unknown"


@given(st.integers(1, 10**9), st.integers(1, 40))
def test_a_cut_off_answer_is_never_accepted(order_id: int, kept: int) -> None:
    body = json.dumps({"status": "success", "order": order_id}).encode()
    assert verdict(body[: min(kept, len(body) - 1)]).kind == "unknown"
