"""What staff may correct about an order of which nothing was sent, or provably nothing was accepted.

    hold, release, reject   wait for a person, go on, give the charge back (orders.holding)
    send_now                end the back-off after a refusal that proves that nothing was accepted
    edit_link               another link, before it is sent
    change_route            another offer of the service, before it is sent; its cost is frozen anew
    change_route_at_a_loss  one that costs more than the customer paid: an admin says so, with the loss he saw

An order that was refused and refunded is over: its money is back, so it is never sent again (a new order is). One of
which nobody knows is decided at the desk. Every act locks the order, then the submission as held or queued: a worker
that was quicker wins, because claiming skips locked rows and these look at the state again. Each is audited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.figures import money_exact
from customers.models import User
from customers.permissions import may
from orders import holding
from orders.dispatch import went_back
from orders.hints import hint_submit
from orders.models import Order, OrderEvent, Submission, SubmissionAttempt
from orders.placing import present_cost, waits_for_staff
from orders.screening import is_in_review
from orders.settlement import lock_order
from providers.denying_orders import OrderDenials
from providers.exchange import exchange_rates
from providers.models import Route
from providers.service_types import InvalidOrder, read_order
from providers.stopping import WHY

State = Submission.State


class CannotCorrect(Exception):
    """Nothing changed; the text says why."""


def hold(order_id: int, *, reason: str, by: User, request: HttpRequest | None = None) -> None:
    """Keep a queued order back until somebody releases it. Raises CannotCorrect, NotUnsent."""
    reason = _needed(reason)
    with transaction.atomic():
        holding.hold(order_id, why=reason, actor=by.email)
        record(by, "order.hold", f"order:{order_id}", f"Order {order_id} held: {reason}", {}, request)


def release(order_id: int, *, reason: str, by: User, request: HttpRequest | None = None) -> None:
    """Let a held order go on. Raises CannotCorrect, NotUnsent."""
    reason = _needed(reason)
    with transaction.atomic():
        holding.release(order_id, why=reason, actor=by.email)
        record(by, "order.release", f"order:{order_id}", f"Order {order_id} released: {reason}", {}, request)


def reject(order_id: int, *, reason: str, by: User, request: HttpRequest | None = None) -> None:
    """Cancel an unsent order with the whole charge back; the customer reads `reason`. Raises CannotCorrect, NotUnsent."""
    reason = _needed(reason)
    with transaction.atomic():
        summary = f"Order {order_id} rejected unsent, charge returned: {reason}"
        record(by, "order.reject", f"order:{order_id}", summary, {"reason": reason}, request)
        holding.reject(order_id, why=reason, actor=by.email)  # last: it locks the wallet


def send_now(order_id: int, *, reason: str, by: User, request: HttpRequest | None = None) -> None:
    """Send a queued order with the next run instead of after its back-off. Raises CannotCorrect."""
    reason = _needed(reason)
    with transaction.atomic():
        order, submission = _unsent(order_id)
        if submission.state != State.QUEUED:
            raise CannotCorrect(_("The order is held: release it instead."))
        now = timezone.now()
        if submission.next_at <= now:
            raise CannotCorrect(_("It is due already; it waits for its provider."))
        Submission.objects.filter(pk=order_id).update(next_at=now)
        _note(order, by, "send now", reason)
        record(by, "order.send_now", order, f"Order {order_id} sent without waiting: {reason}", {}, request)
        hint_submit(submission.provider_id)


def edit_link(
    order_id: int, link: str, *, seen: str, reason: str, by: User, request: HttpRequest | None = None
) -> None:
    """Send the order for another link. `seen`: the link as the person saw it. Raises CannotCorrect."""
    reason = _needed(reason)
    with transaction.atomic():
        order, _submission = _unsent(order_id)
        if order.link != seen:
            raise CannotCorrect(_("Somebody changed the link meanwhile. Look at it again."))
        if not order.service.type.has_link:
            raise CannotCorrect(_("Orders of this type have no link."))
        fresh = _checked(order, link)
        if fresh == order.link:
            raise CannotCorrect(_("This is the link that it has."))
        before, order.link = order.link, fresh
        order.save(update_fields=["link"])
        _note(order, by, "link", f"{before} → {fresh}. {reason}")
        details = {"before": before, "after": fresh, "reason": reason}
        record(by, "order.link", order, f"Link of order {order_id} changed: {reason}", details, request)


def change_route(
    order_id: int,
    route_id: int,
    *,
    seen: int,
    reason: str,
    by: User,
    most: Decimal | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Send the order by another offer of its service. `seen`: the offer that the person saw; `most`: the cost by the new
    one that he saw, None where he saw none.

    Its cost is that of the new route now, and never more than the charge or `most`. Raises CannotCorrect.
    """
    reason = _needed(reason)
    with transaction.atomic():
        order, submission = _unsent(order_id)
        chosen = _way(order, submission, route_id, seen)
        if chosen.why_not or chosen.cost is None:
            raise CannotCorrect(chosen.why_not)
        if most is not None and chosen.cost > most:
            raise CannotCorrect(_("This route costs more now than was shown. Look at it again."))
        why = f"Route changed: {reason}"  # stored in English, whoever writes it
        cost = _reroute(order, submission, chosen.route, chosen.cost, why, by)
        summary = f"Route of order {order_id} changed: {reason}"
        details = _from_to(submission, chosen.route, cost, reason)
        record(by, "order.route", order, summary, details, request)


def change_route_at_a_loss(
    order_id: int,
    route_id: int,
    *,
    seen: int,
    loss: Decimal,
    reason: str,
    by: User,
    request: HttpRequest | None = None,
) -> Decimal:
    """Send the order by an offer that costs more than the customer paid; the charge stays. For admins.

    `loss`: what goes beyond the charge as the person saw it, panel currency; one that grew since is refused.
    Everything else about the route must fit as in change_route. Returns the loss. Raises CannotCorrect.
    """
    if not may(by, "order.sell_at_loss"):
        raise CannotCorrect(_("Only an admin sends an order at a loss."))
    reason = _needed(reason)
    with transaction.atomic():
        order, submission = _unsent(order_id)
        chosen = _way(order, submission, route_id, seen)
        if chosen.loss is None or chosen.cost is None:
            raise CannotCorrect(chosen.why_not or _("This route costs no more than the customer paid."))
        if chosen.loss > loss:
            raise CannotCorrect(
                _("The loss is %(now)s now, not %(seen)s. Look at it again.")
                % {"now": money_exact(chosen.loss), "seen": money_exact(loss)}
            )
        # Without figures, so that all staff read the same sentence; the audit log has them.
        why = f"Route changed at a loss: {reason}"
        cost = _reroute(order, submission, chosen.route, chosen.cost, why, by)
        summary = f"Route of order {order_id} changed at a loss of {chosen.loss:f}: {reason}"
        details = _from_to(submission, chosen.route, cost, reason)
        details |= {"charge": f"{order.charge:f}", "loss": f"{chosen.loss:f}"}
        record(by, "order.route_at_a_loss", order, summary, details, request)
    return chosen.loss


def _way(order: Order, submission: Submission, route_id: int, seen: int) -> "Way":
    if submission.offer_id != seen:
        raise CannotCorrect(_("The route changed meanwhile. Look at it again."))
    chosen = next((way for way in ways_of(order, submission) if way.route.pk == route_id), None)
    if chosen is None:
        raise CannotCorrect(_("The service has no such route."))
    return chosen


def _reroute(
    order: Order, submission: Submission, route: Route, cost: Decimal, why: str, by: User
) -> tuple[Decimal, Decimal]:
    """Write the new way and its cost; both rows are locked. Returns the costs before and now."""
    offer, now = route.offer, timezone.now()
    before, order.cost = order.cost, cost
    order.save(update_fields=["cost"])
    Submission.objects.filter(pk=order.pk).update(
        state=_state_by(route, submission),
        state_at=now,
        provider_id=offer.provider_id,
        offer=offer,
        route=route,
        next_at=now,
        queued_since=now,
        waits_for=submission.waits_for if is_in_review(submission) else "",
    )
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.SUBMISSION,
        actor=by.email,
        before=submission.provider.name[:40],
        after=offer.provider.name[:40],
        why=why[:500],
        staff_only=True,
    )
    hint_submit(offer.provider_id)
    return before, cost


def _from_to(
    submission: Submission, route: Route, cost: tuple[Decimal, Decimal], reason: str
) -> dict[str, Any]:
    return {
        "from": f"{submission.provider} {submission.offer.external_id}",
        "to": f"{route.offer.provider} {route.offer.external_id}",
        "cost": [f"{amount:f}" for amount in cost],
        "reason": reason,
    }


@dataclass(frozen=True)
class Way:
    """A route of the order's service. `cost`: of the whole order by it now, panel currency; None: not known.

    `loss`: what it costs beyond the charge, where nothing else speaks against it.
    """

    route: Route
    cost: Decimal | None
    why_not: str = ""
    loss: Decimal | None = None


def ways_of(order: Order, submission: Submission) -> list[Way]:
    """The other routes of an unsent order, each with the reason why it may not take it; two queries."""
    routes = _routes().filter(service=order.service)
    return _ways(order, submission.offer_id, list(routes), exchange_rates())


def ways_of_many(orders: Sequence[Order]) -> dict[int, list[Way]]:
    """The same for several orders with their submissions loaded, by number; two queries."""
    routes: dict[int, list[Route]] = {}
    for route in _routes().filter(service__in={order.service_id for order in orders}):
        routes.setdefault(route.service_id, []).append(route)
    exchange = exchange_rates()
    return {
        order.pk: _ways(order, order.submission.offer_id, routes.get(order.service_id, []), exchange)
        for order in orders
    }


def _routes() -> QuerySet[Route]:
    enabled = Route.objects.filter(enabled=True)
    return enabled.select_related("offer__provider", "service").order_by("position", "id")


def _ways(order: Order, offer_id: int, routes: Sequence[Route], exchange: Mapping[str, Decimal]) -> list[Way]:
    ways = []
    for route in routes:
        if route.offer_id == offer_id:
            continue
        factor = exchange.get(route.offer.provider.currency)
        cost = present_cost(route, order.total, factor) if factor is not None else None
        why_not, loss = _objection(order, route, cost), None
        if not why_not and cost is not None and cost > order.charge:
            why_not, loss = _("It costs more now than the customer paid."), cost - order.charge
        ways.append(Way(route, cost, why_not, loss))
    return ways


def _objection(order: Order, route: Route, cost: Decimal | None) -> str:
    offer, service = route.offer, order.service
    if offer.provider.archived_at:
        return _("Its provider is archived.")
    if offer.provider.stopped:
        return WHY[offer.provider.stopped]
    if not offer.available:
        return offer.on_hold or _("The provider no longer lists it.")
    if offer.service_type != service.service_type:
        return _("It is of another type.")
    if not offer.minimum <= order.quantity <= offer.maximum and service.type.counts != "one":
        return _("It takes %(least)s to %(most)s.") % {
            "least": f"{offer.minimum:,}",
            "most": f"{offer.maximum:,}",
        }
    if (order.refill_sold and not offer.refill) or (order.cancel_sold and not offer.cancel):
        return _("It was sold with refill or cancel, which this offer does not have.")
    if order.runs and not offer.dripfeed and offer.provider.sends_by_itself:
        return _("It cannot be delivered in several runs.")
    if cost is None:
        return _("Its currency has no exchange rate.")
    return ""


def why_locked(submission: Submission, attempts: Sequence[SubmissionAttempt]) -> str:
    """Why link and route are fixed, or "": only what was provably not accepted may still be changed."""
    if submission.state not in Submission.NOTHING_SENT_YET:
        return _("The order is %(state)s.") % {"state": submission.get_state_display().lower()}
    if any(attempt.state != SubmissionAttempt.State.NOT_ACCEPTED for attempt in attempts):
        return _("An earlier attempt may have reached a provider, so it is sent again only as it was.")
    return ""


def _unsent(order_id: int) -> tuple[Order, Submission]:
    """Both rows, locked, if nothing of the order can exist anywhere."""
    if went_back():
        raise CannotCorrect(_("The database was restored: this order may have been sent. Decide that first."))
    order = lock_order(order_id)
    submission = (
        Submission.objects.select_for_update(of=("self",))
        .select_related("provider", "offer")
        .get(pk=order_id)
    )
    if why := why_locked(submission, list(submission.attempts.all())):
        raise CannotCorrect(why)
    return order, submission


def _checked(order: Order, link: str) -> str:
    """The link as an order form would take it."""
    raw = {
        "link": link,
        "quantity": str(order.quantity),
        **{name: str(value) for name, value in order.fields.items()},
    }
    try:
        fresh = read_order(order.service.type, raw, 1, max(order.quantity, 1)).link
    except InvalidOrder as error:
        raise CannotCorrect(error.errors.get("link") or " ".join(error.errors.values())) from None
    if denied := OrderDenials(order.user, [fresh]).objections(fresh, {}).get("link"):
        raise CannotCorrect(denied)
    return fresh


def _state_by(route: Route, submission: Submission) -> str:
    """Held for staff who deliver it; what was held only for them goes on; what somebody or a rule held stays held."""
    if not route.offer.provider.sends_by_itself or is_in_review(submission):
        return State.HELD
    if submission.state == State.HELD and not submission.provider.sends_by_itself:
        return State.HELD if waits_for_staff(route) else State.QUEUED
    return submission.state


def _needed(reason: str) -> str:
    if not reason.strip():
        raise CannotCorrect(_("A reason is needed."))
    return reason.strip()[:400]


def _note(order: Order, by: User, after: str, why: str) -> None:
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.NOTE,
        actor=by.email,
        before=order.status,
        after=after,
        why=why[:500],
        staff_only=True,
    )
