"""The team at the command line: the same acts as on the page, without a browser."""

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from customers.models import AuditEntry, User
from tests import staff_world, world

pytestmark = pytest.mark.django_db


def told(*words: str, **options: Any) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("team", *words, as_json=True, stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_invitation_mails_a_link_that_sets_a_password() -> None:
    adam = world.admin()
    (made,) = told("invite", "Nora@Example.org", "reviewer", name="Nora", by=adam.email)
    assert (made["email"], made["role"], made["active"]) == ("nora@example.org", "reviewer", True)
    (message,) = mail.outbox
    assert message.to == ["nora@example.org"]
    link = re.search(rf"{re.escape(settings.SITE_URL)}(/account/password/reset/key/\S+)", message.body)
    assert link
    browser = Client()
    form = browser.get(link[1], follow=True)
    chosen = {"password1": "a new long password 9", "password2": "a new long password 9"}
    browser.post(form.redirect_chain[-1][0] if form.redirect_chain else link[1], chosen)
    assert User.objects.get(email="nora@example.org").check_password("a new long password 9")
    assert AuditEntry.objects.get(verb="staff.create").actor == adam
    told("link", "nora@example.org")
    assert mail.outbox[-1].to == ["nora@example.org"] and "/password/reset/key/" in mail.outbox[-1].body


def test_roles_change_and_a_deactivated_member_is_signed_out_until_let_in_again() -> None:
    rita = world.reviewer()
    browser = staff_world.signed_in(rita)
    assert browser.get("/staff/review").status_code == 200
    assert told("role", rita.email, "admin")[0]["role"] == "admin"
    assert told("deactivate", rita.email)[0]["active"] is False
    assert browser.get("/staff/review").status_code == 302
    assert [row["email"] for row in told()] == [rita.email]
    assert told("activate", rita.email)[0]["active"] is True
    verbs = (
        AuditEntry.objects.filter(verb__startswith="staff.").order_by("pk").values_list("verb", "actor_label")
    )
    assert list(verbs)[-3:] == [
        (verb, "command line") for verb in ("staff.role", "staff.deactivate", "staff.activate")
    ]


def test_what_the_page_refuses_is_refused_here() -> None:
    adam, rita = world.admin(), world.reviewer()
    User.objects.create_superuser("sue@example.org", world.PASSWORD)
    alice = world.customer()
    for words, by, sentence in (
        (("role", adam.email, "reviewer"), adam, "your own role"),
        (("deactivate", "sue@example.org"), adam, "Only a superuser"),
        (("invite", "x@example.org", "admin"), rita, "may not do this"),
        (("invite", "x@example.org", "superuser"), None, "not a role of the team"),
        (("invite", "x@example.org"), None, "Say which role"),
        (("role", alice.email, "admin"), None, "is not on the team"),
        (("deactivate",), None, "Name the person"),
    ):
        with pytest.raises(CommandError, match=sentence):
            told(*words, by=by.email if by else None)
    assert not mail.outbox and User.objects.filter(is_active=True).count() == 4
