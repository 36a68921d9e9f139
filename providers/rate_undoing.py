"""Taking the latest change of an exchange rate back: the rate that counted before is set again.

What was in force for a while is not wiped out: the earlier rate comes back dated today. A day that has not come, or
that a newer rate has overtaken, is put back as it was. An undo is audited, and can be undone in turn.
"""

from datetime import date
from decimal import Decimal

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import AuditEntry, User
from providers.locking import lock_prices
from providers.models import ExchangeRate
from providers.rate_setting import plain, remove_rate, set_rate, simulate_rate
from providers.simulating import Simulation

VERBS = ("exchange_rate.set", "exchange_rate.remove")


class CannotUndoRate(ValueError):
    """Nothing changed; the sentence says why."""


def last_rate_change() -> AuditEntry | None:
    """The latest change of any exchange rate, if it can be taken back."""
    entry = AuditEntry.objects.filter(verb__in=VERBS).order_by("-at", "-pk").first()
    if entry is None or "before" not in entry.details or _overtaken(entry):
        return None
    return entry


def effect_of_undoing_rate(entry: AuditEntry) -> Simulation:
    """What taking it back would do to prices; reads only."""
    day, rate = _back(entry)
    return simulate_rate(entry.details["currency"], rate, day)


def undo_rate(change: AuditEntry, *, by: User | None = None, request: HttpRequest | None = None) -> str:
    """Take a change back; returns what counts now in one sentence.

    Raises CannotUndoRate where it is not the latest any more, or the rate is no longer as it left it.
    """
    with transaction.atomic():
        lock_prices()
        entry = last_rate_change()
        if entry is None or entry.pk != change.pk:
            raise CannotUndoRate(_("The rates were changed again since; look at the latest change first."))
        currency, (day, rate) = entry.details["currency"], _back(entry)
        if rate is None:
            remove_rate(currency, day, by=by, request=request)
            return _("The rate of %(currency)s from %(day)s on is gone.") % {"currency": currency, "day": day}
        set_rate(currency, rate, day, by=by, request=request)
        words = {"currency": currency, "rate": plain(rate), "day": day}
        return _("1 %(currency)s is %(rate)s again from %(day)s on.") % words


def _back(entry: AuditEntry) -> tuple[date, Decimal | None]:
    """(the day to write, the rate it gets; None: it loses its own)."""
    today, day = timezone.now().date(), date.fromisoformat(entry.details["date"])
    before = Decimal(entry.details["before"]) if entry.details["before"] else None
    rates = ExchangeRate.objects.filter(currency=entry.details["currency"])
    if before is not None and day >= today:
        return day, before
    if day > today or rates.filter(date__gt=day, date__lte=today).exists():
        return day, before
    counted = before or rates.filter(date__lt=day).order_by("-date").values_list("rate", flat=True).first()
    return (today, counted) if counted is not None and entry.details["rate"] else (day, before)


def _overtaken(entry: AuditEntry) -> bool:
    """Whether that day's rate is not as this change left it."""
    rates = ExchangeRate.objects.filter(currency=entry.details["currency"], date=entry.details["date"])
    rate = rates.values_list("rate", flat=True).first()
    return (plain(rate) if rate is not None else None) != entry.details["rate"]
