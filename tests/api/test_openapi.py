"""The description is held against the API itself: every action, every parameter, every answer."""

import json
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client
from django.utils import timezone

from customers.models import User
from orders.api import errors
from orders.api.adding import ORDER_PARAMETERS
from orders.api.description import ERRORS, METHODS
from orders.api.endpoint import ACTIONS
from orders.api.openapi import answers, document
from orders.models import Order, Submission
from providers.models import Provider, Service
from tests import world
from tests.api.conftest import Caller


def valid(shape: str, answer: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{shape}", "components": {"schemas": answers()}}
    return jsonschema_rs.Draft202012Validator(schema).is_valid(answer)


def test_it_is_served_to_anybody_and_says_3_1(client: Client, db: None) -> None:
    response = client.get("/api/v2/openapi.json")
    assert response.status_code == 200
    assert response.json() == json.loads(json.dumps(document()))
    assert response.json()["openapi"] == "3.1.0"
    for schema in document()["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema)


def test_it_describes_every_action_and_no_other() -> None:
    assert {method.action for method in METHODS} == set(ACTIONS)
    assert {(method.action, method.scope) for method in METHODS} == {
        (name, action.scope) for name, action in ACTIONS.items()
    }
    assert {method.shape for method in METHODS} | {"error", "canceled"} == set(answers())


def test_add_describes_every_parameter_that_is_read_and_no_other() -> None:
    add = next(method for method in METHODS if method.slug == "add")
    described = {parameter.name for parameter in add.parameters}
    assert described == ORDER_PARAMETERS | {"service", "request_id"}


def test_the_error_list_has_every_sentence() -> None:
    listed = {sentence for sentence, _meaning in ERRORS}
    constants = {value for name, value in vars(errors).items() if name.isupper()}
    made = {
        errors.less_than(7).replace("7", "N"),
        errors.more_than(7).replace("7", "N"),
        errors.missing("NAME"),
        errors.wrong("NAME"),
    }
    assert listed == constants | made


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.slug)
def test_the_printed_answers_have_the_printed_shape(method: Any) -> None:
    text = method.answer
    for name, value in {"service": "7", "order": "12", "second": "13", "currency": "USD"}.items():
        text = text.replace(f"{{{name}}}", value)
    assert valid(method.shape, json.loads(text))


@pytest.mark.django_db
def test_real_answers_have_the_described_shape(
    call: Caller, shop: Service, meridian: Provider, alice: User
) -> None:
    world.service(world.offer(meridian, "2", service_type="package", minimum=1, maximum=1), rate="0.12345678")
    order = call("add", service=shop.pk, link="x", quantity=100)
    assert valid("added", order)
    ended = world.order(alice, shop)
    of = Submission.objects.filter(pk=ended.pk)
    of.update(state="claimed", fence=1, lease_until=timezone.now())
    of.update(state="sending")
    of.update(state="accepted", lease_until=None, provider_order_id="u1")
    Order.objects.filter(pk=ended.pk).update(status="Completed", ended_at=timezone.now(), remains=0)
    number = call("refill", order=ended.pk)
    for shape, answer in [
        ("services", call("services")),
        ("balance", call("balance")),
        ("status", call("status", order=order["order"])),
        ("statuses", call("status", orders=f"{ended.pk},5,x")),
        ("refill", number),
        ("refills", call("refill", orders=f"{ended.pk},{order['order']},x")),
        ("refill_status", call("refill_status", refill=number["refill"])),
        ("refill_statuses", call("refill_status", refills=f"{number['refill']},5,x")),
        ("cancels", call("cancel", orders=f"{ended.pk},x")),
        ("canceled", call("cancel", order=order["order"])),
        ("error", call("nonsense")),
    ]:
        assert valid(shape, answer), (shape, answer)
        assert shape == "error" or not valid("error", answer)
