"""What staff do with one order from its page before it is sent, or instead of a provider; each with its reason."""

from collections.abc import Callable
from decimal import Decimal

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from customers.access import allowed, require, staff_of
from customers.figures import money_exact
from customers.models import User
from orders import by_hand, correcting
from orders.correcting import CannotCorrect
from orders.models import Request
from orders.staff.orders import carry_out
from orders.staff.search import number
from orders.staff_decisions import CannotSettle
from orders.views.ordering import amount_of

Act = Callable[[HttpRequest, int, str, User], str]
LARGEST_LOSS = Decimal(10) ** 13  # no form of ours names more, and no column holds it
VERB_OF = {
    "hold": "order.hold",
    "release": "order.hold",
    "reject": "order.reject",
    "send_now": "order.resend",
    "edit_link": "order.correct",
    "change_route": "order.correct",
    "change_route_at_a_loss": "order.sell_at_loss",
    "start": "order.deliver",
    "counts": "order.deliver",
    "refill_done": "order.deliver",
    "refill_refused": "order.deliver",
}


@allowed(*dict.fromkeys(VERB_OF.values()))
@require_POST
def act(request: HttpRequest, order_id: int) -> HttpResponse:
    """Run the act that the form names; the page again, with what was typed, where it is refused."""
    name = request.POST.get("act", "")
    chosen = ACTS.get(name)
    if chosen is None:
        raise Http404
    require(staff_of(request), VERB_OF[name])

    def run(reason: str, by: User) -> str:
        return chosen(request, order_id, reason, by)

    return carry_out(request, order_id, name, run, request.POST.get("reason", ""))


def _hold(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    correcting.hold(order_id, reason=reason, by=by, request=request)
    return _("The order is held. It is not sent until somebody releases it.")


def _release(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    correcting.release(order_id, reason=reason, by=by, request=request)
    return _("The order is queued and sent next.")


def _reject(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    correcting.reject(order_id, reason=reason, by=by, request=request)
    return _("The order is canceled; nothing was sent and the whole charge went back.")


def _send_now(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    correcting.send_now(order_id, reason=reason, by=by, request=request)
    return _("The order is sent with the next run.")


def _edit_link(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    link, seen = request.POST.get("link", ""), request.POST.get("seen", "")
    correcting.edit_link(order_id, link, seen=seen, reason=reason, by=by, request=request)
    return _("The order is delivered for the new link.")


def _change_route(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    route, seen = number(request.POST.get("route")), number(request.POST.get("seen"))
    if route is None or seen is None:
        raise CannotCorrect(_("Choose a route."))
    correcting.change_route(order_id, route, seen=seen, reason=reason, by=by, request=request)
    return _("The route is changed, and the cost with it. The customer's charge stays.")


def _change_route_at_a_loss(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    """The form names route and loss in one: what the admin agreed to is what he saw."""
    route_text, _bar, loss_text = request.POST.get("route_at_loss", "").partition("|")
    route, seen, loss = number(route_text), number(request.POST.get("seen")), amount_of(loss_text)
    if route is None or seen is None or loss is None or not 0 < loss <= LARGEST_LOSS:
        raise CannotCorrect(_("Choose a route."))
    lost = correcting.change_route_at_a_loss(
        order_id, route, seen=seen, loss=loss, reason=reason, by=by, request=request
    )
    return _("The route is changed. We lose %(loss)s on this order; the customer's charge stays.") % {
        "loss": money_exact(lost)
    }


def _start(request: HttpRequest, order_id: int, _reason: str, by: User) -> str:
    by_hand.start(
        order_id, _count(request, "start_count"), by=by, seen=request.POST.get("seen", ""), request=request
    )
    return _("The order is In progress. The customer sees it.")


def _counts(request: HttpRequest, order_id: int, _reason: str, by: User) -> str:
    by_hand.set_counts(
        order_id,
        start_count=_count(request, "start_count"),
        remains=_count(request, "remains"),
        by=by,
        seen=request.POST.get("seen", ""),
        request=request,
    )
    return _("The counts are set. No money moved.")


def _refill_done(request: HttpRequest, order_id: int, _reason: str, by: User) -> str:
    by_hand.refill_done(_request_of(request, order_id), by=by, request=request)
    return _("The refill is done. The customer sees it.")


def _refill_refused(request: HttpRequest, order_id: int, reason: str, by: User) -> str:
    by_hand.refill_refused(_request_of(request, order_id), reason, by=by, request=request)
    return _("The refill is declined. The customer sees your note with the order.")


ACTS: dict[str, Act] = {
    "hold": _hold,
    "release": _release,
    "reject": _reject,
    "send_now": _send_now,
    "edit_link": _edit_link,
    "change_route": _change_route,
    "change_route_at_a_loss": _change_route_at_a_loss,
    "start": _start,
    "counts": _counts,
    "refill_done": _refill_done,
    "refill_refused": _refill_refused,
}


def _count(request: HttpRequest, name: str) -> int | None:
    """A whole number, 0 or more; None where the field was left empty. Raises CannotSettle for anything else."""
    text = request.POST.get(name, "").strip().replace(",", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise CannotSettle(_("Enter counts as whole numbers, or leave them empty."))
    return int(text)


def _request_of(request: HttpRequest, order_id: int) -> int:
    found = number(request.POST.get("request"))
    if found is None or not Request.objects.filter(pk=found, order_id=order_id).exists():
        raise Http404
    return found
