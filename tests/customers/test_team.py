"""The team: inviting, changing roles, letting go; never oneself, and only after the password once more."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from customers.models import AuditEntry, User
from tests import staff_world, world

pytestmark = pytest.mark.django_db


def just_confirmed(client: Client) -> Client:
    """As after typing the password a moment ago."""
    client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    return client


@pytest.fixture
def adam() -> User:
    return world.admin()


@pytest.fixture
def browser(adam: User) -> Client:
    return just_confirmed(staff_world.signed_in(adam))


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_an_invited_reviewer_sets_a_password_by_the_link_and_needs_a_second_step(browser: Client) -> None:
    answer = browser.post(
        "/manage/team", {"email": "New@Example.org", "name": "Nora New", "role": "reviewer"}, follow=True
    )
    assert "new@example.org was invited" in text_of(answer)
    nora = User.objects.get(email="new@example.org")
    assert (nora.role, nora.name, nora.is_superuser) == ("reviewer", "Nora New", False)
    assert [message.to for message in mail.outbox] == [["new@example.org"]]
    link = re.search(r"https?://\S+/account/password/reset/key/\S+", mail.outbox[0].body)
    assert link is not None
    path = "/" + link[0].split("/", 3)[3]
    fresh = Client()
    form = fresh.get(path, follow=True)
    chosen = {"password1": "a new long password 9", "password2": "a new long password 9"}
    fresh.post(form.redirect_chain[-1][0] if form.redirect_chain else path, chosen)
    nora.refresh_from_db()
    assert nora.check_password("a new long password 9")
    fresh.force_login(nora, backend="django.contrib.auth.backends.ModelBackend")
    assert fresh.get("/staff/review").status_code == 302, "no staff page before the second step"
    assert AuditEntry.objects.filter(verb="staff.create", actor__email="adam@example.org").exists()


def test_inviting_asks_for_the_password_again_and_goes_on_with_what_was_typed(adam: User) -> None:
    client = staff_world.signed_in(adam)
    asked = client.post("/manage/team", {"email": "new@example.org", "role": "reviewer"})
    assert asked.headers["Location"].startswith("/account/reauthenticate/")
    assert not User.objects.filter(email="new@example.org").exists()
    client.post(asked.headers["Location"], {"password": world.PASSWORD})
    assert User.objects.filter(email="new@example.org", role="reviewer").exists()


@pytest.mark.parametrize("role", ["superuser", "customer", "king"])
def test_only_the_two_roles_of_the_team_are_invited(browser: Client, role: str) -> None:
    answer = browser.post("/manage/team", {"email": "new@example.org", "role": role})
    assert answer.status_code == 422
    assert not User.objects.filter(email="new@example.org").exists()


def test_an_account_that_exists_is_not_invited_again(browser: Client) -> None:
    world.customer("known@example.org")
    answer = browser.post("/manage/team", {"email": "known@example.org", "role": "reviewer"})
    assert "exists already" in text_of(answer)
    assert User.objects.get(email="known@example.org").role == "customer"


def test_a_role_is_changed_and_the_member_signs_in_again(browser: Client) -> None:
    rita = world.reviewer()
    hers = staff_world.signed_in(rita)
    assert hers.get("/staff/review").status_code == 200
    browser.post(f"/manage/team/{rita.pk}", {"act": "role", "role": "admin"})
    rita.refresh_from_db()
    assert rita.role == "admin"
    entry = AuditEntry.objects.get(verb="staff.role")
    assert entry.details == {"before": "reviewer", "after": "admin"}


def test_a_deactivated_member_is_out_at_once_and_can_come_back(browser: Client) -> None:
    rita = world.reviewer()
    hers = staff_world.signed_in(rita)
    browser.post(f"/manage/team/{rita.pk}", {"act": "deactivate"})
    assert hers.get("/staff/review").status_code == 302
    browser.post(f"/manage/team/{rita.pk}", {"act": "activate"})
    rita.refresh_from_db()
    assert rita.is_active


def test_nobody_changes_himself(browser: Client, adam: User) -> None:
    for values in ({"act": "role", "role": "reviewer"}, {"act": "deactivate"}):
        answer = browser.post(f"/manage/team/{adam.pk}", values, follow=True)
        assert "You cannot change your own role or account" in text_of(answer)
    adam.refresh_from_db()
    assert (adam.role, adam.is_active) == ("admin", True)


def test_an_admin_does_not_touch_a_superuser(browser: Client) -> None:
    sue = User.objects.create_superuser("sue@example.org", world.PASSWORD)
    answer = browser.post(f"/manage/team/{sue.pk}", {"act": "deactivate"}, follow=True)
    assert "Only a superuser changes a superuser." in text_of(answer)
    sue.refresh_from_db()
    assert sue.is_active


def test_a_customer_is_no_member_and_cannot_be_promoted_here(browser: Client) -> None:
    alice = world.customer()
    assert browser.post(f"/manage/team/{alice.pk}", {"act": "role", "role": "admin"}).status_code == 404


# ── audit log ───────────────────────────────────────────────────────────────────────────────────────


def entries(count: int) -> None:
    from customers.audit import record

    for number in range(count):
        record(
            None, "provider.change" if number % 2 else "balance.adjust", f"thing:{number}", f"Act {number}"
        )


def test_the_audit_log_is_searched_by_words_person_kind_and_thing(browser: Client, adam: User) -> None:
    entries(4)
    assert "Act 3" in text_of(browser.get("/manage/audit?q=act 3"))
    assert "Act 2" not in text_of(browser.get("/manage/audit?q=act 3"))
    only = text_of(browser.get("/manage/audit?thing=balance"))
    assert "Act 2" in only and "Act 3" not in only
    assert "Act 1" in text_of(browser.get("/manage/audit?q=thing:1"))
    assert "No entry matches" in text_of(browser.get("/manage/audit?q=nothing like it"))


def test_the_audit_log_pages_without_counting(browser: Client) -> None:
    entries(120)
    first = browser.get("/manage/audit").content.decode()
    assert first.count('id="audit-') == 50
    older = re.search(r'href="\?after=(\d+)" rel="next"', first)
    assert older is not None
    second = browser.get(f"/manage/audit?after={older[1]}").content.decode()
    assert second.count('id="audit-') == 50
    assert not set(re.findall(r'id="audit-(\d+)"', first)) & set(re.findall(r'id="audit-(\d+)"', second))
    newer = re.search(r'href="\?before=(\d+)" rel="prev"', second)
    assert newer is not None
    again = browser.get(f"/manage/audit?before={newer[1]}").content.decode()
    assert re.findall(r'id="audit-(\d+)"', again) == re.findall(r'id="audit-(\d+)"', first)


def test_the_audit_log_is_narrowed_by_day_person_act_and_thing(browser: Client, adam: User) -> None:
    from datetime import UTC, datetime

    from customers.models import AuditEntry as Entry

    rita = world.reviewer()
    rows = [
        (adam, "markup.change", "rule:1", "Of Monday", datetime(2026, 11, 16, 23, 59, tzinfo=UTC)),
        (rita, "request.approve", "order:5", "Of Tuesday", datetime(2026, 11, 17, 0, 0, tzinfo=UTC)),
        (rita, "export.report", "report:day", "Of Wednesday", datetime(2026, 11, 18, 12, 0, tzinfo=UTC)),
    ]
    for by, verb, subject, summary, at in rows:
        Entry.objects.create(
            actor=by, actor_label=by.email, verb=verb, subject=subject, summary=summary, at=at
        )
    for query, expected in {
        "from=2026-11-17&to=2026-11-17": ["Tuesday"],
        "from=2026-11-17": ["Tuesday", "Wednesday"],
        "to=2026-11-16": ["Monday"],
        "actor=rita@example.org": ["Tuesday", "Wednesday"],
        "actor=rita@example.org&verb=export.report": ["Wednesday"],
        "subject=order:5": ["Tuesday"],
        "thing=prices": ["Monday"],
        "thing=decision": ["Tuesday"],
        "thing=export&from=nonsense": ["Wednesday"],
        "verb=nothing.such": [],
    }.items():
        shown = browser.get(f"/manage/audit?{query}").content.decode()
        found = [day for day in ("Monday", "Tuesday", "Wednesday") if f"Of {day}" in shown]
        assert found == expected, query


def test_the_audit_log_asks_as_often_for_many_entries_as_for_few(browser: Client) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get("/manage/audit?thing=balance&from=2026-01-01&actor=adam").status_code == 200
        return len(captured)

    entries(2)
    queries()
    few = queries()
    entries(120)
    assert queries() == few <= 12


def test_each_decision_on_a_request_is_recorded(adam: User) -> None:
    alice, service = world.customer(), world.service(world.offer(world.provider()))
    request = staff_world.cancel_asked(staff_world.accepted(world.order(alice, service)), reason="late")
    client = staff_world.signed_in(adam)
    client.post("/staff/review/decide", {"ids": request.pk, "decision": "approve"})
    client.post("/staff/review/undo", {"ids": request.pk})
    client.post("/staff/review/decide", {"ids": request.pk, "decision": "reject", "note": "Too late"})
    found = AuditEntry.objects.filter(subject=f"order:{request.order_id}").order_by("pk")
    assert [entry.verb for entry in found] == ["request.approve", "request.undo", "request.reject"]
    assert found[2].actor == adam and found[2].details["note"] == "Too late"
