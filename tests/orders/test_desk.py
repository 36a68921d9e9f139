"""The decision desk: a person decides each doubt, once, and the books follow."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers import wallet
from customers.models import AuditEntry, Transfer
from orders.desk import CannotDecide, decide, evidence_for, unknown_submissions
from orders.models import Order, OrderEvent, Submission, SubmissionAttempt
from orders.recording import Sent, record
from orders.submission import submit_lane
from providers.adapters.errors import NotSent, Refused, Uncertain
from providers.adapters.results import Accepted
from providers.models import Alert, BalanceReading, Provider, Service, TopUp
from tests import staff_world, world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_quarantine(settings: Any) -> None:
    settings.UNKNOWN_QUARANTINE_SECONDS = 0


@pytest.fixture
def doubted(upstream: Sandbox, views: Service, meridian: Provider) -> Order:
    """An order that the provider has, but whose answer was lost."""
    order = world.order(world.customer(), views)
    upstream.control(faults="rst_after@add")
    submit_lane(meridian.pk)
    upstream.control(faults="")
    return order


def resolve(order: Order, choice: str, provider_order_id: str = "", user: Any = None) -> str:
    return decide(
        order.pk,
        choice,
        reason="Looked at the provider",
        user=user,
        actor="rita",
        provider_order_id=provider_order_id,
    )


@pytest.mark.parametrize(
    ("choice", "state"),
    [
        ("accepted", "accepted"),
        ("absent_refund", "rejected"),
        ("absent_resend", "queued"),
        ("write_off", "written_off"),
    ],
)
def test_a_decision_and_its_audit_entry_are_one_or_none(
    upstream: Sandbox, doubted: Order, monkeypatch: pytest.MonkeyPatch, choice: str, state: str
) -> None:
    """Whatever ends the process in between, nothing is decided without an entry that says who and why."""
    found_id = str(upstream.truth("order")[0]["order"]) if choice == "accepted" else ""

    def die(*_given: object, **_more: object) -> None:
        raise MemoryError

    with monkeypatch.context() as dying, pytest.raises(MemoryError):
        dying.setattr("orders.desk.record", die)
        resolve(doubted, choice, found_id)
    doubted.refresh_from_db()
    assert (world.state_of(doubted), doubted.refunded) == ("unknown", 0)
    assert not OrderEvent.objects.filter(order=doubted, actor="rita").exists()
    admin = world.admin()
    assert resolve(doubted, choice, found_id, admin) == resolve(doubted, choice, found_id, admin) == state
    entry = AuditEntry.objects.get(verb="unknown.decide")
    assert (entry.actor, entry.subject) == (admin, f"order:{doubted.pk}")
    assert (entry.details["choice"], entry.details["state"]) == (choice, state)
    assert entry.details["reason"] == "Looked at the provider"
    world.sane()


@pytest.mark.parametrize("settles", ["end_with_full_refund", "end_as_written_off"])
def test_a_settlement_that_fails_leaves_no_entry(
    doubted: Order, monkeypatch: pytest.MonkeyPatch, settles: str
) -> None:
    def die(*_given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"orders.desk.{settles}", die)
    choice = "absent_refund" if settles == "end_with_full_refund" else "write_off"
    with pytest.raises(MemoryError):
        resolve(doubted, choice)
    assert world.state_of(doubted) == "unknown"
    assert not AuditEntry.objects.filter(verb="unknown.decide").exists()


def test_a_case_shows_its_evidence(doubted: Order) -> None:
    (case,) = unknown_submissions()
    evidence = evidence_for(case.order_id)
    assert (evidence.order, evidence.attempt.state, evidence.resolvable) == (doubted, "unknown", True)
    assert evidence.balance_fell == "cannot tell"


def doubt(cost: str = "2") -> Order:
    """Begun and in doubt since this moment; nothing else was sent to that provider."""
    order = world.order(world.customer(), world.service(world.offer(world.provider())))
    Order.objects.filter(pk=order.pk).update(cost=Decimal(cost))
    return staff_world.doubtful(Order.objects.get(pk=order.pk))


def reading(order: Order, minutes: float, amount: str, currency: str = "USD") -> BalanceReading:
    at = timezone.now() + timedelta(minutes=minutes)
    return BalanceReading.objects.create(
        provider=order.submission.provider, at=at, amount=Decimal(amount), currency=currency
    )


def topped_up(order: Order, amount: str, minutes: float, seen: BalanceReading | None = None) -> None:
    TopUp.objects.create(
        provider=order.submission.provider,
        amount=Decimal(amount),
        currency="USD",
        reference="T-1",
        at=timezone.now() + timedelta(minutes=minutes),
        reading=seen,
    )


@pytest.mark.parametrize(
    ("after", "cost", "answer"),
    [
        ("98", "2", "yes"),
        ("98.05", "2", "yes"),
        ("100", "2", "no"),
        ("100.01", "2", "cannot tell"),
        ("150", "2", "cannot tell"),
        ("99.5", "2", "cannot tell"),
        ("96", "2", "cannot tell"),
        ("100", "0.004", "cannot tell"),
        ("100", "0", "cannot tell"),
    ],
)
def test_the_balance_says_no_only_where_it_did_not_move(after: str, cost: str, answer: str) -> None:
    order = doubt(cost)
    reading(order, -5, "100.00")
    reading(order, 5, after)
    assert evidence_for(order.pk).balance_fell == answer


@pytest.mark.parametrize(("before", "after"), [("USD", "EUR"), ("EUR", "USD"), ("EUR", "EUR")])
@pytest.mark.parametrize("amount", ["98", "100"])
def test_balances_in_another_currency_tell_nothing(before: str, after: str, amount: str) -> None:
    order = doubt()
    reading(order, -5, "100", before)
    reading(order, 5, amount, after)
    assert evidence_for(order.pk).balance_fell == "cannot tell"


@pytest.mark.parametrize("typed", ["50", "52", "25"])
def test_a_payment_recorded_in_between_is_no_evidence_either_way(typed: str) -> None:
    """The balance rose by 50: with 50 typed the sum would say No, with 52 it would say Yes."""
    order = doubt()
    reading(order, -5, "100")
    topped_up(order, typed, 2, reading(order, 5, "150"))
    assert evidence_for(order.pk).balance_fell == "cannot tell"


def test_a_payment_that_no_reading_showed_may_have_hidden_the_fall() -> None:
    order = doubt()
    reading(order, -5, "100")
    reading(order, 5, "100")
    topped_up(order, "2", -30)
    assert evidence_for(order.pk).balance_fell == "no", "it was paid before"
    TopUp.objects.update(at=timezone.now() + timedelta(minutes=2))
    assert evidence_for(order.pk).balance_fell == "cannot tell"


def test_it_exists_upstream_with_a_verified_id(upstream: Sandbox, doubted: Order) -> None:
    (line,) = upstream.truth("order")
    with pytest.raises(CannotDecide, match="does not know"):
        resolve(doubted, "accepted", "999999")
    assert resolve(doubted, "accepted", line["order"]) == "accepted"
    assert resolve(doubted, "accepted", line["order"]) == "accepted"
    submission = Submission.objects.get(pk=doubted.pk)
    assert (submission.provider_order_id, submission.attempts.get().state) == (line["order"], "accepted")
    world.sane()


def test_an_id_of_another_order_is_refused(
    upstream: Sandbox, views: Service, meridian: Provider, doubted: Order
) -> None:
    other = world.order(world.bob(), views)
    submit_lane(meridian.pk)
    taken = Submission.objects.get(pk=other.pk).provider_order_id or ""
    with pytest.raises(CannotDecide, match="belongs to another"):
        resolve(doubted, "accepted", taken)
    assert world.state_of(doubted) == "unknown"


def test_absent_gives_the_whole_charge_back_once(doubted: Order) -> None:
    assert resolve(doubted, "absent_refund") == "rejected"
    assert resolve(doubted, "absent_refund") == "rejected"
    doubted.refresh_from_db()
    assert (doubted.status, doubted.refunded) == ("Canceled", doubted.charge)
    assert wallet.balance_of(doubted.user) == 100
    with pytest.raises(CannotDecide, match="decided already"):
        resolve(doubted, "absent_resend")
    world.sane()


def test_absent_can_be_sent_again_as_a_new_attempt(
    upstream: Sandbox, meridian: Provider, doubted: Order
) -> None:
    assert resolve(doubted, "absent_resend") == "queued"
    assert submit_lane(meridian.pk, force=True).accepted == 1
    states = list(SubmissionAttempt.objects.order_by("id").values_list("state", flat=True))
    assert states == ["absent", "accepted"]
    world.sane()


def test_a_write_off_is_paid_by_the_house_and_never_sent_again(doubted: Order, meridian: Provider) -> None:
    rita, adam = world.reviewer(), world.admin()
    with pytest.raises(CannotDecide, match="Who may: Admin"):
        resolve(doubted, "write_off", user=rita)
    assert resolve(doubted, "write_off", user=adam) == "written_off"
    doubted.refresh_from_db()
    assert (doubted.status, doubted.refunded) == ("Canceled", doubted.charge)
    assert Transfer.objects.filter(source__kind="write_off").count() == 1
    assert submit_lane(meridian.pk, force=True).accepted == 0
    assert SubmissionAttempt.objects.get().state == "unknown"
    world.sane()


def test_nothing_can_be_decided_in_quarantine_or_without_a_reason(doubted: Order, settings: Any) -> None:
    with pytest.raises(CannotDecide, match="reason"):
        decide(doubted.pk, "absent_refund", reason=" ", user=None, actor="rita")
    settings.UNKNOWN_QUARANTINE_SECONDS = 900
    with pytest.raises(CannotDecide, match="late answer"):
        resolve(doubted, "absent_refund")
    assert world.state_of(doubted) == "unknown"


def sent_of(order: Order) -> Sent:
    attempt = SubmissionAttempt.objects.get(submission_id=order.pk)
    return Sent(order.pk, attempt.fence, attempt.provider_id)


def test_a_late_acceptance_repairs_unknown(doubted: Order, upstream: Sandbox) -> None:
    (line,) = upstream.truth("order")
    assert record(sent_of(doubted), Accepted(line["order"], 200, "{}")) == "accepted"
    assert world.state_of(doubted) == "accepted"
    world.sane()


def test_a_late_refusal_gives_the_money_back(doubted: Order) -> None:
    assert record(sent_of(doubted), Refused("Bad link", kind="link")) == "rejected"
    doubted.refresh_from_db()
    assert doubted.refunded == doubted.charge
    world.sane()


def test_a_late_proof_that_nothing_was_sent_queues_it_again(doubted: Order) -> None:
    assert record(sent_of(doubted), NotSent("Frozen for too long", reason="too_late")) == "requeued"
    assert world.state_of(doubted) == "queued"
    world.sane()


def test_a_late_answer_after_a_decision_is_evidence_and_an_alarm(doubted: Order, upstream: Sandbox) -> None:
    sent, (line,) = sent_of(doubted), upstream.truth("order")
    resolve(doubted, "absent_refund")
    record(sent, Accepted(line["order"], 200, "{}"))
    assert world.state_of(doubted) == "rejected"
    attempt = SubmissionAttempt.objects.get()
    assert (attempt.state, attempt.late_evidence["order_id"]) == ("absent", line["order"])  # type: ignore[index]
    assert Alert.objects.filter(key__startswith="late-answer", level="critical").exists()
    world.sane()


def lost(order: Order) -> Sent:
    """As if the worker had vanished while sending, and the sweeper had said so."""
    SubmissionAttempt.objects.filter(submission_id=order.pk).update(
        reason="lost", excerpt="", candidate_id=""
    )
    return sent_of(order)


SOFT = Uncertain(
    "An order id beside an error", reason="order_with_error", candidate_id="4711", http_status=200
)
UNCLEAR = Uncertain("HTTP 500", reason="http_5xx", http_status=500, excerpt="oops")


def test_a_late_unclear_answer_is_shown_at_the_desk_with_its_candidate(doubted: Order) -> None:
    assert record(lost(doubted), SOFT) == "unknown"
    attempt = SubmissionAttempt.objects.get()
    assert (attempt.state, attempt.reason, attempt.candidate_id) == ("unknown", "order_with_error", "4711")
    assert evidence_for(doubted.pk).attempt.candidate_id == "4711"
    assert not Alert.objects.filter(key__startswith="late-answer").exists(), "nobody decided anything yet"


@pytest.mark.parametrize("choice", ["absent_refund", "absent_resend", "write_off"])
@pytest.mark.parametrize(("answer", "level"), [(SOFT, "critical"), (UNCLEAR, "warning")])
def test_a_late_unclear_answer_after_a_decision_is_evidence_and_an_alarm(
    doubted: Order, choice: str, answer: Uncertain, level: str
) -> None:
    """The order may exist upstream, which is not what was decided."""
    sent = lost(doubted)
    state = resolve(doubted, choice, user=world.admin())
    assert record(sent, answer) == "unknown"
    assert world.state_of(doubted) == state, "the decision stands"
    evidence = SubmissionAttempt.objects.get().late_evidence
    assert evidence is not None
    assert (evidence["reason"], evidence.get("candidate_id", "")) == (answer.reason, answer.candidate_id)
    alert = Alert.objects.get(key__startswith="late-answer", closed_at=None)
    assert (alert.level, alert.order_number) == (level, doubted.pk)
    assert answer.candidate_id in alert.text
    world.sane()


def test_a_late_answer_that_says_what_was_decided_is_no_alarm(doubted: Order, upstream: Sandbox) -> None:
    sent, (line,) = lost(doubted), upstream.truth("order")
    resolve(doubted, "accepted", line["order"])
    record(sent, UNCLEAR)
    record(sent, Accepted(line["order"], 200, "{}"))
    assert world.state_of(doubted) == "accepted"
    assert not Alert.objects.filter(key__startswith="late-answer").exists()


def test_a_late_refusal_after_a_refund_is_no_alarm(doubted: Order) -> None:
    sent = lost(doubted)
    resolve(doubted, "absent_refund")
    record(sent, Refused("Bad link", kind="link"))
    assert SubmissionAttempt.objects.get().late_evidence is not None
    assert not Alert.objects.filter(key__startswith="late-answer").exists()


def test_a_late_acceptance_with_another_orders_id_repairs_nothing_and_is_an_alarm(
    views: Service, meridian: Provider, doubted: Order
) -> None:
    other = world.order(world.bob(), views)
    submit_lane(meridian.pk)
    taken = Submission.objects.get(pk=other.pk).provider_order_id or ""
    assert record(lost(doubted), Accepted(taken, 200, "{}")) == "unknown"
    assert world.state_of(doubted) == "unknown"
    attempt = SubmissionAttempt.objects.get(submission_id=doubted.pk)
    assert (attempt.reason, attempt.candidate_id) == ("repeated_id", taken)
    alert = Alert.objects.get(key__startswith="repeated-id", closed_at=None)
    assert (alert.level, alert.order_number) == ("critical", doubted.pk)
    world.sane()
