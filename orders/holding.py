"""What staff may do with an order that was not sent: hold it, let it go on, or reject it with the charge back.

Each is one compare-and-set against the claim: a worker that was quicker wins, and the person is told.
"""

from contextlib import suppress

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.dispatch import went_back
from orders.hints import hint_submit
from orders.models import Order, OrderEvent, Submission
from orders.settlement import end_with_full_refund, lock_order
from orders.waiting_words import REVIEW

State = Submission.State
BY_RUNS = f"{REVIEW}its runs"


class NotUnsent(Exception):
    """The order is past that point, or may be; nothing changed. The text says what it is."""


def hold(order_id: int, *, why: str, actor: str) -> None:
    """queued → held: it waits for a person. Raises NotUnsent."""
    with transaction.atomic():
        _move(lock_order(order_id), (State.QUEUED,), State.HELD, why, actor)


def hold_for_its_runs(order_id: int) -> None:
    """queued → held, by rule: the offer it would be sent by takes no runs any more, so the provider would deliver the
    quantity once and call it completed. Staff give it another route or the money back. Nothing where another was quicker."""
    why = "Held for review: its offer no longer takes several runs; nothing was sent"
    with suppress(NotUnsent), transaction.atomic():
        _move(lock_order(order_id), (State.QUEUED,), State.HELD, why, "rule", waits_for=BY_RUNS)


def release(order_id: int, *, why: str, actor: str) -> None:
    """held → queued: it is sent next. Raises NotUnsent, also where staff deliver it and nothing is sent."""
    _refuse_after_a_restore()
    with transaction.atomic():
        now, order = timezone.now(), lock_order(order_id)
        if Submission.objects.filter(pk=order_id, provider__adapter="manual").exists():
            raise NotUnsent(_("This order is delivered by hand: start it instead."))
        _move(
            order, (State.HELD,), State.QUEUED, why, actor,
            next_at=now, queued_since=now, waits_for="",
        )  # fmt: skip
        hint_submit(Submission.objects.values_list("provider_id", flat=True).get(pk=order_id))


def reject(order_id: int, *, why: str, actor: str) -> None:
    """held or queued → rejected, the whole charge back; `why` is what the customer reads. Raises NotUnsent."""
    _refuse_after_a_restore()
    with transaction.atomic():
        order = lock_order(order_id)
        _move(order, tuple(Submission.NOTHING_SENT_YET), State.REJECTED, why, actor)
        end_with_full_refund(order, why, actor)


def _refuse_after_a_restore() -> None:
    """ "Held" of a database that went back does not mean that nothing was sent since the backup."""
    if went_back():
        raise NotUnsent(_("The database was restored: this order may have been sent. Decide that first."))


def _move(order: Order, from_: tuple[str, ...], to: str, why: str, actor: str, **fields: object) -> None:
    submission = Submission.objects.filter(pk=order.pk)
    before = submission.values_list("state", flat=True).get()
    if not submission.filter(state__in=from_).update(state=to, state_at=timezone.now(), **fields):
        state = Submission.objects.get(pk=order.pk).get_state_display().lower()
        raise NotUnsent(_("The order is %(state)s.") % {"state": state})
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.SUBMISSION,
        actor=actor,
        before=before,
        after=to,
        why=why[:500],
        staff_only=True,
    )
