"""Operators are told of each alert once, and of its end; through mail, a signed webhook and a chat bot."""

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from customers import site_settings
from customers.models import AuditEntry, Setting
from providers import channels, telling
from providers.alerts import close_alert, keep_alert, raise_alert
from providers.channels import signature
from providers.models import Alert, Telling
from providers.pruning import prune_alerts
from providers.telling import HAS_TO_LAST, LEASE, RETRY_AFTER, plan, send_tests, tell_due
from tests import staff_world, world
from tests.conftest import Worker, wait_until

pytestmark = pytest.mark.django_db
SECRET = "a secret of the operators"


@pytest.fixture
def by_mail() -> None:
    site_settings.change({"notice_emails": "ops@example.org\nnight@example.org"})


@pytest.fixture
def hook(httpserver: HTTPServer, settings: Any) -> Iterator[HTTPServer]:
    """A webhook of the operators on this machine, which the list of exceptions allows."""
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({f"{httpserver.host}:{httpserver.port}"})
    site_settings.change({"hook_address": httpserver.url_for("/in/TOKEN-IN-PATH"), "hook_secret": SECRET})
    yield httpserver


def tell() -> int:
    plan()
    return tell_due()


def later(by: timedelta) -> int:
    now = timezone.now() + by
    plan(now)
    return tell_due(now)


def received(server: HTTPServer) -> list[dict[str, Any]]:
    return [json.loads(request.get_data()) for request, _ in server.log]


# ── once, and the end ───────────────────────────────────────────────────────────────────────────────


def test_an_alert_is_told_once_and_its_end_once(by_mail: None) -> None:
    raise_alert("paused:1", "Sending paused: the key was refused", level="critical")
    for _ in range(3):
        raise_alert("paused:1", "Sending paused: the key was refused", level="critical")
        tell()
    assert [message.subject for message in mail.outbox] == [
        "Headwater: Critical: Sending paused: the key was refused"
    ]
    assert mail.outbox[0].to == ["ops@example.org", "night@example.org"]
    close_alert("paused:1")
    for _ in range(3):
        tell()
    assert [message.subject for message in mail.outbox[1:]] == [
        "Headwater: Over: Sending paused: the key was refused"
    ]


def test_what_was_over_before_it_was_told_is_not_told(by_mail: None) -> None:
    raise_alert("balance:1", "Low")
    plan()
    close_alert("balance:1")
    assert (tell(), later(timedelta(hours=1)), mail.outbox) == (0, 0, [])


def test_what_comes_back_within_the_hour_is_told_only_if_it_lasts(by_mail: None) -> None:
    raise_alert("breaker:1", "Unclear answers", level="critical")
    tell()
    close_alert("breaker:1")
    tell()
    mail.outbox.clear()
    raise_alert("breaker:1", "Unclear answers", level="critical")
    assert tell() == 0
    assert later(HAS_TO_LAST + timedelta(seconds=1)) == 1
    close_alert("breaker:1")
    raise_alert("breaker:1", "Unclear answers", level="critical")
    close_alert("breaker:1")
    assert later(timedelta(hours=2)) == 1  # the end of the one that was told
    assert [message.subject.split(": ")[1] for message in mail.outbox] == ["Critical", "Over"]


def test_an_alert_that_a_person_closed_says_so(by_mail: None) -> None:
    raise_alert("word:1:frozen", "A word we do not know")
    tell()
    close_alert("word:1:frozen", by="adam@example.org")
    tell()
    assert mail.outbox[1].subject == "Headwater: Closed by adam@example.org: A word we do not know"


def test_closed_alerts_are_kept_for_half_a_year(by_mail: None) -> None:
    for key, days in (("old", 181), ("late", 179)):
        raise_alert(key, "Something")
        tell()
        close_alert(key)
        Alert.objects.filter(key=key).update(closed_at=timezone.now() - timedelta(days=days))
    raise_alert("open", "Still wrong")
    Alert.objects.filter(key="open").update(opened_at=timezone.now() - timedelta(days=400))
    assert prune_alerts() == 1
    assert set(Alert.objects.values_list("key", flat=True)) == {"late", "open"}
    assert set(Telling.objects.values_list("alert__key", flat=True)) == {"late"}


def test_notices_are_not_told_and_warnings_only_if_wanted(by_mail: None) -> None:
    raise_alert("a", "For the page", level="notice")
    raise_alert("b", "A warning")
    site_settings.change({"notice_level": "critical"})
    assert tell() == 0
    keep_alert("b", "It got worse", level="critical")
    assert tell() == 1
    site_settings.change({"notice_level": "warning"})
    raise_alert("c", "Another warning")
    assert tell() == 1


def test_nothing_is_told_and_nothing_fails_without_a_channel() -> None:
    raise_alert("a", "Something", level="critical")
    assert (plan(), tell_due(), Telling.objects.count()) == (0, 0, 0)


def test_many_alerts_are_one_mail(by_mail: None) -> None:
    for number in range(5):
        raise_alert(f"balance:{number}", f"Provider {number} is low")
    assert tell() == 5
    assert len(mail.outbox) == 1
    assert mail.outbox[0].subject.endswith("(and 4 more)")
    assert all(f"Provider {number} is low" in mail.outbox[0].body for number in range(5))


def test_two_tellers_at_once_never_tell_twice(by_mail: None) -> None:
    """Both have seen the row as due; the claim decides."""
    from providers import telling

    raise_alert("a", "Something")
    plan()
    site, now = site_settings.load(), timezone.now()
    seen_by_both = [Telling.objects.select_related("alert__provider").get() for _ in range(2)]
    assert [telling._tell("mail", site, [row], now) for row in seen_by_both] == [1, 0]
    assert len(mail.outbox) == 1


def test_a_teller_that_died_is_followed_after_its_lease(by_mail: None) -> None:
    raise_alert("a", "Something")
    plan()
    Telling.objects.update(claimed_until=timezone.now() + LEASE, attempts=1)
    assert tell_due() == 0
    assert later(LEASE + timedelta(seconds=1)) == 1


# ── the webhook and the chat ────────────────────────────────────────────────────────────────────────


def test_the_webhook_gets_signed_json(hook: HTTPServer) -> None:
    hook.expect_request("/in/TOKEN-IN-PATH", method="POST").respond_with_data("", 204)
    provider = world.provider()
    raise_alert(f"paused:{provider.pk}", "Key refused", level="critical", provider_id=provider.pk)
    assert tell() == 1
    close_alert(f"paused:{provider.pk}")
    assert tell() == 1
    opened, over = received(hook)
    assert (opened["event"], opened["title"], opened["provider"]) == (
        "opened",
        "Critical: Meridian: Key refused",
        "Meridian",
    )
    assert (over["event"], over["key"]) == ("over", opened["key"])
    assert opened["id"] != over["id"] and opened["closed_at"] is None and over["closed_at"]
    request = hook.log[0][0]
    at, digest = (part.split("=")[1] for part in request.headers["X-Headwater-Signature"].split(","))
    expected = hmac.new(SECRET.encode(), f"{at}.".encode() + request.get_data(), hashlib.sha256).hexdigest()
    assert digest == expected
    assert request.headers["Content-Type"] == "application/json"
    assert signature("other", request.get_data(), int(at)) != request.headers["X-Headwater-Signature"]


def test_the_chat_gets_what_sendmessage_takes(httpserver: HTTPServer, settings: Any) -> None:
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({f"{httpserver.host}:{httpserver.port}"})
    httpserver.expect_request("/bot1:KEY/sendMessage").respond_with_json({"ok": True})
    site_settings.change({"chat_address": httpserver.url_for("/bot1:KEY/sendMessage"), "chat_id": "-100200"})
    raise_alert("drift:ledger", "The ledger check found 2 broken rows", level="critical")
    assert tell() == 1
    (message,) = received(httpserver)
    assert set(message) == {"chat_id", "text"}
    assert message["chat_id"] == "-100200"
    assert message["text"].startswith("Critical: The ledger check found 2 broken rows\nSince ")


def test_a_failing_webhook_is_tried_again_with_growing_pauses_and_then_given_up(hook: HTTPServer) -> None:
    hook.expect_request("/in/TOKEN-IN-PATH").respond_with_data("no", 500)
    raise_alert("a", "Something")
    assert tell() == 0
    row = Telling.objects.get()
    assert (row.attempts, row.told_at, row.failure) == (
        1,
        None,
        f"{hook.host}:{hook.port} answered with HTTP 500.",
    )
    assert later(RETRY_AFTER[0] - timedelta(seconds=5)) == 0 and len(hook.log) == 1
    now = timezone.now()
    for pause in RETRY_AFTER:
        now += pause + timedelta(seconds=1)
        tell_due(now)
    row.refresh_from_db()
    assert (row.attempts, row.next_at, len(hook.log)) == (len(RETRY_AFTER) + 1, None, len(RETRY_AFTER) + 1)
    assert tell_due(now + timedelta(days=1)) == 0


@pytest.mark.parametrize(("status", "ends"), [(504, 1), (404, 0)])
def test_the_end_is_told_where_the_notice_may_have_arrived_although_it_failed(
    hook: HTTPServer, status: int, ends: int
) -> None:
    hook.expect_ordered_request("/in/TOKEN-IN-PATH").respond_with_data("", status)
    hook.expect_ordered_request("/in/TOKEN-IN-PATH").respond_with_data("", 200)
    raise_alert("a", "Something")
    assert tell() == 0
    close_alert("a")
    assert [tell(), tell()] == [ends, 0]
    assert [event["event"] for event in received(hook)] == ["opened", "over"][: 1 + ends]


def test_the_end_is_told_when_the_hook_got_it_and_answered_too_late(
    hook: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "DEADLINE_S", 0.3)
    answered = Event()
    got: list[Any] = []

    def slow(request: Request) -> Response:
        got.append(json.loads(request.get_data())["event"])
        if len(got) == 1:
            answered.wait(10)
        return Response("", 200)

    hook.expect_request("/in/TOKEN-IN-PATH").respond_with_handler(slow)
    raise_alert("a", "Something")
    assert tell() == 0
    answered.set()
    row = Telling.objects.get()
    assert (row.may_have_arrived, row.failure.startswith("It may have arrived")) == (True, True)
    close_alert("a")
    monkeypatch.setattr(channels, "DEADLINE_S", 10.0)
    wait_until(lambda: tell() == 1 or None)
    assert got == ["opened", "over"]


def test_the_end_is_told_when_the_teller_died_with_the_notice(by_mail: None) -> None:
    raise_alert("a", "Something")
    plan()
    Telling.objects.update(claimed_until=timezone.now() - LEASE, attempts=1, may_have_arrived=True)
    close_alert("a")
    assert (tell(), [message.subject.split(": ")[1] for message in mail.outbox]) == (1, ["Over"])


def test_it_is_told_with_the_same_id_when_the_hook_is_back(hook: HTTPServer) -> None:
    hook.expect_ordered_request("/in/TOKEN-IN-PATH").respond_with_data("", 503)
    hook.expect_ordered_request("/in/TOKEN-IN-PATH").respond_with_data("", 200)
    raise_alert("a", "Something")
    assert (tell(), later(RETRY_AFTER[0] + timedelta(seconds=1))) == (0, 1)
    first, second = received(hook)
    assert first["id"] == second["id"]


def test_a_redirect_is_a_failure_and_is_not_followed(hook: HTTPServer) -> None:
    seen: list[str] = []

    def elsewhere(request: Request) -> Response:
        seen.append(request.path)
        return Response("", 307, {"Location": "/stolen"})

    hook.expect_request("/in/TOKEN-IN-PATH").respond_with_handler(elsewhere)
    raise_alert("a", "Something")
    assert tell() == 0
    assert (seen, len(hook.log)) == (["/in/TOKEN-IN-PATH"], 1)


@pytest.mark.parametrize(
    "address", ["https://10.0.0.7/hook", "https://169.254.169.254/latest", "https://localhost/x"]
)
def test_a_private_address_is_not_called(address: str, by_mail: None) -> None:
    site_settings.change({"hook_address": address, "hook_secret": SECRET})
    raise_alert("a", "Something")
    assert tell() == 1  # by mail
    said = Telling.objects.get(channel="hook").failure
    assert said.startswith("Nothing was sent: ") and "its address is not allowed here" in said


def test_a_mail_server_that_is_away_loses_no_notice(by_mail: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> int:
        raise ConnectionRefusedError(111, "Connection refused to mail.internal with PASSWORD")

    raise_alert("a", "Something")
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", away)
        assert tell() == 0
    assert Telling.objects.get().failure == "The mail server did not take it (ConnectionRefusedError)."
    assert later(RETRY_AFTER[0] + timedelta(seconds=1)) == 1


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────


def test_addresses_and_secrets_are_kept_encrypted_and_told_nowhere(
    hook: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.expect_request("/in/TOKEN-IN-PATH").respond_with_data("TOKEN-IN-PATH echoed", 500)
    site_settings.change({"chat_address": "https://api.telegram.org/botTOKEN-IN-PATH/sendMessage"})
    raise_alert("a", "Something")
    tell()
    site = site_settings.load()
    stored = json.dumps(list(Setting.objects.values_list("value", flat=True)))
    audited = json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))
    said = " ".join(Telling.objects.values_list("failure", flat=True))
    logged = " ".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name != "werkzeug"
    )
    for where in (stored, audited, said, logged, repr(site)):
        assert "TOKEN-IN-PATH" not in where and SECRET not in where
    assert site.hook_secret.open() == SECRET
    assert site.chat_address.shown == "api.telegram.org"


def test_a_secret_that_cannot_be_read_is_said_and_tried_again(hook: HTTPServer, settings: Any) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    raise_alert("a", "Something")
    assert tell() == 0
    assert "cannot be read with the present FIELD_KEYS" in Telling.objects.get().failure
    assert Telling.objects.get().next_at is not None and not hook.log


def test_what_fails_unexpectedly_is_given_up_after_as_many_tries_and_the_page_says_so(
    by_mail: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours in what is sent, which no channel reports as its own failure."""

    def broken(*_anything: object) -> None:
        raise KeyError("title")

    monkeypatch.setattr("providers.channels.send", broken)
    raise_alert("one", "Balance low", level=Alert.Level.CRITICAL)
    tell()
    row = Telling.objects.get()
    assert (row.attempts, row.claimed_until, row.told_at) == (1, None, None) and row.next_at is not None
    assert row.failure == "Something failed on our side (KeyError); the log has the details."
    for day in range(1, 20):
        later(timedelta(days=day))
    row.refresh_from_db()
    assert (row.attempts, row.next_at) == (len(RETRY_AFTER) + 1, None)
    page = staff_world.signed_in(world.admin()).get("/manage/alerts").content.decode()
    assert "Something failed on our side (KeyError)" in page and "There are no more tries." in page
    assert send_tests(site_settings.load()) == [("mail", row.failure)]


def test_one_alert_that_cannot_be_put_into_words_silences_no_other(
    by_mail: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = telling.event_of

    def odd(alert: Alert, *more: Any) -> dict[str, Any]:
        if alert.key == "odd":
            raise ValueError("odd")
        return whole(alert, *more)

    monkeypatch.setattr("providers.telling.event_of", odd)
    for key in ("odd", "one", "two"):
        raise_alert(key, f"About {key}", level=Alert.Level.CRITICAL)
    assert tell() == 0
    assert later(timedelta(minutes=5)) == 2
    assert set(Telling.objects.exclude(told_at=None).values_list("alert__key", flat=True)) == {"one", "two"}


def test_a_notice_whose_teller_dies_each_time_is_given_up(by_mail: None) -> None:
    raise_alert("one", "Balance low", level=Alert.Level.CRITICAL)
    plan()
    past = timezone.now() - timedelta(minutes=1)
    Telling.objects.update(attempts=len(RETRY_AFTER) + 1, claimed_until=past)
    assert tell_due() == 0
    row = Telling.objects.get()
    assert (row.next_at, row.told_at) == (None, None) and "did not come back" in row.failure


@pytest.mark.parametrize(
    "values",
    [
        {"hook_address": "http://hooks.example.org/x"},
        {"hook_address": "https://user:pass@hooks.example.org/x"},
        {"hook_address": "ftp://hooks.example.org/x"},
        {"hook_secret": "short"},
        {"notice_emails": "nobody"},
        {"notice_level": "everything"},
    ],
)
def test_a_setting_that_cannot_work_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(site_settings.BadSetting):
        site_settings.change(values)


def test_a_test_is_sent_through_each_channel_and_says_what_failed(by_mail: None, hook: HTTPServer) -> None:
    hook.expect_request("/in/TOKEN-IN-PATH").respond_with_data("", 404)
    results = dict(send_tests(site_settings.load()))
    assert results == {"mail": "", "hook": f"{hook.host}:{hook.port} answered with HTTP 404."}
    assert "This is a test. Nothing is wrong." in mail.outbox[0].body
    assert received(hook)[0]["event"] == "test"
    assert not Telling.objects.exists() and not Alert.objects.exists()


def test_planning_costs_the_same_for_any_number_of_alerts(by_mail: None) -> None:
    def queries(n: int) -> int:
        for number in range(n):
            raise_alert(f"k:{n}:{number}", "Something")
        with CaptureQueriesContext(connection) as captured:
            plan()
        return len(captured)

    assert queries(1) == queries(40)


# ── across processes ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_real_worker_tells_once_however_often_it_is_woken(hook: HTTPServer, start_worker: Worker) -> None:
    from orders.tasks import watch_over

    hook.expect_request("/in/TOKEN-IN-PATH").respond_with_data("", 200)
    raise_alert("paused:1", "Key refused", level="critical")
    with start_worker(), start_worker():
        for _ in range(10):
            watch_over.apply_async(queue="sync")
        wait_until(lambda: Telling.objects.filter(told_at__isnull=False).exists(), what="the notice")
        close_alert("paused:1")
        for _ in range(10):
            watch_over.apply_async(queue="sync")
        wait_until(
            lambda: Telling.objects.filter(what="over", told_at__isnull=False).exists(), what="the end"
        )
    assert [event["event"] for event in received(hook)] == ["opened", "over"]
