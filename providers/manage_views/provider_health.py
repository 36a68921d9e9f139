"""How one provider does, as parts of its page: calls by the hour, money for what waits, delivery, unknown types."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.charting import Chart, chart
from customers.figures import count, money
from providers import balances
from providers.models import Lane, Provider, Service
from providers.overview import Standing
from providers.quality import ENOUGH, LAST, WINDOW, Quality, quality_of
from providers.sending import last_trouble
from providers.service_types import TYPES
from providers.type_mapping import unknown_types
from providers.vitals import HOURS, HourOfCalls, calls_by_hour, calls_by_kind, funds_of

BALANCE_DAYS = 14
WIDE, NARROW, BALANCE_WIDE, TALL, LOW = 640, 340, 560, 170, 110
SHOWN = 10  # services in the table of quality


@dataclass(frozen=True)
class _Slot:
    """One bar. `placed` is its whole height, `failed` the part of it that is marked."""

    at: datetime
    placed: int
    failed: int = 0
    running: bool = False


def health_part(row: Standing) -> dict[str, Any]:
    """What the template needs; a dozen queries, however much was sent."""
    provider = row.provider
    hours, kinds = calls_by_hour(provider), calls_by_kind(provider)
    whole, services = quality_of(provider, most=SHOWN)
    return {
        "hours": list(reversed(hours)),
        "kinds": [(Lane.Kind(kind).label, calls) for kind, calls in kinds.items()],
        "calls": sum(hour.calls for hour in hours),
        "charts": _call_charts(hours),
        "trouble": last_trouble(provider, row.hours),
        "funds": funds_of(provider, row.runway),
        "balance_chart": _balance_chart(provider),
        "quality": whole,
        "services_quality": _named(services),
        "enough": ENOUGH,
        "last": LAST,
        "window_days": WINDOW.days,
        "unknown_types": unknown_types(provider),
        "known_types": [(code, kind.name) for code, kind in TYPES.items() if kind.sellable],
    }


def _named(rows: Sequence[Quality]) -> list[tuple[Quality, str]]:
    names = dict(
        Service.objects.filter(pk__in=[row.service_id for row in rows]).values_list("pk", "name").order_by()
    )
    return [(row, names.get(row.service_id or 0, "")) for row in rows]


# ── charts ──────────────────────────────────────────────────────────────────────────────────────────


def _call_charts(hours: Sequence[HourOfCalls]) -> dict[str, Any]:
    """Calls with their errors, and the average answer time; each for a wide and a narrow screen."""
    calls = [_Slot(hour.at or timezone.now(), hour.calls, hour.errors) for hour in hours[:-1]]
    calls.append(_Slot(hours[-1].at or timezone.now(), hours[-1].calls, hours[-1].errors, running=True))
    times = [_Slot(hour.at or timezone.now(), hour.average_ms or 0) for hour in hours]
    errors = sum(hour.errors for hour in hours)
    slowest = max(hours, key=lambda hour: hour.average_ms or 0)
    return {
        "calls": _both(calls, TALL, _call_words),
        "calls_summary": _("Calls of the last %(hours)s hours: %(calls)s, of them %(errors)s with errors")
        % {"hours": HOURS, "calls": count(sum(slot.placed for slot in calls)), "errors": count(errors)},
        "times": _both(times, LOW, _time_words),
        "times_summary": _("Average answer time by the hour: slowest %(ms)s ms at %(at)s")
        % {"ms": count(slowest.average_ms or 0), "at": _hour(slowest.at or timezone.now())},
    }


def _both(slots: list[_Slot], height: int, words: Any) -> tuple[Chart, Chart]:
    return tuple(  # type: ignore[return-value]
        chart(
            slots, width, height, slots_in_all=len(slots), every=3 if width == WIDE else 6,
            label=lambda slot: _hour(slot.at), title=words,
        )
        for width in (WIDE, NARROW)
    )  # fmt: skip


def _call_words(slot: _Slot) -> str:
    calls = ngettext("%s call", "%s calls", slot.placed) % count(slot.placed)
    return _("%(at)s, %(calls)s, %(errors)s with errors") % {
        "at": _hour(slot.at),
        "calls": calls,
        "errors": count(slot.failed),
    }


def _time_words(slot: _Slot) -> str:
    return _("%(at)s, %(ms)s ms") % {"at": _hour(slot.at), "ms": count(slot.placed)}


def _hour(at: datetime) -> str:
    return formatted(timezone.localtime(at), "H:i")


def _balance_chart(provider: Provider) -> dict[str, Any] | None:
    """The last reading of each of 14 days; None with fewer than two days of readings."""
    by_day: dict[Any, tuple[datetime, Decimal]] = {
        timezone.localtime(at).date(): (at, amount) for at, amount in balances.series(provider, BALANCE_DAYS)
    }
    if len(by_day) < 2:
        return None
    today = timezone.localtime().date()
    days = [today - timedelta(days=back) for back in range(BALANCE_DAYS - 1, -1, -1)]
    known = [(day, by_day[day][1]) for day in days if day in by_day]
    slots = [
        _Slot(
            timezone.make_aware(datetime.combine(day, datetime.min.time())),
            int(max(by_day[day][1], Decimal(0))) if day in by_day else 0,
        )
        for day in days
    ]

    def words(slot: _Slot) -> str:
        day = timezone.localtime(slot.at).date()
        amount = money(by_day[day][1], provider.currency) if day in by_day else _("not read")
        return f"{formatted(timezone.localtime(slot.at), 'j M')}, {amount}"

    drawn = [
        chart(
            slots, width, LOW, slots_in_all=BALANCE_DAYS, every=4,
            label=lambda slot: formatted(timezone.localtime(slot.at), "j M"), title=words,
        )
        for width in (BALANCE_WIDE, NARROW)
    ]  # fmt: skip
    return {
        "drawn": drawn,
        "days": list(reversed(known)),
        "summary": _("Balance at the end of each of the last %(days)s days, from %(first)s to %(last)s")
        % {
            "days": BALANCE_DAYS,
            "first": money(known[0][1], provider.currency),
            "last": money(known[-1][1], provider.currency),
        },
    }
