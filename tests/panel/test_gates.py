"""Maintenance: customers wait, staff work on, the API says so in its own words."""

import pytest
from django.test import Client

from customers import site_settings
from customers.api_keys import create_api_key
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def closed() -> None:
    site_settings.change({"maintenance": True, "maintenance_note": "New machines until 14:00."})


def test_a_customer_gets_a_page_that_says_so() -> None:
    answer = signed_in(world.customer()).get("/orders/new")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "New machines until 14:00." in answer.content.decode()


def test_a_customer_cannot_order_meanwhile() -> None:
    assert signed_in(world.customer()).post("/orders/new", {}).status_code == 503


def test_staff_get_in_and_work_on() -> None:
    assert Client().get("/account/login/").status_code == 200
    assert signed_in(world.admin()).get("/manage/settings").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/terms", "/acceptable-use"])
def test_what_must_be_read_stays_open(path: str) -> None:
    assert Client().get(path).status_code != 503 or path == "/healthz"


def test_the_api_answers_503_as_json() -> None:
    _, key = create_api_key(world.customer())
    answer = Client().post("/api/v2", {"key": key, "action": "balance"})
    assert answer.status_code == 503
    assert answer.json() == {"error": "Service unavailable"}
    assert answer["Retry-After"]


def test_the_api_answers_staff_meanwhile() -> None:
    _, key = create_api_key(world.admin())
    assert "balance" in Client().post("/api/v2", {"key": key, "action": "balance"}).json()


def test_the_api_still_tells_a_wrong_key() -> None:
    assert Client().post("/api/v2", {"key": "hw_no", "action": "balance"}).json() == {
        "error": "Invalid API key"
    }


def test_all_is_open_again_afterwards() -> None:
    site_settings.change({"maintenance": False})
    assert signed_in(world.customer()).get("/orders/new").status_code == 200
