"""Watching the providers: lanes of work, balance readings, alerts."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.models.upstream import Provider


class Lane(models.Model):
    """One provider's work of one kind: at most one holder at a time, by a lease on the database clock."""

    class Kind(models.TextChoices):
        SUBMIT = "submit", _("Sending orders")
        STATUS = "status", _("Reading statuses")
        REQUESTS = "requests", _("Refills and cancels")
        REFILLS = "refills", _("Reading refills")
        CATALOG = "catalog", _("Catalog")
        BALANCE = "balance", _("Balance")

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="lanes")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    holder = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # Set after a deadline: the lane has one call in flight until a success.
    slow_since = models.DateTimeField(null=True, blank=True)
    ran_at = models.DateTimeField(null=True, blank=True)
    # What the runs met: the last that was answered, and those since then that failed (providers.reaching).
    answered_at = models.DateTimeField(null=True, blank=True)
    fails = models.PositiveIntegerField(default=0)
    fails_since = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    fails_alone = models.BooleanField(default=False)  # other work of this provider was answered meanwhile
    fails_reason = models.CharField(max_length=40, blank=True)  # a word of providers.adapters.errors
    fails_message = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "kind"], name="lane_once"),
            models.CheckConstraint(
                condition=Q(holder=None, lease_until=None)
                | Q(holder__isnull=False, lease_until__isnull=False),
                name="lane_holder_has_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.provider_id}"


class BalanceReading(models.Model):
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="balance_readings")
    at = models.DateTimeField(default=timezone.now)
    amount = models.DecimalField(max_digits=20, decimal_places=6)
    currency = models.CharField(max_length=3)

    class Meta:
        indexes = [models.Index(fields=["provider", "-at"], name="balance_series")]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.amount} {self.currency}"


class TopUp(models.Model):
    """Money that an admin says was paid in at a provider. `reading`: the one in which the balance was seen to rise by
    it; only then it counts, in the spend and for the money witness."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="top_ups")
    at = models.DateTimeField(default=timezone.now)  # when it was paid, as the admin says
    amount = models.DecimalField(max_digits=20, decimal_places=6)  # what was credited, in `currency`
    currency = models.CharField(max_length=3)
    reference = models.CharField(max_length=80)
    reading = models.ForeignKey(
        BalanceReading, null=True, blank=True, on_delete=models.SET_NULL, related_name="top_ups"
    )
    recorded_at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "reference"], name="top_up_reference_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="top_up_positive"),
        ]
        indexes = [
            models.Index(fields=["provider"], condition=Q(reading=None), name="top_up_not_seen"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.amount} {self.currency}, {self.reference}"


class ProviderHour(models.Model):
    """Calls to one provider in one hour, by kind of work: sums that the lanes add to, one statement a run."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Lane.Kind.choices)
    calls = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)  # no answer, or none of use: see providers.metering
    deadlines = models.PositiveIntegerField(default=0)  # of the errors: those that ran out of time
    total_ms = models.PositiveBigIntegerField(default=0)  # of the calls that were no errors

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "hour", "kind"], name="provider_hour_once")
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.hour:%Y-%m-%d %H}h {self.kind}"


class Alert(models.Model):
    """Something a person must know. Open once per key; repeats count up; closed by the cause's end or by hand."""

    class Level(models.TextChoices):
        NOTICE = "notice", _("Notice")
        WARNING = "warning", _("Warning")
        CRITICAL = "critical", _("Critical")

    key = models.CharField(max_length=160)  # "word:3:frozen", "balance:3", "drift:ledger"
    level = models.CharField(max_length=8, choices=Level.choices, default=Level.WARNING)
    text = models.CharField(max_length=400)
    provider = models.ForeignKey(
        Provider, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts"
    )
    order_number = models.BigIntegerField(null=True, blank=True)
    at_risk = models.DecimalField(max_digits=20, decimal_places=6, default=0)  # panel currency
    count = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(closed_at=None), name="alert_open_once")
        ]
        indexes = [models.Index(fields=["-opened_at"], condition=Q(closed_at=None), name="alert_open")]

    def __str__(self) -> str:
        return self.text

    @property
    def service_id(self) -> int | None:
        """The service it is about, where its key names one: "loss:<provider>:<service>" (orders.loss_lock)."""
        word, _colon, number = self.key.rpartition(":")
        return int(number) if word.startswith("loss:") and number.isdigit() else None


class Telling(models.Model):
    """One word to the operators about one alert, through one channel: that it opened, or that it is over.

    At most one row each (a constraint), however many clocks and workers look; sent by whoever claims it. A crash
    between sending and writing it down may send it a second time: an alarm too many is better than none.
    """

    class Channel(models.TextChoices):
        MAIL = "mail", _("E-mail")
        HOOK = "hook", _("Webhook")
        CHAT = "chat", _("Chat")

    class What(models.TextChoices):
        OPENED = "opened", _("Opened")
        OVER = "over", _("Over")

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="tellings")
    channel = models.CharField(max_length=4, choices=Channel.choices)
    what = models.CharField(max_length=6, choices=What.choices)
    next_at = models.DateTimeField(null=True, default=timezone.now)  # None: told, or given up
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)
    # Whether any try may have arrived; false as long as each is known not to have.
    may_have_arrived = models.BooleanField(default=False, db_default=False)
    failure = models.CharField(
        max_length=200, blank=True
    )  # of the last attempt; never an address or a secret

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel", "what"], name="telling_once"),
            models.CheckConstraint(
                condition=Q(told_at=None) | Q(next_at=None), name="telling_told_is_not_due"
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="telling_due"),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.alert_id} by {self.channel}"
