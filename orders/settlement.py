"""Settlement: giving money back, exactly once, with its reason. Nothing else refunds.

Refunds are cumulative: a call names the total to be given back, and pays what is missing to it. A lower
target pays nothing and never takes money back. Callers hold the order's row lock (lock order: order, wallet)
and call this last, because posting takes the wallet's lock until the commit.
"""

from datetime import datetime
from decimal import Decimal

from django.db.models import Exists
from django.utils import timezone
from django.utils.translation import gettext_noop

from customers.wallet import refund_order, write_off_order
from orders.models import DispatchSwitch, Order, OrderEvent, Request, Submission
from providers.pricing import refund_target

ZERO = Decimal("0")
TOO_LATE = gettext_noop("The order was completed before it could be canceled.")


def lock_order(order_id: int) -> Order:
    """The order with its row locked until the end of the transaction (events may still be inserted by others)."""
    return Order.objects.select_for_update(no_key=True).select_related("user").get(pk=order_id)


def end_with_full_refund(order: Order, why: str, actor: str) -> Decimal:
    """Canceled, everything back. Returns what was paid now, 6 decimals."""
    return _end(order, Order.Status.CANCELED, order.charge, order.remains, why, actor)


def end_as_written_off(order: Order, why: str, actor: str) -> Decimal:
    """Canceled, everything back at our own loss: the order may exist upstream and stays in doubt for ever."""
    return _end(order, Order.Status.CANCELED, order.charge, order.remains, why, actor, at_our_loss=True)


def end_partial(order: Order, remains: int, why: str, actor: str) -> Decimal:
    """Ended with `remains` of the total undelivered: their share of the charge goes back, floored to 6 places.

    Nothing delivered at all is a cancel: Canceled means that the whole charge was returned, and the reverse.
    """
    if remains >= order.total:
        order.remains = order.total
        return _end(order, Order.Status.CANCELED, order.charge, order.total, why, actor)
    return _end(
        order, Order.Status.PARTIAL, refund_target(order.charge, remains, order.total), remains, why, actor
    )


def end_completed(order: Order, remains: int | None, why: str, actor: str) -> Decimal:
    """Completed moves no money, whatever remains."""
    return _end(order, Order.Status.COMPLETED, order.refunded, remains, why, actor)


def _end(
    order: Order,
    status: str,
    target: Decimal,
    remains: int | None,
    why: str,
    actor: str,
    *,
    at_our_loss: bool = False,
) -> Decimal:
    now = timezone.now()
    pay = max(target - order.refunded, ZERO)
    before, order.status, order.status_at, order.remains = order.status, status, now, remains
    order.ended_at = order.ended_at or now
    order.refunded += pay
    order.save(
        update_fields=["status", "status_at", "remains", "ended_at", "refunded", "attention", "start_count"]
    )
    _close_requests(order, now)
    if before != status:
        OrderEvent.objects.create(
            order=order,
            at=now,
            kind=OrderEvent.Kind.STATUS,
            actor=actor,
            before=before,
            after=status,
            why=why,
        )
    if pay > 0:
        _pay(order, pay, why, actor, now, at_our_loss=at_our_loss)
    return pay


def _close_requests(order: Order, now: datetime) -> None:
    """An open cancel ends with the order: done where it was canceled or stopped early, else it came too late."""
    cancels = Request.objects.filter(order=order, kind=Request.Kind.CANCEL)
    if order.status == Order.Status.COMPLETED:
        late = {
            "state_at": now,
            "lease_until": None,
            "note": TOO_LATE,
        }
        cancels.filter(state=Request.State.REQUESTED).update(state=Request.State.DENIED, **late)
        cancels.filter(state__in=Request.LIVE).update(state=Request.State.REJECTED, **late)
    else:
        cancels.filter(state__in=Request.LIVE).update(
            state=Request.State.DONE, state_at=now, lease_until=None
        )


def _pay(order: Order, amount: Decimal, why: str, actor: str, now: datetime, *, at_our_loss: bool) -> None:
    OrderEvent.objects.create(
        order=order, at=now, kind=OrderEvent.Kind.MONEY, actor=actor, after="returned", why=why, amount=amount
    )
    give_back = write_off_order if at_our_loss else refund_order
    give_back(order.user, amount, order.refunded, order.pk, why, actor)


def withdraw(order: Order, why: str, actor: str) -> bool:
    """Cancel an order of which nothing was sent: one compare-and-set against the claim, so exactly one wins.

    The caller holds the order's lock. False: a worker has it already (or it is past that), nothing changed. So it
    is too in a database that went back in time: there, "queued" does not say that nothing was sent.
    """
    unsent = Submission.objects.filter(order_id=order.pk, state__in=Submission.NOTHING_SENT_YET)
    won = unsent.filter(Exists(DispatchSwitch.objects.filter(restored=False))).update(
        state=Submission.State.WITHDRAWN, state_at=timezone.now()
    )
    if not won:
        return False
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.SUBMISSION,
        actor=actor,
        after=Submission.State.WITHDRAWN,
        why="Canceled before anything was sent",
        staff_only=True,
    )
    end_with_full_refund(order, why, actor)
    return True
