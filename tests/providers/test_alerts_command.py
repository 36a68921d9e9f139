"""Alerts from the command line: seen, closed by hand, and the notice to operators tried out."""

import pytest

from customers import site_settings
from providers.alerts import WATCHED, raise_alert
from providers.models import Alert
from tests import world
from tests.providers.command_line import audited, refused, run, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def alert() -> Alert:
    raise_alert("word:1:frozen", "Meridian says “frozen”.", provider_id=world.provider().pk, times=3)
    return Alert.objects.get()


def test_the_open_ones_are_listed_and_one_is_closed_in_somebodys_name(alert: Alert) -> None:
    (listed,) = run("alerts")
    assert (listed["id"], listed["provider"], listed["count"]) == (alert.pk, "Meridian", 3)
    assert text("alerts").strip() == f"{alert.pk}. warning: Meridian says “frozen”. (3 times)"
    adam = world.admin()
    (closed,) = run("alerts", "close", str(alert.pk), "--by", adam.email)
    alert.refresh_from_db()
    assert (alert.closed_by, closed["closed_at"] is not None) == (adam.email, True)
    assert run("alerts") == []
    run("alerts", "close", str(alert.pk))  # again: nothing happens, nothing is audited twice
    assert audited("alert.close") == [(adam.email, "Alert closed: Meridian says “frozen”.")]


def test_one_that_stands_for_a_state_is_not_closed_by_hand(alert: Alert) -> None:
    raise_alert(f"{WATCHED}worker", "No worker runs.")
    state = Alert.objects.get(key=f"{WATCHED}worker")
    assert refused("alerts", "close", str(state.pk)) == "This one closes by itself when its cause has gone."
    state.refresh_from_db()
    assert (state.closed_at, audited("alert.close")) == (None, [])
    assert refused("alerts", "close", "999999") == "There is no alert 999999."
    assert refused("alerts", "close") == "Say which one, by its number."


def test_a_test_notice_says_through_which_channel_it_went(alert: Alert, mailoutbox: list[object]) -> None:
    assert "Nobody is told of alerts yet" in refused("alerts", "test")
    site_settings.change({"notice_emails": "ops@example.org"})
    assert run("alerts", "test") == [{"channel": "mail", "error": ""}]
    assert len(mailoutbox) == 1
    assert audited("alert.test")[-1] == ("command line", "Test notice sent")
