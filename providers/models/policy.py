"""What this panel does not sell, whoever offers it."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Denial(models.Model):
    """A word or phrase (in names and categories) or a whole category that is held back at import."""

    class Kind(models.TextChoices):
        WORD = "word", _("Word or phrase")
        CATEGORY = "category", _("Category")

    kind = models.CharField(max_length=8, choices=Kind.choices)
    text = models.CharField(max_length=100)  # folded: providers.denying.folded
    reason = models.CharField(max_length=120)
    until = models.DateField(null=True, blank=True)  # the last day (UTC) on which it holds; None: for good
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["kind", "text"]
        constraints = [models.UniqueConstraint(fields=["kind", "text"], name="denial_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"
