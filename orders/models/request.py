"""Requests for a refill or a cancel: one table, one machine."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order

if TYPE_CHECKING:
    from customers.models import User


class RequestQuerySet(models.QuerySet["Request"]):
    def for_user(self, user: "User") -> "RequestQuerySet":
        return self.filter(order__user_id=user.pk)

    def live(self) -> "RequestQuerySet":
        return self.filter(state__in=Request.LIVE)


class Request(models.Model):
    """`id` is the refill id that /api/v2 shows."""

    class Kind(models.TextChoices):
        REFILL = "refill", _("Refill")
        CANCEL = "cancel", _("Cancel")

    class State(models.TextChoices):
        REQUESTED = "requested", _("Waiting for review")
        APPROVED = "approved", _("Approved")
        CLAIMED = "claimed", _("Claimed")
        SENDING = "sending", _("Sending")
        ACCEPTED = "accepted", _("Accepted by the provider")
        DONE = "done", _("Done")
        REJECTED = "rejected", _("Rejected by the provider")
        DENIED = "denied", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        UNKNOWN = "unknown", _("No clear answer")

    MOVES: dict[str, frozenset[str]] = {
        "requested": frozenset({"approved", "denied", "withdrawn", "done"}),
        "approved": frozenset({"claimed", "denied", "withdrawn", "requested", "done", "rejected"}),
        "claimed": frozenset({"approved", "sending", "done", "rejected"}),
        "sending": frozenset({"accepted", "approved", "rejected", "unknown", "requested", "done"}),
        "accepted": frozenset({"done", "rejected"}),
        "unknown": frozenset({"accepted", "approved", "denied", "done", "rejected"}),
        "rejected": frozenset({"requested"}),
    }
    LIVE = ("requested", "approved", "claimed", "sending", "accepted", "unknown")

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="requests")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    state = models.CharField(max_length=9, choices=State.choices, default=State.REQUESTED)
    state_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=254)  # "customer", "api" or a staff e-mail
    reason = models.CharField(max_length=500, blank=True)  # the customer's words
    current_count = models.BigIntegerField(null=True, blank=True)  # the counter now, as the customer says

    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    by_rule = models.BooleanField(default=False)
    note = models.CharField(max_length=500, blank=True)  # staff's answer, shown to the customer
    internal_note = models.TextField(blank=True)
    # What the latest approval replaced, so that taking it back leaves nothing changed (orders.requests.undo).
    undo_to = models.JSONField(null=True, blank=True)

    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(default=timezone.now)  # approved: not before (undo on the page, back-off)
    tries = models.PositiveSmallIntegerField(default=0)
    upstream_id = models.CharField(max_length=100, blank=True)
    upstream_message = models.CharField(max_length=500, blank=True)  # staff only
    raw_word = models.CharField(max_length=40, blank=True)
    next_poll_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = RequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind"],
                condition=Q(state__in=["requested", "approved", "claimed", "sending", "accepted", "unknown"]),
                name="request_one_live_per_kind",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["claimed", "sending"], lease_until__isnull=False)
                | (~Q(state__in=["claimed", "sending"]) & Q(lease_until=None)),
                name="request_lease_while_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(kind="cancel", state="unknown"), name="request_unknown_only_for_refill"
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(state__in=["requested", "unknown"]), name="request_review"
            ),
            models.Index(fields=["next_at"], condition=Q(state="approved"), name="request_due"),
            models.Index(
                fields=["next_poll_at"],
                condition=Q(state="accepted", next_poll_at__isnull=False),
                name="request_poll",
            ),
            models.Index(
                fields=["lease_until"], condition=Q(state__in=["claimed", "sending"]), name="request_leased"
            ),
            models.Index(F("order"), F("id").desc(), name="request_order"),
            # What was answered lately, for the home page of who has very many orders.
            models.Index(
                fields=["-state_at"],
                condition=Q(state__in=["done", "rejected", "denied"]),
                name="request_answered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.order_id} {self.state}"
