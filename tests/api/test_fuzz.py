"""Thousands of requests made from the description, right and wrong ones: no 5xx, described answers, clean books."""

import json
from collections import Counter
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from customers.api_keys import create_api_key
from orders.models import Order
from panel.wsgi import application
from providers.service_types import TYPES
from tests import world
from tests.api.test_contract import BY_TYPE

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EACH = 505  # examples of each of the four kinds


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@override_settings(API_RATE_LIMITS=False, ALLOWED_HOSTS=["*"])
def test_whatever_is_sent_is_answered_and_the_books_stay_clean() -> None:
    alice = world.customer(balance="1000000")
    key = create_api_key(alice)[1]
    meridian = world.provider()
    services = {
        code: world.service(world.offer(meridian, code, service_type=code, minimum=1)).pk for code in BY_TYPE
    }
    schema = schemathesis.openapi.from_wsgi("/api/v2/openapi.json", application)
    said: Counter[str] = Counter()
    turns = count()

    def run(method: str, mode: GenerationMode) -> None:
        @settings(
            max_examples=EACH,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            schema["/api/v2"][method].as_strategy(generation_mode=mode),
            st.sampled_from(sorted(BY_TYPE)),
        )
        def send(case: Any, code: str) -> None:
            luck = next(turns) % 10  # not drawn: hypothesis prefers 0
            values = case.query if method == "GET" else case.body
            if luck:  # one in ten keeps the key that was made up
                case.query = {**(case.query or {}), "key": key}
                values = case.query if method == "GET" else case.body
            if luck and isinstance(values, dict):
                values["key"] = key
                _make_real(values, services[code], code, luck)
            # its client asks for gzip and reads the bytes as text
            response = case.call(headers={"Accept-Encoding": "identity"})
            case.validate_response(response, checks=CHECKS)
            said[_word(response)] += 1

        send()

    for method in ("POST", "GET"):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            run(method, mode)

    assert sum(said.values()) >= 2000, said
    assert Order.objects.count() >= 50, said  # it also got through to the money
    assert Order.objects.filter(status="Canceled").exists()
    world.sane()


def _make_real(values: dict[str, Any], service: int, code: str, luck: int) -> None:
    """Two in three calls name things that exist, so that the acts behind the parser are reached."""
    if luck < 4:
        return
    newest = Order.objects.order_by("-id").values_list("pk", flat=True)[:3]
    if "order" in values and newest:
        values["order"] = newest[0]
    if "orders" in values and newest:
        values["orders"] = ",".join(map(str, newest))
    if values.get("action") == "add" or luck == 9:
        values["action"], values["service"] = "add", service
    if luck > 6 and values.get("action") == "add":
        values |= BY_TYPE[code][0] | {"link": f"https://example.org/{luck}"}
        values["request_id"] = "" if luck == 9 else f"key-{code}"
        if not TYPES[code].drip_feed:
            values["runs"] = values["interval"] = ""


def _word(response: Any) -> str:
    answer = json.loads(response.content)
    return str(answer["error"])[:30] if isinstance(answer, dict) and "error" in answer else "ok"
