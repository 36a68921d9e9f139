"""Reports for admins: a range of days, by day, service, provider or customer; as a table, a chart and a file."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from customers.access import allowed, staff_of
from customers.audit import record
from customers.charting import Chart, chart
from customers.exporting import csv_download
from customers.figures import count, money, percent
from orders import reports
from orders.earnings import Earned
from orders.reports import BY, BadRange, Range, Row

PAGE = 100
LABELS = {
    "day": gettext_lazy("By day"),
    "service": gettext_lazy("By service"),
    "provider": gettext_lazy("By provider"),
    "customer": gettext_lazy("By customer"),
}
FIRST_COLUMN = {
    "day": gettext_lazy("Day"),
    "service": gettext_lazy("Service"),
    "provider": gettext_lazy("Provider"),
    "customer": gettext_lazy("Customer"),
}
SORT_LABELS = {
    "revenue": gettext_lazy("Revenue"),
    "orders": gettext_lazy("Orders"),
    "cost": gettext_lazy("Cost"),
    "profit": gettext_lazy("Profit"),
    "margin": gettext_lazy("Margin"),
}
PAGES_OF = {"service": "manage_service", "provider": "manage_provider", "customer": "staff_customer"}
MOST_BARS = 92  # days; longer ranges are drawn by month


@allowed("money.see")
@require_safe
def report(request: HttpRequest) -> HttpResponse:
    by, sort, skip = _asked(request.GET)
    typed = {"from": request.GET.get("from", "")[:20], "to": request.GET.get("to", "")[:20]}
    problem, status = "", 200
    try:
        over = reports.range_of(typed["from"], typed["to"])
    except BadRange as error:
        over, problem, status = reports.range_of("", ""), str(error), 422
    else:
        typed = {"from": over.first.isoformat(), "to": over.last.isoformat()}
    days = reports.days_of(over) if by == "day" else []
    total = reports.total_of_days(days) if by == "day" else reports.totals_of(over)
    context: dict[str, Any] = {
        "by": by,
        "sort": sort,
        "sorts": SORT_LABELS.items(),
        "over": over,
        "typed": typed,
        "problem": problem,
        "total": total,
        "stats": _stats(total),
        "first_column": FIRST_COLUMN[by],
        "tabs": [{"label": LABELS[each], "href": _address(each, over), "current": each == by} for each in BY],
        "ranges": _ranges(by, over),
    }
    context |= _by_day(over, days) if by == "day" else _by_thing(by, over, sort, skip)
    return render(request, "manage/reports.html", context, status=status)


@allowed("report.export")
@require_POST
def report_csv(request: HttpRequest) -> HttpResponseBase:
    """The whole report as a file. Posted, because it leaves an entry in the audit log."""
    by, sort, _skip = _asked(request.POST)
    try:
        over = reports.range_of(request.POST.get("from", "")[:20], request.POST.get("to", "")[:20])
    except BadRange as error:
        return HttpResponse(str(error), status=422, content_type="text/plain; charset=utf-8")
    details = {"from": over.first.isoformat(), "to": over.last.isoformat(), "by": by}
    record(staff_of(request), "export.report", f"report:{by}", f"Report by {by} downloaded", details, request)
    first = ("day",) if by == "day" else (by, "name")
    name = f"report-by-{by}-{over.first}-{over.last}"
    return csv_download(name, (*first, *reports.EXPORT_HEADER), reports.exported(by, over, sort))


def _asked(query: Any) -> tuple[str, str, int]:
    by, sort, skip = query.get("by", ""), query.get("sort", ""), query.get("skip", "")
    return (
        by if by in BY else "day",
        sort if sort in reports.SORTS else "revenue",
        int(skip) if skip.isascii() and skip.isdigit() and len(skip) < 8 else 0,
    )


def _stats(total: Earned) -> list[dict[str, Any]]:
    return [
        {"label": _("Revenue"), "value": money(total.revenue), "note": _("after refunds")},
        {
            "label": _("Provider cost"),
            "value": money(total.cost),
            "note": _("of what was delivered or is open"),
        },
        {"label": _("Profit"), "value": money(total.profit), "note": ""},
        {"label": _("Margin"), "value": percent(total.margin), "note": _("share of the revenue")},
        {"label": _("Orders"), "value": count(total.orders), "note": _("placed")},
    ]


def _ranges(by: str, over: Range) -> list[dict[str, Any]]:
    today = timezone.localdate()
    this_month = today.replace(day=1)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    spans = (
        (_("7 days"), today - timedelta(days=6), today),
        (_("30 days"), today - timedelta(days=29), today),
        (_("This month"), this_month, today),
        (_("Last month"), last_month, this_month - timedelta(days=1)),
    )
    return [
        {
            "label": label,
            "href": _address(by, replace(over, first=first, last=last)),
            "current": (first, last) == (over.first, over.last),
        }
        for label, first, last in spans
    ]


def _address(by: str, over: Range) -> str:
    return f"?by={by}&from={over.first}&to={over.last}"


# ── by service, provider, customer ──────────────────────────────────────────────────────────────────


def _by_thing(by: str, over: Range, sort: str, skip: int) -> dict[str, Any]:
    page = reports.page_of(by, over, sort, most=PAGE, skip=skip)
    shown = skip + len(page.rows)
    last = max(page.count, skip)
    return {
        "rows": [{"row": row, "link": reverse(PAGES_OF[by], args=[row.key])} for row in page.rows],
        "newer": max(0, skip - PAGE) if skip else None,
        "older": shown if shown < last and page.rows else None,
        "shown": _("%(first)s to %(last)s of %(all)s")
        % {"first": count(skip + 1), "last": count(shown), "all": count(page.count)}
        if page.rows
        else "",
    }


# ── by day ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Slot:
    """A day, or a month of a long range. `placed` is the revenue in `unit`ths of the currency, as charts count whole."""

    at: date
    placed: int
    failed: int
    running: bool
    revenue: Decimal


def _by_day(over: Range, days: list[Row]) -> dict[str, Any]:
    monthly = over.days > MOST_BARS
    slots, unit = _slots(days, monthly)
    return {
        "rows": [{"row": row, "link": ""} for row in reversed(days)],
        "monthly": monthly,
        "earned": any(slot.placed for slot in slots),
        "wide": _chart(slots, unit, 1100, 214, monthly),
        "narrow": _chart(slots, unit, 330, 190, monthly),
        "summary": _summary(slots, monthly),
    }


def _slots(days: list[Row], monthly: bool) -> tuple[list[_Slot], int]:
    sums: Counter[date] = Counter()
    for day in days:
        sums[day.key.replace(day=1) if monthly else day.key] += day.revenue  # type: ignore[assignment]
    unit = 1 if max(sums.values()) >= 20 else 100
    today = timezone.localdate()
    now = today.replace(day=1) if monthly else today
    slots = [
        # a day that gave back more than it took has no bar; the table says how much
        _Slot(at, max(0, round(Decimal(revenue) * unit)), 0, at == now, Decimal(revenue))
        for at, revenue in sums.items()
    ]
    return slots, unit


def _label(slot: _Slot, monthly: bool) -> str:
    return formatted(slot.at, "M Y" if monthly else "j M")


def _chart(slots: list[_Slot], unit: int, width: int, height: int, monthly: bool) -> Chart:
    room = max(1, width // (70 if monthly else 55))
    drawn = chart(
        slots,
        width,
        height,
        slots_in_all=len(slots),
        every=-(-len(slots) // room),
        label=lambda slot: _label(slot, monthly),
        title=lambda slot: f"{_label(slot, monthly)}: {money(slot.revenue)}",
    )
    return replace(drawn, lines=tuple(replace(line, text=_axis(line.text, unit)) for line in drawn.lines))


def _axis(text: str, unit: int) -> str:
    """What a line of the chart stands for, in few letters: 0.25, 800, 12k, 3M."""
    amount = Decimal(text.replace(",", "")) / unit
    for size, letter in ((1_000_000, "M"), (10_000, "k")):
        if amount >= size:
            return f"{(amount / (1_000_000 if letter == 'M' else 1000)).normalize():f}{letter}"
    return f"{amount:,.0f}" if unit == 1 or not amount else f"{amount:.2f}"


def _summary(slots: list[_Slot], monthly: bool) -> str:
    """What the chart says, for those who do not see it."""
    peak = max(slots, key=lambda slot: slot.revenue)
    if monthly:
        words = ngettext("Revenue of %d month", "Revenue of %d months", len(slots)) % len(slots)
    else:
        words = ngettext("Revenue of %d day", "Revenue of %d days", len(slots)) % len(slots)
    return _("%(words)s: most on %(at)s with %(amount)s") % {
        "words": words,
        "at": _label(peak, monthly),
        "amount": money(peak.revenue),
    }
