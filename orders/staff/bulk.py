"""The same act on up to 100 orders of the list, row by row: each is a transaction of its own with its own sentence.

What gives money back by hand, or sends by another route, is shown before it is done (orders.staff.previewing): the form
of that page names the orders that it can be done to, each with what was seen. Ending orders in part is no act for many:
each has its own remains, and what goes back follows from them.

One that is refused or fails stops none of the others. The results are kept with the session, so that the page can be
read again; what was done also stands in each order's timeline and in the audit log.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from customers import site_settings
from customers.access import allowed, require, staff_of
from customers.figures import money
from customers.models import User
from customers.permissions import may
from orders import correcting, staff_decisions
from orders.models import Order, Submission
from orders.staff.previewing import plan_refunds, plan_routes
from orders.staff.refusals import REFUSALS
from orders.staff.search import number
from orders.views.ordering import amount_of

log = logging.getLogger(__name__)

MOST_AT_ONCE = 100
# What the role must allow; for more than one thing where rows differ.
VERBS_OF = {
    "hold": ("order.hold",),
    "release": ("order.hold",),
    "reject": ("order.reject",),
    "refund": ("order.settle", "order.reject"),
    "route": ("order.correct",),
    "send_now": ("order.resend",),
    "cancel": ("order.ask",),
    "note": ("order.note",),
}


@dataclass(frozen=True)
class RowResult:
    order_id: int
    done: bool
    sentence: str


def _hold(order_id: int, reason: str, by: User, request: HttpRequest) -> str:
    correcting.hold(order_id, reason=reason, by=by, request=request)
    return _("Held.")


def _release(order_id: int, reason: str, by: User, request: HttpRequest) -> str:
    correcting.release(order_id, reason=reason, by=by, request=request)
    return _("Released; it is sent next.")


def _reject(order_id: int, reason: str, by: User, request: HttpRequest) -> str:
    correcting.reject(order_id, reason=reason, by=by, request=request)
    return _("Canceled unsent; the whole charge went back.")


def _send_now(order_id: int, reason: str, by: User, request: HttpRequest) -> str:
    correcting.send_now(order_id, reason=reason, by=by, request=request)
    return _("Sent with the next run.")


def _cancel(order_id: int, reason: str, by: User, request: HttpRequest) -> str:
    made = staff_decisions.ask_cancel_for(order_id, reason=reason, by=by, request=request)
    return _("Cancel: %(state)s.") % {"state": made.get_state_display().lower()}


def _note(order_id: int, reason: str, by: User, _request: HttpRequest) -> str:
    if not Order.objects.filter(pk=order_id).exists():
        raise Order.DoesNotExist
    staff_decisions.write_note(order_id, reason, by=by)
    return _("Noted.")


def _refund(order_id: int, reason: str, by: User, request: HttpRequest) -> str:
    """An unsent order is canceled, an accepted one settled with everything back; `seen` is the order as it was shown."""
    order = Order.objects.select_related("submission").get(pk=order_id)
    seen = request.POST.get(f"seen-{order_id}", "")
    if order.submission.state in Submission.NOTHING_SENT_YET:
        staff_decisions.refuse_if_changed(order, order.submission, seen)
        correcting.reject(order_id, reason=reason, by=by, request=request)
        return _("Canceled unsent; the whole charge went back.")
    paid = staff_decisions.refund_in_full(order_id, reason=reason, by=by, seen=seen, request=request)
    return _("The order is Canceled; %(amount)s went back to the customer.") % {"amount": money(paid)}


def _route(order_id: int, reason: str, by: User, request: HttpRequest) -> str:
    """By the route that was shown; for the cost that was shown or less, to whom costs are shown."""
    offer, _colon, rest = request.POST.get(f"seen-{order_id}", "").partition(":")
    route, _colon, cost = rest.partition(":")
    offer_id, route_id, most = number(offer), number(route), amount_of(cost) if cost else None
    if offer_id is None or route_id is None:
        raise correcting.CannotCorrect(_("Choose a route."))
    correcting.change_route(
        order_id, route_id, seen=offer_id, most=most, reason=reason, by=by, request=request
    )
    return _("The route is changed, and the cost with it. The customer's charge stays.")


Act = Callable[[int, str, User, HttpRequest], str]
ACTS: dict[str, tuple[Any, Act]] = {
    "hold": (gettext_lazy("Hold"), _hold),
    "release": (gettext_lazy("Release"), _release),
    "reject": (gettext_lazy("Cancel unsent and return the charge"), _reject),
    "refund": (gettext_lazy("Cancel and return the charge"), _refund),
    "route": (gettext_lazy("Change the route"), _route),
    "send_now": (gettext_lazy("Send without waiting"), _send_now),
    "cancel": (gettext_lazy("Ask for a cancel"), _cancel),
    "note": (gettext_lazy("Write an internal note"), _note),
}


def run(name: str, order_ids: Iterable[int], reason: str, by: User, request: HttpRequest) -> list[RowResult]:
    """Carry out one act for each order, in the given order; never raises for a single row."""
    act, results = ACTS[name][1], []
    for order_id in dict.fromkeys(order_ids):
        try:
            results.append(RowResult(order_id, True, act(order_id, reason, by, request)))
        except REFUSALS as error:
            results.append(RowResult(order_id, False, str(error)))
        except Order.DoesNotExist:
            results.append(RowResult(order_id, False, _("There is no such order.")))
        except Exception:  # each row is one transaction: whatever failed, it changed nothing
            log.exception("bulk_act_failed", extra={"act": name, "order": order_id})
            results.append(
                RowResult(
                    order_id, False, _("Something failed on our side. Nothing was changed for this order.")
                )
            )
    return results


SHOWN_FIRST = ("refund", "route")


@allowed(*dict.fromkeys(verb for verbs in VERBS_OF.values() for verb in verbs))
@require_POST
def act_on_many(request: HttpRequest) -> HttpResponse:
    ids = [found for text in request.POST.getlist("id") if (found := number(text))]
    name, reason = request.POST.get("act", ""), request.POST.get("reason", "").strip()
    back = _list(request.POST.get("back", ""))
    wrong = (
        _("Choose what to do.") if name not in ACTS
        else _("Select between 1 and 100 orders.") if not 0 < len(set(ids)) <= MOST_AT_ONCE
        else _("A reason is needed.") if not reason
        else ""
    )  # fmt: skip
    if wrong:
        messages.error(request, wrong + " " + _("Nothing was changed."))
        return redirect(back)
    by = staff_of(request)
    for verb in VERBS_OF[name]:
        require(by, verb)
    if name in SHOWN_FIRST and "confirmed" not in request.POST:
        return _preview(request, name, ids, reason)
    results = run(name, ids, reason, by, request)
    request.session["bulk_results"] = {
        "act": name,
        "reason": reason,
        "at": timezone.now().isoformat(),
        "back": back,
        "rows": [[row.order_id, row.done, row.sentence] for row in results],
    }
    return redirect("staff_orders_results")


def _preview(request: HttpRequest, name: str, ids: Sequence[int], reason: str) -> HttpResponse:
    """What would happen to each order; nothing has. The form of the page has those alone that it can be done to."""
    to, providers = number(request.POST.get("to")), dict[int, str]()
    if name == "route":
        planned, providers = plan_routes(ids, to)
    else:
        planned = plan_refunds(ids, site_settings.of(request))
    doable = [row for row in planned if not row.why_not]
    context = {
        "name": name,
        "act": ACTS[name][0],
        "reason": reason,
        "ids": ids,
        "back": request.POST.get("back", ""),
        "back_to": _list(request.POST.get("back", "")),
        "doable": doable,
        "refused": [row for row in planned if row.why_not],
        "comes_back": sum((row.comes_back for row in doable), Decimal(0)),
        "cost_before": sum((row.cost_before or 0 for row in doable), Decimal(0)),
        "cost": sum((row.cost or 0 for row in doable), Decimal(0)),
        "providers": sorted(providers.items(), key=lambda row: row[1].lower()),
        "to": to,
        "see_costs": may(staff_of(request), "money.see"),
    }
    return render(request, "orders/staff/orders_preview.html", context)


@allowed("orders.see")
@require_safe
def results(request: HttpRequest) -> HttpResponse:
    """What the last act on many orders did, refused ones first. Stays until the next one."""
    kept = request.session.get("bulk_results")
    if not kept:
        return redirect("staff_orders")
    rows = [RowResult(*row) for row in kept["rows"]]
    context = {
        "act": ACTS[kept["act"]][0],
        "reason": kept["reason"],
        "back": kept["back"],
        "refused": [row for row in rows if not row.done],
        "done": [row for row in rows if row.done],
    }
    return render(request, "orders/staff/orders_results.html", context)


def _list(asked: str) -> str:
    """The list as it was filtered; only ever this list."""
    address = reverse("staff_orders")
    return f"{address}?{asked}" if asked and asked.isprintable() and "#" not in asked else address
