"""Does the money at a provider run out? One rule for the notice, the dashboard and the list of providers.

It does while the balance is below the limit that was set for it, or lasts for less than LOW_DAYS at the spend of the last
7 days: whichever is met first begins it, and it is over when neither is met. So both are one incident, told once.
"""

from dataclasses import dataclass
from decimal import Decimal

from providers.balances import Runway
from providers.models import Provider

LOW_DAYS, VERY_LOW_DAYS = Decimal(3), Decimal("1.5")


@dataclass(frozen=True)
class RunningOut:
    """Balance, limit and spend are in the provider's currency. `limit`: the one it is below, None where it is not;
    `days`: how long it lasts where that is too short, else None. One of them is there."""

    balance: Decimal
    limit: Decimal | None
    days: Decimal | None
    daily_spend: Decimal | None

    @property
    def critical(self) -> bool:
        return self.balance <= 0 or (self.days is not None and self.days < VERY_LOW_DAYS)


def running_out(provider: Provider, lasts: Runway) -> RunningOut | None:
    """None while it does not, of archived providers, and where no balance was read."""
    balance = provider.balance
    if balance is None or provider.archived_at is not None:
        return None
    limit = (
        provider.low_balance if provider.low_balance is not None and balance < provider.low_balance else None
    )
    days = lasts.days if lasts.days is not None and lasts.days < LOW_DAYS else None
    if limit is None and days is None:
        return None
    return RunningOut(balance, limit, days, lasts.daily_spend)
