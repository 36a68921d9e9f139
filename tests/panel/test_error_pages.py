"""Pages that refuse or fail: what happened, what it means for the money, what to do; and nothing that is not for the reader."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.utils import ProgrammingError
from django.http import HttpResponse
from django.test import Client

from customers import site_settings
from customers.models import DepositRequest
from panel.local.places import free_port
from tests import world
from tests.staff_world import signed_in

NOTHING_HAPPENED = "Nothing was changed and nothing was charged."
LOOK_FIRST = "Look at your orders and your wallet before you send it again."


def text_of(answer: HttpResponse) -> str:
    """What a reader sees; the page is whole, in our design, and holds no machinery."""
    html = answer.content.decode()
    assert answer["Content-Type"].startswith("text/html") and html.rstrip().endswith("</html>")
    assert len(re.findall("<h1", html)) == 1 and "panel.css" in html
    for machinery in ("Traceback", "Error at", "psycopg", "django", "OperationalError", "RuntimeError"):
        assert machinery not in html, machinery
    assert "style-src 'self'" in answer["Content-Security-Policy"]
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def leads_to(answer: HttpResponse, address: str) -> bool:
    return f'href="{address}"' in answer.content.decode()


def browser() -> Client:
    client = signed_in(world.customer())
    client.raise_request_exception = False
    return client


@pytest.mark.django_db
def test_a_request_that_makes_no_sense() -> None:
    answer = Client().get("/account/login/?" + "&" * settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    text = text_of(answer)
    assert answer.status_code == 400
    assert NOTHING_HAPPENED in text and "Go back, reload the page and try again." in text
    assert leads_to(answer, "/")


@pytest.mark.django_db
def test_a_request_for_a_host_that_is_not_ours_repeats_nothing_of_it() -> None:
    answer = Client().get("/account/login/", HTTP_HOST="evil.example")
    assert answer.status_code == 400 and "evil.example" not in text_of(answer)


@pytest.mark.django_db
def test_a_page_of_somebody_elses_role() -> None:
    answer = browser().get("/manage/")
    text = text_of(answer)
    assert answer.status_code == 403
    assert "Your account does not have the role for it. Nothing was changed." in text
    assert leads_to(answer, "/")


@pytest.mark.django_db
def test_a_form_that_is_out_of_date_sends_nothing() -> None:
    alice = world.customer()
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post("/account/", {"name": "Changed"})
    text = text_of(answer)
    assert answer.status_code == 403
    assert "Nothing was sent and nothing was charged. Go back, reload the page and try again." in text
    assert leads_to(answer, "/")
    alice.refresh_from_db()
    assert alice.name != "Changed"


@pytest.mark.django_db
def test_a_page_that_is_not_there_says_the_same_of_what_is_another_customers() -> None:
    bob = world.bob()
    order = world.order(bob, world.service(world.offer(world.provider())))
    alice = browser()
    missing, anothers = alice.get("/orders/999999"), alice.get(f"/orders/{order.pk}")
    assert (missing.status_code, anothers.status_code) == (404, 404)
    assert "is not yours to see or no longer exists" in text_of(missing)
    assert text_of(missing).replace("999999", "") == text_of(anothers).replace(str(order.pk), "")
    assert leads_to(missing, "/")


@pytest.mark.django_db
def test_maintenance_says_what_becomes_of_orders_and_money_and_when_to_come_back() -> None:
    site_settings.change({"maintenance": True, "maintenance_note": "New machines until <14:00>."})
    for answer in (browser().get("/orders/new"), Client().get("/orders/new"), Client().get("/no-such-page")):
        text = text_of(answer)
        assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (
            503,
            "300",
            "no-store",
        )
        assert "New machines until &lt;14:00&gt;." in text
        assert "Orders that are placed go on being delivered; balances are safe." in text
        assert "Nothing you enter now is taken. Reload this page in a while." in text
        assert leads_to(answer, "/account/login/")


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page and a form of ours fail halfway."""

    def fails(*_: Any, **__: Any) -> None:
        raise ProgrammingError("secret: no such column")

    monkeypatch.setattr(DepositRequest.objects, "filter", fails)


@pytest.mark.django_db
def test_a_page_that_fails_changed_nothing_and_has_a_reference_in_the_log(
    faulty: None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = browser().get("/wallet/")
    text = text_of(answer)
    assert (answer.status_code, answer["Cache-Control"]) == (500, "no-store")
    assert "Something failed on our side" in text and NOTHING_HAPPENED in text and LOOK_FIRST not in text
    assert "secret" not in text and "Retry-After" not in answer
    reference = re.search(r"reference: ([0-9A-F]{8})\b", text)
    assert reference
    assert any(reference[1] in line.getMessage() for line in caplog.records)
    assert leads_to(answer, "/")


@pytest.mark.django_db
def test_a_form_that_fails_may_have_been_done_so_it_says_where_to_look(faulty: None) -> None:
    answer = browser().post("/wallet/", {"method": "Bank", "amount": "5", "reference": "x"})
    text = text_of(answer)
    assert answer.status_code == 500
    assert LOOK_FIRST in text and NOTHING_HAPPENED not in text
    assert leads_to(answer, "/orders/") and leads_to(answer, "/wallet/")


@pytest.mark.django_db
def test_a_fault_is_told_in_the_readers_language(faulty: None) -> None:
    client = browser()
    answer = client.get("/wallet/", HTTP_ACCEPT_LANGUAGE="de")
    assert '<html lang="de"' in answer.content.decode()
    assert "Es wurde nichts geändert und nichts berechnet." in text_of(answer)


@pytest.fixture
def no_database(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A customer's browser; then the database is gone, as when its machine restarts."""
    client = browser()
    connection.close()
    present = dict(connection.settings_dict)
    connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(free_port())}
    yield client
    connection.close()
    connection.settings_dict.update(present)


def test_without_a_database_every_page_says_so_and_when_to_come_back(no_database: Client) -> None:
    stranger = Client(raise_request_exception=False)
    for answer in (
        no_database.get("/orders/"),
        no_database.get("/wallet/statement.csv"),
        stranger.get("/account/login/"),
        stranger.get("/orders/new"),
        stranger.get("/no-such-page"),
    ):
        text = text_of(answer)
        assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "30", "no-store")
        assert "The panel cannot answer at the moment" in text
        assert NOTHING_HAPPENED in text and "Try again in a minute." in text
        assert leads_to(answer, "/")


def test_without_a_database_an_order_that_was_sent_may_be_placed(no_database: Client) -> None:
    answer = no_database.post("/orders/new", {"service": "1"})
    assert answer.status_code == 503 and LOOK_FIRST in text_of(answer)
