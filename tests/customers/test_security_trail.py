"""Who signed in, who tried, and what changed about passwords, second steps and sessions, in the audit log."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.utils import timezone

from customers import security_trail
from customers.erasing import erase
from customers.models import AuditEntry, User
from tests import staff_world, world
from tests.customers.test_signing_in import code_of

pytestmark = pytest.mark.django_db
NEW = "nine blue boats"


@pytest.fixture
def alice() -> User:
    return world.customer()


def sign_in(client: Client, user: User, password: str = world.PASSWORD) -> Any:
    return client.post("/account/login/", {"login": user.email, "password": password})


def entries() -> list[tuple[str, str, int | None]]:
    return list(AuditEntry.objects.order_by("pk").values_list("verb", "subject", "actor_id"))


def test_a_customers_sign_in_and_his_wrong_password_are_kept_without_the_password(alice: User) -> None:
    client = Client(REMOTE_ADDR="203.0.113.7")
    sign_in(client, alice, "my wrong secret")
    sign_in(client, alice)
    about = f"user:{alice.pk}"
    assert entries() == [("sign_in.failed", about, None), ("sign_in.done", about, alice.pk)]
    assert set(AuditEntry.objects.values_list("address", flat=True)) == {"203.0.113.7"}
    assert "my wrong secret" not in str(list(AuditEntry.objects.values()))


def test_an_account_that_does_not_exist_is_not_named(alice: User) -> None:
    Client().post("/account/login/", {"login": "typed-my-password@here.example", "password": "x"})
    entry = AuditEntry.objects.get()
    assert (entry.subject, entry.actor_label) == ("sign_in:no account", "not signed in")
    assert "typed-my-password" not in str(list(AuditEntry.objects.values()))


def test_a_flood_leaves_a_bounded_number_of_entries_and_says_so(alice: User) -> None:
    """Each from another address, so that no lock of an address ends it."""
    started = timezone.now()
    most = security_trail.MOST_AN_HOUR
    with time_machine.travel(started, tick=False):
        for number in range(most + 15):
            sign_in(Client(REMOTE_ADDR=f"198.51.100.{number + 1}"), alice, "wrong")
            unknown = {"login": f"n{number}@example.org", "password": "wrong"}
            Client(REMOTE_ADDR=f"192.0.2.{number + 1}").post("/account/login/", unknown)
    failed = AuditEntry.objects.filter(verb="sign_in.failed")
    about = failed.filter(subject=f"user:{alice.pk}")
    assert (failed.count(), about.count()) == (2 * most, most)
    assert "more of this hour are not listed" in about.order_by("-pk")[0].summary
    with time_machine.travel(started + timedelta(minutes=61), tick=False):
        sign_in(Client(REMOTE_ADDR="198.51.100.250"), alice, "wrong")
    assert about.count() == most + 1, "the next hour is told again"


def test_a_wrong_second_step_code_is_kept_and_signs_nobody_in(alice: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(alice, secret)
    client = Client()
    sign_in(client, alice)
    client.post("/account/2fa/authenticate/", {"code": "000000"})
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.subject, entry.actor) == ("sign_in.wrong_code", f"user:{alice.pk}", None)
    assert "000000" not in entry.summary
    client.post("/account/2fa/authenticate/", {"code": code_of(secret)})
    assert [verb for verb, _about, _who in entries()] == ["sign_in.wrong_code", "sign_in.done"]


@pytest.mark.django_db(transaction=True)  # allauth tells of a new second step once it is committed
def test_adding_and_removing_the_second_step_is_kept(alice: User) -> None:
    client = Client()
    sign_in(client, alice)
    client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    page = client.get("/account/2fa/totp/activate/").content.decode()
    found = re.search(r'id="totp-key"[^>]*>([A-Z2-7]+)<', page)
    assert found is not None
    client.post("/account/2fa/totp/activate/", {"code": code_of(found[1])})
    client.post("/account/2fa/totp/deactivate/")
    verbs = [verb for verb, about, who in entries() if (about, who) == (f"user:{alice.pk}", alice.pk)]
    assert verbs == ["sign_in.done", *sorted(verbs[1:3]), "second_factor.removed"]
    assert sorted(verbs[1:3]) == ["second_factor.added", "second_factor.codes"]
    assert found[1] not in str(list(AuditEntry.objects.values()))


def test_a_new_password_is_kept_whether_changed_or_set_by_the_link(alice: User) -> None:
    client = Client()
    sign_in(client, alice)
    client.post(
        "/account/password/change/", {"oldpassword": world.PASSWORD, "password1": NEW, "password2": NEW}
    )
    fresh = Client()
    fresh.post("/account/password/reset/", {"email": alice.email})
    link = re.search(r"http://[^/]+(/\S+/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link is not None
    there = fresh.get(link[1], follow=True).redirect_chain[-1][0]
    fresh.post(there, {"password1": NEW + " again", "password2": NEW + " again"})
    assert [verb for verb, _about, _who in entries()] == [
        "sign_in.done",
        "password.changed",
        "password.reset",
    ]
    assert NEW not in str(list(AuditEntry.objects.values()))


def test_sessions_ended_from_the_list_are_one_entry_with_their_number(alice: User) -> None:
    here = Client()
    for client in (Client(), Client(), here):
        sign_in(client, alice)
    here.post("/account/sessions/")
    last = AuditEntry.objects.latest("pk")
    assert (last.verb, last.actor_id) == ("session.ended", alice.pk)
    assert last.summary.startswith("2 sessions") and UserSession.objects.filter(user=alice).count() == 1


def test_the_page_filters_them(alice: User) -> None:
    sign_in(Client(), alice, "wrong")
    TOTP.activate(alice, generate_totp_secret())
    client = Client()
    sign_in(client, alice)
    client.post("/account/2fa/authenticate/", {"code": "000000"})
    security_trail._password_changed(request=None, user=alice)  # type: ignore[arg-type]
    admin = staff_world.signed_in(world.admin())
    signs = admin.get("/manage/audit?thing=sign_in").content.decode()
    assert "Wrong password for" in signs and "Wrong second-step code" in signs
    assert "signed out everywhere" not in signs
    security = admin.get("/manage/audit?thing=security").content.decode()
    assert "signed out everywhere" in security and "Wrong password for" not in security


def test_erasing_a_customer_forgets_where_failed_sign_ins_came_from(alice: User) -> None:
    sign_in(Client(REMOTE_ADDR="203.0.113.9"), alice, "wrong")
    erase(alice, typed=alice.email, write_off="Closed", by=None)
    entry = AuditEntry.objects.get(verb="sign_in.failed")
    assert entry.address is None and alice.email not in entry.summary


def test_signing_out_is_kept_beside_signing_in(alice: User) -> None:
    client = Client(REMOTE_ADDR="203.0.113.7")
    sign_in(client, alice)
    client.post("/account/logout/")
    about = f"user:{alice.pk}"
    assert entries() == [("sign_in.done", about, alice.pk), ("sign_out.done", about, alice.pk)]
    out = AuditEntry.objects.get(verb="sign_out.done")
    assert (out.summary, out.address) == (f"{alice.email} signed out", "203.0.113.7")
    client.post("/account/logout/")  # nobody is there any more
    assert AuditEntry.objects.filter(verb="sign_out.done").count() == 1
