"""What is wrong becomes alerts while it lasts; operators hear of it, also when the clock or the workers are gone."""

import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import site_settings
from customers.adjusting import adjust_balance
from customers.erasing import erase
from customers.figures import money
from customers.models import DepositRequest, Heartbeat
from orders import desk, watching
from orders.dispatch import pause_dispatch, resume_dispatch
from orders.models import DispatchSwitch, Request, Submission
from orders.settlement import end_with_full_refund, lock_order
from orders.tasks import watch_without_clock
from orders.watching import silent_parts, watch
from providers.alerts import raise_alert
from providers.models import Alert, BalanceReading, Provider, Service
from providers.telling import plan, tell_due
from tests import world
from tests.conftest import Worker
from tests.staff_world import accepted, completed, doubtful, refill_asked, signed_in

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1, minutes=1)


@pytest.fixture
def shop() -> Service:
    return world.service(world.offer(world.provider()))


@pytest.fixture
def by_mail() -> None:
    site_settings.change({"notice_emails": "ops@example.org"})


def heard(name: str, kind: str = "worker", ago: timedelta = timedelta(0)) -> None:
    Heartbeat.objects.update_or_create(name=name, defaults={"kind": kind, "at": timezone.now() - ago})


def open_keys() -> set[str]:
    return set(Alert.objects.filter(closed_at=None).values_list("key", flat=True))


def read(provider: Provider, *amounts: str) -> None:
    """One balance a day, the last one now."""
    for back, amount in enumerate(reversed(amounts)):
        at = timezone.now() - timedelta(days=back)
        BalanceReading.objects.create(provider=provider, at=at, amount=Decimal(amount), currency="USD")
    Provider.objects.filter(pk=provider.pk).update(balance=Decimal(amounts[-1]))


def test_nothing_is_wrong_in_a_new_panel() -> None:
    assert watch() == []
    assert not Alert.objects.exists()


def test_an_unknown_submission_is_told_after_a_while_and_its_end_after_the_decision(
    shop: Service, by_mail: None
) -> None:
    order = doubtful(world.order(world.customer(), shop))
    assert watch() == []
    Submission.objects.update(
        state_at=timezone.now() - timedelta(seconds=settings.UNKNOWN_QUARANTINE_SECONDS)
    )
    watch()
    alert = Alert.objects.get()
    assert (alert.key, alert.level, alert.at_risk) == ("watch:unknown", "critical", Decimal("2"))
    plan()
    assert tell_due() == 1
    for _ in range(3):
        watch()
    assert Alert.objects.get().count == 1
    Submission.objects.filter(pk=order.pk).update(state_at=timezone.now() - DAY)
    desk.decide(order.pk, "absent_refund", reason="It is not there", user=None, actor="command")
    world.sane()
    watch()
    plan()
    assert (tell_due(), open_keys()) == (1, set())
    assert [message.subject.split(": ")[1] for message in mail.outbox] == ["Critical", "Over"]


@pytest.mark.parametrize(("days_left", "level"), [("1", "critical"), ("2", "warning"), ("4", "")])
def test_a_short_runway_is_an_alert_until_the_top_up(shop: Service, days_left: str, level: str) -> None:
    provider = Provider.objects.get()
    left = Decimal(days_left) * 10
    read(provider, *(str(left + 10 * back) for back in (4, 3, 2, 1, 0)))
    watch()
    assert list(Alert.objects.values_list("level", flat=True)) == ([level] if level else [])
    Provider.objects.update(balance=1000)
    watch()
    assert open_keys() == set()


def test_the_money_runs_out_by_limit_and_by_days_as_one_incident_told_once_and_recovered_once(
    shop: Service, by_mail: None
) -> None:
    """The limit is met first, then the days, then only the days: one notice, and one that it is over."""
    provider = Provider.objects.get()
    Provider.objects.update(low_balance=60)
    read(provider, "90", "80", "70", "60", "50")
    alerts = set()
    for balance, says in (
        ("50", "$50.00 left, less than its limit of $60.00. Top it up."),
        ("20", "less than its limit of $60.00, enough for 2.0 days at $10.00 a day"),
        ("5", "enough for 0.5 days"),
        ("29", "less than its limit"),
    ):
        Provider.objects.update(balance=balance)
        watch()
        alert = Alert.objects.get(closed_at=None)
        alerts.add(alert.pk)
        assert says in alert.text
        assert alert.level == ("critical" if balance == "5" else "warning")
        plan()
        tell_due()
    Provider.objects.update(low_balance=None)  # the limit is gone, the days are not enough
    watch()
    assert open_keys() == {f"watch:runway:{provider.pk}"} and len(alerts) == 1
    Provider.objects.update(balance=1000)
    watch()
    plan()
    tell_due()
    assert open_keys() == set()
    assert [message.subject.split(": ")[1] for message in mail.outbox] == ["Warning", "Over"]


def test_a_limit_is_told_without_any_days_of_readings_and_not_of_an_archived_provider(shop: Service) -> None:
    Provider.objects.update(low_balance=60, balance=60)
    assert watch() == []
    Provider.objects.update(balance="59.99")
    assert [trouble.provider_id for trouble in watch()] == [Provider.objects.get().pk]
    Provider.objects.update(archived_at=timezone.now())
    assert watch() == []
    assert open_keys() == set()


def test_an_alert_of_the_limit_from_an_earlier_version_is_over_with_the_first_look(shop: Service) -> None:
    raise_alert(f"balance:{Provider.objects.get().pk}", "Low")
    watch()
    assert open_keys() == set()


def test_paused_sending_is_an_alert_and_a_restored_database_too() -> None:
    pause_dispatch("adam@example.org", "Looking at something")
    watch()
    alert = Alert.objects.get()
    assert alert.text == "Sending is paused by adam@example.org: Looking at something. Orders wait."
    resume_dispatch("adam@example.org")
    watch()
    assert open_keys() == set()
    DispatchSwitch.objects.update(paused_at=timezone.now(), restored=True)
    watch()
    assert open_keys() == {"dispatch:restored"}


def test_what_waits_for_staff_for_a_day_is_an_alert(shop: Service) -> None:
    alice = world.customer()
    site_settings.change({"review_above": "1"})
    held = world.order(alice, shop)
    site_settings.change({"review_above": ""})
    DepositRequest.objects.create(user=alice, method="Bank", amount=10, reference="A1")
    refill_asked(completed(world.order(alice, shop)))
    assert watch() == []
    DepositRequest.objects.update(created_at=timezone.now() - DAY)
    watch()
    assert open_keys() == {"watch:deposits"}
    assert Alert.objects.get().at_risk == 10
    Request.objects.update(created_at=timezone.now() - DAY)
    Submission.objects.filter(pk=held.pk).update(state_at=timezone.now() - DAY)
    watch()
    assert open_keys() == {"watch:deposits", "watch:requests", "watch:reviews"}
    risk = dict(Alert.objects.values_list("key", "at_risk"))
    assert (risk["watch:requests"], risk["watch:reviews"]) == (2, held.charge)


def test_a_refund_that_reaches_an_erased_account_is_an_alert_until_it_is_booked(shop: Service) -> None:
    alice, bob = world.customer(), world.bob()
    order = accepted(world.order(alice, shop))
    erase(alice, typed=alice.email, write_off="Asked to be forgotten", by=None)
    assert watch() == []
    with transaction.atomic():
        end_with_full_refund(lock_order(order.pk), "Canceled by the provider", "provider")
    watch()
    alert = Alert.objects.get(closed_at=None)
    assert (alert.key, alert.at_risk) == ("watch:erased", order.charge)
    assert f"hold money: 1, {money(order.charge)} in all" in alert.text
    page = signed_in(world.admin()).get("/staff/customers?tab=erased").content.decode()
    assert f'id="customer-{alice.pk}"' in page and f'id="customer-{bob.pk}"' not in page
    adjust_balance(alice, -order.charge, "Paid out", by=None)
    watch()
    assert open_keys() == set()
    world.sane()


# ── heartbeats ──────────────────────────────────────────────────────────────────────────────────────


def test_one_lost_worker_is_a_warning_all_of_them_are_critical() -> None:
    heard("w1"), heard("w2"), heard("beat", "beat")
    assert watch() == []
    heard("w2", ago=timedelta(minutes=3))
    watch()
    assert dict(Alert.objects.values_list("key", "level")) == {"watch:worker:w2": "warning"}
    heard("w1", ago=timedelta(minutes=3)), heard("beat", "beat", ago=timedelta(minutes=3))
    watch()
    assert open_keys() == {"watch:workers"}
    heard("w1"), heard("beat", "beat")
    watch()
    assert open_keys() == {"watch:worker:w2"}
    heard("w2")
    watch()
    assert open_keys() == set()


def test_a_worker_tells_of_a_silent_clock(by_mail: None) -> None:
    heard("w1"), heard("beat", "beat")
    watch_without_clock()
    assert not Alert.objects.exists()
    heard("beat", "beat", ago=timedelta(minutes=3))
    watch_without_clock()
    watch_without_clock()
    assert [message.subject for message in mail.outbox] == [
        "Headwater: Critical: The clock (beat) was not heard for 3 min: nothing is started on time. Orders are accepted."
    ]


def test_check_heartbeat_tells_from_outside_of_the_queue(
    by_mail: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="No worker was ever heard"):
        call_command("check_heartbeat")
    heard("w1"), heard("beat", "beat")
    call_command("check_heartbeat")
    assert "are heard" in capsys.readouterr().out
    heard("w1", ago=timedelta(minutes=5)), heard("beat", "beat", ago=timedelta(minutes=5))
    for _ in range(2):
        with pytest.raises(CommandError, match="No worker was heard for 5 min"):
            call_command("check_heartbeat")
    assert len(mail.outbox) == 1
    with pytest.raises(CommandError):
        call_command("check_heartbeat", "--no-notices")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_ends_on_purpose_is_no_trouble_and_one_that_was_killed_is(start_worker: Worker) -> None:
    with start_worker() as process:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert not Heartbeat.objects.filter(kind="worker").exists()
    with start_worker() as process:
        process.kill()
        process.wait(30)
    Heartbeat.objects.filter(kind="worker").update(at=timezone.now() - timedelta(minutes=3))
    assert [trouble.key for trouble in silent_parts()] == ["watch:workers"]


# ── how it looks ────────────────────────────────────────────────────────────────────────────────────


def test_the_number_of_queries_depends_on_nothing(shop: Service) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            list(watching.troubles(timezone.now()))
        return len(captured)

    read(Provider.objects.get(), "50", "40", "30", "20", "10")
    few = queries()
    alice = world.customer()
    for number in range(4):
        read(world.provider(name=f"P{number}"), "50", "40", "30", "20", "10")
        heard(f"w{number}", ago=timedelta(minutes=5))
        doubtful(world.order(alice, shop, link=f"https://example.org/{number}"), age=DAY)
    assert queries() == few <= 13


@pytest.mark.django_db(transaction=True)
def test_of_two_watchers_one_looks() -> None:
    pause_dispatch("adam", "x")

    def other() -> list[Any]:
        try:
            return watch()
        finally:
            connections.close_all()

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [watching._LOCK])
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(other).result() == []
    assert [trouble.key for trouble in watch()] == ["watch:dispatch"]
    assert Alert.objects.count() == 1
