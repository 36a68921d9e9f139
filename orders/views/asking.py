"""Asking for a refill or a cancel: a small page of its own, which the list and the order open as a dialog."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from customers.access import staff_of as signed_in
from customers.figures import count, money
from orders.actions import Action, actions_for
from orders.forms import CancelForm, RefillForm, RequestForm
from orders.listing import Row
from orders.models import Order, Request, Submission
from orders.requests import NotAllowed, ask_cancel, ask_refill
from providers.pricing import refund_target


@require_http_methods(["GET", "HEAD", "POST"])
def refill(request: HttpRequest, order_id: int) -> HttpResponse:
    order = _own(request, order_id)
    form = RefillForm(request.POST if request.method == "POST" else None)

    def ask() -> Request:
        words = form.cleaned_data
        return ask_refill(
            order.pk, by="customer", reason=words["reason"], current_count=words["current_count"]
        )

    return _asked(request, order, form, actions_for(order).refill, ask, "refill")


@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, order_id: int) -> HttpResponse:
    order = _own(request, order_id)
    form = CancelForm(request.POST if request.method == "POST" else None)

    def ask() -> Request:
        return ask_cancel(order.pk, by="customer", reason=form.cleaned_data["reason"])

    return _asked(request, order, form, actions_for(order).cancel, ask, "cancel")


def _asked(
    request: HttpRequest,
    order: Order,
    form: RequestForm,
    action: Action,
    ask: Callable[[], Request],
    kind: str,
) -> HttpResponse:
    if not action.allowed:  # a second tab, a slow reader: say why, where the order stands
        messages.warning(request, action.why_not)
        return _leave(request, reverse("order", args=[order.pk]))
    back = _back(request, order)
    if request.method == "POST" and form.is_valid():
        try:
            made = ask()
        except NotAllowed as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _said(order, made))
        return _leave(request, back)
    context = {"order": order, "form": form, "kind": kind, "back": back, "words": _words(order, kind)}
    page = "orders/ask_dialog.html" if _in_place(request) else "orders/ask.html"
    return render(request, page, context, status=422 if request.method == "POST" else 200)


def _in_place(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def _leave(request: HttpRequest, address: str) -> HttpResponse:
    """To another page. A dialog's question would follow a plain redirect and put that page into the dialog."""
    return HttpResponseClientRedirect(address) if _in_place(request) else redirect(address)


def _own(request: HttpRequest, order_id: int) -> Order:
    orders = Order.objects.for_user(signed_in(request)).select_related("service", "submission__provider")
    orders = orders.defer("submission__provider__key").prefetch_related("requests")
    found: Order = get_object_or_404(orders, pk=order_id)
    return found


def _back(request: HttpRequest, order: Order) -> str:
    """The list it was asked from, with its filters, or the order's page."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, None) and wanted.startswith("/")
    return wanted if safe else reverse("order", args=[order.pk])


def _words(order: Order, kind: str) -> dict[str, Any]:
    """Title, what it means for the money, and the two buttons."""
    if kind == "refill":
        text = _(
            "A refill is a free top-up when the delivered count has dropped. Our staff look at each request."
        )
        if order.start_count is not None:
            text += " " + _("The count should be %s or more.") % count(order.start_count + order.delivered)
        return {
            "title": _("Request refill for order %d?") % order.pk,
            "text": text,
            "yes": _("Request refill"),
            "no": _("Not now"),
        }
    return {
        "title": _("Request cancel for order %d?") % order.pk,
        "text": _cancel_text(order),
        "yes": _("Request cancel"),
        "no": _("Keep order"),
        "bad": True,
    }


def _cancel_text(order: Order) -> str:
    if not order.submission.provider.sends_by_itself:
        unsent = _("Nothing was begun yet: the order is canceled at once and %s returns to your balance.")
        whole = _("If our staff can still stop it, the charge of %s returns to your balance.")
        part = _(
            "If our staff can still stop it, the undelivered part, now %(left)s or %(amount)s, returns to your "
            "balance. A cancel cannot be undone."
        )
    else:
        unsent = _("Nothing was sent yet: the order is canceled at once and %s returns to your balance.")
        whole = _("If the delivery network accepts, the charge of %s returns to your balance.")
        part = _(
            "If the delivery network accepts, the undelivered part, now %(left)s or %(amount)s, returns to your balance. "
            "A cancel cannot be undone."
        )
    if order.submission.state in Submission.NOTHING_SENT_YET:
        return unsent % money(order.charge)
    if order.per_order:
        return whole % money(order.charge)
    left = Row(order, actions_for(order)).remains
    return part % {"left": count(left), "amount": money(refund_target(order.charge, left, order.total))}


def _said(order: Order, made: Request) -> str:
    if made.kind == Request.Kind.REFILL:
        if made.state == Request.State.REQUESTED:
            return _("Refill for order %d requested. Our staff answer within 24 hours.") % order.pk
        return _("Refill for order %d requested.") % order.pk
    if made.state == Request.State.DONE:
        values = {"id": order.pk, "amount": money(order.charge)}
        return _("Order %(id)d is canceled, %(amount)s returned to your balance.") % values
    if made.state == Request.State.REQUESTED:
        return (
            _("Cancel for order %d requested. Our staff look at it; the order goes on until then.") % order.pk
        )
    return _("Cancel for order %d requested. The order goes on until the cancel is confirmed.") % order.pk
