"""Payments that wait for somebody who saw the money, and the ledger."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import allowed, staff_of
from customers.crediting import CannotDecide, credit_request, record_payment, refuse_request
from customers.figures import money as shown
from customers.manage_forms import PaymentForm
from customers.models import Account, DepositRequest, Transfer

PAGE = 50
State = DepositRequest.State


def money_tabs(current: str) -> list[dict[str, Any]]:
    """The three pages about money; the ledger check belongs to the room of orders and has the same tabs."""
    waiting = DepositRequest.objects.filter(state=State.PENDING).count()
    pages = (
        ("payments", _("Payments"), "/manage/money", waiting),
        ("ledger", _("Ledger"), "/manage/money/ledger", None),
        ("check", _("Ledger check"), "/manage/money/check", None),
    )
    return [
        {"label": label, "href": href, "current": name == current, "count": count}
        for name, label, href, count in pages
    ]


@allowed("money.see", changes="deposit.credit")
@require_http_methods(["GET", "HEAD", "POST"])
def payments(request: HttpRequest) -> HttpResponse:
    """The queue, and recording a payment that nobody announced."""
    form = PaymentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            asked = record_payment(
                values["email"],
                values["method"],
                values["amount"],
                values["reference"],
                by=staff_of(request),
                request=request,
            )
        except ValidationError as error:
            form.add_error("reference", error.messages[0])
        else:
            messages.success(
                request,
                _("%(amount)s credited to %(who)s.") % {"amount": shown(asked.amount), "who": asked.user},
            )
            return redirect("manage_money")
    decided = DepositRequest.objects.exclude(state=State.PENDING).select_related("user", "decided_by")
    context = {
        "tabs": money_tabs("payments"),
        "form": form,
        "waiting": DepositRequest.objects.filter(state=State.PENDING)
        .select_related("user")
        .order_by("created_at")[:200],
        "sum": DepositRequest.objects.filter(state=State.PENDING).aggregate(sum=Sum("amount"))["sum"],
        "decided": decided.order_by("-decided_at", "-id")[:20],
    }
    return render(request, "manage/payments.html", context, status=422 if form.is_bound else 200)


@allowed("deposit.credit")
@require_POST
def payment_decide(request: HttpRequest, pk: int) -> HttpResponse:
    by = staff_of(request)
    try:
        if request.POST.get("decision") == "credit":
            asked = credit_request(pk, by=by, request=request)
            text = _("%(amount)s credited to %(who)s.") % {"amount": shown(asked.amount), "who": asked.user}
        else:
            asked = refuse_request(pk, request.POST.get("note", ""), by=by, request=request)
            text = _("Refused; %s reads your note. Nothing was credited.") % asked.user
    except CannotDecide as error:
        messages.error(request, str(error))
    else:
        messages.success(request, text)
    return redirect("manage_money")


@allowed("money.see")
@require_safe
def ledger(request: HttpRequest) -> HttpResponse:
    """The latest transfers, newest first, by keyset: the ledger only grows."""
    found = _matching(request, Transfer.objects.select_related("source__user", "target__user"))
    after, before = _number(request.GET.get("after", "")), _number(request.GET.get("before", ""))
    if before:
        rows = list(reversed(found.filter(pk__gt=before).order_by("pk")[: PAGE + 1]))
        more_before, more_after = len(rows) > PAGE, True
        rows = rows[-PAGE:]
    else:
        rows = list((found.filter(pk__lt=after) if after else found).order_by("-pk")[: PAGE + 1])
        more_before, more_after = bool(after), len(rows) > PAGE
        rows = rows[:PAGE]
    for row in rows:
        row.sides = (row.source, row.target)  # type: ignore[attr-defined]
    context = {
        "tabs": money_tabs("ledger"),
        "rows": rows,
        "q": request.GET.get("q", ""),
        "kind": request.GET.get("kind", ""),
        "kinds": list(KINDS.items()),
        "filtered": bool(request.GET.get("q") or request.GET.get("kind")),
        "after": rows[-1].pk if rows and more_after else None,
        "before": rows[0].pk if rows and more_before else None,
    }
    return render(request, "manage/ledger.html", context)


KINDS = {
    "charge": gettext_lazy("Charges"),
    "refund": gettext_lazy("Refunds"),
    "deposit": gettext_lazy("Deposits"),
    "adjust": gettext_lazy("Corrections"),
    "write_off": gettext_lazy("Write-offs"),
}
_OF_KIND = {
    "charge": Q(target__kind=Account.Kind.SALES),
    "refund": Q(source__kind__in=[Account.Kind.SALES, Account.Kind.WRITE_OFF]),
    "deposit": Q(source__kind=Account.Kind.DEPOSITS) | Q(target__kind=Account.Kind.DEPOSITS),
    "adjust": Q(source__kind=Account.Kind.ADJUSTMENTS) | Q(target__kind=Account.Kind.ADJUSTMENTS),
    "write_off": Q(source__kind=Account.Kind.WRITE_OFF),
}


def _matching(request: HttpRequest, transfers: QuerySet[Transfer]) -> QuerySet[Transfer]:
    q, kind = request.GET.get("q", "").strip()[:120], request.GET.get("kind", "")
    if number := _number(q.lstrip("#")):
        transfers = transfers.filter(Q(order_number=number) | Q(pk=number))
    elif "@" in q:
        accounts = Account.objects.filter(user__email__istartswith=q)
        transfers = transfers.filter(Q(source__in=accounts) | Q(target__in=accounts))
    elif q:
        transfers = transfers.filter(Q(cause__startswith=q) | Q(note__icontains=q))
    return transfers.filter(_OF_KIND[kind]) if kind in _OF_KIND else transfers


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
