"""The orders page: list, live rows, bulk actions, export."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateformat import format as formatted
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext
from django.views.decorators.http import require_POST, require_safe

from customers.access import staff_of as signed_in
from customers.exporting import csv_download
from customers.figures import count, count_short
from customers.models import User
from orders import columns, listing
from orders.listing import EXPORT_HEADER, SIZES, WINDOWS, Asked
from orders.models import Order, Request
from orders.requests import NotAllowed, ask_cancel, ask_refill
from providers.browsing import number_of
from providers.models import Service

MOST_AT_ONCE = 500  # of one bulk request: each is a transaction of its own
LINES_SHOWN = 10
WINDOW_NAMES = {
    "today": gettext_noop("Today"),
    "7d": gettext_noop("Last 7 days"),
    "30d": gettext_noop("Last 30 days"),
    "90d": gettext_noop("Last 90 days"),
}


@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    user, asked = signed_in(request), replace(Asked.read(request.GET), top=None)
    shown = listing.page(user, asked)
    counts = listing.counts(user, asked)
    context = _context(request, shown, counts) | {
        "chips": _chips(request.GET, asked),
        "windows": [
            {"key": key, "name": _(name), "href": _href(request.GET, days=key, since="", until="")}
            for key, name in WINDOW_NAMES.items()
        ],
        "service_name": _service_name(asked.service),
        "any": bool(shown.rows) or asked.narrowed or counts[""] > 0,
        "summary": _summary(asked),
        "all_dates": _href(request.GET, days="", since="", until="") if asked.days else "",
    }
    return render(request, "orders/orders.html", context)


@require_safe
def order_rows(request: HttpRequest) -> HttpResponse:
    """The table alone, for the live refresh; 204 while it shows what the browser has already."""
    user, asked = signed_in(request), Asked.read(request.GET)
    shown = listing.page(user, asked)
    if request.GET.get("v") == shown.version:
        return HttpResponse(status=204)
    context = _context(request, shown, listing.counts(user, asked)) | {"refreshed": True}
    return render(request, "orders/rows.html", context)


@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    matching = listing.narrowed(signed_in(request), Asked.read(request.GET))
    return csv_download("orders", EXPORT_HEADER, listing.exported(matching))


@require_POST
def choose_columns(request: HttpRequest) -> HttpResponseBase:
    """Keep the chosen columns in this browser; `usual` brings back what everybody starts with."""
    chosen = columns.Columns() if "usual" in request.POST else columns.of(request.POST.getlist("column"))
    answer = redirect(_back_to_list(request.POST.get("query", "")))
    columns.keep(answer, chosen, secure=request.is_secure())
    return answer


@require_POST
def bulk(request: HttpRequest) -> HttpResponseBase:
    """Refill, cancel or export the picked orders, or all that match the list's filters; `ask-cancel` asks first."""
    user, act = signed_in(request), request.POST.get("act", "")
    back = _back_to_list(request.POST.get("query", ""))
    picked = _picked(user, request.POST)
    if act == "export":
        return csv_download("orders", EXPORT_HEADER, listing.exported(picked))
    if act not in ("refill", "cancel", "ask-cancel"):
        return redirect(back)
    if not picked.exists() and "id" not in request.POST:
        messages.info(request, _("No order is selected. Nothing was asked for."))
        return redirect(back)
    if act == "ask-cancel":
        return _ask_first(request, picked, back)
    left = _how_many(picked) - MOST_AT_ONCE  # before asking: what is asked for may match no more
    _tell(request, act, *_ask_all(picked[:MOST_AT_ONCE], act))
    if left > 0:
        text = _(
            "%(n)s more match and were not asked for: at most %(most)s at once. Nothing changed for them."
        )
        messages.warning(request, text % {"n": count_short(left), "most": count(MOST_AT_ONCE)})
    return redirect(back)


def _ask_first(request: HttpRequest, picked: QuerySet[Order], back: str) -> HttpResponse:
    """What the dialog asks where there is script, as a page. All that match are found again when it is confirmed."""
    every = request.POST.getlist("all_matching")[-1:] == ["1"]
    context = {
        "picked": _how_many(picked),
        "numbers": [] if every else list(picked.values_list("pk", flat=True)),
        "all_matching": "1" if every else "",
        "query": request.POST.get("query", ""),
        "back": back,
    }
    return render(request, "orders/bulk_cancel.html", context)


def _how_many(picked: QuerySet[Order]) -> int:
    """Counted as far as the tabs count, whatever the length of the history."""
    return picked.order_by()[: listing.MOST_COUNTED].count()


def _picked(user: User, post: QueryDict) -> QuerySet[Order]:
    if post.get("all_matching") == "1":
        return listing.narrowed(user, Asked.read(QueryDict(post.get("query", ""))))
    numbers = [number for text in post.getlist("id") if (number := number_of(text)) is not None]
    picked: QuerySet[Order] = Order.objects.for_user(user).filter(pk__in=numbers[: listing.MOST_IDS])
    return picked.order_by("-pk")


def _ask_all(picked: QuerySet[Order], act: str) -> tuple[int, list[tuple[int, str]]]:
    """Ask for each on its own. Returns how many were asked for, and why the others were not."""
    ask: Callable[..., Request] = ask_refill if act == "refill" else ask_cancel
    done, refused = 0, []
    for number in list(picked.values_list("pk", flat=True)):
        had_open = Request.objects.live().filter(order_id=number, kind=act).exists()
        try:
            ask(number, by="customer")
        except NotAllowed as error:
            refused.append((number, str(error)))
            continue
        if had_open:
            refused.append((number, _("It was requested already.")))
        else:
            done += 1
    return done, refused


def _tell(request: HttpRequest, act: str, done: int, refused: list[tuple[int, str]]) -> None:
    total = done + len(refused)
    if act == "refill":
        head = ngettext(
            "%(done)d of %(total)d refill requested.", "%(done)d of %(total)d refills requested.", total
        )
    else:
        head = ngettext(
            "%(done)d of %(total)d cancel requested.", "%(done)d of %(total)d cancels requested.", total
        )
    text = head % {"done": done, "total": total}
    lines = format_html_join(
        "", "<br>" + _("Order %(n)s: %(why)s") % {"n": "{}", "why": "{}"}, refused[:LINES_SHOWN]
    )
    more = len(refused) - LINES_SHOWN
    rest = format_html("<br>{}", _("and %d more.") % more) if more > 0 else ""
    say = messages.error if refused else messages.success
    say(request, format_html("{}{}{}", text, lines, rest))


def _back_to_list(query: str) -> str:
    kept = QueryDict(query).urlencode()
    return reverse("orders") + (f"?{kept}" if kept else "")


def _context(request: HttpRequest, shown: listing.Page, counts: dict[str, int]) -> dict[str, Any]:
    asked = shown.asked
    kept = request.GET.copy()
    for name in ("v", "top"):
        kept.pop(name, None)
    request.GET = kept  # type: ignore[assignment]  # links in a refreshed part belong to the page's address, not to the refresh's
    live = kept.copy()
    live["top"], live["v"] = str(shown.top), shown.version
    return {
        "page": shown,
        "rows": shown.rows,
        "asked": asked,
        "tabs": _tabs(kept, asked, counts),
        "total": counts[asked.status],
        "here": kept.urlencode(),
        "back": _back_to_list(kept.urlencode()),
        "live_query": live.urlencode(),
        "sizes": SIZES,
        "columns": columns.read(request),
    }


def _tabs(query: QueryDict, asked: Asked, counts: dict[str, int]) -> list[dict[str, Any]]:
    tabs = [("", _("All")), *((status.value, status.label) for status in Order.Status)]
    return [
        {
            "label": label,
            "href": reverse("orders") + _href(query, status=value),
            "current": value == asked.status,
            "count": counts[value],
        }
        for value, label in tabs
    ]


def _chips(query: QueryDict, asked: Asked) -> list[dict[str, str]]:
    """The filters in force, each with the address that takes it away."""
    chips = []
    if asked.service is not None:
        chips.append({"label": _("Service"), "value": str(asked.service), "href": _href(query, service="")})
    if asked.days:
        chips.append(
            {"label": _("Date"), "value": _dates(asked), "href": _href(query, days="", since="", until="")}
        )
    refill = {"label": _("Refill available"), "value": "✓" if asked.refill else ""}
    refill["href"] = _href(query, refill="" if asked.refill else "1")
    return [*chips, refill]


def _dates(asked: Asked) -> str:
    if asked.days in WINDOWS:
        return _(WINDOW_NAMES[asked.days])
    since, until = (formatted(day, "j M Y") if day else "…" for day in (asked.since, asked.until))
    return f"{since} – {until}"


def _summary(asked: Asked) -> str:
    """What was filtered for, in words, for the empty result."""
    parts = []
    if asked.status:
        parts.append(_("with status %s") % Order.Status(asked.status).label)
    if asked.words:
        parts.append(_("for “%s”") % asked.words[:60])
    if asked.service is not None:
        parts.append(_("of service %s") % asked.service)
    if asked.days:
        parts.append(_("in: %s") % (_dates(asked).lower() if asked.days in WINDOWS else _dates(asked)))
    if asked.refill:
        parts.append(_("with a refill available"))
    return _("Nothing %s.") % ", ".join(parts) if parts else ""


def _service_name(number: int | None) -> str:
    if number is None:
        return ""
    return Service.objects.filter(pk=number).values_list("name", flat=True).first() or ""


def _href(query: QueryDict, **changes: str) -> str:
    """The same list with some parameters changed, from its first page."""
    changed = query.copy()
    for name in ("after", "before", "page", "v", "top"):
        changed.pop(name, None)
    for name, value in changes.items():
        changed.pop(name, None)
        if value:
            changed[name] = value
    return "?" + changed.urlencode()
