"""What a browser may load and run: the same few words with every page, whoever looks and whatever went wrong."""

import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from customers import site_settings
from panel.local.places import free_port
from tests import world
from tests.panel.access_matrix import walk
from tests.panel.test_access_matrix import Stage
from tests.staff_world import signed_in

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
}
# What the policy would refuse: a script without a file, a style in the page, an event in the markup.
REFUSED = re.compile(
    r"<script(?![^>]*\bsrc=)[^>]*>|<style\b|\sstyle=|\son[a-z]+=[\"']|javascript:", re.IGNORECASE
)
# Django's back office writes style=""; the browser leaves it out, as it should.
OF_DJANGO = "/admin/"


def faults_of(answer: HttpResponse, path: str) -> list[str]:
    policy = {part.strip() for part in answer.headers.get("Content-Security-Policy", "").split(";")}
    found = [] if policy == POLICY else [f"{path}: {sorted(policy ^ POLICY)}"]
    if answer.streaming or path.startswith(OF_DJANGO) or not answer["Content-Type"].startswith("text/html"):
        return found
    return found + [f"{path}: {bad[0]}" for bad in REFUSED.finditer(answer.content.decode())]


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["anonymous", "customer", "superuser"])
def test_every_address_has_exactly_this_policy_and_a_page_that_needs_no_other(role: str) -> None:
    stage, faults, pages = Stage(), [], 0
    for address in walk():
        if address.path == "/account/logout/":
            continue
        path = stage.path_of(address)
        answer = stage.clients[role].get(path)
        faults += faults_of(answer, path)
        pages += answer.get("Content-Type", "").startswith("text/html") and answer.status_code == 200
    assert not faults, "\n".join(faults)
    assert pages > (10 if role == "anonymous" else 25)


@pytest.mark.django_db
def test_pages_that_refuse_or_fail_have_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    alice, strict = signed_in(world.customer()), Client(enforce_csrf_checks=True)
    alice.raise_request_exception = False
    answers = {
        "400": Client().get("/account/login/?" + "&" * settings.DATA_UPLOAD_MAX_NUMBER_FIELDS),
        "400 host": Client().get("/account/login/", headers={"host": "evil.example"}),
        "403": alice.get("/manage/"),
        "403 csrf": strict.post("/account/login/", {"login": "x"}),
        "404": alice.get("/no-such-page"),
        "404 api": Client().get("/api/v3"),
        "405": alice.get("/orders/bulk"),
        "422": alice.post("/orders/new", {"service": "x"}),
    }
    with monkeypatch.context() as broken:
        broken.setattr("customers.views.wallet.wallet_of", lambda _user: 1 / 0)
        answers["500"] = alice.get("/wallet/")
    site_settings.change({"maintenance": True})
    answers["503"] = alice.get("/orders/")
    assert [name for name, answer in answers.items() if str(answer.status_code) != name[:3]] == []
    assert [fault for name, answer in answers.items() for fault in faults_of(answer, name)] == []


def test_so_it_is_without_a_database(no_answer: None) -> None:
    answer = Client(raise_request_exception=False).get("/account/login/")
    assert answer.status_code == 503 and faults_of(answer, "503") == []


@pytest.fixture
def no_answer(transactional_db: None) -> Iterator[None]:
    """The database is gone, as when its machine restarts."""
    connection.close()
    present = dict(connection.settings_dict)
    connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(free_port())}
    yield
    connection.close()
    connection.settings_dict.update(present)
