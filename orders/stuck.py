"""Orders that take too long: one rule for everybody who says so.

    late      open for longer than LATE_TIMES what the service usually takes: its customer reads it at home
    slow      accepted and open for longer than `slow_times` as long, and at least for SLOW_AT_LEAST: on the staff's list
    stuck     accepted, slow (or of a service whose usual time is not known), and without any change of status, start count
              or remains for `stuck_days`: on the list, and a licence to settle by hand
    not sent  queued or held for 24 hours (docs/reliability.md: then a person looks, never a silent refund)

Usual is Service.median_seconds, from the order to its end: of the last 20 completed orders, unknown with fewer than 5
(providers.quality). A service without it makes nothing late or slow. The runs of a drip-feed are no delay: patience
begins with the last one. `slow_times` and `stuck_days` are settings.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import (
    DateTimeField,
    DurationField,
    Expression,
    ExpressionWrapper,
    OuterRef,
    Q,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, Greatest
from django.db.models.lookups import IsNull, LessThan
from django.utils.translation import gettext as _

from customers import site_settings
from customers.figures import span
from customers.site_settings import SiteSettings
from orders.models import Order, Submission
from providers.browsing import about

NOT_SENT_AFTER = timedelta(hours=24)
LATE_TIMES = 2  # the usual time is a median: half of all orders take longer and are no news
SLOW_AT_LEAST = timedelta(hours=1)  # what usually takes two minutes is no news after ten
SETTINGS = ("slow_times", "stuck_days")


@dataclass(frozen=True)
class Measure:
    """The site's own limits."""

    slow_times: int
    stuck_after: timedelta


def measure(site: SiteSettings | None = None) -> Measure:
    """From settings that are at hand, or by one query."""
    site = site or site_settings.load(SETTINGS)
    return Measure(site.slow_times, timedelta(days=site.stuck_days))


def patience(times: int, median_seconds: int, runs: int | None, interval: int | None) -> timedelta:
    """How long after it was placed an order may be open; `interval` in minutes."""
    in_runs = timedelta(minutes=((runs or 1) - 1) * (interval or 0))
    return times * timedelta(seconds=median_seconds) + in_runs


# ── one order ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Delay:
    """Why an order is listed. `kind`: not_sent, stuck or slow; `text` a short sentence without a full stop."""

    kind: str
    text: str

    @property
    def may_be_settled(self) -> bool:
        """Slow ones still move: they may end well."""
        return self.kind != "slow"


def delay_of(order: Order, submission: Submission, now: datetime, limits: Measure) -> Delay | None:
    """The reason why this order is on the list, the worst one; needs `order.service`. No query."""
    if order.final:
        return None
    if submission.state in Submission.NOTHING_SENT_YET:
        waits = now - submission.queued_since
        if waits <= NOT_SENT_AFTER:
            return None
        return Delay("not_sent", _("Not sent for %(span)s") % {"span": span(waits)})
    if submission.state != Submission.State.ACCEPTED:
        return None
    usual, open_for = order.service.median_seconds, now - order.created_at
    slow = usual is not None and open_for > _slow_after(limits, usual, order.runs, order.interval)
    still_for = now - max(filter(None, (submission.progress_at, submission.state_at, order.status_at)))
    if still_for > limits.stuck_after and (slow or usual is None):
        return Delay("stuck", _("No change for %(span)s") % {"span": span(still_for)})
    if not slow or usual is None:
        return None
    return Delay(
        "slow", _("Open for %(span)s, usually %(usual)s") % {"span": span(open_for), "usual": about(usual)}
    )


def _slow_after(limits: Measure, usual: int, runs: int | None, interval: int | None) -> timedelta:
    return max(patience(limits.slow_times, usual, 1, 0), SLOW_AT_LEAST) + patience(0, 0, runs, interval)


def is_stuck(order: Order, submission: Submission, now: datetime) -> bool:
    """Whether people may settle it by hand; needs `order.service`. One query."""
    delay = delay_of(order, submission, now, measure())
    return delay is not None and delay.may_be_settled


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────


def delayed(now: datetime, limits: Measure) -> Q:
    """The condition on orders: all that have a Delay. Reads no more than the open ones.

    What is asked of the submission is asked order by order, by its key: as a join, the planner reads all submissions
    that ever were to find those of the few open orders.
    """
    not_sent = Q(state__in=Submission.NOTHING_SENT_YET, queued_since__lt=now - NOT_SENT_AFTER)
    before = now - limits.stuck_after
    still = Q(LessThan(OuterRef("status_at"), before), state_at__lt=before) & (
        Q(progress_at=None) | Q(progress_at__lt=before)
    )
    known = Q(IsNull(OuterRef("service__median_seconds"), False))
    slow = known & Q(LessThan(OuterRef("created_at"), _placed_before(now, limits)))
    accepted = Q(state=Submission.State.ACCEPTED)
    its = Submission.objects.filter(not_sent | accepted & (slow | ~known & still), order=OuterRef("pk"))
    return Q(status__in=Order.OPEN) & Q(IsNull(Subquery(its.values("pk")[:1]), False))


def _placed_before(now: datetime, limits: Measure) -> Expression:
    usual = OuterRef("service__median_seconds") * Value(timedelta(seconds=limits.slow_times))
    runs = (Coalesce(OuterRef("runs"), 1) - 1) * Value(timedelta(minutes=1))
    after = Greatest(_span(usual), Value(SLOW_AT_LEAST), output_field=DurationField()) + _span(
        _span(runs) * Coalesce(OuterRef("interval"), 0)
    )
    return ExpressionWrapper(Value(now) - _span(after), output_field=DateTimeField())


def _span(expression: Expression) -> Expression:
    return ExpressionWrapper(expression, output_field=DurationField())
