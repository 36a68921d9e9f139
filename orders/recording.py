"""T3: what became of one attempt. Each function is one transaction and a compare-and-set on the attempt.

    accepted    the provider gave an order id
    refused     provably not accepted: another route, wait, or give the money back
    not_sent    nothing left this machine: wait and try again
    uncertain   perhaps accepted: unknown, for the desk; nothing is sent again by itself

An answer can come after the sweeper gave the attempt up (a frozen worker, a database that was away):
it then repairs `unknown`, or, where a person has decided already, becomes evidence and an alarm.
"""

import json
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from customers.prepared import rows_of
from orders.dispatch import predates_a_restore
from orders.models import Order, OrderEvent, Request, Submission, SubmissionAttempt
from orders.routing import WORTH_ANOTHER_ROUTE, other_route, take_route
from orders.settlement import end_with_full_refund, lock_order, withdraw
from providers.adapters.errors import NotSent, ProviderError, Refused, Uncertain
from providers.adapters.results import Accepted
from providers.alerts import raise_alert
from providers.models import Alert

if TYPE_CHECKING:
    from django.db.models import QuerySet

FIRST_POLL_S = 2
LONGEST_WAIT_S = 600
# Not sent because we stopped, not because the provider could not be reached.
OUR_OWN_HALT = frozenset({"busy", "stopped", "too_late"})
# Refusals that say nothing against the order itself: it waits in the queue.
WAITS = frozenset({"auth", "provider_funds", "rate_limit", "duplicate_link"})


@dataclass(frozen=True)
class Sent:
    """One attempt in flight, as T2 committed it. Order and fence name it: a row's number would be given again
    by a database that went back in time."""

    order_id: int
    fence: int
    provider_id: int


def record(sent: Sent, outcome: Accepted | ProviderError) -> str:
    """Write down the outcome; returns the word for the tally: accepted, rejected, requeued or unknown.

    Safe to repeat with the same outcome: a commit whose confirmation was lost is recognised.
    """
    if isinstance(outcome, Accepted):
        return _accepted(sent, outcome)
    if isinstance(outcome, Refused | NotSent):
        return _not_accepted(sent, outcome)
    return _unknown(sent, outcome)


# ── accepted ────────────────────────────────────────────────────────────────────────────────────────

_ACCEPT = """
    WITH attempt AS (
        UPDATE orders_submissionattempt
        SET state = 'accepted', ended_at = clock_timestamp(), http_status = %(http)s, excerpt = %(excerpt)s
        WHERE submission_id = %(order)s AND fence = %(fence)s AND state = 'sending' RETURNING submission_id, fence
    ), submission AS (
        UPDATE orders_submission s
        SET state = 'accepted', state_at = clock_timestamp(), lease_until = NULL, waits_for = '', provider_order_id = %(id)s,
            next_poll_at = clock_timestamp() + make_interval(secs => %(poll)s)
        FROM attempt WHERE s.order_id = attempt.submission_id AND s.fence = attempt.fence AND s.state = 'sending'
        RETURNING s.order_id
    )
    INSERT INTO orders_orderevent (order_id, at, kind, actor, before, after, why, staff_only)
    SELECT order_id, clock_timestamp(), 'submission', 'provider', 'sending', 'accepted', %(why)s, true FROM submission
    RETURNING order_id
"""


def _accepted(sent: Sent, answer: Accepted) -> str:
    values: dict[str, Any] = {
        "order": sent.order_id,
        "fence": sent.fence,
        "http": answer.http_status,
        "excerpt": answer.excerpt[:500],
        "id": answer.order_id,
        "poll": FIRST_POLL_S,
        "why": f"Accepted as {answer.order_id}"[:500],
    }
    try:
        if rows_of(_ACCEPT, values):
            return "accepted"
    except IntegrityError as error:
        if "submission_provider_order_once" not in str(error):
            raise
        return _repeated_id(sent, answer)
    return _late(sent, answer)


def _repeated_id(sent: Sent, answer: Accepted) -> str:
    """An id that this provider gave for another order already: an alarm, and no information about this one."""
    _alarm_repeated_id(sent, answer)
    return _unknown(sent, _doubt_of_repeated_id(answer))


def _doubt_of_repeated_id(answer: Accepted) -> Uncertain:
    return Uncertain(
        "The provider answered with an order id that it gave before.",
        reason="repeated_id",
        http_status=answer.http_status,
        excerpt=answer.excerpt,
        candidate_id=answer.order_id,
    )


def _alarm_repeated_id(sent: Sent, answer: Accepted) -> None:
    raise_alert(
        f"repeated-id:{sent.provider_id}:{answer.order_id}",
        f"The provider answered order {sent.order_id} with the id {answer.order_id}, which it gave for another order before.",
        level=Alert.Level.CRITICAL,
        provider_id=sent.provider_id,
        order_number=sent.order_id,
    )


def _sending(sent: Sent) -> "QuerySet[SubmissionAttempt]":
    return SubmissionAttempt.objects.filter(
        submission_id=sent.order_id, fence=sent.fence, state=SubmissionAttempt.State.SENDING
    )


# ── provably not accepted ───────────────────────────────────────────────────────────────────────────


def _not_accepted(sent: Sent, error: Refused | NotSent) -> str:
    kind = error.kind if isinstance(error, Refused) else "not_sent"
    with transaction.atomic():
        order = lock_order(sent.order_id)
        attempt = _sending(sent).first()
        if attempt is not None and predates_a_restore(attempt):
            return _unknown(sent, _no_proof_after_a_restore(error))
        closed = _sending(sent).update(
            state=SubmissionAttempt.State.NOT_ACCEPTED, reason=kind, **_evidence(error)
        )
        if not closed:
            submission = None
        else:
            submission = Submission.objects.select_related("provider").get(
                order_id=sent.order_id, fence=sent.fence, state=Submission.State.SENDING
            )
            result = _after_refusal(order, submission, kind, error)
    return _late(sent, error) if submission is None else result


def _after_refusal(order: Order, submission: Submission, kind: str, error: ProviderError) -> str:
    """Another route, the queue, or the money back. The attempt is closed as not accepted; the order is locked."""
    if _cancel_waits(order):
        _to_queue(submission, kind, wait_s=0)
        withdraw(
            order,
            gettext_noop("Canceled as you asked; nothing was sent. The whole charge was returned."),
            "system",
        )
        return "rejected"
    route = other_route(order, submission) if kind in WORTH_ANOTHER_ROUTE and kind != "not_sent" else None
    if route is not None:
        _to_queue(submission, kind, wait_s=0)
        take_route(order, submission, route, error.message)
        return "requeued"
    if kind in WAITS or kind == "not_sent":
        wait_s = 0 if error.reason in OUR_OWN_HALT else _wait_after(submission.attempts.count())
        if submission.waits_for != kind:
            _event(
                order,
                Submission.State.SENDING,
                Submission.State.QUEUED,
                f"Not sent, will be tried again: {error.message}",
            )
        _to_queue(submission, kind, wait_s=wait_s)
        return "requeued"
    Submission.objects.filter(pk=submission.pk).update(
        state=Submission.State.REJECTED, state_at=timezone.now(), lease_until=None, waits_for=kind
    )
    _event(order, submission.state, Submission.State.REJECTED, f"Refused by the provider: {error.message}")
    end_with_full_refund(order, WHY_REFUSED.get(kind, WHY_REFUSED["unknown"]), "system")
    return "rejected"


# What the customer reads: what happened and what it means for his money, without the provider's own words.
WHY_REFUSED = {
    "link": gettext_noop("The link was not accepted. The whole charge was returned."),
    "quantity": gettext_noop("The quantity was not accepted any more. The whole charge was returned."),
    "service": gettext_noop("The service is not available any more. The whole charge was returned."),
    "missing_field": gettext_noop(
        "The order could not be delivered as it was entered. The whole charge was returned."
    ),
    "unknown": gettext_noop("The order was not accepted for delivery. The whole charge was returned."),
}


def _cancel_waits(order: Order) -> bool:
    return Request.objects.live().filter(order=order, kind=Request.Kind.CANCEL).exists()


def _to_queue(submission: Submission, waits_for: str, *, wait_s: float) -> None:
    now = timezone.now()
    Submission.objects.filter(pk=submission.pk).update(
        state=Submission.State.QUEUED,
        state_at=now,
        lease_until=None,
        next_at=now + timedelta(seconds=wait_s),
        waits_for=waits_for,
    )


def _wait_after(attempts: int) -> float:
    """Seconds before the next try: 5, 10, 20 … 600, with jitter so that a returning provider is not flooded."""
    doubled: int = 5 * 2 ** max(0, min(attempts - 1, 7))
    return min(LONGEST_WAIT_S, doubled) * random.uniform(0.8, 1.2)  # noqa: S311


# ── perhaps accepted ────────────────────────────────────────────────────────────────────────────────


def _unknown(sent: Sent, error: ProviderError) -> str:
    candidate = error.candidate_id if isinstance(error, Uncertain) else ""
    with transaction.atomic():
        closed = _sending(sent).update(
            state=SubmissionAttempt.State.UNKNOWN,
            reason=error.reason[:40],
            candidate_id=candidate[:100],
            **_evidence(error),
        )
        if closed:
            Submission.objects.filter(
                order_id=sent.order_id, fence=sent.fence, state=Submission.State.SENDING
            ).update(
                state=Submission.State.UNKNOWN,
                state_at=timezone.now(),
                lease_until=None,
                waits_for=error.reason[:40],
            )
            order = Order.objects.only("pk").get(pk=sent.order_id)
            _event(
                order, Submission.State.SENDING, Submission.State.UNKNOWN, f"No clear answer: {error.message}"
            )
    return "unknown" if closed else _late(sent, error)


# ── after the sweeper, or after a person ────────────────────────────────────────────────────────────


def _late(sent: Sent, outcome: Accepted | ProviderError) -> str:
    """The attempt is not `sending` any more: repair unknown, recognise our own earlier commit, or keep evidence."""
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).filter(pk=sent.order_id).first()
        submission = (
            Submission.objects.select_for_update(no_key=True, of=("self",))
            .select_related("provider")
            .filter(order_id=sent.order_id)
            .first()
        )
        attempt = (
            SubmissionAttempt.objects.select_for_update()
            .filter(submission_id=sent.order_id, fence=sent.fence)
            .first()
        )
        if order is None or submission is None or attempt is None:
            _alarm_forgotten(sent, outcome)
            return "unknown"
        if attempt.reason == LOST and isinstance(outcome, Uncertain):
            _keep_the_doubtful_answer(attempt, outcome)
        if _is_our_own_commit(submission, attempt, outcome):
            return {"accepted": "accepted", "rejected": "rejected", "queued": "requeued"}.get(
                submission.state, "unknown"
            )
        undecided = (
            attempt.state == SubmissionAttempt.State.UNKNOWN and submission.state == Submission.State.UNKNOWN
        )
        if undecided and isinstance(outcome, Accepted):
            if accept_unknown(
                order, submission, attempt, outcome.order_id, "provider", "A late answer: accepted"
            ):
                return "accepted"
            _alarm_repeated_id(sent, outcome)
            if attempt.reason == LOST:
                _keep_the_doubtful_answer(attempt, _doubt_of_repeated_id(outcome))
            return "unknown"
        proof = attempt.asked_again_at is None and not predates_a_restore(attempt)
        if undecided and proof and isinstance(outcome, Refused | NotSent):
            kind = outcome.kind if isinstance(outcome, Refused) else "not_sent"
            SubmissionAttempt.objects.filter(pk=attempt.pk).update(
                state=SubmissionAttempt.State.NOT_ACCEPTED, reason=kind, **_evidence(outcome)
            )
            return _after_refusal(order, submission, kind, outcome)
        if undecided and proof:
            return "unknown"
        _keep_evidence(order, submission, attempt, outcome)
    return "unknown"


LOST = "lost"  # the sweeper's word for an attempt whose worker vanished


def _keep_the_doubtful_answer(attempt: SubmissionAttempt, answer: Uncertain) -> None:
    """The worker was late, not gone, and heard something: the desk shall see it, above all a candidate id."""
    SubmissionAttempt.objects.filter(pk=attempt.pk).update(
        reason=answer.reason[:40],
        candidate_id=answer.candidate_id[:100],
        **(_evidence(answer) | {"ended_at": attempt.ended_at}),
    )


def _is_our_own_commit(
    submission: Submission, attempt: SubmissionAttempt, outcome: Accepted | ProviderError
) -> bool:
    if isinstance(outcome, Accepted):
        return (
            attempt.state == SubmissionAttempt.State.ACCEPTED
            and submission.provider_order_id == outcome.order_id
        )
    if isinstance(outcome, Refused | NotSent):
        return attempt.state == SubmissionAttempt.State.NOT_ACCEPTED
    # A write-off leaves the attempt unknown, but then a person has decided.
    return submission.state == Submission.State.UNKNOWN == attempt.state


def accept_unknown(
    order: Order, submission: Submission, attempt: SubmissionAttempt, order_id: str, actor: str, why: str
) -> bool:
    """unknown → accepted with the provider's id; rows locked by the caller. False: that id is another order's."""
    now = timezone.now()
    try:
        with transaction.atomic():
            SubmissionAttempt.objects.filter(pk=attempt.pk).update(
                state=SubmissionAttempt.State.ACCEPTED, ended_at=now
            )
            Submission.objects.filter(pk=submission.pk).update(
                state=Submission.State.ACCEPTED,
                state_at=now,
                provider_order_id=order_id,
                next_poll_at=now,
                waits_for="",
            )
    except IntegrityError:
        return False
    _event(order, Submission.State.UNKNOWN, Submission.State.ACCEPTED, f"{why} as {order_id}", actor)
    return True


def _no_proof_after_a_restore(error: Refused | NotSent) -> Uncertain:
    return Uncertain(
        f"Refused, but the database went back meanwhile, so the order may have been sent again: {error.message}",
        reason="restored",
        http_status=error.http_status,
        excerpt=error.excerpt,
    )


def _alarm_forgotten(sent: Sent, outcome: Accepted | ProviderError) -> None:
    """An answer about a send that this database does not know of: it went back in time. The id is for the desk."""
    if isinstance(outcome, Accepted):
        SubmissionAttempt.objects.filter(
            submission_id=sent.order_id,
            provider_id=sent.provider_id,
            state=SubmissionAttempt.State.UNKNOWN,
            candidate_id="",
        ).update(candidate_id=outcome.order_id)
        raise_alert(
            f"forgotten:{sent.provider_id}:{outcome.order_id}",
            f"The provider accepted order {sent.order_id} as {outcome.order_id}, but this database does not know"
            " that it was sent: it was restored meanwhile.",
            level=Alert.Level.CRITICAL,
            provider_id=sent.provider_id,
        )


def _keep_evidence(
    order: Order, submission: Submission, attempt: SubmissionAttempt, outcome: Accepted | ProviderError
) -> None:
    """The first late answer stays with the attempt. One that says the order exists, or may exist, is an alarm."""
    candidate = outcome.candidate_id[:100] if isinstance(outcome, Uncertain) else ""
    found = (
        {"order_id": outcome.order_id}
        if isinstance(outcome, Accepted)
        else {"error": outcome.message, "reason": outcome.reason}
        | ({"candidate_id": candidate} if candidate else {})
    )
    evidence = {
        **found,
        "at": timezone.now().isoformat(),
        "http_status": outcome.http_status,
        "excerpt": outcome.excerpt[:500],
    }
    if attempt.late_evidence is None:
        SubmissionAttempt.objects.filter(pk=attempt.pk).update(late_evidence=json.loads(json.dumps(evidence)))
    if isinstance(outcome, Accepted):
        told = f"The provider confirmed order {order.pk} as {outcome.order_id} after it had been decided otherwise."
    elif isinstance(outcome, Uncertain) and not (
        submission.state == Submission.State.ACCEPTED and candidate in ("", submission.provider_order_id)
    ):
        id_ = f" (it names {candidate})" if candidate else ""
        told = f"An unclear answer{id_} about order {order.pk} came after it had been decided: it may exist upstream."
    else:
        return  # it says no more than what was decided, or it is a refusal, by which nothing is there
    raise_alert(
        f"late-answer:{attempt.pk}",
        told,
        level=Alert.Level.CRITICAL if isinstance(outcome, Accepted) or candidate else Alert.Level.WARNING,
        provider_id=attempt.provider_id,
        order_number=order.pk,
        at_risk=attempt.cost,
    )


def _evidence(error: ProviderError) -> dict[str, object]:
    return {
        "ended_at": timezone.now(),
        "message": error.message[:500],
        "http_status": error.http_status,
        "excerpt": error.excerpt[:500],
    }


def _event(order: Order, before: str, after: str, why: str, actor: str = "system") -> None:
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.SUBMISSION,
        actor=actor,
        before=before,
        after=after,
        why=why[:500],
        staff_only=True,
    )
