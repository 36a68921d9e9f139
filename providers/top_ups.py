"""What was paid in at a provider, as an admin records it: so that a jump of the balance has a reason beside it.

Only readings of a balance are facts. A record counts once a rise of the balance fits it: then the spend between
those two readings is what was paid in less the rise, in the burn rate (providers.balances) and for the money witness
(orders.balance_witness). A record that no rise fits counts for nothing. A mistyped one that still fits
(150 for a rise of 100) reads as spend that nobody can explain, until it is taken back.

    fits: the same currency; the rise was seen within 24 hours of the time that was given; at least half of the amount
    (orders are bought meanwhile). Of several rises the one nearest to the amount, then nearest in time.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.models import BalanceReading, Provider, TopUp

LARGEST = Decimal(10) ** 9
NEAR = timedelta(hours=24)
RAREST = timedelta(days=3)  # the reading before a rise may be so much older: balance_every_s goes up to a day
OLDEST = timedelta(days=7)  # the burn rate looks back no further


class CannotRecord(Exception):
    """Nothing was saved; the sentence says why. `field`: the one it is about."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


@dataclass(frozen=True)
class Rise:
    """A reading that was higher than the one before it. `left`: the part of it that no record explains yet."""

    reading_id: int
    at: datetime
    currency: str
    left: Decimal


def record_top_up(
    provider: Provider,
    amount: Decimal,
    reference: str,
    *,
    at: datetime | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> TopUp:
    """Keep what was credited, in the provider's currency, at most 6 decimals. Moves no money. Raises CannotRecord."""
    now = timezone.now()
    at = at or now
    reference = " ".join(reference.split())
    if not 0 < amount < LARGEST or amount != amount.quantize(Decimal("0.000001")):
        raise CannotRecord("amount", _("An amount is more than 0, with at most 6 decimals."))
    if not 0 < len(reference) <= 80:
        raise CannotRecord("reference", _("Give the reference of the payment, in at most 80 characters."))
    if not now - OLDEST <= at <= now + timedelta(minutes=5):
        raise CannotRecord("at", _("It must be of the last 7 days; what is older changes nothing any more."))
    try:
        with transaction.atomic():
            made = TopUp.objects.create(
                provider=provider,
                amount=amount,
                currency=provider.currency,
                reference=reference,
                at=at,
                by=by,
            )
            summary = f"Top-up of {amount:f} {provider.currency} at {provider.name} recorded: {reference}"
            details = {"amount": f"{amount:f}", "currency": provider.currency, "at": at.isoformat()}
            record(by, "provider.top_up", provider, summary, details | {"reference": reference}, request)
            match_top_ups(provider.pk)
    except IntegrityError:
        raise CannotRecord("reference", _("A top-up with this reference is recorded already.")) from None
    made.refresh_from_db()
    return made


def take_back(top_up: TopUp, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """The record was wrong: it goes, and what it explained is unexplained again."""
    with transaction.atomic():
        summary = (
            f"Record of a top-up of {top_up.amount:f} {top_up.currency} at {top_up.provider.name} taken back:"
            f" {top_up.reference}"
        )
        details = {"amount": f"{top_up.amount:f}", "reference": top_up.reference, "at": top_up.at.isoformat()}
        record(by, "provider.top_up_back", top_up.provider, summary, details, request)
        TopUp.objects.filter(pk=top_up.pk).delete()
        match_top_ups(top_up.provider_id)


def match_top_ups(provider_id: int) -> int:
    """Give records that were not seen yet the rises that fit; how many were. One query where there is nothing to do."""
    with transaction.atomic():
        waiting = list(
            TopUp.objects.select_for_update()
            .filter(provider_id=provider_id, reading=None, at__gt=timezone.now() - OLDEST - NEAR)
            .order_by("at", "id")
        )
        rises = _rises(provider_id, waiting[0].at - NEAR) if waiting else []
        matched = 0
        for top_up in waiting:
            fitting = [rise for rise in rises if _fits(top_up, rise)]
            if not fitting:
                continue
            best = min(fitting, key=lambda rise: (abs(rise.left - top_up.amount), abs(rise.at - top_up.at)))
            rises[rises.index(best)] = Rise(
                best.reading_id, best.at, best.currency, best.left - top_up.amount
            )
            TopUp.objects.filter(pk=top_up.pk).update(reading_id=best.reading_id)
            matched += 1
        return matched


def _fits(top_up: TopUp, rise: Rise) -> bool:
    return (
        rise.currency == top_up.currency
        and abs(rise.at - top_up.at) <= NEAR
        and rise.left >= top_up.amount / 2
    )


def _rises(provider_id: int, since: datetime) -> list[Rise]:
    """Oldest first, each without what is recorded for it already."""
    explained: dict[int, Decimal] = defaultdict(Decimal)
    for reading_id, amount in TopUp.objects.filter(
        provider_id=provider_id, reading__at__gt=since
    ).values_list("reading_id", "amount"):
        explained[reading_id] += amount
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, at, currency, amount - before FROM (
                SELECT id, at, currency, amount, lag(amount) OVER (PARTITION BY currency ORDER BY at, id) AS before
                FROM providers_balancereading WHERE provider_id = %s AND at > %s
            ) reading WHERE amount > before AND at > %s ORDER BY at
            """,
            [provider_id, since - RAREST, since],
        )
        return [Rise(pk, at, currency, rose - explained[pk]) for pk, at, currency, rose in cursor.fetchall()]


def paid_in_between(before: BalanceReading, after: BalanceReading) -> Decimal:
    """What was recorded and seen after the one reading and up to the other, in their currency."""
    seen = TopUp.objects.filter(
        provider_id=after.provider_id, reading__at__gt=before.at, reading__at__lte=after.at
    )
    return seen.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
