"""However a client wraps its parameters, and whatever nonsense it sends: an answer in JSON, and never a 5xx."""

import json
from typing import Any

import pytest
from django.test import Client, override_settings

from customers.models import User
from orders.models import Order
from providers.models import Service
from tests import world
from tests.api.conftest import ADDRESS, Caller

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


def said(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return json.loads(response.content)


@pytest.mark.parametrize("address", ["/api/v2", "/api/v2/"])
def test_both_addresses_answer_without_a_redirect(address: str, call: Caller) -> None:
    strict = Client(enforce_csrf_checks=True)
    for response in (
        strict.post(address, {"key": call.key, "action": "balance"}),
        strict.get(address, {"key": call.key, "action": "balance"}),
    ):
        assert said(response) == {"balance": "100.00", "currency": "USD"}


def wrapped(client: Client, how: str, parameters: dict[str, Any]) -> Any:
    if how == "form":
        return client.post(ADDRESS, "&".join(f"{k}={v}" for k, v in parameters.items()), content_type=FORM)
    if how == "multipart":
        return client.post(ADDRESS, parameters)
    if how == "json":
        return client.post(ADDRESS, json.dumps(parameters), content_type="application/json")
    if how == "json with a charset and a mark":
        body = b"\xef\xbb\xbf" + json.dumps(parameters).encode()
        return client.generic("POST", ADDRESS, body, content_type="application/json; charset=utf-8")
    if how == "json that says it is a form":
        return client.generic("POST", ADDRESS, json.dumps(parameters), content_type=FORM)
    if how == "form that says nothing":
        body = "&".join(f"{k}={v}" for k, v in parameters.items())
        return client.generic("POST", ADDRESS, body, content_type="")
    if how == "query of a post":
        return client.generic("POST", ADDRESS + "?" + "&".join(f"{k}={v}" for k, v in parameters.items()))
    return client.get(ADDRESS, parameters)


WRAPPINGS = [
    "form", "multipart", "json", "json with a charset and a mark", "json that says it is a form",
    "form that says nothing", "query", "query of a post",
]  # fmt: skip


@pytest.mark.parametrize("how", WRAPPINGS)
def test_every_wrapping_places_the_same_order(how: str, call: Caller, shop: Service) -> None:
    parameters = {"key": call.key, "action": "add", "service": shop.pk, "link": "abc", "quantity": 250}
    order = Order.objects.get(pk=said(wrapped(call.client, how, parameters))["order"])
    assert (order.link, order.quantity) == ("abc", 250)


def test_the_body_wins_over_the_query(call: Caller, shop: Service) -> None:
    address = f"{ADDRESS}?action=balance&quantity=5000&link=query"
    form = {"key": call.key, "action": "add", "service": shop.pk, "quantity": 100, "link": ""}
    order = Order.objects.get(pk=said(call.client.post(address, form))["order"])
    assert (order.quantity, order.link) == (100, "query")  # an empty field is absent, so it hides nothing


@pytest.mark.parametrize("nothing", ["", "undefined", "null", "  "])
def test_absent_values_count_as_absent(nothing: str, call: Caller, shop: Service) -> None:
    extra = dict.fromkeys(("runs", "interval", "comments", "request_id", "orders"), nothing)
    assert "order" in call("add", service=shop.pk, link="x", quantity=100, **extra)
    assert call("add", service=shop.pk, link=nothing, quantity=100) == {"error": "Bad link"}
    assert call("status", order=nothing) == {"error": "Incorrect order ID"}


def test_json_may_hold_numbers_lists_null_and_booleans(call: Caller, shop: Service, alice: User) -> None:
    body = {
        "key": call.key, "action": "add", "service": shop.pk, "link": "x", "quantity": 100.0,
        "runs": None, "dripfeed": True, "extra": {"a": [1]},
    }  # fmt: skip
    order = said(wrapped(call.client, "json", body))["order"]
    assert Order.objects.get(pk=order).quantity == 100
    many = said(wrapped(call.client, "json", {"key": call.key, "action": "status", "orders": [order, 5]}))
    assert list(many) == [str(order), "5"]


@pytest.mark.parametrize(
    "body", ["orders[]={0}&orders[]=5", "orders[0]={0}&orders[1]=5", "orders={0}&orders=5", "orders={0},5"]
)
def test_lists_of_ids_come_as_php_and_javascript_write_them(
    body: str, call: Caller, shop: Service, alice: User
) -> None:
    order = world.order(alice, shop)
    form = f"key={call.key}&action=status&" + body.format(order.pk)
    answer = said(call.client.generic("POST", ADDRESS, form, content_type=FORM))
    assert list(answer) == [str(order.pk), "5"]


def test_comments_may_be_a_list_in_json(call: Caller, meridian: Any) -> None:
    service = world.service(world.offer(meridian, service_type="custom comments", minimum=1))
    body = {"key": call.key, "action": "add", "service": service.pk, "link": "x", "comments": ["one", "two"]}
    order = Order.objects.get(pk=said(wrapped(call.client, "json", body))["order"])
    assert (order.quantity, order.fields) == (2, {"comments": "one\ntwo"})


def test_text_arrives_as_it_was_typed(call: Caller, shop: Service) -> None:
    link = "https://example.org/ü?q=1&r=«日本»+%20"
    for how in ("multipart", "json", "query"):
        parameters = {"key": call.key, "action": "add", "service": shop.pk, "link": link, "quantity": 10}
        assert Order.objects.get(pk=said(wrapped(call.client, how, parameters))["order"]).link == link


def test_latin_1_is_read_as_it_says(call: Caller, shop: Service) -> None:
    body = f"key={call.key}&action=add&service={shop.pk}&quantity=10&link=caf%E9"
    answer = call.client.generic("POST", ADDRESS, body, content_type=f"{FORM}; charset=ISO-8859-1")
    assert Order.objects.get(pk=said(answer)["order"]).link == "café"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND"])
def test_other_methods_are_refused_with_the_two_that_work(method: str) -> None:
    response = Client().generic(method, ADDRESS)
    assert response.status_code == 405
    assert response["Allow"] == "GET, POST"


def test_the_key_is_asked_for_before_anything_else(call: Caller) -> None:
    for form in (
        {},
        {"action": "balance"},
        {"action": "nonsense"},
        {"key": "undefined", "action": "balance"},
    ):
        assert said(call.client.post(ADDRESS, form)) == {"error": "Invalid API key"}
    assert call("nonsense") == {"error": "Incorrect request"}
    assert said(call.client.post(ADDRESS, {"key": call.key})) == {"error": "Incorrect request"}


JSON = "application/json"
NONSENSE: list[tuple[bytes, str]] = [
    (b"{", JSON), (b"[1,2]", JSON), (b'"text"', JSON), (b"\xff\xfe\x00", JSON), (b"[" * 100_000, JSON),
    (b'{"a":' * 50_000, JSON), (b'{"service":' + b"9" * 5000 + b"}", JSON), (b'{"a": 1e99999999}', JSON),
    (b"NaN", JSON), (b"\x00\x01\x02", "multipart/form-data; boundary=x"), (b"--x\r\n", "multipart/form-data"),
    (b"abc", "multipart/form-data; boundary=" + "y" * 300), (b"a=%ff%fe&%00=%00", FORM),
    (b"&".join(b"a%d=1" % n for n in range(3000)), FORM), (b"a=1", f"{FORM}; charset=hex"),
    (b"a=1", f"{FORM}; charset=utf-7"), (b"a=1", f"{FORM}; charset=no-such-thing"), (b"a=1", "text/plain"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(NONSENSE)))
def test_nonsense_is_an_error_and_not_a_fault(number: int, db: None) -> None:
    body, content_type = NONSENSE[number]
    response = Client().generic("POST", ADDRESS, body, content_type=content_type)
    assert said(response)["error"] in ("Incorrect request", "Invalid API key")


def test_nonsense_in_the_query_is_an_error(db: None) -> None:
    for query in (
        "%ff=%fe&key=%00",
        "key=" + "a" * 5000,
        "&".join(f"a{n}=1" for n in range(3000)),
        "key[]=1",
    ):
        response = Client().generic("GET", ADDRESS, QUERY_STRING=query)
        assert said(response)["error"] in ("Incorrect request", "Invalid API key")


def test_a_body_beyond_the_cap_is_refused_before_it_is_read(call: Caller) -> None:
    response = call.client.post(ADDRESS, {"key": call.key, "action": "add", "comments": "x" * 2_200_000})
    assert response.status_code == 413
    assert json.loads(response.content) == {"error": "Request too large"}


def test_a_wrong_content_length_is_an_error(call: Caller) -> None:
    response = Client().generic("POST", ADDRESS, b"a=1", content_type=FORM, CONTENT_LENGTH="many")
    assert "error" in json.loads(response.content)


ODD = ["0", "-1", "+5", "1.5", "٣", "1e3", "9" * 30, "x" * 300, "\x00", "\ud800", "1;DROP", "' OR 1=1", "01"]


@pytest.mark.parametrize("odd", ODD)
def test_odd_ids_are_missing_ids(odd: str, call: Caller) -> None:
    def ask(**parameters: str) -> Any:
        body = {"key": call.key} | parameters
        return said(wrapped(call.client, "json", body))

    assert ask(action="status", order=odd) == {"error": "Incorrect order ID"}
    assert ask(action="refill", order=odd) == {"error": "Incorrect order ID"}
    assert ask(action="cancel", order=odd) == {"error": "Incorrect order ID"}
    assert ask(action="refill_status", refill=odd) == {"error": "Refill not found"}
    assert ask(action="add", service=odd, link="x", quantity="10") == {"error": "Incorrect service ID"}
    assert list(ask(action="status", orders=odd).values()) == [{"error": "Incorrect order ID"}]
    assert ask(action="cancel", orders=odd)[0]["cancel"] == {"error": "Incorrect order ID"}
    assert ask(action="refill_status", refills=odd)[0]["status"] == {"error": "Refill not found"}


@pytest.mark.parametrize(("action", "name"), [("status", "orders"), ("refill", "orders"), ("cancel", "orders"), ("refill_status", "refills")])  # fmt: skip
def test_more_than_100_ids_are_a_clear_error(action: str, name: str, call: Caller) -> None:
    hundred = ",".join(str(n) for n in range(1, 101))
    assert len(call(action, **{name: hundred})) == 100
    assert call(action, **{name: hundred + ",101"}) == {"error": "Incorrect request: more than 100 ids"}
    assert call(action, **{name: ", ,"}) == {"error": "Incorrect request"}


@override_settings(API_RATE_LIMITS=True)
def test_a_client_with_a_session_cookie_is_nobody_here(call: Caller) -> None:
    """The page's login counts for nothing at the API: only the key does."""
    browser = Client()
    browser.force_login(User.objects.get())
    assert said(browser.post(ADDRESS, {"action": "balance"})) == {"error": "Invalid API key"}
