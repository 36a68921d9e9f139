"""Submission: one intent per order, one attempt per potential send.

The arrows between states are MOVES; the database refuses all others (migration 0002), also from a shell.
"""

import uuid
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order
from orders.waiting_words import waiting_words
from providers.models import Offer, Provider, Route


class Submission(models.Model):
    class State(models.TextChoices):
        HELD = "held", _("Held")
        QUEUED = "queued", _("Queued")
        CLAIMED = "claimed", _("Claimed")
        SENDING = "sending", _("Sending")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected")
        UNKNOWN = "unknown", _("Unknown")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        WRITTEN_OFF = "written_off", _("Written off")

    MOVES: dict[str, frozenset[str]] = {
        "held": frozenset({"queued", "withdrawn", "rejected"}),
        "queued": frozenset(
            {"held", "claimed", "withdrawn", "rejected", "unknown"}
        ),  # unknown: only after a restore
        "claimed": frozenset({"queued", "sending"}),
        "sending": frozenset({"accepted", "queued", "rejected", "unknown"}),
        "unknown": frozenset({"accepted", "rejected", "queued", "written_off"}),
    }
    NOTHING_SENT_YET = frozenset({State.HELD, State.QUEUED})
    WAITS = frozenset({State.HELD, State.QUEUED, State.UNKNOWN})
    ENDED_WITHOUT_DELIVERY = frozenset({State.REJECTED, State.WITHDRAWN, State.WRITTEN_OFF})

    order = models.OneToOneField(Order, primary_key=True, on_delete=models.PROTECT, related_name="submission")
    state = models.CharField(max_length=11, choices=State.choices, default=State.QUEUED)
    state_at = models.DateTimeField(default=timezone.now)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="submissions")
    route = models.ForeignKey(Route, null=True, on_delete=models.SET_NULL, related_name="+")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="submissions")
    fence = models.PositiveIntegerField(default=0)  # +1 per claim: an old holder cannot act on a new claim
    lease_until = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(default=timezone.now)  # queued: not before
    waits_for = models.CharField(
        max_length=40, blank=True
    )  # why it waits, or waited last: a word of orders.waiting_words
    queued_since = models.DateTimeField(default=timezone.now)
    provider_order_id = models.CharField(  # noqa: DJ001 - null until accepted, and unique after
        max_length=100, null=True, blank=True, db_collation="C"
    )
    request_key = models.UUIDField(default=uuid.uuid4, editable=False)

    # Following it, once accepted.
    next_poll_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True)  # the last change of status, start or remains
    polls = models.PositiveIntegerField(default=0)
    observed_seq = models.BigIntegerField(default=0)  # of the last observation that was applied
    raw_word = models.CharField(max_length=40, blank=True)
    reported_charge = models.DecimalField(
        max_digits=20, decimal_places=8, null=True, blank=True
    )  # evidence only
    # An end that waits for a second, equal reading before money moves.
    seen_status = models.CharField(max_length=11, blank=True)
    seen_remains = models.BigIntegerField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="accepted", provider_order_id__isnull=False)
                | (~Q(state="accepted") & Q(provider_order_id=None)),
                name="submission_accepted_has_id",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["claimed", "sending"], lease_until__isnull=False)
                | (~Q(state__in=["claimed", "sending"]) & Q(lease_until=None)),
                name="submission_lease_while_claimed",
            ),
            models.CheckConstraint(condition=~Q(provider_order_id=""), name="submission_id_not_empty"),
            models.UniqueConstraint(
                fields=["provider", "provider_order_id"],
                condition=Q(provider_order_id__isnull=False),
                name="submission_provider_order_once",
            ),
            models.UniqueConstraint(fields=["request_key"], name="submission_request_key_once"),
        ]
        indexes = [
            models.Index(
                fields=["provider", "next_at", "order"], condition=Q(state="queued"), name="submission_due"
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(state__in=["claimed", "sending"]),
                name="submission_leased",
            ),
            models.Index(
                fields=["provider", "next_poll_at"],
                condition=Q(state="accepted", next_poll_at__isnull=False),
                name="submission_poll",
            ),
            models.Index(
                fields=["state", "state_at"],
                condition=Q(state__in=["unknown", "held"]),
                name="submission_for_staff",
            ),
            models.Index(
                fields=["order"],
                condition=Q(state__in=["rejected", "unknown", "written_off"]),
                name="submission_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.state}"

    @property
    def waits(self) -> bool:
        """For a person, for its time or for a decision: then `waits_for` says why it waits, not why it ended."""
        return self.state in self.WAITS

    @property
    def waiting_words(self) -> str:
        return waiting_words(self.waits_for)


class SubmissionAttempt(models.Model):
    """Evidence of one possible send, written before the first byte leaves. Never deleted."""

    class State(models.TextChoices):
        SENDING = "sending", _("Sending")
        ACCEPTED = "accepted", _("Accepted")
        NOT_ACCEPTED = "not_accepted", _("Not accepted")
        UNKNOWN = "unknown", _("Unknown")
        ABSENT = "absent", _("Absent upstream")

    COULD_EXIST_UPSTREAM = ("sending", "accepted", "unknown")

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="attempts")
    fence = models.PositiveIntegerField()
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="attempts")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="+")
    cost = models.DecimalField(max_digits=20, decimal_places=6)  # panel currency
    state = models.CharField(max_length=12, choices=State.choices, default=State.SENDING)
    reason = models.CharField(max_length=40, blank=True)
    message = models.CharField(max_length=500, blank=True)  # plain sentence, key redacted
    candidate_id = models.CharField(max_length=100, blank=True)  # an order id that came with doubt
    params_hash = models.CharField(max_length=64)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    excerpt = models.CharField(max_length=500, blank=True)  # of the answer, key redacted
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    late_evidence = models.JSONField(null=True, blank=True)  # an answer that came after a person had decided
    asked_again_at = models.DateTimeField(
        null=True, blank=True
    )  # repeated by key (provider option request_id)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission", "fence"], name="attempt_once_per_fence"),
            # The heart of the claim: no second attempt while an earlier one may exist upstream.
            models.UniqueConstraint(
                fields=["submission"],
                condition=Q(state__in=["sending", "accepted", "unknown"]),
                name="attempt_only_one_possible",
            ),
        ]
        indexes = [
            models.Index(F("provider"), F("started_at").desc(), name="attempt_provider"),
            models.Index(fields=["started_at"], condition=Q(state="sending"), name="attempt_sending"),
        ]

    def __str__(self) -> str:
        return f"{self.submission_id}/{self.fence} {self.state}"


class DispatchSwitch(models.Model):
    """The one row (id 1) that can stop all sending, and the counter that tells a restored database."""

    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(max_length=254, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    restored = models.BooleanField(
        default=False
    )  # paused because the counter says the database went back in time
    restored_at = models.DateTimeField(null=True, blank=True)  # when it last went back, as far as noticed
    counter = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="dispatch_one_row")]

    def __str__(self) -> str:
        return "paused" if self.paused_at else "sending"


def ensure_dispatch_switch(**_kwargs: Any) -> None:
    """Create the one row where it is missing (after migrate, and after a test emptied the tables)."""
    DispatchSwitch.objects.get_or_create(pk=1)
