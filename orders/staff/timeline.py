"""An order's story as staff read it: every event, newest first, with what customers never see marked."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.figures import money
from customers.models import User
from customers.permissions import may
from orders.models import Order, OrderEvent, Submission
from orders.staff.without_money import without_money

LOOKS = {
    OrderEvent.Kind.STATUS: ("info", "progress-check"),
    OrderEvent.Kind.SUBMISSION: ("", "send"),
    OrderEvent.Kind.MONEY: ("ok", "coin"),
    OrderEvent.Kind.REQUEST: ("info", "refresh"),
    OrderEvent.Kind.NOTE: ("", "notes"),
}
ENDS = {"Completed": ("ok", "circle-check"), "Partial": ("warn", "circle-half-2"), "Canceled": ("", "ban")}
NOTES = {
    "": gettext_lazy("Internal note"),
    "note": gettext_lazy("Internal note"),
    "counts": gettext_lazy("Counts set"),
    "link": gettext_lazy("Link changed"),
    "send now": gettext_lazy("Sent without waiting"),
    "ask cancel": gettext_lazy("Cancel asked for the customer"),
    "ask refill": gettext_lazy("Refill asked for the customer"),
}
ACTORS = {
    "customer": gettext_lazy("the customer"),
    "system": gettext_lazy("the panel"),
    "provider": gettext_lazy("the provider"),
    "api": gettext_lazy("the API"),
}

# How a doubt ended, by the state of the submission after it.
ENDED_DOUBT = {
    Submission.State.ACCEPTED: gettext_lazy("the provider has the order; it is followed like any other"),
    Submission.State.REJECTED: gettext_lazy("the provider does not have it; the whole charge was returned"),
    Submission.State.QUEUED: gettext_lazy("the provider does not have it; it is sent again"),
    Submission.State.WRITTEN_OFF: gettext_lazy("it cannot be found out; the whole charge was returned at our loss"),
}  # fmt: skip


@dataclass(frozen=True)
class Moment:
    event: OrderEvent
    kind: str
    icon: str
    title: str
    text: str
    who: str


def timeline(order: Order, user: User) -> list[Moment]:
    """One query. Staff-only lines lose amounts where the reader may not see cost."""
    return [_moment(event, user) for event in order.events.order_by("-id")]


def end_of_doubt(order_id: int, user: User) -> str:
    """Who decided an order that was in doubt, how and why, as a sentence; "" where it never was, or still is."""
    events = OrderEvent.objects.filter(order_id=order_id, kind=OrderEvent.Kind.SUBMISSION)
    event = events.filter(before=Submission.State.UNKNOWN).order_by("-id").first()
    if event is None or event.after not in ENDED_DOUBT:
        return ""
    return _("Decided by %(who)s: %(what)s. Reason: %(why)s") % {
        "who": ACTORS.get(event.actor, event.actor),
        "what": ENDED_DOUBT[Submission.State(event.after)],
        "why": event.why if may(user, "money.see") else without_money(event.why),
    }


def _moment(event: OrderEvent, user: User) -> Moment:
    kind, icon = LOOKS[OrderEvent.Kind(event.kind)]
    if event.kind == OrderEvent.Kind.STATUS:
        kind, icon = ENDS.get(event.after, (kind, icon))
    if event.kind == OrderEvent.Kind.SUBMISSION and event.after == Submission.State.UNKNOWN:
        kind, icon = "warn", "question-mark"
    text = event.why if may(user, "money.see") or not event.staff_only else without_money(event.why)
    if text and event.kind != OrderEvent.Kind.NOTE:
        text = _(text)  # stored in words of ours, which the catalog has; a note is in its writer's
    return Moment(event, kind, icon, _title(event), text, str(ACTORS.get(event.actor, event.actor)))


def _title(event: OrderEvent) -> str:
    after = event.after.replace("_", " ")
    if event.kind == OrderEvent.Kind.SUBMISSION:
        state = dict(Submission.State.choices).get(event.after, after)
        return _("Submission: %(state)s") % {"state": str(state).lower()}
    if event.kind == OrderEvent.Kind.MONEY:
        words = _(after.capitalize()) if after else ""
        return f"{words} {money(event.amount)}" if event.amount is not None else words
    if event.kind == OrderEvent.Kind.NOTE:
        if after in NOTES:
            return str(NOTES[after])
        return _("Decided by hand: %(what)s") % {"what": after}
    word = after[:1].upper() + after[1:]
    return _(word) if word else ""
