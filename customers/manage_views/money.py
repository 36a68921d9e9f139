"""Payments that wait for somebody who saw the money, and the ledger."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import allowed, confirm_again, staff_of
from customers.crediting import CannotDecide, DecidedBefore, credit_request, record_payment, refuse_request
from customers.deposit_finding import Asked
from customers.figures import money as shown
from customers.manage_forms import PaymentForm
from customers.models import Account, DepositRequest, Transfer

PAGE = 50
DECIDED_LATELY, MOST_WAITING = 20, 200
State = DepositRequest.State
Kind = Account.Kind


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
    """The queue, what was decided, and recording a payment that nobody announced. `q` and `customer` narrow both lists;
    what was decided then goes on page by page, by keyset. What nobody announced rests on the word of one person, so it
    wants the password or second factor again."""
    form = PaymentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        confirm_again(request)
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
    asked_for = Asked.read(request.GET)
    found = asked_for.narrow(DepositRequest.objects.select_related("user", "decided_by"))
    waiting, decided = found.filter(state=State.PENDING), found.exclude(state=State.PENDING)
    after = _number(request.GET.get("after", ""))
    if asked_for.query:
        rows = list((decided.filter(pk__lt=after) if after else decided).order_by("-pk")[: PAGE + 1])
    else:
        rows = list(decided.order_by("-decided_at", "-id")[:DECIDED_LATELY])
    context = {
        "tabs": money_tabs("payments"),
        "form": form,
        "asked": asked_for,
        "keep": {"q": asked_for.q, "customer": asked_for.customer.pk if asked_for.customer else ""},
        "waiting": waiting.order_by("created_at")[:MOST_WAITING],
        "sum": waiting.aggregate(sum=Sum("amount"))["sum"],
        "decided": rows[:PAGE],
        "older": rows[PAGE - 1].pk if len(rows) > PAGE else None,
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
    except DecidedBefore as error:
        messages.warning(request, str(error))
    except CannotDecide as error:
        messages.error(request, str(error))
    else:
        messages.success(request, text)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """To where the form stood: the customer's page, or the list as it was narrowed."""
    asked_for = Asked.read(request.POST)
    if request.POST.get("stands") == "customer" and asked_for.customer:
        return redirect(f"{reverse('staff_customer', args=[asked_for.customer.pk])}#h-payments")
    return redirect(reverse("manage_money") + (f"?{asked_for.query}" if asked_for.query else ""))


@allowed("money.see")
@require_safe
def ledger(request: HttpRequest) -> HttpResponse:
    """The latest transfers, newest first, by keyset: the ledger only grows."""
    found = _matching(request, Transfer.objects.select_related("source__user", "target__user"))
    after, before = _number(request.GET.get("after", "")), _number(request.GET.get("before", ""))
    kind = request.GET.get("kind", "")
    if before:
        rows = _page_of(found.filter(pk__gt=before), kind, backwards=True)[::-1]
        more_before, more_after = len(rows) > PAGE, True
        rows = rows[-PAGE:]
    else:
        rows = _page_of(found.filter(pk__lt=after) if after else found, kind)
        more_before, more_after = bool(after), len(rows) > PAGE
        rows = rows[:PAGE]
    for row in rows:
        row.sides = (row.source, row.target)  # type: ignore[attr-defined]
    context = {
        "tabs": money_tabs("ledger"),
        "rows": rows,
        "q": request.GET.get("q", ""),
        "kind": kind,
        "kinds": list(KINDS.items()),
        "filtered": bool(request.GET.get("q") or kind),
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

# On which side which house account stands. No transfer meets two conditions of one kind.
_OF_KIND: dict[str, tuple[tuple[str, Account.Kind], ...]] = {
    "charge": (("target", Kind.SALES),),
    "refund": (("source", Kind.SALES), ("source", Kind.WRITE_OFF)),
    "deposit": (("source", Kind.DEPOSITS), ("target", Kind.DEPOSITS)),
    "adjust": (("source", Kind.ADJUSTMENTS), ("target", Kind.ADJUSTMENTS)),
    "write_off": (("source", Kind.WRITE_OFF),),
}


def _page_of(found: QuerySet[Transfer], kind: str, *, backwards: bool = False) -> list[Transfer]:
    """The newest rows of a kind (`backwards`: the oldest, oldest first), one more than a page.

    Each side is asked by the fixed number of its account in the order of that side's index (account, newest first). As a
    range, so that PostgreSQL has to take that index: of an equal number it believes that walking back through all
    transfers meets the few of this account soon.
    """
    if kind not in _OF_KIND:
        return list(found.order_by("pk" if backwards else "-pk")[: PAGE + 1])
    rows: list[Transfer] = []
    for side, account in _OF_KIND[kind]:
        number = Account.HOUSE_IDS[account]
        order = (f"-{side}_id", "pk") if backwards else (f"{side}_id", "-pk")
        only = {f"{side}__gte": number, f"{side}__lte": number}
        rows += found.filter(**only).order_by(*order)[: PAGE + 1]
    return sorted(rows, key=lambda row: row.pk, reverse=not backwards)[: PAGE + 1]


def _matching(request: HttpRequest, transfers: QuerySet[Transfer]) -> QuerySet[Transfer]:
    q = request.GET.get("q", "").strip()[:120]
    if number := _number(q.lstrip("#")):
        return transfers.filter(Q(order_number=number) | Q(pk=number))
    if "@" in q:
        accounts = Account.objects.filter(user__email__istartswith=q)
        return transfers.filter(Q(source__in=accounts) | Q(target__in=accounts))
    return transfers.filter(Q(cause__startswith=q) | Q(note__icontains=q)) if q else transfers


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
