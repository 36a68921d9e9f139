"""Setting an exchange rate by hand; prices follow at once."""

import re
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from customers.audit import record
from customers.models import User
from providers.models import ExchangeRate, Service
from providers.pricing import RATE
from providers.repricing import reprice


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
    currency = currency.strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(f"{currency!r} is not a currency: use three letters such as EUR.")
    if currency == settings.CURRENCY:
        raise ValueError(f"{currency} is the panel's own currency; its rate is 1.")
    if not 0 < rate < 10**10 or rate != rate.quantize(RATE):
        raise ValueError(f"{rate} is not a rate: use a positive number with at most 8 decimals.")
    with transaction.atomic():
        saved, _ = ExchangeRate.objects.update_or_create(
            currency=currency,
            date=day or timezone.now().date(),
            defaults={"rate": rate, "set_at": timezone.now(), "set_by": by},
        )
        summary = f"1 {currency} is {rate:f} {settings.CURRENCY} from {saved.date} on"
        record(by, "exchange_rate.set", f"currency:{currency}", summary, {"rate": rate}, request)
        reprice(Service.objects.filter(routes__offer__provider__currency=currency).distinct())
    return saved
