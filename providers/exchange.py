"""Exchange rates to the panel currency, by date."""

from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from providers.models import ExchangeRate


def exchange_to_panel(currency: str) -> Decimal | None:
    """Panel currency for one unit of `currency` today; 1 for the panel's own; None where no rate was ever set."""
    if currency == settings.CURRENCY:
        return Decimal(1)
    return (
        ExchangeRate.objects.filter(currency=currency, date__lte=timezone.now().date())
        .order_by("-date")
        .values_list("rate", flat=True)
        .first()
    )


def exchange_rates() -> dict[str, Decimal]:
    """The same for every currency with a rate, in one query."""
    today = timezone.now().date()
    rows = ExchangeRate.objects.filter(date__lte=today).order_by("currency", "-date").distinct("currency")
    return dict(rows.values_list("currency", "rate")) | {settings.CURRENCY: Decimal(1)}
