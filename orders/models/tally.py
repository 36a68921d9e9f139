"""Tallies: what orders.earnings adds up, kept for hours and days that are over. orders.tallying writes them.

A tally is never the truth, only a sum of it: a reader believes one only where its span is noted as whole and no hour of
it is stale; everything else is added up from the ledger.
"""

from typing import Any

from django.db import models
from django.utils import timezone


class Tally(models.Model):
    """One sum: of an hour, a day (UTC) or several days that are over, for one thing. Amounts: panel currency, 6 decimals."""

    class Of(models.IntegerChoices):
        ALL = 0, "everything"
        SUPPLY = 1, "a service and the provider that has its orders"
        CUSTOMER = 2, "a customer"
        SENDING = 3, "a provider's answers"  # attempts, and how many of them were its fault; by the hour only

    pk: Any = models.CompositePrimaryKey("of", "hours", "start", "key", "provider")
    of = models.SmallIntegerField(choices=Of.choices)
    hours = models.SmallIntegerField()  # 1, 24 or those of orders.tallying.BLOCKS
    start = models.DateTimeField()
    key = models.BigIntegerField(default=0)  # number of the service, customer or provider; 0 for everything
    provider = models.BigIntegerField(default=0)
    orders = models.IntegerField()  # placed
    failed = models.IntegerField()  # of those; counted for everything, and by answers, only
    revenue = models.DecimalField(max_digits=20, decimal_places=6)  # after refunds
    refunded = models.DecimalField(max_digits=20, decimal_places=6)
    cost = models.DecimalField(max_digits=20, decimal_places=6)
    # Counted by service and provider only, 0 elsewhere.
    units = models.BigIntegerField()  # of the orders placed, canceled ones included
    completed = models.IntegerField()  # orders that ended so, of those the provider had taken
    partial = models.IntegerField()
    canceled = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.get_of_display()} {self.key} {self.start:%Y-%m-%d %H}h +{self.hours}"


class TalliedSpan(models.Model):
    """The tallies of this span are whole. `keyed`: those by service, provider and customer; else the sum of all."""

    start = models.DateTimeField()
    hours = models.SmallIntegerField()
    keyed = models.BooleanField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["keyed", "hours", "start"], name="tallied_span_once"),
        ]

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H}h +{self.hours}"


class StaleHour(models.Model):
    """Something of an hour that was over has changed: its tallies are not to be believed until they are made anew.

    Written by triggers in the transaction that changes it (migration 0007), so nobody sees the one without the
    other. Rows are only added, and several may name one hour: transactions never wait for each other here.
    """

    hour = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h"
