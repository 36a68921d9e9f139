"""Backup and restore: the whole database, paused until somebody decided what was sent since."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from customers.models import User
from orders.backing_up import BackupFailed, backup
from orders.dispatch import resume_dispatch
from orders.models import DispatchSwitch, Order, Submission
from orders.recording import record
from orders.requests import ask_cancel
from orders.submission import _claim, submit_lane
from orders.sweeping import sweep
from providers.adapters.errors import Refused
from providers.adapters.results import Accepted
from providers.models import Alert, Provider, Service
from tests import world
from tests.orders.test_submission import begin
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def link(number: int) -> str:
    return f"https://example.org/{number}"


def test_a_restored_panel_sends_nothing_again(
    upstream: Sandbox, views: Service, meridian: Provider, tmp_path: Path, capsys: Any
) -> None:
    alice = world.customer(balance="1000")
    orders = [world.order(alice, views, link(n), 100) for n in range(20)]
    file = tmp_path / "panel.backup"
    call_command("backup", str(file), "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["orders"], told["bytes"]) == (20, file.stat().st_size)
    assert file.stat().st_mode & 0o077 == 0, "customers' data are for the owner only"
    assert submit_lane(meridian.pk).accepted == 20
    later = world.order(alice, views, link(20), 100)

    call_command("restore", str(file), "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["open_submissions"] == 20
    assert Order.objects.count() == 20 and User.objects.get(pk=alice.pk).email == alice.email
    assert Provider.objects.get(pk=meridian.pk).key == upstream.key, "the secrets in it can be read"
    switch = DispatchSwitch.objects.get()
    assert switch.paused_at and switch.restored and "Restored from the backup" in switch.reason
    assert Alert.objects.filter(key="dispatch:restored", closed_at=None).exists()
    assert submit_lane(meridian.pk, force=True).accepted == 0

    assert resume_dispatch("adam", after_restore=True) == 20
    assert set(Submission.objects.values_list("state", flat=True)) == {"unknown"}
    assert submit_lane(meridian.pk, force=True).accepted == 0
    assert sorted(line["link"] for line in upstream.truth("order")) == sorted(order.link for order in orders)
    fresh = world.order(alice, views, link(21), 100)
    assert fresh.pk > later.pk, "a number that was given after the backup is not given again"
    assert submit_lane(meridian.pk).accepted == 1, "new orders go out"
    world.sane()


def test_the_triggers_and_constraints_come_back_too(views: Service, tmp_path: Path) -> None:
    def rules() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")
            triggers = cursor.fetchall()
            cursor.execute("SELECT conname, contype FROM pg_constraint ORDER BY 1, 2")
            constraints = cursor.fetchall()
            cursor.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
            )
            return [triggers, constraints, cursor.fetchall()]

    before = rules()
    backup(tmp_path / "panel.backup")
    call_command("restore", str(tmp_path / "panel.backup"))
    assert rules() == before


def test_a_file_that_is_no_backup_changes_nothing(views: Service, tmp_path: Path) -> None:
    alice = world.customer()
    other = tmp_path / "holiday.jpg"
    other.write_bytes(b"no backup")
    for name in (other, tmp_path / "missing"):
        with pytest.raises(CommandError, match=r"no backup|not a backup"):
            call_command("restore", str(name))
    assert User.objects.filter(pk=alice.pk).exists()


def test_a_damaged_dump_leaves_the_database_as_it_was(views: Service, tmp_path: Path) -> None:
    alice, file = world.customer(), tmp_path / "panel.backup"
    backup(file)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = b"\0" * 4096
    file.write_bytes(content)
    with pytest.raises(CommandError, match=r"nothing was changed|not a backup"):
        call_command("restore", str(file))
    assert User.objects.filter(pk=alice.pk).exists()
    assert not DispatchSwitch.objects.get().paused_at


def test_secrets_that_cannot_be_read_here_are_a_refusal(
    views: Service, tmp_path: Path, settings: Any
) -> None:
    file = tmp_path / "panel.backup"
    backup(file)
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="FIELD_KEYS"):
        call_command("restore", str(file))


def test_a_backup_never_overwrites_a_file(views: Service, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(BackupFailed, match="exists already"):
        backup(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir() if path.name != "truth-0.jsonl"] == ["mine"]


def test_what_a_restored_database_calls_queued_is_neither_withdrawn_nor_sent_elsewhere(
    upstream: Sandbox, views: Service, meridian: Provider, tmp_path: Path
) -> None:
    order = world.order(world.customer(), views)
    backup(tmp_path / "panel.backup")
    assert submit_lane(meridian.pk).accepted == 1
    call_command("restore", str(tmp_path / "panel.backup"))
    # It says queued, but it was sent: a cancel waits instead of giving the money back for what is being delivered.
    assert ask_cancel(order.pk, by="customer").state == "approved"
    sweep()
    order.refresh_from_db()
    assert (world.state_of(order), order.status, order.refunded) == ("queued", "Pending", 0)
    resume_dispatch("adam", after_restore=True)
    assert (world.state_of(order), sweep().withdrawn) == ("unknown", 0)
    world.sane()


def test_answers_that_come_after_the_restore_repair_or_warn_but_never_refund(
    upstream: Sandbox, views: Service, meridian: Provider, tmp_path: Path
) -> None:
    alice = world.customer()
    before, later = world.order(alice, views, link(1), 100), world.order(alice, views, link(2), 100)
    sent = {}
    for order in (before, later):
        if order == later:
            backup(tmp_path / "panel.backup")  # the first is being sent in it, the second is queued
        ((order_id, fence),) = _claim(meridian.pk, 1, force=False, besides=set())
        sent[order_id] = begin(order_id, fence)
    call_command("restore", str(tmp_path / "panel.backup"))
    assert record(sent[before.pk], Refused("Bad link", kind="link")) == "unknown"  # type: ignore[arg-type]
    resume_dispatch("adam", after_restore=True)
    answer = Accepted("4711", 200, '{"order": 4711}')
    assert record(sent[later.pk], answer) == "unknown"  # type: ignore[arg-type]
    assert {world.state_of(before), world.state_of(later)} == {"unknown"}
    before.refresh_from_db()
    assert before.refunded == 0, "the refusal proves nothing: it may have been sent again in what was lost"
    assert Submission.objects.get(pk=later.pk).attempts.get().candidate_id == "4711", "the desk offers the id"
    world.sane()
