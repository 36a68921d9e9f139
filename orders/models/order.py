"""Orders as the customer knows them, and the append-only story of each."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import MD5
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.models import Service

if TYPE_CHECKING:
    from customers.models import User
    from orders.models.submission import Submission


class OrderQuerySet(models.QuerySet["Order"]):
    def for_user(self, user: "User") -> "OrderQuerySet":
        """The only door to orders for a customer's page or key: his own. Another's order looks like none."""
        return self.filter(user_id=user.pk)


class Order(models.Model):
    class Status(models.TextChoices):
        """The protocol's six words: what the customer is told. Not the submission, not the money."""

        PENDING = "Pending", _("Pending")
        PROCESSING = "Processing", _("Processing")
        IN_PROGRESS = "In progress", _("In progress")
        COMPLETED = "Completed", _("Completed")
        PARTIAL = "Partial", _("Partial")
        CANCELED = "Canceled", _("Canceled")

    FINAL = frozenset({Status.COMPLETED, Status.PARTIAL, Status.CANCELED})
    OPEN = frozenset({Status.PENDING, Status.PROCESSING, Status.IN_PROGRESS})

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders")
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="orders")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )  # for subscriptions, once sellable
    created_at = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=8, default="web")  # web, mass, api, command

    link = models.CharField(max_length=2048)
    quantity = models.BigIntegerField()  # per run, as sent
    runs = models.PositiveIntegerField(null=True, blank=True)
    interval = models.PositiveIntegerField(null=True, blank=True)  # minutes
    total = models.BigIntegerField()  # quantity × (runs or 1); what remains counts down from
    fields = models.JSONField(default=dict, blank=True)  # per-type parameters, as sent
    reference = models.CharField(max_length=120, blank=True)  # the customer's own

    # Frozen when placed: numeric(18,8) per 1000 (or per order), numeric(20,6) for amounts, panel currency.
    rate = models.DecimalField(max_digits=18, decimal_places=8)
    per_order = models.BooleanField(default=False)
    charge = models.DecimalField(max_digits=20, decimal_places=6)
    cost = models.DecimalField(max_digits=20, decimal_places=6)  # of the route that accepted it (or would)
    refunded = models.DecimalField(max_digits=20, decimal_places=6, default=0)

    # Sold with refill or cancel; null: placed before that was kept, so that its service says it (refill_sold).
    with_refill = models.BooleanField(null=True, blank=True)
    with_cancel = models.BooleanField(null=True, blank=True)

    status = models.CharField(max_length=11, choices=Status.choices, default=Status.PENDING)
    status_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    start_count = models.BigIntegerField(null=True, blank=True)
    remains = models.BigIntegerField(null=True, blank=True)  # null until reported
    attention = models.CharField(max_length=200, blank=True)  # why staff must look; customers never see it

    # The idempotency key of whoever placed it ("form:<uuid>", "api:<request_id>") and a hash of what was asked.
    request_id = models.CharField(max_length=140, null=True, blank=True, db_collation="C")  # noqa: DJ001 - null: none given
    request_hash = models.CharField(max_length=64, blank=True)

    objects: ClassVar[Any] = OrderQuerySet.as_manager()
    submission: "Submission"

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "request_id"],
                condition=Q(request_id__isnull=False),
                name="order_request_once",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0, total__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(condition=Q(charge__gt=0, cost__gte=0), name="order_money_positive"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0) & Q(refunded__lte=F("charge")), name="order_refund_within_charge"
            ),
            models.CheckConstraint(
                condition=Q(status="Canceled", refunded=F("charge")) | ~Q(status="Canceled"),
                name="order_canceled_is_refunded",
            ),
            models.CheckConstraint(
                condition=Q(remains=None) | Q(remains__gte=0), name="order_remains_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["Completed", "Partial", "Canceled"], ended_at__isnull=False)
                | (~Q(status__in=["Completed", "Partial", "Canceled"]) & Q(ended_at=None)),
                name="order_final_has_end",
            ),
        ]
        indexes = [
            models.Index(F("user"), F("id").desc(), name="order_user"),
            models.Index(F("user"), F("status"), F("id").desc(), name="order_user_status"),
            models.Index(F("user"), MD5("link"), name="order_user_link"),
            models.Index(F("user"), F("reference"), condition=~Q(reference=""), name="order_user_reference"),
            models.Index(MD5("link"), name="order_link"),
            models.Index(F("service"), F("id").desc(), name="order_service"),
            models.Index(
                F("id").desc(),
                condition=Q(status__in=["Pending", "Processing", "In progress"]),
                name="order_open",
            ),
            models.Index(F("id").desc(), condition=~Q(attention=""), name="order_attention"),
            models.Index(fields=["created_at"], name="order_created"),
            models.Index(fields=["status_at"], name="order_changed"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="order_ended"),
            models.Index(
                fields=["created_at"],
                include=["service", "total"],
                condition=Q(status="Canceled"),
                name="order_canceled",
            ),
        ]

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @property
    def final(self) -> bool:
        return self.status in self.FINAL

    @property
    def refill_sold(self) -> bool:
        """Whether it was sold with refill, whatever its service says now."""
        return self.service.refill if self.with_refill is None else self.with_refill

    @property
    def cancel_sold(self) -> bool:
        return self.service.cancel if self.with_cancel is None else self.with_cancel

    @property
    def delivered(self) -> int:
        """Units delivered as far as reported; 0 before the first report."""
        return (
            max(0, self.total - self.remains)
            if self.remains is not None
            else (self.total if self.status == self.Status.COMPLETED else 0)
        )

    @property
    def percent(self) -> int:
        return min(100, self.delivered * 100 // self.total)

    @property
    def paid(self) -> Decimal:
        """What the order costs the customer after refunds, 6 decimals."""
        return self.charge - self.refunded


class OrderEvent(models.Model):
    """One line of an order's story: who changed what, from what to what, and why. Append-only by trigger."""

    class Kind(models.TextChoices):
        STATUS = "status", _("Status")
        SUBMISSION = "submission", _("Submission")
        MONEY = "money", _("Money")
        REQUEST = "request", _("Request")
        NOTE = "note", _("Note")

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(default=timezone.now, db_default=TransactionNow())
    kind = models.CharField(max_length=10, choices=Kind.choices)
    actor = models.CharField(max_length=254)  # "customer", "system", "provider", or a staff e-mail
    before = models.CharField(max_length=40, blank=True)
    after = models.CharField(max_length=40, blank=True)
    why = models.CharField(max_length=500, blank=True)
    amount = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    transfer_id = models.BigIntegerField(null=True, blank=True)
    staff_only = models.BooleanField(default=False)  # provider names, raw answers, internal notes

    class Meta:
        indexes = [models.Index(fields=["order", "id"], name="event_order")]

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind} {self.after}"
