"""The page of alerts: what is open first, who was told, what could not be told, and a test of it."""

from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_httpserver import HTTPServer

from customers import site_settings
from customers.models import AuditEntry
from providers.alerts import close_alert, keep_alert, raise_alert
from providers.models import Alert, Telling
from providers.telling import plan, tell_due
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    return signed_in(world.admin())


def test_it_says_who_was_told_and_what_failed(admin: Client, httpserver: HTTPServer, settings: Any) -> None:
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({f"{httpserver.host}:{httpserver.port}"})
    httpserver.expect_request("/in").respond_with_data("", 500)
    site_settings.change(
        {
            "notice_emails": "ops@example.org",
            "hook_address": httpserver.url_for("/in"),
            "hook_secret": "s" * 16,
        }
    )
    raise_alert("paused:1", "Sending paused: the key was refused", level="critical")
    plan()
    tell_due()
    page = admin.get("/manage/alerts").content.decode()
    assert "E-mail told," in page and "ops@example.org" in page
    assert "Webhook not told in 1 try." in page and "HTTP 500. Next try:" in page
    Telling.objects.filter(channel="hook").update(next_at=None)
    page = admin.get("/manage/alerts").content.decode()
    assert "There are no more tries." in page and "1 open alert could not be told" in page
    close_alert("paused:1")
    plan()
    tell_due()
    assert "E-mail told that it is over," in admin.get("/manage/alerts?state=closed").content.decode()


def test_a_test_says_for_each_channel_whether_it_arrived(admin: Client) -> None:
    site_settings.change(
        {"notice_emails": "ops@example.org", "hook_address": "https://10.1.2.3/in", "hook_secret": "s" * 16}
    )
    page = admin.post("/manage/alerts/test", follow=True).content.decode()
    assert "E-mail: the test was sent." in page
    assert (
        "Webhook: the test did not arrive. Nothing was sent: 10.1.2.3: its address is not allowed here"
        in page
    )
    assert mail.outbox[0].subject == "Headwater: Notice: This is a test. Nothing is wrong."
    assert AuditEntry.objects.get(verb="alert.test").details["results"]["mail"] == ""


def test_without_a_channel_it_says_that_nobody_is_told(admin: Client) -> None:
    assert "Nobody is told of alerts" in admin.get("/manage/alerts").content.decode()
    page = admin.post("/manage/alerts/test", follow=True).content.decode()
    assert "Set up an address in Settings first." in page


def test_a_state_is_not_closed_by_hand(admin: Client) -> None:
    keep_alert("watch:unknown", "An order waits for a decision", level="critical")
    raise_alert("word:1:frozen", "A word we do not know")
    page = admin.get("/manage/alerts").content.decode()
    assert page.count("/close") == 1
    state = Alert.objects.get(key="watch:unknown")
    admin.post(f"/manage/alerts/{state.pk}/close")
    state.refresh_from_db()
    assert state.closed_at is None


def test_the_page_costs_the_same_for_any_number_of_alerts(admin: Client) -> None:
    site_settings.change({"notice_emails": "ops@example.org"})

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get("/manage/alerts").status_code == 200
        return len(captured)

    raise_alert("a", "Something")
    plan()
    queries()
    few = queries()
    for number in range(30):
        raise_alert(f"k{number}", "Something", provider_id=None)
    plan()
    Telling.objects.update(told_at=timezone.now(), next_at=None)
    assert queries() == few
