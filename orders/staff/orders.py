"""Orders of all customers, for staff: finding them, everything known about one, and what may be done by hand."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from customers import permissions, site_settings
from customers.access import allowed, staff_of
from customers.figures import money
from customers.models import User
from orders import staff_decisions
from orders.actions import actions_for, refill_until
from orders.correcting import ways_of
from orders.dispatch import went_back
from orders.models import Order, Request, Submission
from orders.staff.attempts import shown_attempts
from orders.staff.bulk import ACTS, VERBS_OF
from orders.staff.refusals import REFUSALS
from orders.staff.search import Filters, count_tabs, find, number, page, page_by_charge, read_filters
from orders.staff.timeline import timeline
from orders.staff_actions import staff_actions_for
from orders.staff_decisions import CannotSettle, version_of
from orders.story import SOURCES
from orders.stuck import delay_of, measure
from providers.models import Provider
from providers.pricing import cost_of_delivered, refund_target

TAB_LABELS = {
    "all": gettext_lazy("All"),
    "open": gettext_lazy("Open"),
    "attention": gettext_lazy("Needs attention"),
    "stuck": gettext_lazy("Stuck or slow"),
    "held": gettext_lazy("Held"),
    "by_hand": gettext_lazy("By hand"),
}
SHOWN_OF_A_CUSTOMER = 10
REFILLABLE = {Order.Status.COMPLETED, Order.Status.PARTIAL}


@allowed("orders.see")
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    user, filters = staff_of(request), read_filters(request.GET.dict())
    before, after = number(request.GET.get("before")), number(request.GET.get("after"))
    in_pages = page_by_charge if filters.tab == "stuck" else page
    rows, newer, older = in_pages(find(filters), filters.size, after, before)
    if filters.tab == "stuck":
        now, limits = timezone.now(), measure(site_settings.of(request))
        for order in rows:
            order.delay = delay_of(order, order.submission, now, limits)  # type: ignore[attr-defined]
    context = {
        "filters": filters,
        "rows": rows,
        "newer": newer,
        "older": older,
        "tabs": _tabs(request, filters),
        "providers": Provider.objects.only("id", "name"),
        "statuses": Order.Status.choices,
        "submissions": Submission.State.choices,
        "acts": [
            (name, label)
            for name, (label, _act) in ACTS.items()
            if all(permissions.may(user, verb) for verb in VERBS_OF[name])
        ],
        "customer": User.objects.filter(pk=filters.customer).first() if filters.customer else None,
    }
    return render(request, "orders/staff/orders.html", context)


@allowed("orders.see")
@require_safe
def of_customer(request: HttpRequest, customer_id: int) -> HttpResponse:
    """The newest orders of one customer, as a part for his page."""
    rows, _newer, older = page(find(Filters(customer=customer_id)), SHOWN_OF_A_CUSTOMER, None, None)
    context = {"rows": rows, "more": older is not None, "customer_id": customer_id}
    return render(request, "orders/staff/orders_of.html", context)


@allowed("orders.see")
@require_safe
def one(request: HttpRequest, order_id: int) -> HttpResponse:
    return order_page(request, order_id)


@allowed("order.note")
@require_POST
def note(request: HttpRequest, order_id: int) -> HttpResponse:
    """An internal note in the timeline."""

    def write(text: str, by: User) -> str:
        staff_decisions.write_note(order_id, text, by=by)
        return _("The note is in the timeline. Customers never see it.")

    return carry_out(request, order_id, "note", write, request.POST.get("note", ""))


@allowed("order.ask")
@require_POST
def ask(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for a cancel or refill in the customer's place."""

    def cancel(reason: str, by: User) -> str:
        made = staff_decisions.ask_cancel_for(order_id, reason=reason, by=by, request=request)
        return _("Cancel: %(state)s.") % {"state": made.get_state_display().lower()}

    def refill(reason: str, by: User) -> str:
        made = staff_decisions.ask_refill_for(order_id, reason=reason, by=by, request=request)
        return _("Refill: %(state)s.") % {"state": made.get_state_display().lower()}

    acts = {"cancel": cancel, "refill": refill}
    what = request.POST.get("what", "")
    if what not in acts:
        raise Http404
    return carry_out(request, order_id, what, acts[what], request.POST.get("reason", ""))


@allowed("order.settle")
@require_POST
def settle(request: HttpRequest, order_id: int) -> HttpResponse:
    """Decide by hand about an order whose reports do not say what to do with the money, or that has none."""
    seen = request.POST.get("seen", "")

    def partial(reason: str, by: User) -> str:
        remains = number(request.POST.get("remains", "").strip().replace(",", ""))
        if remains is None:
            raise CannotSettle(_("Enter how many remain, as a whole number."))
        paid = staff_decisions.settle_partial(
            order_id, remains, reason=reason, by=by, seen=seen, request=request
        )
        return _("The order is Partial; %(amount)s went back to the customer.") % {"amount": money(paid)}

    def full_refund(reason: str, by: User) -> str:
        paid = staff_decisions.refund_in_full(order_id, reason=reason, by=by, seen=seen, request=request)
        return _("The order is Canceled; %(amount)s went back to the customer.") % {"amount": money(paid)}

    def completed(reason: str, by: User) -> str:
        staff_decisions.complete(order_id, reason=reason, by=by, seen=seen, request=request)
        return _("The order is Completed. No money moved.")

    def dismiss(reason: str, by: User) -> str:
        staff_decisions.dismiss(order_id, reason=reason, by=by, seen=seen, request=request)
        return _("The order is off the list. No money moved.")

    acts = {"partial": partial, "full_refund": full_refund, "completed": completed, "dismiss": dismiss}
    choice = request.POST.get("choice", "")
    if choice not in acts:
        raise Http404
    return carry_out(request, order_id, choice, acts[choice], request.POST.get("reason", ""))


def carry_out(
    request: HttpRequest, order_id: int, what: str, act: Callable[[str, User], str], words: str
) -> HttpResponse:
    """Run one act; the page again with what was typed where it was refused (nothing changed then)."""
    if not Order.objects.filter(pk=order_id).exists():
        raise Http404
    try:
        messages.success(request, act(words, staff_of(request)))
    except REFUSALS as error:
        return order_page(request, order_id, 422, wrong=str(error), chosen=what, typed=request.POST)
    return redirect("staff_order", order_id)


def order_page(request: HttpRequest, order_id: int, status: int = 200, **more: Any) -> HttpResponse:
    """Everything known about one order, and what may be done with it now."""
    user, now = staff_of(request), timezone.now()
    order = (
        Order.objects.filter(pk=order_id)
        .select_related("user", "service__category", "submission__provider", "submission__offer")
        .first()
    )
    if order is None:
        raise Http404
    submission = order.submission
    requests = list(order.requests.select_related("decided_by").order_by("-id"))
    attempts = list(submission.attempts.select_related("provider", "offer"))
    unsent = submission.state in Submission.NOTHING_SENT_YET
    ways = ways_of(order, submission) if unsent else []
    delay = delay_of(order, submission, now, measure(site_settings.of(request)))
    late, by_hand = delay is not None and delay.may_be_settled, not submission.provider.sends_by_itself
    may = staff_actions_for(order, attempts, ways, now, late=late, restored=unsent and went_back())
    approved = [asked for asked in requests if asked.state == Request.State.APPROVED]
    context = {
        "order": order,
        "submission": submission,
        "attempts": shown_attempts(attempts, user),
        "moments": timeline(order, user),
        "requests": requests,
        "actions": actions_for(order, requests, now),
        "placed_how": _(SOURCES[order.source]) if order.source in SOURCES else order.source,
        "refill_until": refill_until(order) if order.refill_sold and order.status in REFILLABLE else None,
        "delay": delay,
        "may": may,
        "ways": ways,
        "losing_ways": [way for way in ways if way.loss is not None]
        if may.change_route.allowed and permissions.may(user, "order.sell_at_loss")
        else [],
        "by_hand": by_hand,
        "cancel_approved": by_hand
        and not order.final
        and any(a.kind == Request.Kind.CANCEL for a in approved),
        "refill_approved": next((a for a in approved if by_hand and a.kind == Request.Kind.REFILL), None),
        "seen": version_of(order, submission) if by_hand else "",
        "by_remains": _by_remains(order),
        "figures": _figures(order) if permissions.may(user, "money.see") else None,
        "reject_replies": site_settings.of(request).reject_replies,
        "being_verified": submission.state == Submission.State.UNKNOWN,
    }
    return render(request, "orders/staff/order.html", context | more, status=status)


def _by_remains(order: Order) -> Any:
    """What would come back with the remains that were reported last; None where there are none."""
    if not order.remains:
        return None
    return max(refund_target(order.charge, order.remains, order.total) - order.refunded, 0)


def _figures(order: Order) -> dict[str, Any]:
    """For admins: what the order costs us, and what stays."""
    cost = order.cost
    if order.status == Order.Status.CANCELED:
        cost = cost * 0
    elif order.final:
        cost = cost_of_delivered(order.cost, order.remains or 0, order.total)
    return {"cost": order.cost, "expected": cost, "profit": order.paid - cost}


def _tabs(request: HttpRequest, filters: Filters) -> list[dict[str, Any]]:
    counts = count_tabs(filters)
    kept = request.GET.copy()
    for name in ("tab", "after", "before"):
        kept.pop(name, None)
    rest = f"&{kept.urlencode()}" if kept else ""
    return [
        {"label": label, "href": f"?tab={tab}{rest}", "current": tab == filters.tab, "count": counts[tab]}
        for tab, label in TAB_LABELS.items()
    ]
