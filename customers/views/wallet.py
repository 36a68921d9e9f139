"""The wallet page: balance, month, how to add funds, and the ledger."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers import ledger, site_settings
from customers.access import staff_of as signed_in
from customers.announcing import CannotAnnounce, announce
from customers.deposit_finding import announced_by
from customers.deposit_forms import DepositForm
from customers.exporting import csv_download
from customers.figures import money
from customers.ledger import EXPORT_HEADER, Asked
from customers.models import Account, DepositRequest, User
from customers.notices import low_below
from customers.wallet import owed_by, wallet_of

DECIDED_SHOWN = 5
MOST_WAITING = 100  # the most that the setting allows
MonthSums = Callable[[Account], ledger.Sums]


@require_http_methods(["GET", "HEAD", "POST"])
def wallet(request: HttpRequest, month_sums: MonthSums = ledger.month_sums) -> HttpResponse:
    """The page; a POST announces a payment. A refused one keeps what was typed. `month_sums`: see panel/urls.py."""
    user, asked, site = signed_in(request), Asked.read(request.GET), site_settings.of(request)
    form = DepositForm(site.deposit_methods, request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made = announce(user, form.methods[values["method"]], values["amount"], values["reference"])
        except CannotAnnounce as error:
            form.add_error(error.field or None, str(error))
        else:
            text = _("Thank you. %s is added to your balance when we see the payment.")
            messages.success(request, text % money(made.amount))
            return redirect("wallet")
    account = wallet_of(user)
    shown = ledger.page(account, asked)
    below = low_below(user)
    context = {
        "balance": account.balance,
        "deposit": form,
        "announced": _announced(user),
        "low_mark": below,
        "low_below": below if below and (account.balance or 0) < below else None,
        "owed": owed_by(user),
        "sums": month_sums(account),
        "page": shown,
        "asked": asked,
        "types": [
            ("charge", _("Order charges")),
            ("refund", _("Refunds")),
            ("deposit", _("Funds added")),
            ("adjustment", _("Adjustments")),
        ],
        "months": ledger.months(account, asked),
        "chips": _chips(asked),
        "statement_query": urlencode(_kept(asked)),
    }
    return render(request, "customers/wallet.html", context, status=422 if form.is_bound else 200)


@require_safe
def statement_csv(request: HttpRequest) -> HttpResponseBase:
    account = wallet_of(signed_in(request))
    rows = ledger.exported(account, Asked.read(request.GET))
    return csv_download("statement", EXPORT_HEADER, rows)


def _announced(user: User) -> "QuerySet[DepositRequest, DepositRequest]":
    """All that wait (site_settings.payments_waiting bounds them) and the last few decided, newest first."""
    mine = announced_by(user)
    waits = mine.filter(state=DepositRequest.State.PENDING)[:MOST_WAITING]
    decided = mine.exclude(state=DepositRequest.State.PENDING)[:DECIDED_SHOWN]
    return waits.union(decided, all=True).order_by(
        "-pk"
    )  # each by its own key: an OR reads all he ever announced


def _kept(asked: Asked, **without: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if asked.kind:
        kept["type"] = asked.kind
    if asked.month:
        kept["month"] = f"{asked.month:%Y-%m}"
    if asked.order is not None:
        kept["order"] = asked.order
    return {name: value for name, value in kept.items() if name not in without}


def _chips(asked: Asked) -> list[dict[str, Any]]:
    chips = []
    if asked.order is not None:
        rest = urlencode(_kept(asked, order=True))
        chips.append({"label": _("Order"), "value": asked.order, "href": f"?{rest}"})
    if asked.month:
        rest = urlencode(_kept(asked, month=True))
        chips.append({"label": _("Date"), "value": asked.month_name, "href": f"?{rest}"})
    return chips
