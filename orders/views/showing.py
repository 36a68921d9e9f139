"""One order's page, and the part of it that refreshes itself until the order has ended."""

import hashlib
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from customers.access import staff_of as signed_in
from customers.figures import count, money_exact, rate, span
from customers.models import Transfer, User
from customers.permissions import may
from orders.actions import actions_for, refill_until
from orders.listing import Row
from orders.models import Order, Request
from orders.staff.attempts import shown_attempts
from orders.story import MoneyLine, money_lines, timeline
from providers.service_types import lines_of

LIVE_S = 5


@require_safe
def order(request: HttpRequest, order_id: int) -> HttpResponse:
    user = signed_in(request)
    return render(request, "orders/order.html", _context(user, visible_order(user, order_id)))


@require_safe
def live(request: HttpRequest, order_id: int) -> HttpResponse:
    """What changes while it is delivered; 204 while nothing did."""
    user = signed_in(request)
    context = _context(user, visible_order(user, order_id))
    if request.GET.get("v") == context["version"]:
        return HttpResponse(status=204)
    return render(request, "orders/order_live.html", context | {"refreshed": True})


def visible_order(user: User, order_id: int) -> Order:
    """His own; for staff anybody's. Another customer's order is a 404 like one that does not exist."""
    orders = Order.objects.all() if may(user, "orders.see") else Order.objects.for_user(user)
    found: Order | None = (
        orders.filter(pk=order_id)
        .select_related("service__category", "submission__provider", "user")
        .prefetch_related("requests", "events")
        .first()
    )
    if found is None:
        raise Http404
    return found


def _context(user: User, order: Order) -> dict[str, Any]:
    mine = order.user_id == user.pk
    transfers = list(Transfer.objects.filter(order_number=order.pk).select_related("target").order_by("pk"))
    requests = sorted(order.requests.all(), key=lambda request: -request.pk)
    row = Row(order, actions_for(order, requests))
    return {
        "order": order,
        "row": row,
        "mine": mine,
        "version": _version(row, requests),
        "live_s": 0 if order.final and not _follows(requests) else LIVE_S,
        "expected": None if order.start_count is None else order.start_count + order.delivered,
        "refill_until": refill_until(order) if order.refill_sold else None,
        "refill_open": _refill_window_open(order),
        "entries": timeline(order, order.events.all(), transfers, reader=user),
        "money_lines": [*_price_lines(order), *money_lines(order, transfers)],
        "requests": requests,
        "details": _details(order),
        "fields": _fields(order),
        "runs": _runs(row),
        "staff": _staff(user, order) if may(user, "orders.see") else None,
    }


def _version(row: Row, requests: list[Request]) -> str:
    """Freshness counts as a change here: "checked just now" is what people wait for."""
    order = row.order
    last_event = max((event.pk for event in order.events.all()), default=0)
    shown = (row.fingerprint, order.submission.checked_at, order.submission.state, last_event)
    states = [(request.pk, request.state, request.state_at) for request in requests]
    return hashlib.sha256(repr((shown, states, order.attention)).encode()).hexdigest()[:16]


def _follows(requests: list[Request]) -> bool:
    return any(request.state in Request.LIVE for request in requests)


def _refill_window_open(order: Order) -> bool:
    until = refill_until(order)
    return bool(order.refill_sold and until and until > timezone.now() and order.status != "Canceled")


def _price_lines(order: Order) -> list[MoneyLine]:
    if order.per_order:
        return [MoneyLine(_("Price per order"), rate(order.rate))]
    quantity = f"{order.runs} × {count(order.quantity)}" if order.runs else count(order.total)
    return [MoneyLine(_("Rate per 1000"), rate(order.rate)), MoneyLine(_("Quantity"), quantity)]


def _details(order: Order) -> list[tuple[str, str]]:
    details = []
    if order.ended_at:
        details.append((_("Took"), span(order.ended_at - order.created_at)))
    if order.reference:
        details.append((_("Reference"), order.reference))
    sources = {"web": _("Browser"), "mass": _("Mass order"), "api": _("API"), "command": _("Command")}
    details.append((_("Source"), sources.get(order.source, order.source)))
    return details


def _fields(order: Order) -> list[dict[str, Any]]:
    """The type's own parameters as they were sent, lists with their number of lines."""
    shown = []
    for field in order.service.type.fields:
        value = order.fields.get(field.name)
        if not value:
            continue
        lines = lines_of(value) if field.kind == "lines" else None
        named = dict(field.choices).get(value)
        shown.append(
            {"label": gettext(field.label), "value": gettext(named) if named else value, "lines": lines}
        )
    return shown


def _runs(row: Row) -> dict[str, Any] | None:
    order = row.order
    if not order.runs:
        return None
    done = (
        min(order.runs, order.delivered // order.quantity)
        if order.remains is not None or order.final
        else None
    )
    return {
        "runs": order.runs,
        "quantity": order.quantity,
        "interval": order.interval,
        "now": row.run,
        "done": done,
    }


def _staff(user: User, order: Order) -> dict[str, Any]:
    """For reviewers where it was sent; for admins what it costs as well. Never a key."""
    submission = order.submission
    facts = [
        (_("Provider"), submission.provider.name),
        (_("Provider order"), submission.provider_order_id or "–"),
        (_("Submission"), submission.get_state_display()),
    ]
    if submission.raw_word:
        facts.append((_("Reported status"), submission.raw_word))
    if submission.waits_for:
        facts.append((_("Why it waits") if submission.waits else _("Reason"), submission.waiting_words))
    if may(user, "money.see"):
        facts += [(_("Cost"), money_exact(order.cost)), (_("Charge less cost"), money_exact(_margin(order)))]
    return {"facts": facts, "attempts": shown_attempts(submission.attempts.order_by("-pk")[:20], user)}


def _margin(order: Order) -> Decimal:
    return order.charge - order.cost
