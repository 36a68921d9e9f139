"""Mass order: lines or a CSV file, checked and priced before anything is charged, placed by one idempotent submit.

Without script it is the same: "Check" shows what each line would cost, "Place" is only there after a check, and it
places nothing else than what that check showed.
"""

import hashlib
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from customers.access import staff_of as signed_in
from customers.exporting import csv_download
from customers.figures import count, money
from customers.models import User
from customers.wallet import InsufficientFunds, balance_of
from orders.estimating import to_add
from orders.mass_lines import MOST_LINES, Line, Unreadable, read_lines
from orders.mass_placing import Judged, Judgment, judge, place_all, place_valid, placed_with
from orders.mass_progress import progress_of, shown_as
from orders.mass_rest import keep_rest, rest_of
from orders.models import Order
from orders.placing import CannotPlace, PriceChanged, RequestIdReused
from orders.views.ordering import amount_of

LARGEST_FILE = 2_000_000  # bytes; the page carries the lines back and forth
BAD_SHOWN, GOOD_SHOWN = 200, 50
RESULT_SHOWN = 100


@require_http_methods(["GET", "HEAD", "POST"])
def mass_order(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if request.method != "POST":
        return _page(request, user, "", uuid.uuid4())
    token = _token(request.POST.get("token", ""))
    try:
        # What is placed is what was checked; a file chosen after the check is checked first.
        text = _text(request)
        lines = read_lines(text)
    except Unreadable as error:
        return _page(request, user, request.POST.get("lines", ""), token, note=_note("err", str(error)))
    if "place" in request.POST and request.POST.get("checked") == _fingerprint(text):
        return _place(request, user, text, lines, token)
    note = None
    if "place" in request.POST:
        note = _note(
            "info", _("The lines are not the ones that were checked. Look at the charge, then place them.")
        )
    with shown_as(user, token.hex) as report:
        judgment = judge(user, lines, report)
    return _page(request, user, text, token, judgment=judgment, note=note)


@require_safe
def progress(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """How far the form with this token is: {step, done, of}; 204 where nothing is known."""
    found = progress_of(signed_in(request), token.hex)
    answer = JsonResponse(found) if found else HttpResponse(status=204)
    answer["Cache-Control"] = "no-store"
    return answer


def _place(request: HttpRequest, user: User, text: str, lines: list[Line], token: uuid.UUID) -> HttpResponse:
    """One submit. Whatever is refused, nothing was charged, and the lines come back with what changed."""
    act = place_valid if request.POST["place"] == "valid" else place_all
    total = amount_of(request.POST.get("total", ""))
    try:
        with shown_as(user, token.hex) as report:
            orders = act(user, lines, token=token.hex, shown_total=total, report=report)
    except RequestIdReused as error:
        token, note = (
            uuid.uuid4(),
            _note("warn", _("To place these lines as well, press Place again."), str(error)),
        )
    except PriceChanged as error:
        text_ = _(
            "They were %(old)s and are %(new)s now. Nothing was charged. Check the list, then place it."
        )
        figures = {"old": money(error.shown), "new": money(error.now)}
        note = _note("warn", text_ % figures, _("The prices changed while you were looking."))
    except InsufficientFunds as error:
        figures = {"charge": money(error.amount), "balance": money(error.balance)}
        strong = _("These orders cost %(charge)s and your balance is %(balance)s.") % figures
        add = _("Nothing was charged. Add at least %s, or take lines away.") % money(to_add(error.missing))
        note = _note("err", add, strong, link="/wallet/", link_text=_("Add funds"))
    except CannotPlace as error:
        note = _note("err", _("Nothing was placed, nothing was charged."), str(error))
    else:
        left = {line.number: line for line in lines}
        for order in orders:
            left.pop(int((order.request_id or "").rpartition(":")[2]), None)
        placed = ngettext("%s order placed", "%s orders placed", len(orders)) % count(len(orders))
        charged = _("%s charged.") % money(sum((order.charge for order in orders), Decimal(0)))
        messages.success(request, f"{placed}, {charged}")
        if left:
            keep_rest(user, token.hex, text, list(left.values()))
        return redirect("mass_result", token)
    return _page(request, user, text, token, judgment=judge(user, lines), note=note)


@require_safe
def result(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """The orders of one mass order; and the lines that were not placed, as long as they are kept."""
    user = signed_in(request)
    orders = placed_with(user, token.hex)
    if not orders:
        raise Http404
    context = {
        "token": token,
        "orders": orders[:RESULT_SHOWN],
        "n": len(orders),
        "charged": sum((order.charge for order in orders), Decimal(0)),
        "services": _by_service(orders),
        "rest": rest_of(user, token.hex),
        "new_token": uuid.uuid4(),
    }
    return render(request, "orders/mass_result.html", context)


@require_safe
def result_csv(request: HttpRequest, token: uuid.UUID) -> HttpResponseBase:
    orders = placed_with(signed_in(request), token.hex)
    if not orders:
        raise Http404
    header = ["line", "order", "service", "service_name", "link", "quantity", "charge", "status", "reference"]
    rows = (
        [_line_of(o), o.pk, o.service_id, o.service.name, o.link, o.total, o.charge, o.status, o.reference]
        for o in orders
    )
    return csv_download(f"mass-order-{token.hex[:8]}", header, rows)


def _by_service(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """What was placed, a line for each service, in the order of their first lines; none where the list says it."""
    sums: dict[int, dict[str, Any]] = {}
    for order in orders:
        line = sums.setdefault(
            order.service_id, {"name": order.service.name, "n": 0, "quantity": 0, "charge": Decimal(0)}
        )
        line["n"] += 1
        line["quantity"] += order.total
        line["charge"] += order.charge
    return list(sums.values()) if len(orders) > max(len(sums), 1) else []


def _line_of(order: Order) -> int:
    return int((order.request_id or "").rpartition(":")[2])


def _text(request: HttpRequest) -> str:
    """The lines typed, or the content of the file where one was chosen. Raises Unreadable."""
    given = request.FILES.get("file")
    if given is None:
        return str(request.POST.get("lines", ""))
    if (given.size or 0) > LARGEST_FILE:
        raise Unreadable(_("The file is larger than 2 MB."))
    try:
        return str(given.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable(_("The file is not UTF-8 text. Save it as CSV UTF-8.")) from None


def _page(
    request: HttpRequest,
    user: User,
    text: str,
    token: uuid.UUID,
    *,
    judgment: Judgment | None = None,
    note: dict[str, str] | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {"text": text, "token": token, "note": note, "most": MOST_LINES}
    context |= {"suspended": user.orders_suspended}
    if judgment is not None:
        balance, total = balance_of(user), judgment.total
        shown, marked_left = _worth_a_look(judgment)
        context |= {
            "checked": judgment,
            "fingerprint": _fingerprint(text),
            "bad": judgment.bad[:BAD_SHOWN],
            "good": shown,
            "n_bad": len(judgment.bad),
            "n_good": len(judgment.good),
            "n_doubles": len(judgment.doubles),
            "n_held": len(judgment.held),
            "more_bad": max(len(judgment.bad) - BAD_SHOWN, 0),
            "more_good": len(judgment.good) - len(shown),
            "more_marked": marked_left,
            "total": total,
            "balance": balance,
            "after": balance - total,
            "missing": to_add(total - balance) if total > balance else None,
        }
    return render(request, "orders/mass_order.html", context, status=422 if note else 200)


def _worth_a_look(judgment: Judgment) -> tuple[list[Judged], int]:
    """The good lines to show, doubles and those a person looks at first; and how many of these are not shown."""
    marked = [row for row in judgment.good if row.twin or row.waits_for]
    plain = [row for row in judgment.good if not (row.twin or row.waits_for)]
    shown = marked[:BAD_SHOWN]
    return shown + plain[: max(GOOD_SHOWN - len(shown), 0)], len(marked) - len(shown)


def _fingerprint(text: str) -> str:
    """Of the lines, whatever a browser makes of their ends."""
    return hashlib.sha256("\n".join(text.split("\r\n")).strip().encode("utf-8", "surrogatepass")).hexdigest()[
        :24
    ]


def _token(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.uuid4()


def _note(kind: str, text: str, strong: str = "", **more: str) -> dict[str, str]:
    return {"kind": kind, "text": text, "strong": strong, **more}
