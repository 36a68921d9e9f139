"""Upstream: the providers, what they offer, and the changes of their catalogs that wait for a decision."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.encryption import EncryptedTextField


class Provider(models.Model):
    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        BROKEN = "broken", _("Breaker open")

    class Pause(models.TextChoices):
        BY_HAND = "manual", _("By hand")
        AUTH = "auth", _("Key refused")
        FUNDS = "funds", _("Balance used up")

    class Breaker(models.TextChoices):
        CLOSED = "closed", _("Closed")
        OPEN = "open", _("Open")
        HALF_OPEN = "half_open", _("Trying one order")

    class Stop(models.TextChoices):
        """Why nothing of it is sold for now; the sentences are providers.stopping.WHY."""

        UNREAD = "unread", _("List to be read")
        CURRENCY = "currency", _("Another currency")

    name = models.CharField(max_length=80, unique=True)
    api_url = models.CharField(max_length=500, blank=True)
    key = EncryptedTextField(blank=True)
    adapter = models.CharField(max_length=40, default="standard")
    currency = models.CharField(max_length=3, default="USD")
    options = models.JSONField(
        default=dict, blank=True
    )  # only what differs from the defaults of adapters.OPTIONS
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True, blank=True)

    paused_at = models.DateTimeField(null=True, blank=True)
    pause_kind = models.CharField(max_length=6, blank=True, choices=Pause.choices)
    pause_reason = models.CharField(max_length=200, blank=True)

    # Not empty: its services are off sale, or sold by their next route; what was ordered is sent all the same.
    stopped = models.CharField(max_length=8, blank=True, choices=Stop.choices, default="", db_default="")

    breaker = models.CharField(max_length=9, choices=Breaker.choices, default=Breaker.CLOSED)
    breaker_until = models.DateTimeField(null=True, blank=True)
    breaker_cooldown_s = models.PositiveIntegerField(default=0)
    breaker_marks = ArrayField(models.DateTimeField(), default=list, blank=True)  # recent ambiguous answers

    balance = models.DecimalField(
        max_digits=20, decimal_places=6, null=True, blank=True
    )  # in its own currency
    balance_at = models.DateTimeField(null=True, blank=True)
    # An admin's word: its balance comes in this currency, and its rates in `currency` all the same (currency_doubt).
    balance_currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    low_balance = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_catalog_at = models.DateTimeField(null=True, blank=True)
    last_status_at = models.DateTimeField(null=True, blank=True)
    last_submit_at = models.DateTimeField(null=True, blank=True)
    # How far its waiting orders were looked at for another route (orders.rerouting); null: from the first on.
    looked_from_at = models.DateTimeField(null=True, blank=True)
    looked_from_order = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(paused_at=None, pause_kind="") | (Q(paused_at__isnull=False) & ~Q(pause_kind="")),
                name="provider_pause_has_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        if self.paused_at:
            return self.State.PAUSED
        return self.State.ACTIVE if self.breaker == self.Breaker.CLOSED else self.State.BROKEN

    @property
    def sells(self) -> bool:
        return self.archived_at is None and not self.stopped

    @property
    def sends_by_itself(self) -> bool:
        """False for the adapter "manual": its orders are worked by staff."""
        return self.adapter != "manual"


class Offer(models.Model):
    """One service of one provider, as last accepted from its catalog. Never deleted: orders point here."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="offers")
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=300)
    category = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    type_raw = models.CharField(max_length=60, blank=True)
    service_type = models.CharField(
        max_length=40, blank=True
    )  # code of providers.service_types, "" = not mapped
    rate = models.DecimalField(
        max_digits=18, decimal_places=8
    )  # per 1000 (or per order), provider's currency
    minimum = models.BigIntegerField()
    maximum = models.BigIntegerField()
    refill = models.BooleanField(default=False)
    cancel = models.BooleanField(default=False)
    dripfeed = models.BooleanField(default=False)
    # A price rise beyond the limit waits here: the offer is off sale until an admin accepts the change.
    on_hold = models.CharField(max_length=200, blank=True)
    missing_since = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "external_id"], name="offer_once_per_provider"),
            models.CheckConstraint(condition=Q(rate__gte=0), name="offer_rate_not_negative"),
        ]
        indexes = [models.Index(fields=["provider", "category"], name="offer_category")]

    def __str__(self) -> str:
        return f"{self.external_id} {self.name}"

    @property
    def available(self) -> bool:
        return self.gone_at is None and not self.on_hold


class CatalogChange(models.Model):
    """A difference between a provider's list and what we last accepted; waits for a rule or an admin."""

    class Kind(models.TextChoices):
        NEW = "new", _("New")
        PRICE = "price", _("Price")
        LIMITS = "limits", _("Limits")
        TYPE = "type", _("Type")
        DETAILS = "details", _("Name or details")
        MISSING = "missing", _("Missing")
        BACK = "back", _("Back in the list")

    class State(models.TextChoices):
        STAGED = "staged", _("Waiting")
        APPLIED = "applied", _("Applied")
        REFUSED = "refused", _("Refused")
        SUPERSEDED = "superseded", _("Overtaken by a newer list")
        UNDONE = "undone", _("Undone")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="changes")
    external_id = models.CharField(max_length=100)
    offer = models.ForeignKey(Offer, null=True, blank=True, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    beyond_limits = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.STAGED)
    revision = models.UUIDField(null=True, blank=True)  # the decision it was applied with; undone together
    hid = ArrayField(
        models.BigIntegerField(), null=True, blank=True
    )  # services taken off the list with it (providers.hiding)
    found_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "external_id", "kind"],
                condition=Q(state="staged"),
                name="change_staged_once",
            ),
        ]
        indexes = [
            models.Index(fields=["provider", "kind"], condition=Q(state="staged"), name="change_staged"),
            models.Index(fields=["revision"], condition=Q(revision__isnull=False), name="change_revision"),
            models.Index(F("offer"), F("found_at").desc(), name="change_offer"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id}"
