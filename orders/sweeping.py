"""The sweeper: what a vanished worker left behind, and what waits too long. Every statement is a
compare-and-set, so it may run anywhere, at any time, twice at once. Leases end by the database's clock."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_noop

from orders.dispatch import notice_a_restore
from orders.models import Order, Request, Submission
from orders.rerouting import reroute_waiting
from orders.settlement import lock_order, withdraw

LONG_UNSENT = timedelta(hours=24)


@dataclass
class Swept:
    released: int = 0  # claimed → queued
    unknown: int = 0  # sending → unknown
    rerouted: int = 0  # queued where nothing can be sent, moved to another route
    overdue: int = 0  # newly on the staff list
    withdrawn: int = 0  # back in the queue while a cancel waits
    requests: int = 0


def sweep() -> Swept:
    """One pass over all leases that ended and all orders that wait too long."""
    notice_a_restore()
    return Swept(
        released=_release_expired_claims(),
        unknown=_doubt_expired_sends(),
        rerouted=reroute_waiting(),
        overdue=_flag_overdue(),
        withdrawn=_withdraw_what_was_canceled_meanwhile(),
        requests=_sweep_requests(),
    )


def _release_expired_claims() -> int:
    expired = Submission.objects.filter(state=Submission.State.CLAIMED, lease_until__lt=Now())
    return expired.update(state=Submission.State.QUEUED, lease_until=None, next_at=Now())


_DOUBT = """
    WITH submission AS (
        UPDATE orders_submission SET state = 'unknown', state_at = clock_timestamp(), lease_until = NULL, waits_for = 'lost'
        WHERE order_id IN (
            SELECT order_id FROM orders_submission WHERE state = 'sending' AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED
        )
        RETURNING order_id, fence
    ), attempt AS (
        UPDATE orders_submissionattempt a
        SET state = 'unknown', reason = 'lost', message = 'The worker vanished while sending; it is not known whether the order was sent.',
            ended_at = clock_timestamp()
        FROM submission s WHERE a.submission_id = s.order_id AND a.fence = s.fence AND a.state = 'sending'
    )
    INSERT INTO orders_orderevent (order_id, at, kind, actor, before, after, why, staff_only)
    SELECT order_id, clock_timestamp(), 'submission', 'system', 'sending', 'unknown',
           'The worker vanished while sending; it is not known whether the order was sent.', true
    FROM submission RETURNING order_id
"""


def _doubt_expired_sends() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_DOUBT)
        return len(cursor.fetchall())


def _withdraw_what_was_canceled_meanwhile() -> int:
    """A cancel was asked while a worker held the order, and the order came back to the queue unsent."""
    waiting = Submission.objects.filter(
        state=Submission.State.QUEUED,
        order__requests__kind=Request.Kind.CANCEL,
        order__requests__state__in=Request.LIVE,
    )
    withdrawn = 0
    for order_id in waiting.values_list("order_id", flat=True)[:100]:
        with transaction.atomic():
            order = lock_order(order_id)
            withdrawn += withdraw(order, CANCELED_UNSENT, "system")
    return withdrawn


CANCELED_UNSENT = gettext_noop("Canceled as you asked; nothing was sent. The whole charge was returned.")


def _flag_overdue() -> int:
    """After 24 hours unsent: the staff list, never a silent refund."""
    overdue = Submission.objects.filter(
        state=Submission.State.QUEUED, queued_since__lt=timezone.now() - LONG_UNSENT
    )
    return Order.objects.filter(attention="", pk__in=overdue.values("order_id")).update(
        attention="Not sent for more than 24 hours"
    )


def _sweep_requests() -> int:
    """A cancel may be asked again without harm; a refill that may have been sent is for the review queue."""
    now, expired = timezone.now(), Request.objects.filter(lease_until__lt=Now())
    claimed = expired.filter(state=Request.State.CLAIMED).update(
        state=Request.State.APPROVED, lease_until=None, next_at=now
    )
    sending = expired.filter(state=Request.State.SENDING)
    cancels = sending.filter(kind=Request.Kind.CANCEL).update(
        state=Request.State.APPROVED, lease_until=None, next_at=now, tries=F("tries") + 1
    )
    refills = sending.filter(kind=Request.Kind.REFILL).update(
        state=Request.State.UNKNOWN,
        lease_until=None,
        state_at=now,
        upstream_message="The worker vanished while asking.",
    )
    return claimed + cancels + refills
