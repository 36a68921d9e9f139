"""The story of one order in plain words: its timeline, and money lines that add up.

Events are facts for staff and machines; a customer reads sentences made here. What he must not see (provider names,
ids, raw answers) never enters a sentence: staff-only events reach him, if at all, as "Sent to the delivery network",
or, where our staff deliver the order themselves, as "Started by our staff".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from customers.figures import count, money, money_exact, rate
from customers.models import Account, Transfer, User
from customers.permissions import may
from customers.stored_words import said
from orders.models import Order, OrderEvent, Submission
from orders.staff.without_money import without_money

SOURCES = {
    "web": gettext_noop("Placed in the browser."),
    "mass": gettext_noop("Placed by mass order."),
    "api": gettext_noop("Placed through the API."),
    "command": gettext_noop("Placed by command."),
}
STATUS_LOOK = {
    Order.Status.PENDING: ("", "circle-dashed"),
    Order.Status.PROCESSING: ("info", "progress-check"),
    Order.Status.IN_PROGRESS: ("info", "circle-half-2"),
    Order.Status.COMPLETED: ("ok", "circle-check"),
    Order.Status.PARTIAL: ("warn", "circle-half-2"),
    Order.Status.CANCELED: ("", "ban"),
}


@dataclass(frozen=True)
class Entry:
    """One node of the timeline. `look` is ok, info, warn, err or ""; `transfer` a ledger entry to point at."""

    at: datetime
    title: str
    text: str = ""
    look: str = ""
    icon: str = "notes"
    transfer: int | None = None
    staff: bool = False


@dataclass(frozen=True)
class MoneyLine:
    label: str
    amount: str
    kind: str = ""  # "pos" for what came back, "sum" for the last line


def timeline(
    order: Order, events: Iterable[OrderEvent], transfers: Iterable[Transfer], *, reader: User
) -> list[Entry]:
    """Newest first. `transfers` are the order's own, oldest first. Staff read the events of staff as well."""
    refunds = [transfer for transfer in transfers if transfer.target.kind == Account.Kind.WALLET]
    entries = []
    for event in sorted(events, key=lambda event: event.pk):
        entry = _entry(order, event, refunds)
        if entry is not None:
            entries.append(entry)
        if may(reader, "orders.see") and event.staff_only:
            entries.append(_for_staff(event, reader))
    return entries[::-1]


def _entry(order: Order, event: OrderEvent, refunds: list[Transfer]) -> Entry | None:
    if event.kind == OrderEvent.Kind.SUBMISSION:
        by_hand = not order.submission.provider.sends_by_itself
        return _started(event) if by_hand else _sent(event)
    if event.staff_only:
        return None
    if event.kind == OrderEvent.Kind.STATUS:
        return _status(order, event)
    if event.kind == OrderEvent.Kind.MONEY:
        return _returned(order, event, refunds)
    if event.kind == OrderEvent.Kind.REQUEST:
        return _request(event)
    return Entry(event.at, event.why or event.after)


def _sent(event: OrderEvent) -> Entry | None:
    """The few steps of sending that mean something to a customer, in our words whatever the event says."""
    if event.after == Submission.State.ACCEPTED:
        return Entry(event.at, _("Sent to the delivery network"), _("Accepted."), "info", "server")
    if event.after == Submission.State.UNKNOWN:
        text = _("The delivery network did not confirm yet. You are charged once; nothing is sent twice.")
        return Entry(event.at, _("Being verified"), text, "warn", "question-mark")
    if event.after == Submission.State.HELD and event.actor == "rule":
        text = _("A person looks at the order before it is sent.")
        return Entry(event.at, _("Being reviewed"), text, "info", "clock")
    return None


def _started(event: OrderEvent) -> Entry | None:
    """The same where nothing is sent to anybody: staff deliver it."""
    if event.after == Submission.State.ACCEPTED:
        return Entry(event.at, _("Started by our staff"), _("It is delivered by hand."), "info", "user-check")
    if event.after == Submission.State.HELD and event.actor == "rule":
        text = _("A person looks at the order before delivery begins.")
        return Entry(event.at, _("Being reviewed"), text, "info", "clock")
    return None


def _status(order: Order, event: OrderEvent) -> Entry:
    look, icon = STATUS_LOOK.get(Order.Status(event.after), ("", "notes"))
    if not event.before:
        source = _(SOURCES.get(order.source, ""))
        text = _("Charge of %(amount)s taken from your balance.") % {"amount": money(order.charge)}
        return Entry(event.at, _("Placed and paid"), f"{text} {source}".strip(), "ok", "check")
    delivered = _("Delivered %(done)s of %(total)s.") % {
        "done": count(order.delivered),
        "total": count(order.total),
    }
    if event.after == Order.Status.COMPLETED:
        return Entry(event.at, _("Completed"), delivered, look, icon)
    if event.after == Order.Status.PARTIAL:
        text = delivered + " " + _("The order ended before the full quantity.")
        return Entry(event.at, _("Ended as Partial"), text, look, icon)
    return Entry(event.at, str(Order.Status(event.after).label), _sentence(event.why), look, icon)


def _returned(order: Order, event: OrderEvent, refunds: list[Transfer]) -> Entry:
    transfer = next((row for row in refunds if row.amount == event.amount), None)
    if transfer:
        refunds.remove(transfer)
    partial = order.status == Order.Status.PARTIAL
    title = (_("Partial refund, %s") if partial else _("Refund, %s")) % money(event.amount)
    if partial and not order.per_order:
        text = _("Undelivered %(left)s of %(total)s at %(rate)s per 1000, returned to your balance.") % {
            "left": count(order.total - order.delivered),
            "total": count(order.total),
            "rate": rate(order.rate),
        }
    else:
        text = _("Returned to your balance.")
    return Entry(event.at, title, text, "warn", "arrow-back-up", transfer.pk if transfer else None)


_REQUEST_TITLES = {
    ("refill", "requested"): (gettext_noop("Refill requested"), "info", "refresh"),
    ("refill", "approved"): (gettext_noop("Refill approved"), "info", "check"),
    ("refill", "accepted"): (gettext_noop("Refill sent to the delivery network"), "info", "server"),
    ("refill", "done"): (gettext_noop("Refill done"), "ok", "circle-check"),
    ("refill", "denied"): (gettext_noop("Refill declined"), "err", "circle-x"),
    ("refill", "rejected"): (gettext_noop("Refill not possible"), "err", "circle-x"),
    ("refill", "withdrawn"): (gettext_noop("Refill request taken back"), "", "x"),
    ("cancel", "requested"): (gettext_noop("Cancel requested"), "info", "x"),
    ("cancel", "approved"): (gettext_noop("Cancel approved"), "info", "check"),
    ("cancel", "accepted"): (gettext_noop("Cancel passed to the delivery network"), "info", "server"),
    ("cancel", "done"): (gettext_noop("Cancel done"), "ok", "circle-check"),
    ("cancel", "denied"): (gettext_noop("Cancel declined"), "err", "circle-x"),
    ("cancel", "rejected"): (gettext_noop("Cancel not possible"), "err", "circle-x"),
    ("cancel", "withdrawn"): (gettext_noop("Cancel request taken back"), "", "x"),
}  # fmt: skip


def _request(event: OrderEvent) -> Entry | None:
    kind, _space, state = event.after.partition(" ")
    known = _REQUEST_TITLES.get((kind, state))
    if known is None:
        return None
    title, look, icon = known
    if (kind, state) == ("cancel", "accepted"):
        text = _("The order goes on until the delivery network confirms the cancel.")
    elif event.before.endswith("approved") and state == "requested":
        text = _("Looked at once more by our staff.")
    else:
        text = _sentence(event.why)
    return Entry(event.at, _(title), text, look, icon)


def _for_staff(event: OrderEvent, reader: User) -> Entry:
    """As it was written; without its amounts for those who may not see cost."""
    arrow = f"{event.before} → {event.after}" if event.before else event.after
    title = f"{event.get_kind_display()}: {arrow}" if arrow else str(event.get_kind_display())
    why = event.why if may(reader, "money.see") else without_money(event.why)
    return Entry(event.at, title, f"{why} ({event.actor})".strip(), "", "eye", staff=True)


def money_lines(order: Order, transfers: Sequence[Transfer]) -> list[MoneyLine]:
    """Charge, what came back, what was paid: with as many decimals as it takes to add up before one's eyes."""
    refunds = [row for row in transfers if row.target.kind == Account.Kind.WALLET]
    returned = sum((row.amount for row in refunds), Decimal(0))
    amounts = (order.charge, returned, order.paid)
    adds_up = _cents(order.charge) - _cents(returned) == _cents(order.paid)
    no_dust = all(not amount or amount >= Decimal("0.10") for amount in amounts)  # dust shows more decimals
    show = money if adds_up and no_dust else money_exact
    lines = [MoneyLine(_("Charge"), show(order.charge))]
    if refunds:
        label = _("Partial refund") if order.status == Order.Status.PARTIAL else _("Refund")
        if len(refunds) > 1:
            label = ngettext("%d refund", "%d refunds", len(refunds)) % len(refunds)
        lines.append(MoneyLine(label, show(-returned), "pos"))
    return [*lines, MoneyLine(_("You paid"), show(order.paid), "sum")]


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _sentence(text: str) -> str:
    """What was kept with the event, in the reader's language where it is one of our own sentences."""
    words = said(text)
    return f"{words}." if words and words[-1] not in ".!?" else words
