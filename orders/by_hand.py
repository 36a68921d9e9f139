"""Orders that staff deliver themselves: their provider has the adapter "manual", and no API.

They wait as held. Starting one walks the arrows of any send (held → queued → claimed → sending → accepted) in one
transaction, with an attempt as evidence, so that the rules of the database and of the ledger hold unchanged. From
then on a person reports what a provider would: start count, remains, the end. Ends are orders.staff_decisions.
"""

from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from customers.audit import record
from customers.figures import count
from customers.models import User
from orders.dispatch import went_back
from orders.models import Order, OrderEvent, Request, Submission, SubmissionAttempt
from orders.settlement import lock_order
from orders.staff_decisions import CannotSettle, refuse_if_changed

State = Submission.State
LARGEST_COUNT = 2**63 - 1


def start(
    order_id: int, start_count: int | None, *, by: User, seen: str = "", request: HttpRequest | None = None
) -> None:
    """Begin delivery: held → accepted, In progress. `start_count`: the counter on the link before it began.

    Raises CannotSettle, nothing changed: not worked by hand, begun by somebody else, or begun perhaps after the
    backup from which the database was restored.
    """
    if went_back():
        raise CannotSettle(
            _(
                "The database was restored: this order may have been started since the backup. Decide that first."
            )
        )
    with transaction.atomic():
        order, submission = _locked(order_id)
        refuse_if_changed(order, submission, seen)
        if submission.state not in Submission.NOTHING_SENT_YET:
            raise CannotSettle(
                _("Somebody was quicker: this order is %(state)s.")
                % {"state": submission.get_state_display().lower()}
            )
        if start_count is not None and not 0 <= start_count <= LARGEST_COUNT:
            raise CannotSettle(_("A start count is a whole number, 0 or more."))
        _walk_to_accepted(submission, order)
        now = timezone.now()
        before, order.status, order.status_at = order.status, Order.Status.IN_PROGRESS, now
        order.start_count = start_count
        order.save(update_fields=["status", "status_at", "start_count"])
        event = OrderEvent(
            order=order, kind=OrderEvent.Kind.SUBMISSION, actor=by.email, before=submission.state
        )
        event.after, event.why, event.staff_only = State.ACCEPTED, "Delivered by hand", True
        event.save()
        OrderEvent.objects.create(
            order=order,
            kind=OrderEvent.Kind.STATUS,
            actor=by.email,
            before=before,
            after=order.status,
            why=gettext_noop("Delivery began"),
        )
        summary = f"Order {order_id} started by hand"
        record(by, "order.start", order, summary, {"start_count": start_count}, request)


def set_counts(
    order_id: int,
    *,
    start_count: int | None,
    remains: int | None,
    by: User,
    seen: str = "",
    request: HttpRequest | None = None,
) -> None:
    """What the customer sees of a running order: the counter before it began, and how many are not delivered yet.

    Moves no money. Raises CannotSettle, nothing changed.
    """
    with transaction.atomic():
        order, submission = _locked(order_id)
        refuse_if_changed(order, submission, seen)
        if submission.state != State.ACCEPTED or order.final:
            raise CannotSettle(_("Counts belong to an order that was started and has not ended."))
        if start_count is not None and not 0 <= start_count <= LARGEST_COUNT:
            raise CannotSettle(_("A start count is a whole number, 0 or more."))
        if remains is not None and not 0 <= remains <= order.total:
            raise CannotSettle(_("Remains must be between 0 and %(most)s.") % {"most": count(order.total)})
        was = {"start_count": order.start_count, "remains": order.remains}
        if was == {"start_count": start_count, "remains": remains}:
            raise CannotSettle(_("These counts are set already."))
        order.start_count, order.remains = start_count, remains
        order.save(update_fields=["start_count", "remains"])
        now = timezone.now()
        Submission.objects.filter(pk=order_id).update(checked_at=now, progress_at=now)
        figures = ("–" if number is None else f"{number:,}" for number in (start_count, remains))
        why = "Start count {}, remains {}".format(*figures)  # stored in English, whoever writes it
        _note(order, by, "counts", why)
        after = {"start_count": start_count, "remains": remains}
        record(
            by, "order.counts", order, f"Counts of order {order_id} set", {"was": was, "is": after}, request
        )


def refill_done(request_id: int, *, by: User, request: HttpRequest | None = None) -> Request:
    """An approved refill was delivered by hand. Raises CannotSettle."""
    return _end_refill(request_id, Request.State.DONE, gettext_noop("The refill is done"), by, request)


def refill_refused(request_id: int, note: str, *, by: User, request: HttpRequest | None = None) -> Request:
    """An approved refill turned out not to be possible; `note` is what the customer reads. Raises CannotSettle."""
    if not note.strip():
        raise CannotSettle(_("Write a few words to the customer first."))
    return _end_refill(request_id, Request.State.DENIED, note.strip()[:500], by, request)


def _end_refill(request_id: int, state: str, why: str, by: User, http_request: HttpRequest | None) -> Request:
    with transaction.atomic():
        now = timezone.now()
        mine = Request.objects.filter(
            pk=request_id,
            kind=Request.Kind.REFILL,
            state=Request.State.APPROVED,
            next_at__lte=now,  # before that its approval can still be taken back
            order__submission__provider__adapter="manual",
        )
        note = {"note": why} if state == Request.State.DENIED else {}
        if not Request.objects.filter(pk__in=mine.values("pk"), state=Request.State.APPROVED).update(
            state=state, state_at=now, **note
        ):
            raise CannotSettle(_("This refill does not wait to be delivered by hand."))
        asked = Request.objects.select_related("order").get(pk=request_id)
        OrderEvent.objects.create(
            order=asked.order,
            kind=OrderEvent.Kind.REQUEST,
            actor=by.email,
            before="refill approved",
            after=f"refill {state}",
            why=why,
        )
        details = {"request": request_id, "state": state}
        summary = f"Refill of order {asked.order_id} by hand: {asked.get_state_display().lower()}"
        record(by, "order.refill_by_hand", asked.order, summary, details, http_request)
    return asked


def _locked(order_id: int) -> tuple[Order, Submission]:
    """Both rows, locked (lock order: order, submission), if staff deliver the order."""
    order = lock_order(order_id)
    submission = (
        Submission.objects.select_for_update(of=("self",)).select_related("provider").get(pk=order_id)
    )
    if submission.provider.sends_by_itself:
        raise CannotSettle(
            _("%(provider)s delivers this order, not you.") % {"provider": submission.provider}
        )
    return order, submission


def _walk_to_accepted(submission: Submission, order: Order) -> None:
    """The arrows of a send, one by one; the row is locked, so nobody sees those in between."""
    row, now = Submission.objects.filter(pk=submission.pk), timezone.now()
    if submission.state == State.HELD:
        row.update(state=State.QUEUED)
    row.update(state=State.CLAIMED, fence=F("fence") + 1, lease_until=now + timedelta(minutes=1))
    row.update(state=State.SENDING)
    SubmissionAttempt.objects.create(
        submission=submission,
        fence=submission.fence + 1,
        provider_id=submission.provider_id,
        offer_id=submission.offer_id,
        cost=order.cost,
        state=SubmissionAttempt.State.ACCEPTED,
        reason="by_hand",
        message="Delivered by hand; nothing was sent.",
        params_hash=sha256(f"by hand:{order.pk}".encode()).hexdigest(),
        started_at=now,
        ended_at=now,
    )
    row.update(
        state=State.ACCEPTED,
        state_at=now,
        lease_until=None,
        waits_for="",
        provider_order_id=f"hand-{order.pk}",
        next_poll_at=None,
    )


def _note(order: Order, by: User, after: str, why: str) -> None:
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.NOTE,
        actor=by.email,
        before=order.status,
        after=after,
        why=why,
        staff_only=True,
    )
