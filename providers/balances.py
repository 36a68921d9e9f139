"""What is left on our accounts at the providers: readings, runway, and a warning before one is empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from providers import breaker
from providers.adapters.errors import ProviderError, Refused
from providers.alerts import close_alert, raise_alert
from providers.connecting import adapter_for, options_of, read_failed, read_worked
from providers.currency_doubt import doubt_currency, end_doubt
from providers.exchange import exchange_to_panel
from providers.lanes import LaneBusy, hold
from providers.metering import metered
from providers.models import Alert, BalanceReading, Lane, Provider
from providers.throttle import RATE_USED_UP, wait_for
from providers.top_ups import match_top_ups

ZERO = Decimal(0)
AMOUNT = Decimal("0.000001")
LARGEST = Decimal(10) ** 13
RUNWAY_DAYS, ENOUGH_DAYS = 7, 3


@dataclass(frozen=True)
class BalanceRead:
    """One reading. `balance` is the last known one where `error` is not empty; `failed`: the call failed."""

    provider: str
    balance: Decimal | None
    currency: str
    error: str = ""
    failed: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "balance": self.balance,
            "currency": self.currency,
            "error": self.error,
        }


@dataclass(frozen=True)
class Runway:
    """How long the balance lasts, in the provider's currency. None: fewer than 3 days of readings, or no spend."""

    daily_spend: Decimal | None
    days: Decimal | None


def read_balance(provider: Provider, *, wait_s: float | None = None) -> BalanceRead:
    """Ask a provider for our balance there and keep it. Never raises for what a provider does.

    Waits `wait_s` for the lane (None: one deadline). A refused key pauses the provider; the pause ends elsewhere,
    at the first good reading that covers the next order.
    """
    options = options_of(provider)
    deadline = options["deadline_s"]
    try:
        adapter = adapter_for(provider)
        wait_s = deadline if wait_s is None else wait_s
        with hold(provider.pk, Lane.Kind.BALANCE, seconds=deadline + 30, wait_s=wait_s) as holding:
            if not wait_for(provider.pk, options["rate_per_minute"], wait_s):
                return _not_read(provider, RATE_USED_UP)
            with metered(adapter, provider.pk, Lane.Kind.BALANCE):
                found = holding.asked(adapter.balance)
    except LaneBusy:
        return _not_read(provider, "The balance is being read already.")
    except ProviderError as error:
        read_failed(provider.pk, "Balance", error)
        if isinstance(error, Refused) and error.kind == "auth":
            breaker.pause(provider.pk, Provider.Pause.AUTH, f"The provider refused our key: {error.message}")
        return _not_read(provider, error.message)
    if abs(found.amount) >= LARGEST:
        return _not_read(provider, f"The balance of {found.amount} cannot be real.")
    amount, now = found.amount.quantize(AMOUNT), timezone.now()
    currency = (found.currency or provider.currency)[:3].upper()
    BalanceReading.objects.create(provider=provider, at=now, amount=amount, currency=currency)
    read_worked(provider.pk, "Balance", balance=amount, balance_at=now)
    provider.balance, provider.balance_at = amount, now
    match_top_ups(provider.pk)
    problem = _tell(provider, currency, bool(found.currency))
    return BalanceRead(provider.name, amount, currency, problem)


def _not_read(provider: Provider, why: str) -> BalanceRead:
    return BalanceRead(provider.name, provider.balance, provider.currency, why, failed=True)


def _tell(provider: Provider, currency: str, named: bool) -> str:
    """Open or close the alert that a reading is about; returns what is wrong with the reading itself. That the money
    runs out is a state and told by the watcher (providers.running_out)."""
    key = f"currency:{provider.pk}"
    if currency in (provider.currency, provider.balance_currency):
        in_doubt = provider.stopped == Provider.Stop.CURRENCY
        if named or not in_doubt:  # one that names none says nothing about the doubt
            close_alert(key)
        if named and in_doubt:
            end_doubt(provider, f"its balance came in {currency}")
        return ""
    doubt_currency(provider)
    problem = (
        f"{provider.name} counts in {currency}, but {provider.currency} is set here: its services are off sale until"
        " an admin sets the right currency or confirms this one."
    )
    raise_alert(key, problem, level=Alert.Level.CRITICAL, provider_id=provider.pk)
    return problem


def balance_covers(provider: Provider, amount: Decimal) -> bool:
    """Whether the last known balance pays for `amount` (panel currency). False when either is not known."""
    exchange = exchange_to_panel(provider.currency)
    if provider.balance is None or exchange is None:
        return False
    return provider.balance * exchange >= amount


def series(provider: Provider, days: int = 30) -> Sequence[tuple[datetime, Decimal]]:
    """The last reading of each hour with one, oldest first, in the provider's currency."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (date_trunc('hour', at)) at, amount FROM providers_balancereading
            WHERE provider_id = %s AND at > %s ORDER BY date_trunc('hour', at), at DESC, id DESC
            """,
            [provider.pk, timezone.now() - timedelta(days=days)],
        )
        return cursor.fetchall()


def runway(provider: Provider) -> Runway:
    """Balance divided by the average daily spend of the last 7 days.

    Top-ups are not negative spend; a recorded one shows what was spent while it came in (providers.top_ups).
    """
    return runways([provider])[provider.pk]


def runways(providers: Sequence[Provider]) -> dict[int, Runway]:
    """The same for several providers by id, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT provider_id, coalesce(sum(greatest(before + paid_in - amount, 0)), 0),
                   extract(epoch FROM max(at) - min(at))
            FROM (
                SELECT r.provider_id, r.at, r.amount, coalesce(t.paid_in, 0) AS paid_in,
                       lag(r.amount) OVER (PARTITION BY r.provider_id ORDER BY r.at, r.id) AS before
                FROM providers_balancereading r LEFT JOIN (
                    SELECT reading_id, sum(amount) AS paid_in FROM providers_topup
                    WHERE provider_id = ANY(%(ids)s) AND reading_id IS NOT NULL GROUP BY reading_id
                ) t ON t.reading_id = r.id
                WHERE r.provider_id = ANY(%(ids)s) AND r.at > %(since)s
            ) reading GROUP BY provider_id
            """,
            {
                "ids": [provider.pk for provider in providers],
                "since": timezone.now() - timedelta(days=RUNWAY_DAYS),
            },
        )
        read = {pk: (spent, seconds) for pk, spent, seconds in cursor.fetchall()}
    return {provider.pk: _runway(provider, *read.get(provider.pk, (ZERO, 0))) for provider in providers}


def _runway(provider: Provider, spent: Decimal, seconds: Decimal | None) -> Runway:
    covered = Decimal(seconds or 0) / 86_400
    if covered < ENOUGH_DAYS:
        return Runway(None, None)
    daily = (spent / covered).quantize(AMOUNT)
    if daily <= 0 or provider.balance is None:
        return Runway(daily, None)
    return Runway(daily, (max(provider.balance, ZERO) / daily).quantize(Decimal("0.1")))
