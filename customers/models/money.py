"""Money: accounts and the transfers between them. Written only by customers.wallet.

Double entry by construction: every row takes `amount` from one account and gives it to another.
Amounts are numeric(20,6) in the panel's one currency (settings.CURRENCY).
"""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Account(models.Model):
    class Kind(models.TextChoices):
        WALLET = "wallet", _("Wallet")
        RECEIVABLE = "receivable", _("Owed by the customer")
        DEPOSITS = "deposits", _("Deposits")
        SALES = "sales", _("Sales")
        ADJUSTMENTS = "adjustments", _("Adjustments")
        BONUS = "bonus", _("Bonus")
        WRITE_OFF = "write_off", _("Write-off")

    PERSONAL = (Kind.WALLET, Kind.RECEIVABLE)
    # House accounts have fixed ids, so that posting a transfer needs no look-up.
    HOUSE_IDS = {Kind.DEPOSITS: 1, Kind.SALES: 2, Kind.ADJUSTMENTS: 3, Kind.BONUS: 4, Kind.WRITE_OFF: 5}

    kind = models.CharField(max_length=12, choices=Kind.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts"
    )
    # Only wallets carry a balance: a row shared by all orders would serialise them. Others are sums on demand.
    balance = models.DecimalField(max_digits=20, decimal_places=6, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="account_once_per_user"),
            models.UniqueConstraint(fields=["kind"], condition=Q(user=None), name="account_house_once"),
            models.CheckConstraint(
                condition=Q(balance=None) | Q(balance__gte=0), name="account_balance_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(kind="wallet", balance__isnull=False) | (~Q(kind="wallet") & Q(balance=None)),
                name="account_balance_only_on_wallets",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["wallet", "receivable"], user__isnull=False)
                | (~Q(kind__in=["wallet", "receivable"]) & Q(user=None)),
                name="account_personal_has_user",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.user_id or ''}".strip()


class Transfer(models.Model):
    """One movement of money. Never changed, never deleted (a trigger says so); a correction is a new row."""

    at = models.DateTimeField(default=timezone.now)
    source = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="out")
    target = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="into")
    amount = models.DecimalField(max_digits=20, decimal_places=6)
    # What it was for, once: "order:42:charge", "order:42:refunded-to:1.250000", "deposit:7", "adjust:<uuid>".
    cause = models.CharField(max_length=120, unique=True, db_collation="C")
    order_number = models.BigIntegerField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=254, blank=True)  # who: an e-mail, "system", "api"
    balance_after = models.DecimalField(
        max_digits=20, decimal_places=6, null=True
    )  # of the wallet on either side

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=~Q(source=F("target")), name="transfer_between_two_accounts"),
        ]
        indexes = [
            models.Index(fields=["source", "-id"], name="transfer_source"),
            models.Index(fields=["target", "-id"], name="transfer_target"),
            models.Index(
                fields=["order_number"], condition=Q(order_number__isnull=False), name="transfer_order"
            ),
            models.Index(fields=["at"], name="transfer_at"),
            # Funds added, one wallet's by time: few among all its refunds. 1 is the house account of deposits.
            models.Index(fields=["target", "at"], condition=Q(source=1), name="transfer_deposit"),
            # What left a wallet for anything but orders: few among all its charges. 2 is the house account of sales.
            models.Index(fields=["source", "-id"], condition=~Q(target=2), name="transfer_no_charge"),
        ]

    def __str__(self) -> str:
        return f"{self.cause}: {self.amount}"


class DepositRequest(models.Model):
    """A customer's word that he has paid; credited once by an admin who saw the money."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        CREDITED = "credited", _("Credited")
        REFUSED = "refused", _("Refused")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="deposit_requests"
    )
    method = models.CharField(max_length=40)
    amount = models.DecimalField(max_digits=20, decimal_places=6)
    reference = models.CharField(max_length=120)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reversed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["method", "reference"],
                condition=~Q(state="refused"),
                name="deposit_reference_once",
                violation_error_message=_("This payment reference was already used for this method."),
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="deposit_amount_positive"),
        ]
        indexes = [
            models.Index(fields=["state", "created_at"], name="deposit_queue"),
            models.Index(fields=["user", "-id"], name="deposit_user"),
            # What was decided lately, for the page about payments.
            models.Index(
                fields=["-decided_at", "-id"], condition=~Q(state="pending"), name="deposit_decided"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.reference}"


def ensure_house_accounts(**_kwargs: Any) -> None:
    """Create the five house accounts where they are missing (after migrate, and after a test emptied the tables)."""
    for kind, pk in Account.HOUSE_IDS.items():
        Account.objects.get_or_create(pk=pk, defaults={"kind": kind, "balance": None})


ZERO = Decimal("0")
