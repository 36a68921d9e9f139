"""The order commands: the JSON that scripts rely on, and one sentence for what went wrong."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from customers.models import AuditEntry
from orders.models import Submission
from providers.models import Provider, Service
from tests import world
from tests.orders.test_syncing import report
from tests.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("confirm_at_once")]


def run(name: str, *args: Any, **options: Any) -> list[dict[str, Any]]:
    """The JSON lines a command prints; a non-zero exit is a SystemExit."""
    out = StringIO()
    call_command(name, *[str(arg) for arg in args], "--json", stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_order_goes_from_the_command_line_to_its_end(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    alice = world.customer()
    (placed,) = run(
        "place_order", alice.email, views.pk, "--link", "https://example.org/a", "--quantity", "1000"
    )
    assert placed["charge"] == "10.000000"
    (shown,) = run("order_show", placed["id"])
    assert (shown["status"], shown["submission"], shown["customer"]) == ("Pending", "queued", alice.email)
    assert run("submit_pending", meridian.name) == [
        {"accepted": 1, "rejected": 0, "unknown": 0, "requeued": 0}
    ]
    order = Submission.objects.get(pk=placed["id"]).order
    report(upstream, order, status="Partial", remains=250, start_count=12)
    (tally,) = run("sync_statuses", str(meridian.pk), "--force")
    assert (tally["provider"], tally["calls"], tally["checked"], tally["changed"], tally["errors"]) == (
        meridian.name,
        1,
        1,
        1,
        0,
    )
    (shown,) = run("order_show", placed["id"])
    assert (shown["status"], shown["refunded"], shown["remains"], shown["start_count"]) == (
        "Partial",
        "2.500000",
        250,
        12,
    )
    assert [attempt["state"] for attempt in shown["attempts"]] == ["accepted"]
    assert {"at", "actor", "from", "to", "why"} <= set(shown["events"][0])
    (ledger,) = run("check_ledger")
    assert (ledger["ok"], ledger["broken"]) == (True, [])


def test_a_doubt_is_listed_and_resolved(
    upstream: Sandbox, views: Service, meridian: Provider, settings: Any
) -> None:
    settings.UNKNOWN_QUARANTINE_SECONDS = 0
    order = world.order(world.customer(), views)
    upstream.control(faults="http500_after@add")
    assert run("submit_pending")[0]["unknown"] == 1
    (case,) = run("unknown_list")
    assert {"id", "order", "provider", "reason", "since", "resolvable_at"} <= set(case)
    (done,) = run("unknown_resolve", case["id"], "absent-refund", "--reason", "Not in their panel")
    assert (done["submission"], done["status"], done["refunded"]) == ("rejected", "Canceled", "10.000000")
    assert run("unknown_list") == []
    entry = AuditEntry.objects.get(verb="unknown.decide")
    assert (entry.actor_label, entry.details["reason"]) == ("command line", "Not in their panel")
    with pytest.raises(CommandError, match="decided already"):
        run("unknown_resolve", order.pk, "absent-resend", "--reason", "again")


def test_a_refill_goes_through_without_a_browser(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    run("submit_pending")
    report(upstream, order, status="Completed", remains=0)
    run("sync_statuses", "--force")
    (asked,) = run("request_refill", order.pk)
    assert (asked["kind"], asked["state"], asked["order"]) == ("refill", "requested", order.pk)
    assert run("request_refill", order.pk)[0]["id"] == asked["id"]
    assert run("review_request", asked["id"], "approve")[0]["state"] == "approved"
    assert run("submit_requests")[0]["accepted"] == 1
    assert run("request_show", asked["id"])[0]["upstream_id"]
    upstream.control(advance=120)
    run("sync_refills", "--force")
    assert run("request_show", asked["id"])[0]["state"] == "done"


def test_a_failed_provider_call_prints_its_line_and_exits_1(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    world.order(world.customer(), views)
    run("submit_pending")
    upstream.kill()
    with pytest.raises(SystemExit) as end:
        run("sync_statuses", "--force")
    assert end.value.code == 1


@pytest.mark.parametrize(
    ("name", "args", "sentence"),
    [
        ("place_order", ["nobody@example.org", "1", "--link", "x"], "no account"),
        ("place_order", ["alice@example.org", "999", "--link", "x"], "not on sale"),
        ("place_order", ["alice@example.org", "0", "--link", "x", "--field", "nonsense"], "k=v"),
        ("order_show", ["999999"], "no order 999999"),
        ("request_cancel", ["999999"], "no order 999999"),
        ("review_request", ["999999", "approve"], "no request 999999"),
        ("submit_pending", ["Nobody"], "no provider"),
    ],
)
def test_an_error_is_one_sentence(name: str, args: list[str], sentence: str) -> None:
    world.customer()
    with pytest.raises(CommandError, match=sentence):
        run(name, *args)


def test_dispatch_can_be_paused_and_resumed(upstream: Sandbox, views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    run("pause_dispatch")
    assert run("submit_pending", "--force")[0]["accepted"] == 0
    run("resume_dispatch")
    assert run("submit_pending", "--force")[0]["accepted"] == 1
    assert world.state_of(order) == "accepted"


def test_after_a_restore_everything_open_is_in_doubt_and_nothing_is_sent_again(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    assert run("resume_dispatch", "--after-restore")[0]["unknown"] == 1
    assert run("submit_pending", "--force")[0]["accepted"] == 0
    assert world.state_of(order) == "unknown"
    assert run("unknown_list")[0]["reason"] == "restored"
    world.sane()
