"""What staff decide about one order by hand, each with a reason, a line in the timeline and an audit entry.

The provider has the order (its submission is accepted), but its reports do not say what to do with the money
(`order.attention`), or it does not end (orders.stuck). Orders of which nobody knows whether the provider has them
are never settled here: that is the decision desk (orders.desk).

    settle_partial   ended with so many undelivered: their share goes back
    refund_in_full   nothing of worth was delivered: Canceled, everything back
    complete         delivered: no money moves
    dismiss          somebody looked, nothing is to be done

Orders that staff deliver themselves (orders.by_hand) are settled here too, at any time once they were started: there
is no provider whose reports could say it.

After a settlement by hand the provider's reports about this order are not read any more: a person has decided.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from customers.audit import record
from customers.figures import money
from customers.models import User
from orders.models import Order, OrderEvent, Request, Submission
from orders.requests import ask_cancel, ask_refill
from orders.settlement import end_completed, end_partial, end_with_full_refund, lock_order
from orders.stuck import is_stuck
from providers.pricing import refund_target


class CannotSettle(Exception):
    """Nothing changed; the text says why."""


def version_of(order: Order, submission: Submission) -> str:
    """What a person saw when he opened the page; a decision about anything else is refused."""
    return f"{submission.state}:{submission.offer_id}:{order.status}:{order.remains}:{order.refunded:f}"


def refuse_if_changed(order: Order, submission: Submission, seen: str) -> None:
    """Raises CannotSettle if the order is not as it was `seen` ("" looks at nothing). The rows are locked."""
    if seen and seen != version_of(order, submission):
        raise CannotSettle(
            _("This page was out of date: the order is %(status)s now, %(amount)s went back so far.")
            % {"status": order.status, "amount": money(order.refunded)}
        )


def settle_partial(
    order_id: int, remains: int, *, reason: str, by: User, seen: str = "", request: HttpRequest | None = None
) -> Decimal:
    """End the order with `remains` units undelivered; returns what was paid back now, 6 decimals.

    The refund is cumulative and never taken back: `remains` that would mean less than was returned already is
    refused, as is 0 (complete) and the total (refund_in_full).
    """
    with transaction.atomic():
        order = _waiting_for_staff(order_id, reason, seen)
        if not 0 < remains < order.total:
            raise CannotSettle(
                _("Remains must be between 1 and %(most)s. For all of it choose the full refund.")
                % {"most": f"{order.total - 1:,}"}
            )
        target = refund_target(order.charge, remains, order.total)
        if order.status == Order.Status.CANCELED or target < order.refunded:
            raise CannotSettle(
                _("More was returned for this order already (%(amount)s), and nothing is taken back.")
                % {"amount": f"{order.refunded:f}"}
            )
        _decided(order, "partial", reason, by, request, {"remains": remains, "refunded_to": target})
        why = gettext_noop("Ended before the full quantity; the undelivered part was returned")
        return end_partial(order, remains, why, by.email)


def refund_in_full(
    order_id: int, *, reason: str, by: User, seen: str = "", request: HttpRequest | None = None
) -> Decimal:
    """Cancel the order and give everything back that was not given back yet; returns that amount, 6 decimals."""
    with transaction.atomic():
        order = _waiting_for_staff(order_id, reason, seen)
        if order.status == Order.Status.CANCELED:
            raise CannotSettle(_("The whole charge was returned already."))
        _decided(order, "full_refund", reason, by, request, {"refunded_to": order.charge})
        return end_with_full_refund(order, gettext_noop("Canceled; the whole charge was returned"), by.email)


def complete(
    order_id: int, *, reason: str, by: User, seen: str = "", request: HttpRequest | None = None
) -> None:
    """End an open order as completed. No money moves."""
    with transaction.atomic():
        order = _waiting_for_staff(order_id, reason, seen)
        if order.final:
            raise CannotSettle(_("The order has ended already as %(status)s.") % {"status": order.status})
        if order.refunded > 0:
            raise CannotSettle(_("A part of the charge was returned, so the order cannot be completed."))
        _decided(order, "completed", reason, by, request, {})
        end_completed(order, 0, gettext_noop("Delivered"), by.email)


def dismiss(
    order_id: int, *, reason: str, by: User, seen: str = "", request: HttpRequest | None = None
) -> None:
    """Take the order off the staff list. It comes back when the provider of an open order reports the same again;
    an order that has ended is not read any more."""
    with transaction.atomic():
        order = _waiting_for_staff(order_id, reason, seen)
        if not order.attention:
            raise CannotSettle(
                _("There is no report to dismiss: the order is listed because it does not end.")
            )
        _decided(order, "dismissed", reason, by, request, {})
        order.save(update_fields=["attention"])


def _waiting_for_staff(order_id: int, reason: str, seen: str) -> Order:
    """The order, locked, if it is one of those a person may settle. Its attention is cleared, not yet saved."""
    if not reason.strip():
        raise CannotSettle(_("A reason is needed."))
    order = lock_order(order_id)
    submission = (
        Submission.objects.select_for_update(of=("self",)).select_related("provider").get(pk=order_id)
    )
    order.submission = submission
    refuse_if_changed(order, submission, seen)
    if submission.state != Submission.State.ACCEPTED:
        raise CannotSettle(
            _("Only an order that the provider has accepted can be settled by hand; this one is %(state)s.")
            % {"state": submission.get_state_display().lower()}
        )
    if submission.provider.sends_by_itself and not (
        order.attention or is_stuck(order, submission, timezone.now())
    ):
        raise CannotSettle(
            _("This order does not wait for a decision: it is %(status)s.") % {"status": order.status}
        )
    return order


def _decided(
    order: Order, choice: str, reason: str, by: User, request: HttpRequest | None, details: Mapping[str, Any]
) -> None:
    """The rows that say who decided what and why. Before the settlement, which must be last (it locks the wallet)."""
    reason = reason.strip()[:400]
    asked = f" ({order.attention})" if order.attention else ""
    if choice != "dismissed" or order.final:
        Submission.objects.filter(pk=order.pk).update(
            next_poll_at=None, seen_status="", seen_remains=None, seen_at=None
        )
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.NOTE,
        actor=by.email,
        before=order.status,
        after=choice,
        why=f"{reason}{asked}"[:500],
        staff_only=True,
    )
    record(
        by,
        "order.settle",
        order,
        f"Order {order.pk} settled by hand: {choice.replace('_', ' ')}. {reason}",
        {"choice": choice, "reason": reason, "was": order.status, "attention": order.attention}
        | dict(details),
        request,
    )
    order.attention = ""


def ask_cancel_for(order_id: int, *, reason: str, by: User, request: HttpRequest | None = None) -> Request:
    """Ask for a cancel in the customer's place. Raises orders.requests.NotAllowed."""
    reason = _needed(reason)
    with transaction.atomic():
        summary = f"Cancel of order {order_id} asked for the customer: {reason}"
        record(by, "order.ask_cancel", f"order:{order_id}", summary, {"reason": reason}, request)
        _asked(order_id, "ask_cancel", reason, by)
        return ask_cancel(order_id, by=by.email, reason=reason)


def ask_refill_for(order_id: int, *, reason: str, by: User, request: HttpRequest | None = None) -> Request:
    """Ask for a refill in the customer's place. Raises orders.requests.NotAllowed."""
    reason = _needed(reason)
    with transaction.atomic():
        summary = f"Refill of order {order_id} asked for the customer: {reason}"
        record(by, "order.ask_refill", f"order:{order_id}", summary, {"reason": reason}, request)
        _asked(order_id, "ask_refill", reason, by)
        return ask_refill(order_id, by=by.email, reason=reason)


def _asked(order_id: int, what: str, reason: str, by: User) -> None:
    """Why staff asked, for staff: the request's own lines say what became of it, and an open one keeps its reason."""
    OrderEvent.objects.create(
        order_id=order_id,
        kind=OrderEvent.Kind.NOTE,
        actor=by.email,
        after=what,
        why=reason[:500],
        staff_only=True,
    )


def write_note(order_id: int, text: str, *, by: User) -> OrderEvent:
    """An internal note: a line in the timeline that customers never see. The audit says that there is one; its words
    stay with the order."""
    with transaction.atomic():
        event = OrderEvent.objects.create(
            order_id=order_id,
            kind=OrderEvent.Kind.NOTE,
            actor=by.email,
            after="note",
            why=_needed(text)[:500],
            staff_only=True,
        )
        record(
            by, "order.note", f"order:{order_id}", f"Internal note on order {order_id}", {"event": event.pk}
        )
    return event


def note_request(request_id: int, text: str, *, by: User) -> Request:
    """The internal note of a request; the newest is shown with it, all stay in the order's timeline."""
    text = _needed(text)
    with transaction.atomic():
        request = Request.objects.select_for_update(of=("self",)).get(pk=request_id)
        request.internal_note = text
        request.save(update_fields=["internal_note"])
        write_note(request.order_id, f"{request.get_kind_display()}: {text}", by=by)
    return request


def _needed(text: str) -> str:
    if not text.strip():
        raise CannotSettle(_("Write a few words first."))
    return text.strip()
