"""What staff may do with an order now, each with the reason where not: computed here once, for the page and the lists.

The acts check again under locks (orders.correcting, orders.by_hand, orders.staff_decisions); this only shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from orders.actions import Action
from orders.correcting import Way, why_locked
from orders.models import Order, Submission, SubmissionAttempt

State = Submission.State


@dataclass(frozen=True)
class StaffActions:
    """`resend` is sending without waiting: an order whose charge went back is never sent again."""

    hold: Action
    release: Action
    reject: Action
    resend: Action
    edit_link: Action
    change_route: Action
    start: Action
    counts: Action
    settle: Action

    @property
    def before_sending(self) -> bool:
        """Whether the card of what can be done before sending has anything to offer."""
        acts = (self.hold, self.release, self.reject, self.resend, self.edit_link, self.change_route)
        return any(act.allowed for act in acts)


def staff_actions_for(
    order: Order,
    attempts: Sequence[SubmissionAttempt],
    ways: Sequence[Way],
    now: datetime,
    *,
    late: bool,
    restored: bool,
) -> StaffActions:
    """No query. Needs `order.submission.provider` and `order.service`; `late`: it is stuck (orders.stuck);
    `restored`: the database went back in time and nobody has decided yet."""
    submission = order.submission
    state, by_hand = submission.state, not submission.provider.sends_by_itself
    is_now = _("The order is %(state)s.") % {"state": submission.get_state_display().lower()}
    past = "" if state in Submission.NOTHING_SENT_YET else is_now
    doubt = _("The database was restored: this order may have been sent.") if restored else ""
    locked = why_locked(submission, attempts)
    return StaffActions(
        hold=_if_not(is_now if state != State.QUEUED else ""),
        release=_if_not(
            is_now if state != State.HELD else _("It is delivered by hand: start it.") if by_hand else doubt
        ),
        reject=_if_not(past or doubt),
        resend=_if_not(_why_no_resend(submission, now) or doubt),
        edit_link=_if_not(
            locked or doubt or ("" if order.service.type.has_link else _("This type has no link."))
        ),
        change_route=_if_not(locked or doubt or ("" if ways else _("The service has no other route."))),
        start=_if_not(past or doubt if by_hand else _("Its provider delivers it.")),
        counts=_if_not(_why_no_counts(order, by_hand=by_hand)),
        settle=_if_not(_why_no_settling(order, by_hand=by_hand, late=late)),
    )


def _if_not(reason: str) -> Action:
    return Action(allowed=not reason, why_not=reason)


def _why_no_resend(submission: Submission, now: datetime) -> str:
    if submission.state == State.QUEUED:
        return "" if submission.next_at > now else _("It is due already; it waits for its provider.")
    return {
        State.HELD: _("It is held; nothing was sent."),
        State.CLAIMED: _("It is being sent now."),
        State.SENDING: _("It is being sent now."),
        State.ACCEPTED: _("The provider has it."),
        State.UNKNOWN: _("The provider may have it: that is decided at the desk."),
        State.REJECTED: _("It was refused and the whole charge was returned: it takes a new order."),
        State.WITHDRAWN: _("It was canceled and the whole charge was returned: it takes a new order."),
        State.WRITTEN_OFF: _("It was written off: the provider may have it, so it is never sent again."),
    }[State(submission.state)]


def _why_no_counts(order: Order, *, by_hand: bool) -> str:
    if not by_hand:
        return _("Its provider reports them.")
    if order.submission.state != State.ACCEPTED:
        return _("It was not started yet.")
    return _("It has ended.") if order.final else ""


def _why_no_settling(order: Order, *, by_hand: bool, late: bool) -> str:
    if order.submission.state != State.ACCEPTED:
        return _("Only an order that was accepted is settled by hand.")
    if by_hand or order.attention or late:
        return "" if order.status != Order.Status.CANCELED or order.attention else _("Everything went back.")
    return _("It runs as usual.")
