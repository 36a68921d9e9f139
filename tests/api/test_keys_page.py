"""The page /api: making, changing, replacing and revoking keys, and a reference whose examples really run."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers.api_keys import create_api_key, look_up_api_key
from customers.models import ApiKey, AuditEntry, User
from orders.api.description import ERRORS, METHODS
from orders.api.examples import LANGUAGES, example
from orders.api.forms import OVERLAPS
from orders.models import Order
from providers.models import Service
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def test_the_reference_is_titled_by_what_it_shows_also_without_a_key(browser: Client) -> None:
    page = browser.get("/api").content.decode()
    assert "No key yet" in page and ">Add order</h3>" in page


def token(browser: Client, address: str = "/api/keys/new") -> str:
    found = re.search(r'name="form" value="(\w+)"', browser.get(address).content.decode())
    assert found
    return found[1]


def make(browser: Client, **fields: Any) -> Any:
    wanted = {"label": "Shop", "scopes": ["read", "order"], "addresses": "", "expires_on": ""} | fields
    return browser.post("/api/keys/new", {"form": token(browser)} | wanted)


def shown_key(page: Any) -> str:
    found = re.search(r"hw_[0-9a-f]{64}", page.content.decode())
    return found[0] if found else ""


def test_nobody_gets_to_the_page_without_signing_in(client: Client) -> None:
    for address in ("/api", "/api/keys/new", "/api/keys/1"):
        assert client.get(address).status_code == 302


def test_a_key_is_shown_once_and_then_only_its_beginning(browser: Client, alice: User) -> None:
    page = make(browser, addresses="203.0.113.24 10.0.0.0/8", expires_on="2060-01-31")
    plain = shown_key(page)
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert look_up_api_key(plain)
    row = ApiKey.objects.get()
    assert (row.label, row.scopes, row.allowed_addresses) == ("Shop", ["read", "order"], ["203.0.113.24", "10.0.0.0/8"])  # fmt: skip
    assert row.expires_at is not None
    assert row.expires_at.isoformat() == "2060-02-01T00:00:00+00:00"
    later = browser.get("/api").content.decode()
    assert plain not in later
    assert f"{row.prefix}…{row.last_four}" in later
    assert "Place orders" in later
    assert AuditEntry.objects.get(verb="api_key.create").actor == alice


def test_sending_the_form_again_makes_no_second_key(browser: Client) -> None:
    form = {"form": token(browser), "label": "Shop", "scopes": ["read"]}
    assert shown_key(browser.post("/api/keys/new", form))
    again = browser.post("/api/keys/new", form, follow=True)
    assert not shown_key(again)
    assert "sent already" in again.content.decode()
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"label": ""}, "required"),
        ({"scopes": []}, "required"),
        ({"scopes": ["everything"]}, "not one of"),
        ({"addresses": "example.org"}, "neither an address"),
        ({"expires_on": "2001-01-01"}, "has passed"),
        ({"expires_on": "9999-12-31"}, "too far"),
        ({"expires_on": "soon"}, "valid date"),
    ],
)
def test_a_wrong_form_is_shown_again_and_makes_nothing(
    fields: dict[str, Any], words: str, browser: Client
) -> None:
    page = make(browser, **fields)
    assert page.status_code == 422
    assert words in page.content.decode()
    assert not ApiKey.objects.exists()


def test_a_key_can_be_changed(browser: Client, alice: User) -> None:
    key, _plain = create_api_key(alice, "Old", expires_at=timezone.now() + timedelta(days=3))
    page = browser.get(f"/api/keys/{key.pk}").content.decode()
    assert 'value="Old"' in page
    answer = browser.post(f"/api/keys/{key.pk}", {"label": "New", "scopes": ["cancel"], "addresses": "::1"})
    assert answer.status_code == 302
    key.refresh_from_db()
    assert (key.label, key.scopes, key.allowed_addresses, key.expires_at) == (
        "New",
        ["cancel"],
        ["::1"],
        None,
    )


def test_opening_and_saving_a_key_keeps_its_last_day(browser: Client, alice: User) -> None:
    make(browser, expires_on="2060-01-31")
    key = ApiKey.objects.get()
    before = key.expires_at
    assert 'value="2060-01-31"' in browser.get(f"/api/keys/{key.pk}").content.decode()
    browser.post(f"/api/keys/{key.pk}", {"label": "x", "scopes": ["read"], "expires_on": "2060-01-31"})
    key.refresh_from_db()
    assert key.expires_at == before


@pytest.mark.parametrize("overlap", sorted(OVERLAPS))
def test_a_key_is_replaced_with_an_overlap(overlap: str, browser: Client, alice: User) -> None:
    key, old = create_api_key(alice, "Shop", scopes=["read"])
    address = f"/api/keys/{key.pk}"
    page = browser.post(f"{address}/rotate", {"form": token(browser, address), "overlap": overlap})
    new = shown_key(page)
    assert new != old
    found = look_up_api_key(new)
    assert found
    assert (found.label, found.scopes) == ("Shop", ["read"])
    assert bool(look_up_api_key(old)) == (overlap != "0")


def test_a_revoked_key_is_gone_at_once(browser: Client, alice: User) -> None:
    key, plain = create_api_key(alice, "Shop")
    assert browser.post(f"/api/keys/{key.pk}/revoke").status_code == 302
    assert look_up_api_key(plain) is None
    assert key.prefix not in browser.get("/api").content.decode().split('id="reference"')[0]
    assert browser.get(f"/api/keys/{key.pk}").status_code == 404


def test_bobs_keys_are_not_alices(browser: Client) -> None:
    key, plain = create_api_key(world.bob(), "Bobs")
    for method, address in [
        ("get", f"/api/keys/{key.pk}"),
        ("post", f"/api/keys/{key.pk}"),
        ("post", f"/api/keys/{key.pk}/revoke"),
        ("post", f"/api/keys/{key.pk}/rotate"),
    ]:
        assert getattr(browser, method)(address, {"label": "mine"}).status_code == 404
    assert look_up_api_key(plain)
    assert "Bobs" not in browser.get("/api").content.decode()


SHOWN = [*(method.slug for method in METHODS), "types", "repeating", "limits", "changes", "nonsense"]


@pytest.mark.parametrize("shown", SHOWN)
def test_every_part_of_the_reference_opens_in_every_language(shown: str, browser: Client) -> None:
    for language in (*LANGUAGES, "cobol"):
        page = browser.get(f"/api?show={shown}&lang={language}")
        assert page.status_code == 200
        assert "{order}" not in page.content.decode()


def test_the_examples_have_the_readers_own_numbers(browser: Client, alice: User, shop: Service) -> None:
    key, _plain = create_api_key(alice)
    order = world.order(alice, shop)
    page = browser.get("/api?show=add").content.decode()
    assert f"{key.prefix}_REST_OF_YOUR_KEY" in page
    assert f"service={shop.pk}" in page
    assert f"order={order.pk}" in browser.get("/api?show=status").content.decode()


def test_the_error_list_is_complete(browser: Client) -> None:
    page = browser.get("/api?show=errors").content.decode()
    assert all(f">{sentence}<" in page for sentence, _meaning in ERRORS)


PROGRAMS: dict[str, tuple[list[str], str]] = {
    "curl": (["sh"], "example.sh"),
    "python": ([sys.executable], "example.py"),
    "php": (["php"], "example.php"),
    "node": (["node"], "example.mjs"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_printed_examples_run(
    language: str, live_panel: str, tmp_path: Path, alice: User, shop: Service, key_of: Callable[..., str]
) -> None:
    program, name = PROGRAMS[language]
    if shutil.which("curl" if language == "curl" else program[0]) is None:
        pytest.skip(f"{language} is not installed")
    link = "https://example.org/?a='1'&b=\"2\"$c ü"
    fields = [("key", key_of(alice)), ("action", "add"), ("service", str(shop.pk)), ("link", link),
              ("quantity", "25"), ("request_id", "shop-1001")]  # fmt: skip
    script = tmp_path / name
    script.write_text(example(language, f"{live_panel}/api/v2", fields))
    run = subprocess.run([*program, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    order = Order.objects.get()
    assert str(order.pk) in run.stdout
    assert (order.link, order.quantity) == (link, 25)
