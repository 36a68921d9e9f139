"""Signing up, signing in, being locked out, and the second step of staff; through the real pages."""

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core import mail
from django.test import Client
from django.utils import timezone

from customers.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "seven green boats"
FAILED = "E-mail or password is not right."


def person(email: str = "alice@example.com", role: str = "customer", confirmed: bool = True) -> User:
    user = User.objects.create_user(email, PASSWORD, role=role)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=confirmed)
    return user


def sign_in(client: Client, email: str = "alice@example.com", password: str = PASSWORD):  # type: ignore[no-untyped-def]
    return client.post("/account/login/", {"login": email, "password": password})


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def test_it_signs_in_with_e_mail_and_password_in_any_case(client: Client) -> None:
    person()
    assert sign_in(client, "Alice@Example.com").headers["Location"] == "/"
    assert "_auth_user_id" in client.session


def test_it_forgets_the_session_with_the_browser_unless_asked_to_keep_it(client: Client) -> None:
    person()
    sign_in(client)
    assert client.session.get_expire_at_browser_close()
    other = Client()
    other.post("/account/login/", {"login": "alice@example.com", "password": PASSWORD, "remember": "on"})
    assert other.session.get_expiry_age() == 30 * 24 * 3600


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_it_says_the_same_whatever_was_wrong(client: Client, email: str) -> None:
    person()
    page = sign_in(client, email, "wrong").content.decode()
    assert FAILED in page
    assert "Forgot password?" in page


def test_five_failures_lock_and_the_page_says_until_when(client: Client) -> None:
    person()
    started = timezone.now().replace(microsecond=0)
    with time_machine.travel(started, tick=False):
        for _attempt in range(4):
            assert sign_in(client, password="wrong").status_code == 200
        locked = sign_in(client, password="wrong")
        assert locked.status_code == 429
        until = started + timedelta(minutes=15)
        assert f'datetime="{until.isoformat()}"' in locked.content.decode()
        assert "in 15 minutes" in locked.content.decode()
        assert sign_in(client).status_code == 429, "the right password does not open a locked door"
        assert sign_in(Client(), "bob@example.com").status_code == 200, "another person is not locked"
    with time_machine.travel(started + timedelta(minutes=10), tick=False):
        again = sign_in(client, password="wrong").content.decode()
        assert f'datetime="{until.isoformat()}"' in again, (
            "trying again does not move the time that was promised"
        )
    with time_machine.travel(started + timedelta(minutes=15, seconds=1), tick=False):
        assert sign_in(client).headers["Location"] == "/"


def test_a_new_account_is_a_customer_who_agreed_and_confirms_by_mail(client: Client) -> None:
    posted = {
        "name": "Priya Nair",
        "email": "Priya@Example.com",
        "password1": PASSWORD,
        "terms": "on",
        "role": "admin",
        "is_staff": "1",
    }
    assert client.post("/account/signup/", posted).headers["Location"] == "/account/confirm-email/"
    user = User.objects.get(email="priya@example.com")
    assert (user.name, user.role, user.is_staff) == ("Priya Nair", "customer", False)
    assert user.terms_version
    assert user.terms_accepted_at is not None
    assert "confirm" in sign_in(client, "priya@example.com").headers["Location"], "not before it is confirmed"
    link = re.search(r"http://[^/]+(/\S+)", mail.outbox[0].body)
    assert link
    client.post(link.group(1))
    assert sign_in(Client(), "priya@example.com").headers["Location"] == "/"


def test_signing_up_twice_tells_the_owner_and_nobody_else(client: Client) -> None:
    person()
    answer = client.post(
        "/account/signup/", {"email": "alice@example.com", "password1": PASSWORD, "terms": "on"}
    )
    assert answer.headers["Location"] == "/account/confirm-email/"
    assert "There is one already" in mail.outbox[0].body
    assert User.objects.count() == 1


def test_a_forgotten_password_is_replaced_through_the_mail(client: Client) -> None:
    person()
    client.post("/account/password/reset/", {"email": "alice@example.com"})
    link = re.search(r"http://[^/]+(/\S+)", mail.outbox[0].body)
    assert link
    form = client.get(link.group(1), follow=True)
    there = form.redirect_chain[-1][0]
    assert (
        client.post(there, {"password1": "nine blue boats", "password2": "nine blue boats"}).status_code
        == 302
    )
    assert sign_in(Client(), password="nine blue boats").headers["Location"] == "/"


def test_staff_get_no_page_before_the_second_step_is_set_up(client: Client) -> None:
    person("rita@example.com", "reviewer")
    sign_in(client, "rita@example.com")
    for address in ("/", "/find", "/admin/"):
        assert client.get(address).headers["Location"] == "/account/2fa/totp/activate/", address
    asked = client.get("/account/2fa/totp/activate/").headers["Location"]
    assert asked.startswith("/account/reauthenticate/"), (
        "a borrowed browser cannot add a second step of its own"
    )
    client.post(asked, {"password": PASSWORD})
    page = client.get("/account/2fa/totp/activate/").content.decode()
    secret = re.search(r'id="totp-key"[^>]*>([A-Z2-7]+)<', page)
    assert secret
    client.post("/account/2fa/totp/activate/", {"code": code_of(secret.group(1))})
    assert client.get("/find?q=1").headers["Location"] != "/account/2fa/totp/activate/"


def test_the_second_step_is_asked_for_and_its_secret_is_ciphertext(client: Client) -> None:
    user = person("rita@example.com", "reviewer")
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    stored = Authenticator.objects.get(user=user)
    assert secret not in str(stored.data)
    assert sign_in(client, "rita@example.com").headers["Location"] == "/account/2fa/authenticate/"
    assert "_auth_user_id" not in client.session
    wrong = client.post("/account/2fa/authenticate/", {"code": "000000"}).content.decode()
    assert "This code is not right" in wrong
    assert client.post("/account/2fa/authenticate/", {"code": code_of(secret)}).headers["Location"] == "/"
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_recovery_code_works_once(client: Client) -> None:
    user = person("rita@example.com", "reviewer")
    TOTP.activate(user, generate_totp_secret())
    code = RecoveryCodes.activate(user).get_unused_codes()[0]
    sign_in(client, "rita@example.com")
    assert client.post("/account/2fa/authenticate/", {"code": code}).headers["Location"] == "/"
    again = Client()
    sign_in(again, "rita@example.com")
    assert again.post("/account/2fa/authenticate/", {"code": code}).status_code == 200


def test_every_page_of_an_account_is_in_our_design(client: Client) -> None:
    user = person()
    for address in ("login", "signup", "password/reset", "password/reset/done", "confirm-email", "inactive"):
        assert 'class="login"' in client.get(f"/account/{address}/").content.decode(), address
    sign_in(client)
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    assert 'class="login"' in client.get("/account/reauthenticate/").content.decode()
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    for address in (
        "password/change",
        "email",
        "2fa",
        "2fa/recovery-codes",
        "2fa/recovery-codes/generate",
        "2fa/totp/deactivate",
        "sessions",
        "logout",
    ):
        page = client.get(f"/account/{address}/")
        assert page.status_code == 200, address
        assert "css/panel.css" in page.content.decode(), address


def test_the_back_office_has_no_door_without_the_second_step(client: Client) -> None:
    user = person("root@example.com", "admin")
    User.objects.filter(pk=user.pk).update(is_superuser=True, is_staff=True)
    TOTP.activate(user, generate_totp_secret())
    assert client.get("/admin/login/").headers["Location"].startswith("/account/login/")
    answer = client.post("/admin/login/", {"username": user.email, "password": PASSWORD, "next": "/admin/"})
    assert answer.headers["Location"].startswith("/account/login/")
    assert "_auth_user_id" not in client.session
