"""The admins' first page."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from customers.access import allowed
from customers.charting import Chart, chart
from customers.figures import MINUS, count, money, percent
from orders import dashboard as figures
from orders.dashboard import Period, Slot
from orders.earnings import Totals, totals
from orders.models import DispatchSwitch, Submission
from providers.overview import Standing, standings


@allowed("money.see")
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    name = request.GET.get("period", "today")
    period = figures.period_of(name)
    rows = standings()
    slots = figures.slots(period)
    context = {
        "period": period,
        "periods": [
            {
                "label": label,
                "href": f"?period={key}",
                "current": figures.PERIODS.get(name, 1) == figures.PERIODS[key],
            }
            for key, label in (("today", _("Today")), ("7", _("7 days")), ("30", _("30 days")))
        ],
        "stats": _stats(period),
        "slots": slots,
        "wide": _chart(slots, period, 860, 214),
        "narrow": _chart(slots, period, 330, 190),
        "summary": _summary(slots, period),
        "providers": [row for row in rows if not row.provider.archived_at],
        "top": figures.top_services(period),
        "switch": DispatchSwitch.objects.first(),
        # said one by one, as the three partial indexes have them
        "open_submissions": Submission.objects.filter(
            Q(state="queued") | Q(state="held") | Q(state__in=["claimed", "sending"])
        ).count(),
    }
    return render(request, "manage/dashboard.html", context | _attention(rows))


@allowed("money.see")
@require_safe
def attention(request: HttpRequest) -> HttpResponse:
    """The part of the dashboard that refreshes itself; 204 while nothing changed. Reads only, with the same queries."""
    context = _attention(standings())
    if request.GET.get("v") == context["version"]:
        return HttpResponse(status=204)
    return render(request, "manage/parts/attention.html", context)


def _attention(rows: Sequence[Standing]) -> dict[str, Any]:
    """What needs a person, and a mark of it by which a page knows whether it is another."""
    found = figures.needs_attention(rows)
    said = "\n".join(map(repr, found))
    return {"attention": found, "version": hashlib.sha256(said.encode()).hexdigest()[:16]}


def _stats(period: Period) -> list[dict[str, Any]]:
    now, before = totals(period.start, period.end), totals(*period.compared)
    if period.days == 1:
        weekday = formatted(timezone.localtime(period.start), "l")
        than = _("on last %s at this hour") % weekday
    else:
        than = _("on the %d days before") % period.days
    failed_share = percent(Decimal(now.failed * 100) / now.orders) if now.orders else ""
    failed = (
        _("%(n)s failed, %(share)s") % {"n": count(now.failed), "share": failed_share}
        if now.failed
        else _("none failed")
    )
    return [
        _stat(_("Revenue"), money(now.revenue), now.revenue, before.revenue, than),
        _stat(_("Provider cost"), money(now.cost), now.cost, before.cost, than, good_when_up=None),
        _stat(_("Profit"), money(now.profit), now.profit, before.profit, than),
        {"label": _("Margin"), "value": percent(now.margin), "note": _margin_note(before)},
        {
            "label": _("Orders"),
            "value": count(now.orders),
            "note": f"{_change(now.orders, before.orders)} {failed}".strip(),
        },
    ]


def _stat(
    label: str, value: str, now: Any, before: Any, than: str, good_when_up: bool | None = True
) -> dict[str, Any]:
    change = figures.change_percent(now, before)
    if change is None:
        return {"label": label, "value": value, "note": _("nothing to compare with yet")}
    tone = "" if good_when_up is None or not change else "pos" if change > 0 else "neg"
    return {"label": label, "value": value, "note": f"{_change(now, before)} {than}", "tone": tone}


def _change(now: Any, before: Any) -> str:
    change = figures.change_percent(now, before)
    if change is None:
        return ""
    return f"{'+' if change > 0 else MINUS if change < 0 else ''}{percent(abs(change))}"


def _margin_note(before: Totals) -> str:
    return _("was %s") % percent(before.margin) if before.margin is not None else ""


def _label(slot: Slot, period: Period) -> str:
    return formatted(timezone.localtime(slot.at), "H:i" if period.days == 1 else "j M")


def _title(slot: Slot, period: Period) -> str:
    placed = ngettext("%s order", "%s orders", slot.placed) % count(slot.placed)
    return _("%(at)s, %(placed)s, %(failed)s failed") % {
        "at": _label(slot, period),
        "placed": placed,
        "failed": count(slot.failed),
    }


def _chart(slots: list[Slot], period: Period, width: int, height: int) -> Chart:
    in_all = 24 if period.days == 1 else period.days
    every = {1: 3 if width > 500 else 6, 7: 1 if width > 500 else 2}.get(
        period.days, 5 if width > 500 else 10
    )
    return chart(
        slots,
        width,
        height,
        slots_in_all=max(in_all, len(slots)),
        every=every,
        label=lambda slot: _label(slot, period),
        title=lambda slot: _title(slot, period),
    )


def _summary(slots: list[Slot], period: Period) -> str:
    """What the chart says, for those who do not see it."""
    peak = max(slots, key=lambda slot: slot.placed)
    return _("Orders placed: peak %(peak)s at %(at)s, %(failed)s failed to send in all") % {
        "peak": count(peak.placed),
        "at": _label(peak, period),
        "failed": count(sum(slot.failed for slot in slots)),
    }
