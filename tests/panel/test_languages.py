"""Which language a reader gets: his profile's, his browser's, English; and what must not change with it."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import translation

from customers import figures, site_settings
from customers.models import DepositRequest, Notice, User
from customers.notices import write_notices
from panel import environment
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db
GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-DE,de;q=0.9,en;q=0.5"}


@pytest.fixture
def alice() -> User:
    return world.customer()


def language_of(page: Any) -> tuple[str, str, str]:
    html = page.content.decode()
    found = re.search(r'<html lang="([^"]+)" dir="([^"]+)"', html)
    assert found
    return found[1], found[2], page["Content-Language"]


def test_a_browser_is_answered_in_its_language_and_a_profile_wins(alice: User) -> None:
    assert language_of(Client().get("/account/login/")) == ("en", "ltr", "en")
    german = Client().get("/account/login/", **GERMAN)
    assert language_of(german) == ("de", "ltr", "de")
    assert "Accept-Language" in german["Vary"]
    browser = signed_in(alice)
    assert language_of(browser.get("/orders/", **GERMAN))[0] == "de"
    User.objects.filter(pk=alice.pk).update(language="en")
    assert language_of(browser.get("/orders/", **GERMAN)) == ("en", "ltr", "en")
    User.objects.filter(pk=alice.pk).update(language="xx")  # not offered any more
    assert language_of(browser.get("/orders/"))[0] == "en"


def test_staff_read_english_unless_they_choose() -> None:
    rita = world.reviewer()
    browser = signed_in(rita)
    assert language_of(browser.get("/staff/review", **GERMAN))[0] == "en"
    User.objects.filter(pk=rita.pk).update(language="de")
    assert language_of(browser.get("/staff/review"))[0] == "de"


def test_the_profile_offers_the_languages_and_keeps_the_choice(alice: User) -> None:
    browser = signed_in(alice)
    form = {"name": "Alice", "time_zone": "UTC", "theme": "", "language": "de"}
    assert 'value="de"' in browser.get("/account/").content.decode()
    assert browser.post("/account/", form | {"language": "tlh"}).status_code == 422
    browser.post("/account/", form)
    assert User.objects.get(pk=alice.pk).language == "de"
    assert language_of(browser.get("/account/"))[0] == "de"
    browser.post("/account/", form | {"language": ""})
    assert language_of(browser.get("/account/"))[0] == "en"


def test_before_signing_in_the_browser_keeps_the_choice(alice: User) -> None:
    browser = Client()
    answer = browser.post("/language", {"language": "de", "next": "/account/login/"})
    assert answer["Location"] == "/account/login/"
    assert language_of(browser.get("/account/login/"))[0] == "de"
    assert browser.post("/language", {"language": "de", "next": "https://evil.example"})["Location"] == "/"
    browser.post("/language", {"language": "<x>"})
    assert language_of(browser.get("/account/login/"))[0] == "de"
    signed_in(alice).post("/language", {"language": "de"})
    assert User.objects.get(pk=alice.pk).language == "de"


def test_a_page_read_from_right_to_left(alice: User, settings: Any) -> None:
    settings.LANGUAGES = [*settings.LANGUAGES, ("ar", "العربيّة")]
    User.objects.filter(pk=alice.pk).update(language="ar")
    page = signed_in(alice).get("/orders/")
    assert language_of(page) == ("ar", "rtl", "ar")
    assert "bootstrap.rtl.min.css" in page.content.decode()


def test_the_api_speaks_english_to_everybody(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="de")
    answer = Client().post("/api/v2", {"key": "x", "action": "balance"}, **GERMAN)
    assert answer.json() == {"error": "Incorrect API key"} or "key" in answer.json()["error"].lower()


def test_figures_have_the_separators_of_the_language() -> None:
    with translation.override("de"):
        assert figures.count(1_306) == "1.306"
        assert figures.money(Decimal("1306.5"), "USD") == "$1.306,50"
        assert figures.percent(Decimal("31.1")) == "31,1%"
    assert figures.money(Decimal("1306.5"), "USD") == "$1,306.50"


def test_a_charge_shown_in_another_language_is_still_the_charge_that_is_posted(alice: User) -> None:
    """Hidden fields carry numbers for the server, whatever the page shows."""
    User.objects.filter(pk=alice.pk).update(language="de")
    browser, service = signed_in(alice), world.service(world.offer(world.provider()), rate="2.50")
    order = {"service": service.pk, "link": "https://example.org", "quantity": "1000"}
    quote = browser.post("/orders/quote", order, headers={"HX-Request": "true"}).content.decode()
    assert "$2,50" in quote and 'name="shown_charge" value="2.500000"' in quote
    checked = browser.post("/orders/mass", {"lines": f"{service.pk}|https://example.org|1000", "check": "1"})
    assert 'name="total" value="2.500000"' in checked.content.decode()


def test_amounts_are_read_as_the_language_writes_them(alice: User) -> None:
    bank = {"name": "Bank", "note": "", "instructions": "IBAN", "minimum": "10"}
    site_settings.change({"deposit_methods": [bank]})
    browser = signed_in(alice)
    typed = {"": "25.50", "de": "25,50"}
    for number, (language, amount) in enumerate([*typed.items(), ("de", "25.50")]):
        User.objects.filter(pk=alice.pk).update(language=language)
        form = {"method": "Bank", "amount": amount, "reference": f"TX {number}"}
        assert browser.post("/wallet/", form).status_code == 302, amount
    unclear = {"method": "Bank", "amount": "1.025,5", "reference": "TX 9"}
    assert browser.post("/wallet/", unclear).status_code == 422  # refused, never misread
    amounts = DepositRequest.objects.order_by("pk").values_list("amount", flat=True)
    assert list(amounts) == [Decimal("25.5")] * 3
    kept = browser.post("/account/notices", {"low_balance_below": "7,25"})
    assert kept.status_code == 302
    assert User.objects.get(pk=alice.pk).notices["low_balance_below"] == "7.25"
    assert 'value="7,25"' in browser.get("/account/notices").content.decode()


def test_a_notice_is_written_in_the_language_of_its_reader(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="de")
    alice.refresh_from_db()
    shown = {"balance": Decimal("1234.5"), "below": Decimal("5000")}
    write_notices([(alice, "a", "low_balance", shown), (world.bob(), "b", "low_balance", shown)])
    texts = dict(Notice.objects.values_list("key", "text"))
    assert "1.234,50" in texts["a"] and "1,234.50" in texts["b"]
    assert translation.get_language() == "en"


def test_a_language_nobody_knows_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGES", "de,ar")
    assert environment.languages("LANGUAGES", "en") == [
        ("en", "English"),
        ("de", "Deutsch"),
        ("ar", "العربيّة"),
    ]
    monkeypatch.setenv("LANGUAGES", "klingon")
    with pytest.raises(ImproperlyConfigured, match="LANGUAGES"):
        environment.languages("LANGUAGES", "en")
