"""Orders that do not move although nobody reported a problem: a list for staff, and a licence to settle by hand.

not sent     queued or held for 24 hours (docs/reliability.md: then a person looks, never a silent refund)
not ending   accepted and open for 3 days, and for ten times what the service usually takes
"""

from datetime import datetime, timedelta

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value

from orders.models import Order, Submission

NOT_SENT_AFTER = timedelta(hours=24)
NOT_ENDING_AFTER = timedelta(days=3)
TIMES_THE_MEDIAN = 10


def stuck(now: datetime) -> Q:
    """The condition on orders (`Order.objects.filter(stuck(now))`)."""
    usual = ExpressionWrapper(
        F("service__median_seconds") * Value(timedelta(seconds=TIMES_THE_MEDIAN)),
        output_field=DurationField(),
    )
    began_before = ExpressionWrapper(Value(now) - usual, output_field=DateTimeField())
    not_sent = Q(
        submission__state__in=Submission.NOTHING_SENT_YET,
        submission__queued_since__lt=now - NOT_SENT_AFTER,
    )
    not_ending = Q(
        submission__state=Submission.State.ACCEPTED,
        submission__state_at__lt=now - NOT_ENDING_AFTER,
    ) & (Q(service__median_seconds=None) | Q(submission__state_at__lt=began_before))
    # Both are open orders; said once for both, so that the index of open orders serves.
    return Q(status__in=Order.OPEN) & (not_sent | not_ending)


def is_stuck(order: Order, submission: Submission, now: datetime) -> bool:
    """The same question about one order; needs `order.service`."""
    if submission.state in Submission.NOTHING_SENT_YET:
        return submission.queued_since < now - NOT_SENT_AFTER
    if submission.state != Submission.State.ACCEPTED or order.final:
        return False
    usual = timedelta(seconds=TIMES_THE_MEDIAN * (order.service.median_seconds or 0))
    return submission.state_at < now - max(NOT_ENDING_AFTER, usual)
