"""The decision desk: submissions of which nobody knows whether the provider has them.

Nothing here happens by itself. A person looks at the evidence and decides, with a reason; the choices open
after a quarantine longer than the longest possible send (UNKNOWN_QUARANTINE_SECONDS, default 900 s).

    accepted        exists upstream: the typed id is verified by a status call, then followed as usual
    absent_refund   not there: the whole charge goes back
    absent_resend   not there: queued again, with a new attempt
    write_off       cannot be found out: the customer gets his money at our loss; never sent again (admins)

Repeating a decision changes nothing; another decision after one is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from customers.audit import record
from customers.models import User
from customers.permissions import may, who_may
from orders.asking_again import being_asked
from orders.hints import hint_submit
from orders.models import Order, OrderEvent, Request, Submission, SubmissionAttempt
from orders.recording import accept_unknown
from orders.settlement import end_as_written_off, end_with_full_refund, lock_order, withdraw
from providers.adapters.errors import ProviderError
from providers.adapters.results import Observation
from providers.connecting import adapter_for
from providers.models import BalanceReading, Provider, TopUp
from providers.top_ups import paid_in_between

VERB_OF = {
    "accepted": "unknown.decide",
    "absent_refund": "unknown.decide",
    "absent_resend": "unknown.resend",
    "write_off": "unknown.write_off",
}
NEEDS_PASSWORD_AGAIN = frozenset({"absent_resend", "write_off"})


class CannotDecide(Exception):
    """Nothing changed; the text says why."""


@dataclass(frozen=True)
class Evidence:
    """What a person needs to decide one case. `balance_fell`: yes, no or cannot tell."""

    order: Order
    attempt: SubmissionAttempt
    attempts: list[SubmissionAttempt]
    since: datetime
    resolvable_at: datetime
    same_link: list[Order]
    balance_before: BalanceReading | None
    balance_after: BalanceReading | None
    balance_fell: str
    at_risk: Decimal

    @property
    def resolvable(self) -> bool:
        return timezone.now() >= self.resolvable_at


def resolvable_at(since: datetime) -> datetime:
    return since + timedelta(seconds=settings.UNKNOWN_QUARANTINE_SECONDS)


def unknown_submissions() -> list[Submission]:
    """All cases, oldest first, with order, provider and attempts loaded."""
    cases = Submission.objects.filter(state=Submission.State.UNKNOWN)
    return list(
        cases.select_related("order__user", "order__service", "provider", "offer")
        .prefetch_related("attempts")
        .order_by("state_at")
    )


def evidence_for(order_id: int) -> Evidence:
    """Everything known about one case. Raises CannotDecide when it is not one (any more)."""
    submission = (
        Submission.objects.select_related("order__user", "order__service", "provider", "offer")
        .filter(pk=order_id)
        .first()
    )
    if submission is None or submission.state != Submission.State.UNKNOWN:
        raise CannotDecide(_("This order is not waiting for a decision."))
    attempts = list(submission.attempts.order_by("id"))
    attempt = next(a for a in reversed(attempts) if a.state == SubmissionAttempt.State.UNKNOWN)
    order = submission.order
    same_link = (
        Order.objects.filter(user=order.user, link=order.link)
        .exclude(pk=order.pk)
        .select_related("service", "submission")
    )
    before, after = _readings_around(submission.provider, attempt)
    return Evidence(
        order=order,
        attempt=attempt,
        attempts=attempts,
        since=submission.state_at,
        resolvable_at=resolvable_at(submission.state_at),
        same_link=list(same_link.order_by("-id")[:10]),
        balance_before=before,
        balance_after=after,
        balance_fell=_balance_fell(submission, attempt, before, after),
        at_risk=max(order.charge, attempt.cost),
    )


def decide(
    order_id: int,
    choice: str,
    *,
    reason: str,
    user: User | None,
    actor: str,
    provider_order_id: str = "",
    request: HttpRequest | None = None,
) -> str:
    """Carry out one decision; returns the submission's state after it. Raises CannotDecide, nothing changed.

    `user` None is the command line, which may do everything; others what the table of permissions says. What was
    decided and its audit entry are one transaction.
    """
    if choice not in VERB_OF:
        raise CannotDecide(_("There is no choice %(choice)s.") % {"choice": repr(choice)})
    if not reason.strip():
        raise CannotDecide(_("A reason is needed."))
    if user is not None and not may(user, VERB_OF[choice]):
        raise CannotDecide(
            _("Your role may not decide this. Who may: %(roles)s.") % {"roles": who_may(VERB_OF[choice])}
        )
    submission = Submission.objects.select_related("provider").filter(pk=order_id).first()
    if submission is None:
        raise CannotDecide(_("There is no order %(id)s.") % {"id": order_id})
    if done := _decided_before(submission, choice, provider_order_id):
        return done
    if submission.state != Submission.State.UNKNOWN:
        raise CannotDecide(
            _("This order was decided already: it is %(state)s.")
            % {"state": submission.get_state_display().lower()}
        )
    if timezone.now() < (opens := resolvable_at(submission.state_at)):
        raise CannotDecide(
            _("A late answer may still come; it can be decided from %(time)s UTC.")
            % {"time": f"{opens:%H:%M:%S}"}
        )
    if over := being_asked(submission):
        raise CannotDecide(
            _("The provider is being asked again by its key; it can be decided from %(time)s UTC.")
            % {"time": f"{over:%H:%M:%S}"}
        )
    seen = _verify(submission.provider, provider_order_id) if choice == "accepted" else None
    with transaction.atomic():
        decided = _Decided(
            choice, reason.strip()[:400], user, actor, provider_order_id.strip(), seen, request
        )
        return _carry_out(order_id, decided)


@dataclass(frozen=True)
class _Decided:
    choice: str
    reason: str
    user: User | None
    actor: str
    provider_order_id: str
    seen: Observation | None
    request: HttpRequest | None


def _carry_out(order_id: int, decided: _Decided) -> str:
    """The decision, its story and its audit entry. Settling is last, because it locks the wallet."""
    choice, reason, actor = decided.choice, decided.reason, decided.actor
    order = lock_order(order_id)
    submission = (
        Submission.objects.select_for_update(of=("self",)).select_related("provider").get(pk=order_id)
    )
    attempt = submission.attempts.select_for_update().filter(state=SubmissionAttempt.State.UNKNOWN).first()
    if submission.state != Submission.State.UNKNOWN or attempt is None or being_asked(submission):
        raise CannotDecide(_("This order was decided, or asked about again, a moment ago."))
    if choice == "accepted":
        why, found_id = f"Found at the provider ({_word(decided)}), accepted", decided.provider_order_id
        if not accept_unknown(order, submission, attempt, found_id, actor, f"{reason}. {why}"):
            raise CannotDecide(
                _("The provider's order %(id)s belongs to another order already.") % {"id": found_id}
            )
        _audit(order_id, decided, Submission.State.ACCEPTED)
        return Submission.State.ACCEPTED
    if choice == "write_off":
        _to(submission, Submission.State.WRITTEN_OFF)
        _event(order, Submission.State.WRITTEN_OFF, reason, actor)
        _audit(order_id, decided, Submission.State.WRITTEN_OFF)
        end_as_written_off(
            order, gettext_noop("It could not be verified; the whole charge was returned"), actor
        )
        return Submission.State.WRITTEN_OFF
    SubmissionAttempt.objects.filter(pk=attempt.pk).update(state=SubmissionAttempt.State.ABSENT)
    if choice == "absent_refund":
        _to(submission, Submission.State.REJECTED)
        _event(order, Submission.State.REJECTED, reason, actor)
        _audit(order_id, decided, Submission.State.REJECTED)
        end_with_full_refund(
            order, gettext_noop("It was not delivered; the whole charge was returned"), actor
        )
        return Submission.State.REJECTED
    now = timezone.now()
    _to(submission, Submission.State.QUEUED, next_at=now, queued_since=now, waits_for="")
    _event(order, Submission.State.QUEUED, reason, actor)
    _audit(order_id, decided, Submission.State.QUEUED)
    asked = Request.objects.live().filter(order=order, kind=Request.Kind.CANCEL).exists()
    unsent = gettext_noop("Canceled as asked; nothing was sent. The whole charge was returned.")
    if asked and withdraw(order, unsent, actor):
        return Submission.State.WITHDRAWN
    hint_submit(submission.provider_id)
    return Submission.State.QUEUED


def _word(decided: _Decided) -> str:
    return decided.seen.raw_word if decided.seen else ""


def _audit(order_id: int, decided: _Decided, state: str) -> None:
    record(
        decided.user,
        "unknown.decide",
        f"order:{order_id}",
        f"Order {order_id} in doubt decided: {decided.choice.replace('_', ' ')}. {decided.reason}",
        {
            "choice": decided.choice,
            "reason": decided.reason,
            "provider_order_id": decided.provider_order_id,
            "state": str(state),
        },
        decided.request,
    )


def _verify(provider: Provider, provider_order_id: str) -> Observation:
    """The typed id must exist upstream and not belong to another order."""
    wanted = provider_order_id.strip()
    if not wanted:
        raise CannotDecide(_("The provider's order id is needed."))
    if Submission.objects.filter(provider=provider, provider_order_id=wanted).exists():
        raise CannotDecide(
            _("The provider's order %(id)s belongs to another order already.") % {"id": wanted}
        )
    try:
        seen = adapter_for(provider).statuses([wanted]).found.get(wanted)
    except ProviderError as error:
        raise CannotDecide(_("The id could not be verified: %(why)s") % {"why": error.message}) from error
    if seen is None:
        raise CannotDecide(_("The provider does not know an order %(id)s.") % {"id": wanted})
    return seen


def _decided_before(submission: Submission, choice: str, provider_order_id: str) -> str | None:
    """The state, when exactly this decision was made already."""
    absent = submission.attempts.filter(state=SubmissionAttempt.State.ABSENT).exists()
    same = {
        "accepted": submission.state == Submission.State.ACCEPTED
        and submission.provider_order_id == provider_order_id.strip(),
        "write_off": submission.state == Submission.State.WRITTEN_OFF,
        "absent_refund": submission.state == Submission.State.REJECTED and absent,
        "absent_resend": absent
        and submission.state in {Submission.State.QUEUED, Submission.State.CLAIMED, Submission.State.SENDING},
    }
    return submission.state if same[choice] else None


def _to(submission: Submission, state: str, **fields: object) -> None:
    Submission.objects.filter(pk=submission.pk).update(state=state, state_at=timezone.now(), **fields)


def _event(order: Order, after: str, why: str, actor: str) -> None:
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.SUBMISSION,
        actor=actor,
        before=Submission.State.UNKNOWN,
        after=after,
        why=why,
        staff_only=True,
    )


def _readings_around(
    provider: Provider, attempt: SubmissionAttempt
) -> tuple[BalanceReading | None, BalanceReading | None]:
    readings = BalanceReading.objects.filter(provider=provider)
    ended = attempt.ended_at or attempt.started_at
    return readings.filter(at__lt=attempt.started_at).order_by("-at").first(), readings.filter(
        at__gt=ended
    ).order_by("at").first()


def _balance_fell(
    submission: Submission,
    attempt: SubmissionAttempt,
    before: BalanceReading | None,
    after: BalanceReading | None,
) -> str:
    """Did the provider's balance fall by just this order's cost? "no" only where it did not move at all.

    Tellable only when nothing else was sent and nothing was paid in between the readings: a record of a payment is
    what somebody typed, so a sum with it proves nothing. A rise is unexplained, and no fall by another amount is a no.
    """
    if before is None or after is None or {before.currency, after.currency} != {settings.CURRENCY}:
        return "cannot tell"
    others = SubmissionAttempt.objects.filter(
        provider=submission.provider,
        started_at__gt=before.at,
        started_at__lt=after.at,
        state__in=["accepted", "unknown", "sending"],
    ).exclude(pk=attempt.pk)
    if others.exists() or _paid_in_meanwhile(before, after) or attempt.cost < _grain(before, after):
        return "cannot tell"
    fell = before.amount - after.amount
    if abs(fell - attempt.cost) <= attempt.cost * Decimal("0.05"):
        return "yes"
    return "no" if fell == 0 else "cannot tell"


def _paid_in_meanwhile(before: BalanceReading, after: BalanceReading) -> bool:
    """Whether a top-up was recorded for the time between the readings, or was seen in it; whatever its amount."""
    recorded = TopUp.objects.filter(provider_id=after.provider_id, at__gt=before.at, at__lte=after.at)
    return paid_in_between(before, after) != 0 or recorded.exists()


def _grain(before: BalanceReading, after: BalanceReading) -> Decimal:
    """The smallest cost whose fall these readings would show: many providers round their balance to cents."""
    finest = min(reading.amount.normalize().as_tuple().exponent for reading in (before, after))
    return Decimal(1).scaleb(min(int(finest), -2))
