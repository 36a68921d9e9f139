"""The standard dialect: what it sends by type and option, and the deviations it survives by rule."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.adapters import OPTIONS, StandardAdapter, read_options
from providers.adapters.errors import Misconfigured, ProviderError, Refused, Unavailable, Uncertain
from providers.adapters.http import Door, Reply
from providers.adapters.reading import landmark_of, redactor
from providers.adapters.results import AddRequest, Catalog, RefillWord, Word
from providers.service_types import TYPES, Ordered, read_order
from tests.providers.adapter_contract import AdapterContract
from tests.providers.replaying import Replaying, replaying


class TestStandard(AdapterContract):
    dialect = "standard"


@pytest.fixture(scope="module")
def provider() -> Iterator[Replaying]:
    with replaying() as running:
        yield running


def adapter(provider: Replaying, answer: Any = "{}", status: int = 200, **options: Any) -> StandardAdapter:
    provider.says(answer if isinstance(answer, str) else json.dumps(answer), status)
    return StandardAdapter(provider.url, "SECRET-KEY", options, provider.door())


# ------------------------------------------------------------------------------------------- sending


def sent(provider: Replaying, code: str, raw: dict[str, str], **options: Any) -> dict[str, str]:
    ordered = read_order(TYPES[code], {"link": "L", **raw}, 1, 1000)
    adapter(provider, {"order": 1}, **options).add(AddRequest("9", code, ordered, "uuid"))
    return {
        name: text for name, text in provider.forms[-1].items() if name not in ("key", "action", "service")
    }


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        ("default", {"quantity": "5"}),
        ("default", {"quantity": "5", "runs": "2", "interval": "60"}),
        ("package", {}),
        ("seo", {"quantity": "5", "keywords": "tea\ncoffee"}),
        ("custom comments", {"comments": "a\nb"}),
        ("custom comments package", {"comments": "a\nb"}),
        ("mentions", {"quantity": "5", "usernames": "a\nb"}),
        ("mentions with hashtags", {"quantity": "5", "usernames": "a", "hashtags": "x\ny"}),
        ("mentions custom list", {"usernames": "a\nb"}),
        ("mentions hashtag", {"quantity": "5", "hashtag": "x"}),
        ("mentions user followers", {"quantity": "5", "username": "u"}),
        ("mentions media likers", {"quantity": "5", "media": "m"}),
        ("comment likes", {"quantity": "5", "username": "u"}),
        ("comment replies", {"username": "u", "comments": "a\nb"}),
        ("poll", {"quantity": "5", "answer_number": "2"}),
        ("invites from groups", {"quantity": "5", "groups": "g\nh"}),
        (
            "web traffic",
            {
                "quantity": "5",
                "country": "US",
                "device": "1",
                "type_of_traffic": "3",
                "runs": "2",
                "interval": "9",
            },
        ),
    ],
)
def test_a_type_sends_its_parameters_and_no_others(
    provider: Replaying, code: str, raw: dict[str, str]
) -> None:
    assert sent(provider, code, raw) == {"link": "L", **raw}


def test_options_change_what_is_sent(provider: Replaying) -> None:
    comments = {"comments": "a\nb\nc"}
    assert sent(provider, "custom comments", comments, quantity_with_comments="true") == {
        "link": "L",
        "quantity": "3",
        **comments,
    }
    assert sent(provider, "custom comments", comments, line_ending="crlf")["comments"] == "a\r\nb\r\nc"
    drip = {"quantity": "5", "runs": "2", "interval": "60"}
    assert sent(provider, "default", drip, dripfeed_flag=True)["dripfeed"] == "1"
    assert "dripfeed" not in sent(provider, "default", {"quantity": "5"}, dripfeed_flag=True)
    media = {"quantity": "5", "media": "m"}
    renamed = sent(provider, "mentions media likers", media, field_renames="media=media_url,add.link=url")
    assert renamed == {"url": "L", "quantity": "5", "media_url": "m"}
    extra = sent(provider, "default", {"quantity": "5"}, extra_fields={"speed": "slow"})
    assert extra == {"link": "L", "quantity": "5", "speed": "slow"}
    assert sent(provider, "default", {"quantity": "5"}, request_id=True)["request_id"] == "uuid"


def test_batches_and_single_calls_have_their_parameters(provider: Replaying) -> None:
    calls: list[tuple[dict[str, Any], Any, dict[str, str]]] = [
        ({}, lambda a: a.statuses(["1"]), {"orders": "1"}),
        ({}, lambda a: a.statuses(["1", "2"]), {"orders": "1,2"}),
        ({"single_status": True}, lambda a: a.statuses(["1"]), {"order": "1"}),
        ({"ids_separator": "|"}, lambda a: a.statuses(["1", "2"]), {"orders": "1|2"}),
        ({}, lambda a: a.refill(["1"]), {"order": "1"}),
        ({"multi_refill": True}, lambda a: a.refill(["1"]), {"orders": "1"}),
        ({}, lambda a: a.refill(["1", "2"]), {"orders": "1,2"}),
        ({"field_renames": "refill.orders=refills"}, lambda a: a.refill(["1", "2"]), {"refills": "1,2"}),
        ({}, lambda a: a.refill_statuses(["1"]), {"refill": "1"}),
        ({}, lambda a: a.refill_statuses(["1", "2"]), {"refills": "1,2"}),
        ({}, lambda a: a.cancel(["1"]), {"orders": "1"}),
        ({"single_cancel": True}, lambda a: a.cancel(["1"]), {"order": "1"}),
    ]
    for options, act, parameters in calls:
        try:
            act(adapter(provider, "[]", **options))
        except Uncertain:
            pass
        form = provider.forms[-1]
        assert {name: form[name] for name in form.keys() - {"key", "action"}} == parameters


def test_order_ids_that_do_not_look_right_are_doubtful(provider: Replaying) -> None:
    request = AddRequest("1", "default", Ordered("L", 5))
    with pytest.raises(Uncertain) as doubt:
        adapter(provider, {"order": "abc-1"}, order_ids="digits").add(request)
    assert doubt.value.candidate_id == "abc-1"
    assert adapter(provider, {"order": "12"}, order_ids="digits").add(request).order_id == "12"


def test_an_edge_refusal_counts_as_a_rejection_when_the_option_says_so(provider: Replaying) -> None:
    request = AddRequest("1", "default", Ordered("L", 5))
    with pytest.raises(Uncertain):
        adapter(provider, "<html>", 403).add(request)
    with pytest.raises(Refused):
        adapter(provider, "<html>", 403, edge_refusal_is_rejection=True).add(request)


# ------------------------------------------------------------------------------------------ services

ROW = {"service": 7, "name": "N", "type": "Default", "category": "C", "rate": "0.5", "min": "1", "max": "9"}


def catalog(provider: Replaying, answer: Any) -> Catalog:
    return adapter(provider, answer).services()


@pytest.mark.parametrize(
    "answer",
    [
        [ROW],
        {"services": [ROW]},
        {"data": [ROW]},
        {"data": {"services": [ROW]}},
        {"status": "success", "services": {"7": {**ROW, "service": None}}},
        {"7": ROW},
        {"C": [{**ROW, "category": None}]},
        {"error": None, "services": [ROW]},
    ],
)
def test_the_containers_of_a_price_list(provider: Replaying, answer: Any) -> None:
    read = catalog(provider, answer)
    assert [(row.service_id, row.name, row.category) for row in read.rows] == [("7", "N", "C")]
    assert read.problems == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rate": 0.9}, {"rate": Decimal("0.9")}),
        ({"rate": "$0.50"}, {"rate": Decimal("0.50")}),
        ({"rate": "0,90"}, {"rate": Decimal("0.90")}),
        ({"rate": "1,234.56"}, {"rate": Decimal("1234.56")}),
        ({"rate": "1.234,56"}, {"rate": Decimal("1234.56")}),
        ({"rate": "12.50 EUR"}, {"rate": Decimal("12.50")}),
        ({"rate": "1E-5"}, {"rate": Decimal("0.00001")}),
        ({"rate": "0.123456781"}, {"rate": Decimal("0.12345679")}),
        ({"rate": 0}, {"rate": Decimal("0")}),
        ({"min": 50, "max": "10,000"}, {"minimum": 50, "maximum": 10000}),
        ({"max": 99999999999}, {"maximum": 2147483647}),
        ({"type": "custom_comments"}, {"service_type": "custom comments", "type_raw": "custom_comments"}),
        ({"type": None}, {"service_type": None, "type_raw": ""}),
        ({"type": "Unheard of"}, {"service_type": None, "type_raw": "Unheard of"}),
        ({"type": "Package", "min": None, "max": None}, {"minimum": 1, "maximum": 1}),
        ({"category": None}, {"category": ""}),
        ({"category": {"ru": "R", "en": "E"}}, {"category": "E"}),
        ({"name": {"ru": "R"}}, {"name": "R"}),
        ({"name": "a\u202eb\u200b\x07 c\n d"}, {"name": "ab c d"}),
        ({"name": ""}, {"name": "Service 7"}),
        ({"name": "x" * 999}, {"name": "x" * 255}),
        ({"desc": "one<br>two <b>three</b> &amp; four"}, {"description": "one\ntwo three & four"}),
        ({"description": {"en": "E"}}, {"description": "E"}),
        ({"refill": True}, {"refill": True}),
        ({"refill": 1}, {"refill": True}),
        ({"refill": "true"}, {"refill": True}),
        ({"refill": "0"}, {"refill": False}),
        ({"refill": 3}, {"refill": False}),
        ({"refill": None}, {"refill": False}),
        ({"cancel": "1", "dripfeed": 1}, {"cancel": True, "dripfeed": True}),
    ],
)
def test_the_values_of_a_price_list(
    provider: Replaying, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    row = catalog(provider, [{**ROW, **change}]).rows[0]
    assert {name: getattr(row, name) for name in expected} == expected


@pytest.mark.parametrize(
    "change",
    [
        {"rate": None}, {"rate": "free"}, {"rate": "-1"}, {"rate": "1e400"}, {"rate": True}, {"rate": "1-2"},
        {"min": None}, {"max": "many"}, {"min": -1}, {"max": "10.000"}, {"service": None}, {"service": "a b"},
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_dropped_with_a_sentence(
    provider: Replaying, change: dict[str, Any]
) -> None:
    read = catalog(provider, [{**ROW, **change}, {**ROW, "service": 8}])
    assert [row.service_id for row in read.rows] == ["8"]
    assert len(read.problems) == 1 and read.problems[0].endswith(".")


def test_the_dearest_of_two_rows_with_one_id_is_kept(provider: Replaying) -> None:
    read = catalog(provider, [{**ROW, "rate": "2"}, {**ROW, "service": "7", "rate": "3"}, ROW])
    assert [row.rate for row in read.rows] == [Decimal("3")]
    assert len(read.problems) == 2


def test_what_is_no_price_list_is_no_empty_one(provider: Replaying) -> None:
    for answer in (
        {"hello": "world"}, {"status": "success"}, {"data": {"message": "Maintenance"}}, {"services": None},
    ):  # fmt: skip
        with pytest.raises(Misconfigured) as misconfigured:
            catalog(provider, answer)
        assert misconfigured.value.reason == "unexpected"
    for empty in ([], {}, {"services": []}, {"data": {"services": {}}}, {"status": "success", "result": []}):
        assert catalog(provider, empty).rows == ()


# -------------------------------------------------------------------------------------------- status


def test_status_words(provider: Replaying) -> None:
    words = {
        "Pending": Word.PENDING, "pending": Word.PENDING, "PROCESSING": Word.PROCESSING,
        "In progress": Word.IN_PROGRESS, "in_progress": Word.IN_PROGRESS, "Inprogress": Word.IN_PROGRESS,
        "In progess": Word.IN_PROGRESS, "In-Progress": Word.IN_PROGRESS, "Completed": Word.COMPLETED,
        "Partial": Word.PARTIAL, "Canceled": Word.CANCELED, "cancelled": Word.CANCELED,
        "Refunded": Word.CANCELED, "Fail": None, "Failed": None, "Error": None, "Awaiting": None,
        "Active": None, "Paused": None, "Expired": None, "Отменен": None, "Done": None,
    }  # fmt: skip
    asking = adapter(provider)
    for raw, word in words.items():
        for answer in ({"7": {"status": raw, "remains": "1"}}, {"status": raw, "charge": "1"}):
            provider.says(json.dumps(answer))
            observation = asking.statuses(["7"]).found["7"]
            assert (observation.word, observation.raw_word) == (word, raw)


def test_a_provider_may_have_words_of_its_own(provider: Replaying) -> None:
    asking = adapter(provider, {"7": {"status": "Done"}}, status_words="done=Completed")
    assert asking.statuses(["7"]).found["7"].word is Word.COMPLETED


@pytest.mark.parametrize(
    ("raw", "remains"),
    [("157", 157), (157, 157), ("157.0", 157), ("1,000", 1000), (-5, -5), ("Unknown", None), (None, None),
     ("", None), (1.5, None), (True, None), ("10.000", None), ([], None), ("9" * 40, None)],
)  # fmt: skip
def test_a_figure_that_cannot_be_read_is_missing(provider: Replaying, raw: Any, remains: int | None) -> None:
    answer = {"7": {"status": "Partial", "remains": raw, "start_count": raw}}
    observation = adapter(provider, answer).statuses(["7"]).found["7"]
    assert observation.remains == remains == observation.start_count


A, B = {"status": "Completed", "remains": "0"}, {"status": "Pending"}


@pytest.mark.parametrize(
    "answer",
    [
        {"1": A, "2": B},
        {"1": {**A, "order": "1"}, "2": {**B, "order": 2}},
        {"status": "success", "data": {"1": A, "2": B}},
        {"orders": {"1": A, "2": B}},
        [{**A, "order": 1}, {**B, "order": "2"}],
        [{**A, "order_id": 1}, {**B, "id": "2"}],
        {"data": [{**B, "order": 2}, {**A, "order": 1}]},
        {"1": A, "2": B, "3": A, "4": "Incorrect order ID"},
        {"1": "Completed", "2": "pending"},
    ],
)
def test_answers_by_id_in_all_their_containers(provider: Replaying, answer: Any) -> None:
    statuses = adapter(provider, answer).statuses(["1", "2"])
    assert {order: seen.word for order, seen in statuses.found.items()} == {
        "1": Word.COMPLETED,
        "2": Word.PENDING,
    }
    assert statuses.errors == {}


@pytest.mark.parametrize(
    "answer",
    [
        [A, B],
        {"data": [A, B]},
        {"1": None, "2": None},
        {"1": {}, "2": {"charge": "1"}},
        {"1": {"status": None}, "2": {"status": ""}},
        {"1": {**A, "order": "2"}, "2": {**B, "order": "1"}},
        [{**A, "order": 1}, {**B, "order": 1}],
        {"9": A},
        {"status": "Canceled", "remains": "5"},
        "7",
        "true",
    ],
)
def test_what_names_no_order_says_nothing(provider: Replaying, answer: Any) -> None:
    statuses = adapter(provider, answer).statuses(["1", "2"])
    assert (statuses.found, statuses.errors) == ({}, {})


@pytest.mark.parametrize(
    "entry",
    [
        {"error": "Incorrect order ID"},
        "Incorrect order ID",
        {"status": {"error": "Incorrect order ID"}},
        {"status": "error", "message": "Incorrect order ID"},
        {"success": False, "msg": "Incorrect order ID"},
    ],
)
def test_errors_by_id_in_all_their_forms(provider: Replaying, entry: Any) -> None:
    for answer, ids in (({"1": entry, "2": A}, ["1", "2"]), ({"1": entry}, ["1"]), (entry, ["1"])):
        if isinstance(answer, str):
            continue
        statuses = adapter(provider, answer).statuses(ids)
        assert statuses.errors == {"1": "Incorrect order ID"}


def test_an_error_for_the_whole_batch_refuses_it(provider: Replaying) -> None:
    for text, kind in (("Incorrect order ID", "order"), ("Invalid API key", "auth")):
        with pytest.raises(Refused) as refused:
            adapter(provider, {"error": text}).statuses(["1", "2"])
        assert refused.value.kind == kind
    with pytest.raises(Refused) as refused:
        adapter(provider, {"error": "Invalid API key"}).statuses(["1"])
    assert refused.value.kind == "auth"


def test_children_of_drip_feeds_and_subscriptions(provider: Replaying) -> None:
    answer = {"1": {"status": "In progress", "runs": "3", "orders": [601, "602", None]}}
    observation = adapter(provider, answer).statuses(["1"]).found["1"]
    assert (observation.runs, observation.child_ids) == (3, ("601", "602"))
    assert observation.charge is None and observation.remains is None


# ----------------------------------------------------------------------------------- refill, cancel


@pytest.mark.parametrize(
    ("answer", "accepted", "upstream_id"),
    [
        ({"refill": "1"}, True, "1"),
        ({"refill": 42}, True, "42"),
        ({"refill": "ref_9Z"}, True, "ref_9Z"),
        ({"status": "success", "refill": 7}, True, "7"),
        ({"status": "success", "data": {"refill": 7}}, True, "7"),
        ({"success": True}, True, ""),
        ({"refill": True}, True, ""),
        ({"refill": {"id": 5}}, True, "5"),
        ([{"order": 1, "refill": 7}], True, "7"),
        ([{"refill": 7}], True, "7"),
        ({"1": {"refill": 7}}, True, "7"),
        ({"refills": [{"order": 1, "refill": 7}]}, True, "7"),
        ({"refill": {"error": "Incorrect order ID"}}, False, ""),
        ({"error": "Refill is disabled for this service"}, False, ""),
        ({"status": "error", "message": "Too early"}, False, ""),
        ({"refill": 0}, False, ""),
        ({"refill": "Order cannot be refilled"}, False, ""),
    ],
)
def test_the_forms_of_a_refill(provider: Replaying, answer: Any, accepted: bool, upstream_id: str) -> None:
    given = adapter(provider, answer).refill(["1"])["1"]
    assert (given.accepted, given.upstream_id) == (accepted, upstream_id)
    assert accepted or (given.message and given.kind)


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], "null", {"refill": None}, {"refill": "we will see"}, {"2": {"refill": 7}}, {"order": 2, "refill": 7},
        {"error": "Unknown error, please try again"}, {"error": True}, "<html>", "",
    ],
)  # fmt: skip
def test_an_unclear_refill_is_uncertain(provider: Replaying, answer: Any) -> None:
    with pytest.raises(Uncertain):
        adapter(provider, answer).refill(["1"])


def test_a_refusal_of_the_whole_call_is_raised(provider: Replaying) -> None:
    for text, kind in (
        ("Invalid API key", "auth"),
        ("Rate limit exceeded", "rate_limit"),
        ("Invalid action", "protocol"),
    ):
        for act in ("refill", "cancel"):
            with pytest.raises(Refused) as refused:
                getattr(adapter(provider, {"error": text}), act)(["1"])
            assert refused.value.kind == kind
    with pytest.raises(Refused) as refused:
        adapter(provider, {"error": "Incorrect order ID"}).cancel(["1", "2"])
    assert refused.value.kind == "order"


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ([{"order": 2, "cancel": 1}], True),
        ([{"order": "2", "cancel": 1, "refund": 10}], True),
        ([{"cancel": 1}], True),
        ({"cancel": 1}, True),
        ({"cancel": 2, "status": "Success"}, True),
        ({"order": 2, "cancel": 1}, True),
        ({"2": {"cancel": "requested"}}, True),
        ({"status": "success"}, True),
        ({"cancel": True}, True),
        ([{"order": 2, "cancel": 0}], False),
        ({"cancel": False}, False),
        ([{"order": 2, "cancel": {"error": "Not eligible"}}], False),
        ({"2": {"error": "Cannot cancel"}}, False),
        ({"2": "Cannot cancel"}, False),
        ({"error": "Cannot cancel"}, False),
    ],
)
def test_the_forms_of_a_cancel(provider: Replaying, answer: Any, accepted: bool) -> None:
    assert adapter(provider, answer).cancel(["2"])["2"].accepted is accepted


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ({"status": "Completed"}, RefillWord.COMPLETED),
        ({"status": "pending"}, RefillWord.PENDING),
        ({"status": "Awaiting"}, RefillWord.PENDING),
        ({"status": "In progress"}, RefillWord.IN_PROGRESS),
        ({"status": "Canceled"}, RefillWord.REJECTED),
        ({"status": "Cancelled"}, RefillWord.REJECTED),
        ([{"refill": "1", "status": "Rejected"}], RefillWord.REJECTED),
        ([{"status": "Rejected"}], RefillWord.REJECTED),
        ({"1": {"status": "Completed"}}, RefillWord.COMPLETED),
        ({"1": "Completed"}, RefillWord.COMPLETED),
        ({"status": "Error"}, None),
        ({"status": "In progess"}, None),
        ({"status": "Success"}, None),
    ],
)
def test_the_forms_of_a_refill_status(provider: Replaying, answer: Any, word: RefillWord | None) -> None:
    found = adapter(provider, answer).refill_statuses(["1"]).found
    assert found.get("1") is word


# ------------------------------------------------------------------------------------------- balance


@pytest.mark.parametrize(
    ("answer", "amount", "currency"),
    [
        ({"balance": "100.84292", "currency": "USD"}, "100.84292", "USD"),
        ({"balance": 5}, "5", ""),
        ({"balance": "1,234.56", "currency": "inr"}, "1234.56", "INR"),
        ({"balance": "12.50 EUR"}, "12.50", "EUR"),
        ({"balance": "$12.50"}, "12.50", ""),
        ({"balance": {"amount": "9.99", "currency": "GBP"}}, "9.99", "GBP"),
        ({"data": {"balance": "7.25", "currency": "usd"}}, "7.25", "USD"),
        ({"balance": "-5.20"}, "-5.20", ""),
        ({"balance": 0}, "0", ""),
        ([{"balance": "3"}], "3", ""),
    ],
)
def test_the_forms_of_a_balance(provider: Replaying, answer: Any, amount: str, currency: str) -> None:
    balance = adapter(provider, answer).balance()
    assert (balance.amount, balance.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize("answer", [{"balance": None}, {"balance": "unlimited"}, {}, [], {"balance": [1]}])
def test_an_unreadable_balance_is_not_zero(provider: Replaying, answer: Any) -> None:
    with pytest.raises(Unavailable):
        adapter(provider, answer).balance()


# ------------------------------------------------------------------------------------------- options


def test_options_have_the_documented_defaults() -> None:
    documented = {
        "deadline_s": 45, "batch_deadline_s": 60, "concurrency": 8, "batch_size": 100, "rate_per_minute": 600,
        "ambiguous_limit": 3, "ambiguous_window_s": 300, "edge_refusal_is_rejection": False,
        "breaker_cooldown_s": 60, "price_rise_limit_percent": 10, "request_id": False,
    }  # fmt: skip
    assert {name: value for name, value in read_options({}).items() if name in documented} == documented
    assert read_options({}).keys() == OPTIONS.keys()


def test_options_are_read_from_text_and_from_values() -> None:
    read = read_options(
        {
            "deadline_s": "2.5",
            "batch_size": "50",
            "request_id": "true",
            "field_renames": "a=b; c=d",
            "concurrency": 4,
        }
    )
    assert (read["deadline_s"], read["batch_size"], read["request_id"]) == (2.5, 50, True)
    assert read["field_renames"] == {"a": "b", "c": "d"}
    assert read_options({"extra_fields": '{"note": "a, b"}'})["extra_fields"] == {"note": "a, b"}
    assert read_options(read) == read


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"speed": 1}, "no provider option speed"),
        ({"batch_size": 101}, "between 1 and 100"),
        ({"batch_size": 1.5}, "whole number"),
        ({"deadline_s": "soon"}, "must be a number"),
        ({"deadline_s": "nan"}, "between"),
        ({"deadline_s": True}, "must be a number"),
        ({"request_id": "maybe"}, "true or false"),
        ({"order_ids": "odd"}, "one of: any, digits"),
        ({"field_renames": "media"}, "name=value"),
        ({"field_renames": "media=a b"}, "names may hold"),
        ({"extra_fields": "key=x"}, "cannot replace"),
        ({"extra_fields": '{"a":'}, "not valid JSON"),
        ({"ids_separator": ""}, "1 to 5"),
    ],
)
def test_a_wrong_option_is_explained(raw: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_options(raw)


def test_defaults_are_not_shared() -> None:
    read_options({})["extra_fields"]["a"] = "b"
    assert read_options({})["extra_fields"] == {}


# ---------------------------------------------------------------------------------------- properties


class Saying(Door):
    """A door behind which one answer waits."""

    def __init__(self, body: bytes, status: int) -> None:
        super().__init__()
        self.answer = Reply(status, body, "", "", 0.0)

    def post(self, *_: Any, **__: Any) -> Reply:
        return self.answer


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["1", "2", "order", "status", "error", "refill", "cancel", "balance", "data", "services", "service",
             "rate", "min", "max", "name", "remains", "orders", "success", "id", "currency", "type"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60), st.integers(100, 599)
)
def test_any_answer_gives_a_result_or_a_named_error(body: bytes, status: int) -> None:
    speaking = StandardAdapter("https://x.example", "SECRET-KEY", {}, Saying(body, status))
    request = AddRequest("1", "default", Ordered("L", 5))
    acts = {
        speaking.services: (Refused, Unavailable, Misconfigured),
        speaking.balance: (Refused, Unavailable, Misconfigured),
        lambda: speaking.statuses(["1"]): (Refused, Unavailable, Misconfigured),
        lambda: speaking.statuses(["1", "2"]): (Refused, Unavailable, Misconfigured),
        lambda: speaking.refill_statuses(["1"]): (Refused, Unavailable, Misconfigured),
        lambda: speaking.refill(["1"]): (Refused, Uncertain),
        lambda: speaking.refill(["1", "2"]): (Refused, Uncertain),
        lambda: speaking.cancel(["1", "2"]): (Refused, Uncertain),
        lambda: speaking.add(request): (Refused, Uncertain),
    }
    for act, allowed in acts.items():
        try:
            act()
        except ProviderError as error:
            assert isinstance(error, allowed)
            assert error.message and error.reason and len(error.excerpt) <= 500


@pytest.mark.parametrize(
    "echo",
    [
        "se/cret+KEY=0&9",
        "SE/CRET+key=0&9",
        "se%2Fcret%2BKEY%3D0%269",
        "se/cret%2BKEY=0%269",
        "se\\/cret+KEY=0&amp;9",
        "se&#47;cret&#x2b;KEY=0\\u00269",
    ],
)
def test_a_key_is_hidden_in_any_mixture_of_spellings(echo: str) -> None:
    hide = redactor("se/cret+KEY=0&9")
    assert hide(f"<{echo}>") == "<[key]>"
    assert landmark_of("se/cret+KEY=0&9") in echo.lower().encode()
    assert hide("a se/cret") == "a se/cret"
