"""Setting an exchange rate by hand; prices follow at once. What it would do to them is told before."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import AuditEntry, User
from providers.exchange import exchange_rates
from providers.locking import lock_prices
from providers.models import ExchangeRate, Service
from providers.pricing import RATE
from providers.rates import RuleBook
from providers.repricing import reprice, standings_of
from providers.simulating import Simulation, compared

BEGUN = "exchange_rate.begun"
BEGINS_LATE = timedelta(days=7)


def set_rate(
    currency: str,
    rate: Decimal,
    day: date | None = None,
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> ExchangeRate:
    """Panel currency for one unit of `currency` from `day` (UTC; None: today) on; replaces that day's rate.

    Orders keep the price and cost they were placed with. ValueError with a sentence for what cannot be.
    """
    currency = checked_currency(currency, rate)
    day = day or timezone.now().date()
    with transaction.atomic():
        lock_prices()
        earlier = ExchangeRate.objects.filter(currency=currency, date=day).first()
        saved, _made = ExchangeRate.objects.update_or_create(
            currency=currency,
            date=day,
            defaults={"rate": rate, "set_at": timezone.now(), "set_by": by},
        )
        summary = f"1 {currency} is {plain(rate)} {settings.CURRENCY} from {saved.date} on"
        details = _details(currency, day, rate, earlier.rate if earlier else None)
        record(by, "exchange_rate.set", f"currency:{currency}", summary, details, request)
        _follow(currency)
    return saved


def remove_rate(
    currency: str, day: date, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """Take the rate of one day away: the one before it counts again, or none. Nothing where there is none."""
    with transaction.atomic():
        lock_prices()
        earlier = ExchangeRate.objects.filter(currency=currency, date=day).first()
        if earlier is None:
            return
        earlier.delete()
        summary = f"The rate of {currency} from {day} on ({plain(earlier.rate)}) was removed"
        details = _details(currency, day, None, earlier.rate)
        record(by, "exchange_rate.remove", f"currency:{currency}", summary, details, request)
        _follow(currency)


def begin_dated_rates() -> list[str]:
    """Let prices follow rates that were set ahead and whose day has begun; returns their currencies.

    Each begins once, which the audit keeps; one found late, because nothing ran at midnight, begins late.
    """
    today = timezone.now().date()
    ahead = ExchangeRate.objects.filter(
        date__lte=today, date__gt=today - BEGINS_LATE, set_at__date__lt=F("date")
    )
    begun = []
    for rate in ahead.order_by("date", "currency"):
        subject, details = f"currency:{rate.currency}", {"date": rate.date.isoformat()}
        done_before = AuditEntry.objects.filter(verb=BEGUN, subject=subject, details=details)
        if done_before.exists():
            continue
        with transaction.atomic():
            lock_prices()
            if done_before.exists():  # another one was quicker
                continue
            summary = f"1 {rate.currency} is {plain(rate.rate)} {settings.CURRENCY} now, as was set ahead"
            record(None, BEGUN, subject, summary, details, actor_label="the clock")
            _follow(rate.currency)
        begun.append(rate.currency)
    return begun


def simulate_rate(currency: str, rate: Decimal | None, day: date | None = None) -> Simulation:
    """What set_rate (or, with None, remove_rate) would do to the services on sale, once that day has come; reads only.

    ValueError as set_rate.
    """
    if rate is not None:
        currency = checked_currency(currency, rate)
    today = timezone.now().date()
    day = day or today
    dated = dict(ExchangeRate.objects.filter(currency=currency).values_list("date", "rate"))
    dated.pop(day, None)
    if rate is not None:
        dated[day] = rate
    exchange = exchange_rates()
    exchange.pop(currency, None)
    in_force = max((one for one in dated if one <= max(day, today)), default=None)
    if in_force is not None:
        exchange[currency] = dated[in_force]
    standings = standings_of(_services(currency).filter(published=True))
    pairs = [(standing.supply, standing.arranged(exchange).supply) for standing in standings]
    pairs = [(now, then) for now, then in pairs if now.currency == currency or now != then]
    return compared(pairs, book=RuleBook(), exchange=exchange)


def checked_currency(currency: str, rate: Decimal) -> str:
    """The currency as it is written here. ValueError with a sentence for what no rate can be set for, or to."""
    currency = currency.strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(
            _("%(currency)s is not a currency: use three letters such as EUR.") % {"currency": repr(currency)}
        )
    if currency == settings.CURRENCY:
        raise ValueError(
            _("%(currency)s is the panel's own currency; its rate is 1.") % {"currency": currency}
        )
    if not 0 < rate < 10**10 or rate != rate.quantize(RATE):
        raise ValueError(
            _("%(rate)s is not a rate: use a positive number with at most 8 decimals.") % {"rate": rate}
        )
    return currency


def plain(rate: Decimal) -> str:
    return f"{rate.normalize():f}"


def _details(currency: str, day: date, rate: Decimal | None, before: Decimal | None) -> dict[str, Any]:
    """A change as the audit keeps it, and as providers.rate_undoing takes it back."""
    return {
        "currency": currency,
        "date": day.isoformat(),
        "rate": plain(rate) if rate is not None else None,
        "before": plain(before) if before is not None else None,
    }


def _services(currency: str) -> Any:
    return Service.objects.filter(routes__offer__provider__currency=currency).distinct()


def _follow(currency: str) -> None:
    reprice(_services(currency))
