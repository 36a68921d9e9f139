"""Mail to a customer about something that happened: written with the fact it tells of, sent after it, at most once."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Notice(models.Model):
    """One mail. Claimed before it is handed to the mail server, so a crash in between loses it and never doubles it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mailed_notices"
    )
    # What it tells of, once: "events:120-180", "low-balance:55".
    key = models.CharField(max_length=80, db_collation="C")
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="notice_once")]
        indexes = [
            models.Index(fields=["id"], condition=Q(claimed_at=None), name="notice_waiting"),
            models.Index(fields=["created_at"], name="notice_created"),
        ]

    def __str__(self) -> str:
        return f"{self.key} to {self.user_id}"
