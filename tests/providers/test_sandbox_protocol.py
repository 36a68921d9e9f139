"""The sandbox speaks the panel API v2 as documented: every action, every type, every classic error."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox import Sandbox, WrongControl

Start = Callable[..., Sandbox]
FINAL = {"Completed", "Partial", "Canceled", "Fail"}


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], deadline_s: float = 15) -> Any:
    end = time.monotonic() + deadline_s
    while not wanted(seen := look()):
        assert time.monotonic() < end, f"still {seen!r}"
        time.sleep(0.02)
    return seen


def ended(sandbox: Sandbox, order: Any) -> dict[str, Any]:
    return until(lambda: sandbox.ask("status", order=order), lambda seen: seen["status"] in FINAL)


def service_of(sandbox: Sandbox, kind: str) -> dict[str, Any]:
    return next(row for row in sandbox.ask("services") if row["type"] == kind)


def add(
    sandbox: Sandbox, link: str = "https://example.org/#fast", quantity: int = 1000, service: int = 1
) -> int:
    return sandbox.ask("add", service=service, link=link, quantity=quantity)["order"]


# -- services --------------------------------------------------------------------------------------------


def test_the_catalog_has_the_documented_fields_and_every_type(sandbox: Sandbox) -> None:
    rows = sandbox.ask("services")
    assert 55 <= len(rows) <= 65
    assert len({row["category"] for row in rows}) == 10
    assert list(rows[0]) == ["service", "name", "type", "category", "rate", "min", "max", "refill", "cancel"]
    for row in rows:
        assert isinstance(row["service"], int)
        assert Decimal(row["rate"]) > 0
        assert 1 <= int(row["min"]) <= int(row["max"])
        assert isinstance(row["refill"], bool)
        assert isinstance(row["cancel"], bool)
    documented = set(TYPES) | {"Subscriptions"}
    assert {row["type"] for row in rows} == documented | {"Guided Seats"}
    assert {row["refill"] for row in rows} == {row["cancel"] for row in rows} == {True, False}


@pytest.mark.parametrize("count", [5, 500])
def test_the_number_of_services_can_be_chosen(start_sandbox: Start, count: int) -> None:
    rows = start_sandbox(services=count).ask("services")
    assert len({row["service"] for row in rows}) == len(rows) == count


# -- add -------------------------------------------------------------------------------------------------

# type: parameters beyond link, (quantity, total) in the book, is the rate the price of one order?
TYPES: dict[str, tuple[dict[str, Any], tuple[int, int], bool]] = {
    "Default": ({"quantity": 1000, "runs": 3, "interval": 10}, (1000, 3000), False),
    "Package": ({}, (1, 1), True),
    "SEO": ({"quantity": 200, "keywords": "one\ntwo"}, (200, 200), False),
    "Custom Comments": ({"comments": "open\r\n\r\ntap\nclose\n"}, (3, 3), False),
    "Custom Comments Package": ({"comments": "first\nsecond"}, (1, 1), True),
    "Mentions": ({"quantity": 50, "usernames": "ann\nbob"}, (50, 50), False),
    "Mentions with Hashtags": ({"quantity": 50, "usernames": "ann", "hashtags": "news"}, (50, 50), False),
    "Mentions Custom List": ({"usernames": "a\nb\nc\nd\ne\nf"}, (6, 6), False),
    "Mentions Hashtag": ({"quantity": 50, "hashtag": "news"}, (50, 50), False),
    "Mentions User Followers": ({"quantity": 50, "username": "ann"}, (50, 50), False),
    "Mentions Media Likers": ({"quantity": 50, "media": "https://example.org/talk"}, (50, 50), False),
    "Comment Likes": ({"quantity": 20, "username": "ann"}, (20, 20), False),
    "Comment Replies": ({"username": "ann", "comments": "yes\nno"}, (2, 2), False),
    "Poll": ({"quantity": 50, "answer_number": 2}, (50, 50), False),
    "Invites from Groups": ({"quantity": 50, "groups": "club"}, (50, 50), False),
    "Web Traffic": (
        {
            "quantity": 500,
            "country": "DE",
            "device": 1,
            "type_of_traffic": 1,
            "google_keyword": "tea",
            "runs": 2,
            "interval": 5,
        },
        (500, 1000),
        False,
    ),
}
OPTIONAL = {"runs", "interval"}


@pytest.mark.parametrize("kind", TYPES)
def test_an_add_of_each_type_is_booked_and_charged_and_misses_each_parameter(
    sandbox: Sandbox, kind: str
) -> None:
    params, (quantity, total), flat = TYPES[kind]
    service = service_of(sandbox, kind)
    form = {"service": service["service"], "link": "https://example.org/item", **params}
    before = Decimal(sandbox.ask("balance")["balance"])

    for name in set(form) - OPTIONAL:
        answer = sandbox.ask("add", **{field: value for field, value in form.items() if field != name})
        told = {"service": "Incorrect service ID", "link": "Bad link"}
        assert answer == {"error": told.get(name, f"Missing required parameter {name}")}
    assert sandbox.truth() == []

    order = sandbox.ask("add", **form)["order"]
    assert isinstance(order, int)
    booked = sandbox.orders()[0]
    rate = Decimal(service["rate"])
    charge = rate if flat else rate * total / 1000
    assert (booked["quantity"], booked["total"], Decimal(booked["charge"])) == (quantity, total, charge)
    assert booked["parameters"] == {name: str(value) for name, value in form.items()}
    assert Decimal(sandbox.ask("balance")["balance"]) == before - charge
    seen = sandbox.ask("status", order=order)
    assert (Decimal(seen["charge"]), seen["remains"]) == (charge, str(total))


def test_an_unknown_type_is_served_like_a_plain_one(sandbox: Sandbox) -> None:
    service = service_of(sandbox, "Guided Seats")["service"]
    assert "order" in sandbox.ask("add", service=service, link="room 4", quantity=2)


def test_a_subscription_gets_child_orders_as_posts_appear(frozen_sandbox: Sandbox) -> None:
    sandbox = frozen_sandbox
    service = service_of(sandbox, "Subscriptions")["service"]
    form = {"username": "digest #complete", "min": 10, "max": 20, "delay": 0, "posts": 2}
    order = sandbox.ask("add", service=service, **form)["order"]
    assert sandbox.ask("status", order=order)["status"] == "Active"
    sandbox.control(advance=30)
    seen = sandbox.ask("status", order=order)
    assert seen["status"] == "Completed"
    assert len(seen["orders"]) == int(seen["posts"]) == 2
    assert sandbox.ask("status", order=seen["orders"][0])["charge"] == "0.09"
    assert [line["event"] for line in sandbox.truth()] == ["order", "child", "child"]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"quantity": 999}, "Quantity less than minimal 1000"),
        ({"quantity": 1000001}, "Quantity more than maximum 1000000"),
        ({"quantity": "many"}, "Incorrect quantity"),
        ({"quantity": 1000, "service": 9999}, "Incorrect service ID"),
        ({"quantity": 1000, "link": " "}, "Bad link"),
        ({"quantity": 1000, "runs": 2}, "Missing required parameter interval"),
        ({"quantity": 1000, "runs": 0, "interval": 1}, "Incorrect runs"),
    ],
)
def test_a_wrong_add_is_refused_with_the_classic_sentence(
    sandbox: Sandbox, params: dict[str, Any], error: str
) -> None:
    form = {"service": 1, "link": "https://example.org/", **params}
    assert sandbox.ask("add", **form) == {"error": error}
    assert sandbox.truth() == []


def test_funds_are_per_key_and_run_out(start_sandbox: Start) -> None:
    sandbox = start_sandbox(key=["alpha", "beta"], balance="1.00")
    assert "order" in sandbox.ask("add", service=1, link="a", quantity=1000)
    assert sandbox.ask("add", service=1, link="b", quantity=1000) == {"error": "Not enough funds on balance"}
    assert sandbox.ask("balance") == {"balance": "0.1", "currency": "USD"}
    assert sandbox.ask("balance", key="beta") == {"balance": "1", "currency": "USD"}
    sandbox.control(balance={"alpha": "2.50"})
    assert "order" in sandbox.ask("add", service=1, link="b", quantity=1000)
    assert [line["link"] for line in sandbox.truth("order")] == ["a", "b"]


def test_keys_and_actions_are_checked(sandbox: Sandbox) -> None:
    assert sandbox.ask("balance", key="other") == {"error": "Invalid API key"}
    assert sandbox.ask("steal") == {"error": "Incorrect request"}
    sandbox.control(deny_key=True)
    assert sandbox.ask("balance") == {"error": "Invalid API key"}


def test_orders_of_another_key_look_missing(start_sandbox: Start) -> None:
    sandbox = start_sandbox(key=["alpha", "beta"])
    order = add(sandbox)
    assert sandbox.ask("status", order=order, key="beta") == {"error": "Incorrect order ID"}


def test_json_bodies_and_queries_are_read_too(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(sandbox.origin, timeout=5)
    form = {"key": sandbox.key, "action": "add", "service": 1, "link": "x", "quantity": 1000}
    connection.request("POST", "/api/v2/", json.dumps(form), {"Content-Type": "application/json"})
    assert "order" in json.load(connection.getresponse())
    connection.request("GET", f"/api/v2?key={sandbox.key}&action=balance")  # on the same connection
    assert "balance" in json.load(connection.getresponse())
    connection.close()


def test_a_request_id_is_honored_only_when_switched_on(start_sandbox: Start) -> None:
    plain, careful = start_sandbox(), start_sandbox(request_id=True)
    form = {"service": 1, "link": "x", "quantity": 1000, "request_id": "abc"}
    assert plain.ask("add", **form) != plain.ask("add", **form)
    assert careful.ask("add", **form) == careful.ask("add", **form)
    assert len(careful.truth("order")) == 1
    assert "error" in careful.ask("add", **{**form, "quantity": 2000})
    assert careful.truth()[0]["request_id"] == "abc"


# -- status and progress ---------------------------------------------------------------------------------


def test_an_order_passes_through_its_phases_with_falling_remains(frozen_sandbox: Sandbox) -> None:
    words: list[str] = []
    remains: list[int] = []
    order = add(frozen_sandbox, "https://example.org/#complete")
    for _ in range(100):  # 20 sandbox seconds
        seen = frozen_sandbox.ask("status", order=order)
        assert list(seen) == ["charge", "start_count", "status", "remains", "currency"]
        assert all(isinstance(value, str) for value in seen.values())
        if seen["status"] not in words:
            words.append(seen["status"])
        remains.append(int(seen["remains"]))
        frozen_sandbox.control(advance=0.2)
    assert words == ["Pending", "Processing", "In progress", "Completed"]
    assert remains == sorted(remains, reverse=True)
    assert (remains[0], remains[-1]) == (1000, 0)
    assert len(set(remains)) > 3


@pytest.mark.parametrize(
    ("marker", "status", "remains", "charge"),
    [
        ("#partial=40", "Partial", "40", "0.864"),
        ("#partial", "Partial", "500", "0.45"),
        ("#cancel", "Canceled", "1000", "0"),
        ("#cancel=250", "Canceled", "250", "0.675"),
        ("#fail", "Fail", "1000", "0.9"),
        ("#complete", "Completed", "0", "0.9"),
    ],
)
def test_a_link_steers_how_an_order_ends_and_what_it_costs(
    sandbox: Sandbox, marker: str, status: str, remains: str, charge: str
) -> None:
    seen = ended(sandbox, add(sandbox, f"https://example.org/{marker}#fast"))
    assert (seen["status"], seen["remains"], seen["charge"]) == (status, remains, charge)
    assert Decimal(sandbox.ask("balance")["balance"]) == 100000 - Decimal(charge)


def test_a_link_steers_what_is_shown_meanwhile(frozen_sandbox: Sandbox) -> None:
    sandbox = frozen_sandbox
    stay, wait, word = (
        add(sandbox, "a#stay"),
        add(sandbox, "b#pending"),
        add(sandbox, "c#word=Under review#fast"),
    )
    sandbox.control(advance=1000)
    seen = sandbox.ask("status", order=stay)
    assert (seen["status"], seen["remains"]) == ("In progress", "500")
    assert sandbox.ask("status", order=wait)["status"] == "Pending"
    assert sandbox.ask("status", order=word)["status"] == "Under review"


def test_a_late_order_turns_partial_after_completed(frozen_sandbox: Sandbox) -> None:
    order = add(frozen_sandbox, "https://example.org/#late=300#fast")
    frozen_sandbox.control(advance=2)
    assert frozen_sandbox.ask("status", order=order)["status"] == "Completed"
    frozen_sandbox.control(advance=5)
    seen = frozen_sandbox.ask("status", order=order)
    assert (seen["status"], seen["remains"], seen["charge"]) == ("Partial", "300", "0.63")


def test_many_statuses_are_keyed_by_id_with_errors_inside(sandbox: Sandbox) -> None:
    first, second = add(sandbox), add(sandbox)
    seen = sandbox.ask("status", orders=f"{first}, {second},77")
    assert list(seen) == [str(first), str(second), "77"]
    assert seen["77"] == {"error": "Incorrect order ID"}
    assert seen[str(first)]["currency"] == "USD"
    assert sandbox.ask("status", order=77) == {"error": "Incorrect order ID"}
    assert sandbox.stats()["largest_batch"] == 3


@pytest.mark.parametrize(
    ("action", "name"),
    [("status", "orders"), ("refill", "orders"), ("cancel", "orders"), ("refill_status", "refills")],
)
def test_more_than_a_hundred_ids_are_refused(sandbox: Sandbox, action: str, name: str) -> None:
    assert len(sandbox.ask(action, **{name: ",".join(map(str, range(100)))})) == 100
    assert sandbox.ask(action, **{name: ",".join(map(str, range(101)))}) == {
        "error": "Incorrect request: at most 100 ids at once"
    }


def test_the_same_seed_tells_the_same_story(start_sandbox: Start) -> None:
    def story(seed: int) -> list[tuple[str, int, int]]:
        sandbox = start_sandbox(seed=seed, speed=0, partial_share=0.3, cancel_share=0.3)
        for number in range(30):
            add(sandbox, f"https://example.org/{number}")
        sandbox.control(advance=20)
        return [(row["status"], row["start_count"], row["remains"]) for row in sandbox.orders()]

    first = story(5)
    assert first == story(5) != story(6)
    assert {word for word, _, _ in first} == {"Completed", "Partial", "Canceled"}


def test_speed_changes_take_effect_at_once_and_without_a_jump(start_sandbox: Start) -> None:
    sandbox = start_sandbox(speed=0)
    order = add(sandbox)
    assert sandbox.ask("status", order=order)["status"] == "Pending"
    sandbox.control(speed=1000)
    assert ended(sandbox, order)["status"] == "Completed"


# -- refill and cancel -----------------------------------------------------------------------------------

REFILLABLE = 6  # "Video pre-roll views": refill and cancel


def test_a_refill_is_accepted_and_completes(frozen_sandbox: Sandbox) -> None:
    sandbox = frozen_sandbox
    order = add(sandbox, quantity=100, service=REFILLABLE)
    assert sandbox.ask("refill", order=order) == {"error": "Order not eligible for refill"}
    sandbox.control(advance=5)
    refill = sandbox.ask("refill", order=order)["refill"]
    assert isinstance(refill, str)
    answers = []
    for _ in range(3):
        answers.append(sandbox.ask("refill_status", refill=refill))
        sandbox.control(advance=2)
    assert answers == [{"status": "Pending"}, {"status": "In progress"}, {"status": "Completed"}]
    assert sandbox.truth("refill")[0]["order"] == str(order)


def test_many_refills_answer_as_a_list_in_order(sandbox: Sandbox) -> None:
    good = add(sandbox, "a#fast#norefill", 100, REFILLABLE)
    without = add(sandbox, "b#fast")
    ended(sandbox, good), ended(sandbox, without)
    answer = sandbox.ask("refill", orders=f"{good},{without},3")
    assert answer == [
        {"order": good, "refill": answer[0]["refill"]},
        {"order": without, "refill": {"error": "Refill is not available for this service"}},
        {"order": 3, "refill": {"error": "Incorrect order ID"}},
    ]
    number = answer[0]["refill"]
    assert isinstance(number, int)
    seen = until(
        lambda: sandbox.ask("refill_status", refills=f"{number},9"),
        lambda seen: seen[0]["status"] == "Rejected",
    )
    assert seen == [
        {"refill": number, "status": "Rejected"},
        {"refill": 9, "status": {"error": "Refill not found"}},
    ]
    assert sandbox.ask("refill_status", refill=9) == {"error": "Refill not found"}


def test_a_cancel_of_a_pending_order_works_a_moment_later_and_refunds(frozen_sandbox: Sandbox) -> None:
    sandbox = frozen_sandbox
    order = add(sandbox, "a#pending")
    assert sandbox.ask("cancel", orders=f"{order},9") == [
        {"order": order, "cancel": 1},
        {"order": 9, "cancel": {"error": "Incorrect order ID"}},
    ]
    assert sandbox.ask("status", order=order)["status"] == "Pending"
    sandbox.control(advance=2)
    seen = ended(sandbox, order)
    assert (seen["status"], seen["remains"], seen["charge"]) == ("Canceled", "1000", "0")
    assert sandbox.ask("balance")["balance"] == "100000"
    assert sandbox.ask("cancel", order=order)[0]["cancel"] == {"error": "Order cannot be canceled"}


def test_a_cancel_in_progress_ends_partial_by_what_remains(frozen_sandbox: Sandbox) -> None:
    sandbox = frozen_sandbox
    order = add(sandbox, "a#stay")
    sandbox.control(advance=20)
    assert sandbox.ask("cancel", orders=order) == [{"order": order, "cancel": 1}]
    sandbox.control(advance=2)
    seen = sandbox.ask("status", order=order)
    assert (seen["status"], seen["remains"], seen["charge"]) == ("Partial", "500", "0.45")


def test_a_cancel_may_be_accepted_and_still_come_to_nothing(sandbox: Sandbox) -> None:
    order = add(sandbox, "a#nocancel#complete")
    assert sandbox.ask("cancel", orders=order) == [{"order": order, "cancel": 1}]
    assert ended(sandbox, order)["status"] == "Completed"


def test_a_service_without_cancel_says_so(sandbox: Sandbox) -> None:
    service = next(row for row in sandbox.ask("services") if not row["cancel"] and row["type"] == "Package")
    order = sandbox.ask("add", service=service["service"], link="x")["order"]
    assert sandbox.ask("cancel", orders=order)[0]["cancel"] == {
        "error": "Cancel is not available for this service"
    }


# -- control ---------------------------------------------------------------------------------------------


def test_prices_and_services_change_live(sandbox: Sandbox) -> None:
    sandbox.control(prices={"1": "0.5"}, remove_services=[2], add_services=[{"name": "New", "rate": "3"}])
    sandbox.control(change_services={"3": {"min": "1"}})
    rows = {row["service"]: row for row in sandbox.ask("services")}
    assert rows[1]["rate"] == "0.5"
    assert 2 not in rows
    assert rows[3]["min"] == "1"
    assert rows[max(rows)]["name"] == "New"
    assert "order" in sandbox.ask("add", service=max(rows), link="x", quantity=10)


def test_an_odd_row_is_shown_but_sells_nothing(sandbox: Sandbox) -> None:
    sandbox.control(add_services=[{"service": "abc", "rate": "$0.50", "min": "1,000", "type": None}])
    assert sandbox.ask("services")[-1]["rate"] == "$0.50"
    assert sandbox.ask("add", service="abc", link="x", quantity=10) == {"error": "Service is disabled"}


def test_an_order_can_be_set_by_hand_and_let_go(sandbox: Sandbox) -> None:
    order = add(sandbox, "a#stay")
    sandbox.control(set_order={"id": order, "status": "Partial", "remains": 100, "start_count": 7})
    seen = sandbox.ask("status", order=order)
    assert (seen["status"], seen["remains"], seen["start_count"], seen["charge"]) == (
        "Partial",
        "100",
        "7",
        "0.81",
    )
    sandbox.control(set_order={"id": order, "status": None, "remains": None})
    until(lambda: sandbox.ask("status", order=order), lambda seen: seen["status"] == "In progress")


def test_latency_is_the_time_between_act_and_answer(sandbox: Sandbox) -> None:
    sandbox.control(latency_ms=200)
    started = time.monotonic()
    add(sandbox)
    assert time.monotonic() - started >= 0.2


def test_a_wrong_control_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(WrongControl, match="explode"):
        sandbox.control(faults="explode")


def test_stats_and_requests_tell_what_was_asked(sandbox: Sandbox) -> None:
    add(sandbox, "https://example.org/1")
    sandbox.ask("balance")
    assert sandbox.stats()["requests"] == {"add": 1, "balance": 1}
    asked = sandbox.requests()
    assert [request["action"] for request in asked] == ["add", "balance"]
    assert asked[0]["link"] == "https://example.org/1"
    assert sandbox.key not in json.dumps(asked)
