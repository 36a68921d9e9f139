"""What the panel remembers about itself: who did what, its settings, and which processes are alive."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """One act of a person with power over others' money or data. Append-only (a trigger says so)."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    actor_label = models.CharField(max_length=254)  # e-mail at the time, or "command line"
    verb = models.CharField(max_length=60)  # "provider.add", "balance.adjust", …
    subject = models.CharField(max_length=120, blank=True)  # "provider:3", "order:42"
    summary = models.CharField(max_length=300)
    details = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["-at"], name="audit_at"),
            models.Index(fields=["subject", "-at"], name="audit_subject"),
            models.Index(fields=["verb", "-at"], name="audit_verb"),
        ]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"


class Setting(models.Model):
    """A setting that admins change while the panel runs; typed and validated where it is declared."""

    key = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField()
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    def __str__(self) -> str:
        return self.key


class Heartbeat(models.Model):
    """The last sign of life of a process, by the database clock."""

    name = models.CharField(max_length=120, primary_key=True)
    kind = models.CharField(max_length=10)  # worker, beat
    at = models.DateTimeField()
    details = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name
