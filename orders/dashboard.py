"""The business at a glance: what came in, what it cost, what needs a person. Reads only, a constant number of queries.

Revenue and cost are what orders.earnings says; compared with the same hours of the same weekday last week, or with the
days before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, F, Min, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.figures import count, money, span
from orders.at_risk import daily_sales_at, daily_sales_off_sale, waiting_at
from orders.earnings import moved
from orders.models import Order, Request, Submission, Tally
from orders.stuck import delayed, measure
from orders.watching import PAID_FOR, SHOWN_BY_DASHBOARD, WAITS_TOO_LONG
from providers.models import Alert, Route, Service
from providers.overview import Standing
from providers.pricing import margin_percent
from providers.tallied import asked

ZERO = Decimal(0)
PERIODS = {"today": 1, "7": 7, "30": 30}
MOST_ALERTS = 20


@dataclass(frozen=True)
class Period:
    """Two spans of equal length: [start, end) and the one it is compared with."""

    days: int
    start: datetime
    end: datetime

    @property
    def back(self) -> timedelta:
        """Today is compared with the same hours a week ago, longer periods with those before them."""
        return timedelta(days=7 if self.days == 1 else self.days)

    @property
    def compared(self) -> tuple[datetime, datetime]:
        return self.start - self.back, self.end - self.back


def period_of(name: str, now: datetime | None = None) -> Period:
    """today, 7 or 30 days up to now; days begin at midnight of the reader's clock."""
    now = now or timezone.now()
    days = PERIODS.get(name, 1)
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return Period(days, midnight - timedelta(days=days - 1), now)


def change_percent(now: Decimal | int, before: Decimal | int) -> Decimal | None:
    """None where there was nothing to compare with."""
    if before <= 0:
        return None
    return ((Decimal(now) - before) / before * 100).quantize(Decimal("0.1"))


# ── orders per hour or day ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Slot:
    """Orders placed in one hour (or day), and how many of them could not be sent. `running`: not over yet."""

    at: datetime
    placed: int
    failed: int
    running: bool


def slots(period: Period) -> list[Slot]:
    """One slot an hour for a day, one a day for longer periods, up to now. One query."""
    unit = "hour" if period.days == 1 else "day"
    zone = timezone.get_current_timezone_name()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT slot AT TIME ZONE %(zone)s, coalesce(sum(placed), 0), coalesce(sum(failed), 0)
            FROM generate_series(date_trunc(%(unit)s, %(start)s AT TIME ZONE %(zone)s),
                                 date_trunc(%(unit)s, %(end)s AT TIME ZONE %(zone)s),
                                 ('1 ' || %(unit)s)::interval) AS slot
            LEFT JOIN (SELECT date_trunc(%(unit)s, at AT TIME ZONE %(zone)s) AS slot, placed, failed
                       FROM ({moved(Tally.Of.ALL)}) AS moved) AS counted USING (slot)
            GROUP BY slot ORDER BY slot
            """,
            asked(period.start, period.end, _cuts(period)) | {"zone": zone, "unit": unit},
        )
        rows = cursor.fetchall()
    return [Slot(at, int(placed), int(failed), at == rows[-1][0]) for at, placed, failed in rows]


def _cuts(period: Period) -> list[datetime]:
    """Where slots begin, as far as that may be within an hour of UTC."""
    cuts, at = [], period.start
    while at < period.end:
        local = timezone.localtime(at)
        cuts.append(local.replace(minute=0, second=0, microsecond=0))
        at += timedelta(hours=1)
    return cuts


# ── top services ────────────────────────────────────────────────────────────────────────────────────


def top_services(period: Period, most: int = 5) -> list[dict[str, Any]]:
    """Of the services ordered in the period, those that brought most in it, as in the report by service. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT summed.key, v.name, placed, revenue, cost,
                   (SELECT string_agg(p.name, ', ' ORDER BY p.name) FROM providers_provider p WHERE p.id = ANY(providers))
            FROM (SELECT key, sum(placed) AS placed, sum(revenue) AS revenue, sum(cost) AS cost,
                         array_agg(provider) FILTER (WHERE placed > 0) AS providers
                  FROM (SELECT key, provider, sum(placed) AS placed, sum(revenue) AS revenue, sum(cost) AS cost
                        FROM ({moved(Tally.Of.SUPPLY)}) AS moved GROUP BY key, provider) AS of_each
                  GROUP BY key HAVING sum(placed) > 0) AS summed
            JOIN providers_service v ON v.id = summed.key
            ORDER BY revenue DESC, placed DESC, summed.key LIMIT %(most)s
            """,
            asked(period.start, period.end) | {"most": most},
        )
        return [
            {
                "id": pk,
                "name": name,
                "orders": int(number),
                "revenue": revenue,
                "margin": margin_percent(revenue, cost),
                "providers": providers,
            }
            for pk, name, number, revenue, cost, providers in cursor.fetchall()
        ]


# ── needs attention ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Attention:
    """One thing for a person, with the one page where he does something about it. `at_risk`: panel currency."""

    kind: str
    icon: str
    title: str
    text: str
    at_risk: Decimal
    link: str
    button: str


def needs_attention(standings: Sequence[Standing]) -> list[Attention]:
    """Everything that waits for somebody, the most money at risk first (orders.at_risk), then by how bad it is."""
    found = [
        *_orders_in_doubt(),
        *_open_alerts(standings),
        *_low_runways(standings),
        *_services_off_sale(),
        *_late_requests(),
    ]
    rank = {"err": 0, "warn": 1, "info": 2}
    return sorted(found, key=lambda item: (-item.at_risk, rank[item.kind]))


def _orders_in_doubt() -> list[Attention]:
    unknown = Submission.objects.filter(state=Submission.State.UNKNOWN).aggregate(
        n=Count("pk"), sum=Sum("order__charge"), since=Min("state_at")
    )
    marked = Order.objects.exclude(attention="").exclude(submission__state=Submission.State.UNKNOWN)
    marked_sum = marked.aggregate(n=Count("pk"), sum=Sum(F("charge") - F("refunded")))
    found = []
    if unknown["n"]:
        age = span(timezone.now() - unknown["since"])
        found.append(
            Attention(
                "err",
                "question-mark",
                ngettext("%d order is being verified", "%d orders are being verified", unknown["n"])
                % unknown["n"],
                _("%(sum)s at risk, the oldest for %(age)s") % {"sum": money(unknown["sum"]), "age": age},
                unknown["sum"],
                "/staff/unknown",
                _("Decide %s") % count(unknown["n"]),
            )
        )
    if marked_sum["n"]:
        found.append(
            Attention(
                "err",
                "alert-triangle",
                ngettext("%d order needs a look", "%d orders need a look", marked_sum["n"]) % marked_sum["n"],
                _("%s paid for them") % money(marked_sum["sum"]),
                marked_sum["sum"],
                "/staff/orders?tab=attention",
                _("Show %s") % count(marked_sum["n"]),
            )
        )
    slow = Order.objects.filter(delayed(timezone.now(), measure())).aggregate(
        n=Count("pk"), sum=Sum("charge"), since=Min("created_at")
    )
    if slow["n"]:
        age = span(timezone.now() - slow["since"])
        found.append(
            Attention(
                "warn",
                "clock",
                ngettext("%d order is stuck or slow", "%d orders are stuck or slow", slow["n"]) % slow["n"],
                _("%(sum)s paid for them, the oldest placed %(age)s ago")
                % {"sum": money(slow["sum"]), "age": age},
                slow["sum"],
                "/staff/orders?tab=stuck",
                _("Show %s") % count(slow["n"]),
            )
        )
    return found


def _open_alerts(standings: Sequence[Standing]) -> list[Attention]:
    alerts = Alert.objects.filter(closed_at=None).select_related("provider").order_by("-at_risk", "-last_at")
    for told_above in SHOWN_BY_DASHBOARD:
        alerts = alerts.exclude(key__startswith=told_above)
    # What an outage means and what to do about it stands below what it is.
    titles = [row.outage.title for row in standings if row.outage]
    found, shown = [], list(alerts[:MOST_ALERTS])
    refused = _services_refused(shown)
    for alert in shown:
        title = next((title for title in titles if alert.text.startswith(title)), alert.text)
        parts = (
            alert.text[len(title) :].strip(),
            _("%s at risk.") % money(alert.at_risk) if alert.at_risk else "",
            _("Seen %s times.") % count(alert.count) if alert.count > 1 else "",
        )
        found.append(
            Attention(
                {"critical": "err", "warning": "warn"}.get(alert.level, "info"),
                "plug-connected" if alert.provider_id else "alert-triangle",
                title,
                " ".join(part for part in parts if part),
                alert.at_risk,
                *(refused.get(alert.key) or _alert_place(alert)),
            )
        )
    return found


def _services_refused(alerts: Sequence[Alert]) -> dict[str, tuple[str, str]]:
    """By key of the alerts about refused offers: the page of a service on which the offer is sold again. One query."""
    offers = {
        alert.key.partition(":")[2]: alert.key for alert in alerts if alert.key.startswith("refused-service:")
    }
    if not offers:
        return {}
    routes = (
        Route.objects.filter(offer__in=map(int, offers)).order_by("-service").values_list("offer", "service")
    )
    return {
        offers[str(offer)]: (f"/manage/services/{service}", _("Open service")) for offer, service in routes
    }


def _alert_place(alert: Alert) -> tuple[str, str]:
    if alert.key.startswith("drift:"):
        return "/manage/money/check", _("Open the check")
    if alert.key == "watch:deposits":
        return "/manage/money", _("Open payments")
    if alert.key == "watch:reviews":
        return "/staff/orders?tab=held", _("Show held orders")
    if alert.key == "watch:erased":
        return "/staff/customers?tab=erased", _("Show accounts")
    if alert.service_id:
        return f"/manage/services/{alert.service_id}", _("Open service")
    if alert.order_number:
        return f"/staff/orders/{alert.order_number}", _("Open order")
    if alert.key.startswith(("catalog:", "holds:")) and alert.provider_id:
        return f"/manage/providers/{alert.provider_id}#changes", _("Review changes")
    if alert.provider_id:
        return f"/manage/providers/{alert.provider_id}", _("Open provider")
    return "/manage/alerts", _("Open alerts")


def _low_runways(standings: Sequence[Standing]) -> list[Attention]:
    low = [(row, row.low) for row in standings if row.low]
    ids = [row.provider.pk for row, _low in low]
    waiting, sales = waiting_at(ids), daily_sales_at(ids)
    found = []
    for row, runs_out in low:
        said, left = row.low_words
        number, charged = waiting.get(row.provider.pk, (0, ZERO))
        sold = sales.get(row.provider.pk, ZERO)
        waits = ngettext(
            "%(n)s order of %(sum)s waits to be sent there.",
            "%(n)s orders of %(sum)s wait to be sent there.",
            number,
        )
        parts = (
            f"{left}.",
            waits % {"n": count(number), "sum": money(charged)} if number else "",
            _("%s of sales a day depend on it.") % money(sold) if sold else "",
        )
        found.append(
            Attention(
                "err" if runs_out.critical else "warn",
                "wallet",
                said,
                " ".join(part for part in parts if part),
                charged + sold,
                f"/manage/providers/{row.provider.pk}/top-ups",
                _("Record top-up"),
            )
        )
    return found


def _services_off_sale() -> list[Attention]:
    off = Q(published=True) & ~Q(off_sale="")
    counted = Service.objects.aggregate(n=Count("pk", filter=off), reason=Min("off_sale", filter=off))
    if not counted["n"]:
        return []
    sold = daily_sales_off_sale()
    example = counted["reason"] if counted["n"] == 1 else _("For example: %s") % counted["reason"]
    brought = _("%s of sales a day before, on average of 30 days.") % money(sold) if sold else ""
    return [
        Attention(
            "warn",
            "percentage",
            ngettext("%d published service is off sale", "%d published services are off sale", counted["n"])
            % counted["n"],
            f"{brought} {example}".strip(),
            sold,
            "/manage/services?state=off",
            _("Show services"),
        )
    ]


def _late_requests() -> list[Attention]:
    late = Request.objects.filter(
        state=Request.State.REQUESTED, created_at__lt=timezone.now() - WAITS_TOO_LONG
    ).aggregate(n=Count("pk"), since=Min("created_at"), sum=Sum(PAID_FOR, default=ZERO))
    if not late["n"]:
        return []
    return [
        Attention(
            "info",
            "inbox",
            ngettext("%d request waits over 24 h", "%d requests wait over 24 h", late["n"]) % late["n"],
            _("%(sum)s paid for their orders, the oldest for %(age)s")
            % {"sum": money(late["sum"]), "age": span(timezone.now() - late["since"])},
            late["sum"],
            "/staff/review",
            _("Open queue"),
        )
    ]
