"""Profile, mails by choice, sessions, changed terms, one's own data."""

import json
from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client

from customers import site_settings
from customers.models import AuditEntry, Notice, User
from customers.notices import low_below, wants
from orders.mass_lines import read_lines
from orders.mass_rest import keep_rest
from orders.requests import decide
from providers.browsing import toggle_favorite
from providers.models import Service
from providers.reporting import report_service
from tests import staff_world, world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db
PAGES = ["/account/", "/account/email/", "/account/password/change/", "/account/2fa/", "/account/sessions/",
         "/account/notices", "/account/data", "/help/"]  # fmt: skip


@pytest.fixture
def alice() -> User:
    return world.customer(name="Alice Archer")


@pytest.fixture
def shop() -> Service:
    return world.service(world.offer(world.provider()))


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_and_stands_in_the_navigation(alice: User, path: str) -> None:
    page = signed_in(alice).get(path).content.decode()
    assert page.count("<h1") == 1
    assert 'aria-current="page"' in page
    if path != "/help/":
        for other in PAGES[:-1]:
            assert f'href="{other}"' in page


def test_nobody_opens_them_unknown() -> None:
    for path in [*PAGES, "/account/data.json", "/account/terms"]:
        assert Client().get(path).status_code == 302, path


def test_the_profile_keeps_what_was_chosen(alice: User) -> None:
    client = signed_in(alice)
    form = {"name": " Alice  B. ", "time_zone": "Europe/Berlin", "theme": "dark"}
    assert client.post("/account/", form).status_code == 302
    alice.refresh_from_db()
    assert (alice.name, alice.time_zone, alice.theme, alice.single_keys) == (
        "Alice B.",
        "Europe/Berlin",
        "dark",
        False,
    )
    page = client.get("/account/").content.decode()
    assert 'data-keys="off"' in page and 'data-bs-theme="dark"' in page


def test_a_refused_profile_changes_nothing_and_keeps_what_was_typed(alice: User) -> None:
    page = signed_in(alice).post("/account/", {"name": "Zoe", "time_zone": "Moon/Base", "theme": "dark"})
    assert page.status_code == 422
    assert 'value="Zoe"' in page.content.decode()
    alice.refresh_from_db()
    assert (alice.name, alice.time_zone) == ("Alice Archer", "UTC")


def test_no_field_of_the_profile_gives_power(alice: User) -> None:
    sent = {
        "name": "A",
        "time_zone": "UTC",
        "theme": "",
        "role": "admin",
        "is_superuser": "on",
        "email": "x@y.z",
    }
    signed_in(alice).post("/account/", sent)
    alice.refresh_from_db()
    assert (alice.role, alice.is_superuser, alice.email) == ("customer", False, "alice@example.org")


def test_the_mails_are_by_choice(alice: User) -> None:
    assert wants(alice, "refund") and not wants(alice, "finished")
    assert low_below(alice) == Decimal("5.00")
    client = signed_in(alice)
    assert client.post("/account/notices", {"finished": "on", "low_balance_below": "20"}).status_code == 302
    alice.refresh_from_db()
    assert wants(alice, "finished") and not wants(alice, "refund")
    assert low_below(alice) is None
    refused = client.post("/account/notices", {"low_balance": "on", "low_balance_below": "-1"})
    assert refused.status_code == 422


def test_another_e_mail_counts_once_its_link_was_opened(alice: User) -> None:
    client = signed_in(alice)
    client.post("/account/email/", {"email": "new@example.org", "action_add": ""})
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"
    link = next(word for word in mail.outbox[0].body.split() if "/confirm-email/" in word)
    assert "new@example.org" in client.get("/account/").content.decode()
    client.post(link.split("://", 1)[1].partition("/")[2].join(["/", ""]))
    alice.refresh_from_db()
    assert alice.email == "new@example.org"
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("new@example.org", True)]


def test_it_signs_out_the_other_places(alice: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/account/login/", {"login": alice.email, "password": world.PASSWORD})
        assert client.get("/account/").status_code == 200
    assert UserSession.objects.count() == 2
    here.post("/account/sessions/")
    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200


def test_it_signs_out_one_other_place_and_leaves_the_rest(alice: User) -> None:
    here, there, third = Client(), Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux) Firefox/130.0"), Client()
    for client in (here, there, third):
        client.post("/account/login/", {"login": alice.email, "password": world.PASSWORD})
        client.get("/account/")
    page = here.get("/account/sessions/").content.decode()
    assert page.count("This one") == 1 and page.count("/end") == 2
    lost = UserSession.objects.get(session_key=there.session.session_key)
    answer = here.post(f"/account/sessions/{lost.pk}/end", follow=True).content.decode()
    assert "Signed out there: Firefox, Linux" in answer
    assert [client.get("/account/").status_code for client in (here, there, third)] == [200, 302, 200]
    assert AuditEntry.objects.latest("pk").summary == f"1 session of {alice.email} ended from the list"
    own = UserSession.objects.get(session_key=here.session.session_key)
    assert here.post(f"/account/sessions/{own.pk}/end").status_code == 404  # its own button signs it out
    assert here.post(f"/account/sessions/{lost.pk}/end").status_code == 404  # ended already


def test_newer_terms_are_asked_for_once_and_lead_back(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(terms_version="2020-01")
    client = signed_in(alice)
    answer = client.get("/orders/?status=Partial")
    assert answer["Location"] == "/account/terms?next=%2Forders%2F%3Fstatus%3DPartial"
    page = client.get(answer["Location"]).content.decode()
    assert "You accepted version 2020-01; version 2026-11 applies now." in page
    stale = client.post("/account/terms", {"version": "2025-01", "next": "/orders/"})
    assert "/account/terms" in stale["Location"]
    agreed = client.post("/account/terms", {"version": "2026-11", "next": "/orders/?status=Partial"})
    assert agreed["Location"] == "/orders/?status=Partial"
    alice.refresh_from_db()
    assert alice.terms_version == "2026-11" and alice.terms_accepted_at is not None
    assert client.get("/orders/").status_code == 200
    site_settings.change({"terms_version": "2027-01"})
    assert "/account/terms" in client.get("/orders/")["Location"]


def test_terms_lead_nowhere_else(alice: User) -> None:
    answer = signed_in(alice).post("/account/terms", {"version": "2026-11", "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_an_account_made_by_the_operator_is_not_held_up(alice: User) -> None:
    assert signed_in(alice).get("/orders/").status_code == 200


def test_signing_up_keeps_the_version_and_may_be_closed(client: Client) -> None:
    site_settings.change({"terms_version": "2027-02"})
    form = {"email": "new@example.org", "password1": "seven green boats", "terms": "on"}
    client.post("/account/signup/", form)
    new = User.objects.get(email="new@example.org")
    assert new.terms_version == "2027-02" and new.terms_accepted_at is not None
    site_settings.change({"signup_open": False})
    assert "closed" in Client().get("/account/signup/").content.decode().lower()
    Client().post("/account/signup/", form | {"email": "later@example.org"})
    assert not User.objects.filter(email="later@example.org").exists()


def test_nobody_signs_up_without_accepting(client: Client) -> None:
    refused = client.post("/account/signup/", {"email": "new@example.org", "password1": "seven green boats"})
    assert refused.status_code in (200, 422)
    assert not User.objects.exists()


def test_the_export_holds_every_kind_of_thing_that_is_stored(alice: User, shop: Service) -> None:
    User.objects.filter(pk=alice.pk).update(language="de", suspended_note="Call us", api_suspended=True)
    order = staff_world.completed(world.order(alice, shop))
    asked = staff_world.refill_asked(order, reason="It dropped", current_count=900)
    decide(asked.pk, approve=False, user=world.admin(), note="Too early")
    toggle_favorite(alice, shop.pk)
    report_service(alice, shop, "It sends bots")
    bob = world.bob()
    report_service(bob, shop, "Of another")
    Notice.objects.create(user=alice, key="k", subject="Low", text="Your balance is low.")
    keep_rest(alice, "a" * 32, "x | y | z", read_lines("x | y | z"))
    keep_rest(bob, "b" * 32, "of | bob | 1", read_lines("of | bob | 1"))
    answer = signed_in(User.objects.get(pk=alice.pk)).get("/account/data.json")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    document = json.loads(text)
    profile = document["profile"]
    assert (profile["language"], profile["suspended"], profile["suspended_note"]) == (
        "de",
        ["api"],
        "Call us",
    )
    (request,) = document["requests"]
    assert (request["reason"], request["current_count"], request["answer"]) == (
        "It dropped",
        900,
        "Too early",
    )
    assert request["decided_at"]
    assert document["favorites"] == [{"service": shop.pk, "service_name": shop.name}]
    (report,) = document["reports"]
    assert "It sends bots" in report["text"] and report["at"]
    assert [mail["subject"] for mail in document["mails"]] == ["Low"]
    assert [row["lines"] for row in document["lines_not_placed"]] == ["x | y | z"]
    assert "Of another" not in text and "of | bob" not in text


def test_the_export_holds_what_is_mine_and_nothing_of_others(alice: User, shop: Service) -> None:
    bob = world.bob()
    mine = [world.order(alice, shop, link=f"https://example.org/{n}").pk for n in range(3)]
    world.order(bob, shop, link="https://example.org/of-bob")
    answer = signed_in(alice).get("/account/data.json")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    document = json.loads(text)
    assert [row["order"] for row in document["orders"]] == mine
    assert [row["amount"] for row in document["ledger"]] == ["100.000000"] + ["-2.000000"] * 3
    assert document["profile"]["email"] == alice.email
    assert "of-bob" not in text and "provider" not in text.lower() and "password" not in text
    assert answer["Content-Disposition"].startswith("attachment")
    world.sane()
