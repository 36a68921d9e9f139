"""The decision desk in a browser's eyes: evidence, four choices, who may make them, and when."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_httpserver import HTTPServer

from customers import wallet
from customers.models import AuditEntry, User
from orders.models import Order, OrderEvent, Submission, SubmissionAttempt
from providers.models import BalanceReading, Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db
RAW = '{"order": 7741, "error": "internal", "charge": "0.7654", "balance": "981.55"}'


@pytest.fixture
def impressions() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def doubt(impressions: Service) -> Order:
    """An hour old: its quarantine is over. It cost us more than the customer paid, for once."""
    order = world.order(world.customer(), impressions)
    Order.objects.filter(pk=order.pk).update(cost=Decimal("2.345678"))
    order.refresh_from_db()
    return staff_world.doubtful(order, RAW, "7741", timedelta(hours=1))


@pytest.fixture
def reviewer() -> Client:
    return staff_world.signed_in(world.reviewer())


@pytest.fixture
def admin() -> Client:
    return staff_world.signed_in(world.admin())


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def decide(client: Client, order: Order, choice: str, reason: str = "Not in their list", **more: str) -> Any:
    return client.post(f"/staff/unknown/{order.pk}/decide", {"choice": choice, "reason": reason} | more)


def confirmed(client: Client, response: Any) -> Any:
    """Answer the question for the password that stands before some decisions."""
    assert response.status_code == 302
    assert response["Location"].startswith("/account/reauthenticate/")
    return client.post(response["Location"], {"password": world.PASSWORD})


def test_the_list_shows_age_reason_and_what_is_at_risk(reviewer: Client, admin: Client, doubt: Order) -> None:
    shown = text(reviewer.get("/staff/unknown"))
    for words in (
        "1 order in doubt, $2.00 at risk.",
        "1 h",
        "Meridian",
        "No answer came in time",
        "HTTP 502",
        "now",
    ):
        assert words in shown
    assert "$2.35 at risk" in text(admin.get("/staff/unknown"))


def test_the_case_shows_the_evidence(admin: Client, impressions: Service) -> None:
    alice, provider = world.customer(), impressions.routes.get().offer.provider
    twin = staff_world.accepted(world.order(alice, impressions), "7000")
    BalanceReading.objects.create(provider=provider, amount=Decimal("981.55"), currency="USD")
    order = world.order(alice, impressions)
    Order.objects.filter(pk=order.pk).update(cost=Decimal("2.345678"))
    order.refresh_from_db()
    doubt = staff_world.doubtful(order, RAW, "7741", timedelta(hours=1))
    BalanceReading.objects.create(provider=provider, amount=Decimal("979.204322"), currency="USD")
    shown = text(admin.get(f"/staff/unknown/{doubt.pk}"))
    for words in (
        "The provider did not answer in time.",
        "candidate id 7741",
        "HTTP 502",
        str(twin.pk),
        "7000",
        "$981.55",
        "$979.20",
        "Yes: by this order",
        "Cost $2.35",
        "Cannot be found out: write off",
    ):
        assert words in shown


def test_a_reviewer_sees_no_cost_and_no_balance_not_even_in_a_raw_answer(
    reviewer: Client, doubt: Order
) -> None:
    BalanceReading.objects.create(
        provider=doubt.submission.provider, amount=Decimal("981.55"), currency="USD"
    )
    for path in (
        f"/staff/unknown/{doubt.pk}",
        "/staff/unknown",
        f"/staff/orders/{doubt.pk}",
        "/staff/orders",
    ):
        page = reviewer.get(path).content.decode()
        for secret in ("2.34", "2.35", "0.7654", "981"):
            assert secret not in page, (path, secret)
    shown = text(reviewer.get(f"/staff/unknown/{doubt.pk}"))
    assert "candidate id 7741" in shown and "Only an admin can write an order off." in shown
    assert "Cannot tell" in shown


def test_absent_gives_the_money_back_with_timeline_and_audit(reviewer: Client, doubt: Order) -> None:
    response = decide(reviewer, doubt, "absent_refund")
    assert response["Location"] == f"/staff/orders/{doubt.pk}"
    shown = text(reviewer.get(response["Location"]))
    assert "the whole charge was returned" in shown and "Not in their list" in shown
    assert world.state_of(doubt) == "rejected"
    assert wallet.balance_of(doubt.user) == 100
    entry = AuditEntry.objects.get(verb="unknown.decide")
    assert (entry.subject, entry.details["choice"]) == (f"order:{doubt.pk}", "absent_refund")
    world.sane()


def test_a_repeated_decision_changes_nothing_and_another_is_refused(reviewer: Client, doubt: Order) -> None:
    decide(reviewer, doubt, "absent_refund")
    again = decide(reviewer, doubt, "absent_refund")
    assert "It was decided so before; nothing was done twice." in text(reviewer.get(again["Location"]))
    assert AuditEntry.objects.filter(verb="unknown.decide").count() == 1
    response = reviewer.post(
        f"/staff/unknown/{doubt.pk}/decide",
        {"choice": "accepted", "reason": "x", "provider_order_id": "1"},
        follow=True,
    )
    shown = text(response)
    assert "You were second; you changed nothing. Decided by rita@example.org" in shown
    assert "the provider does not have it; the whole charge was returned. Reason: Not in their list" in shown
    assert "Decided by rita@example.org" in text(reviewer.get(f"/staff/unknown/{doubt.pk}", follow=True))
    assert wallet.balance_of(doubt.user) == 100
    world.sane()


def test_sending_again_asks_for_the_password_first_and_keeps_what_was_typed(
    reviewer: Client, doubt: Order
) -> None:
    asked = decide(reviewer, doubt, "absent_resend", "Surely not there")
    assert world.state_of(doubt) == "unknown"
    answer = confirmed(reviewer, asked)
    assert answer["Location"] == f"/staff/orders/{doubt.pk}"
    assert world.state_of(doubt) == "queued"
    assert OrderEvent.objects.filter(order=doubt, why="Surely not there").exists()
    world.sane()


def test_a_wrong_password_sends_nothing(reviewer: Client, doubt: Order) -> None:
    asked = decide(reviewer, doubt, "absent_resend")
    assert reviewer.post(asked["Location"], {"password": "guess"}).status_code == 200
    assert world.state_of(doubt) == "unknown"


def test_a_reviewer_cannot_write_off_and_an_admin_can(reviewer: Client, admin: Client, doubt: Order) -> None:
    refused = decide(reviewer, doubt, "write_off")
    assert (refused.status_code, "Only an admin" in text(refused)) == (422, True)
    confirmed(admin, decide(admin, doubt, "write_off"))
    assert world.state_of(doubt) == "written_off"
    assert SubmissionAttempt.objects.get(submission_id=doubt.pk).state == "unknown"
    assert wallet.balance_of(doubt.user) == 100
    world.sane()


def test_a_typed_id_is_verified_before_it_counts(
    reviewer: Client, doubt: Order, httpserver: HTTPServer, settings: Any
) -> None:
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({f"{httpserver.host}:{httpserver.port}"})
    provider = doubt.submission.provider
    provider.api_url = httpserver.url_for("/api/v2")
    provider.save()
    httpserver.expect_request("/api/v2").respond_with_json(
        {
            "7741": {
                "charge": "0.2",
                "start_count": "5",
                "status": "In progress",
                "remains": "10",
                "currency": "USD",
            }
        }
    )
    wrong = decide(reviewer, doubt, "accepted", provider_order_id="9999", reason="Saw it there")
    assert wrong.status_code == 422
    assert "does not know an order 9999" in text(wrong)
    assert "Saw it there" in wrong.content.decode()  # what was typed is kept
    decide(reviewer, doubt, "accepted", provider_order_id="7741")
    submission = Submission.objects.get(pk=doubt.pk)
    assert (submission.state, submission.provider_order_id) == ("accepted", "7741")
    world.sane()


def test_the_quarantine_keeps_every_choice_closed(reviewer: Client, impressions: Service) -> None:
    order = staff_world.doubtful(world.order(world.customer(), impressions))
    page = reviewer.get(f"/staff/unknown/{order.pk}")
    assert "A late answer may still come." in text(page)
    assert page.content.decode().count('" disabled>') == 3
    refused = decide(reviewer, order, "absent_refund")
    assert (refused.status_code, "can be decided from" in text(refused)) == (422, True)
    assert world.state_of(order) == "unknown"


@pytest.mark.parametrize("choice", ["absent_refund", "absent_resend", "accepted", "burn"])
def test_without_a_reason_nothing_is_decided(reviewer: Client, doubt: Order, choice: str) -> None:
    assert decide(reviewer, doubt, choice, reason="  ").status_code == 422
    assert world.state_of(doubt) == "unknown"


def test_a_case_that_is_none_leads_to_the_order_or_nowhere(reviewer: Client, impressions: Service) -> None:
    order = world.order(world.customer(), impressions)
    assert reviewer.get(f"/staff/unknown/{order.pk}")["Location"] == f"/staff/orders/{order.pk}"
    assert reviewer.get("/staff/unknown/999999").status_code == 404
    assert decide(reviewer, Order(pk=999999), "absent_refund").status_code == 404


def test_the_queries_do_not_grow_with_the_cases(reviewer: Client, impressions: Service) -> None:
    alice: User = world.customer()

    def more(first: int, last: int) -> int:
        for at in range(first, last):
            staff_world.doubtful(world.order(alice, impressions, f"https://example.org/{at}", 100))
        with CaptureQueriesContext(connection) as counted:
            assert reviewer.get("/staff/unknown").status_code == 200
        return len(counted)

    more(0, 1)
    few = more(1, 2)
    assert more(2, 9) == few
