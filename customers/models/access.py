"""Keys for /api/v2: only the hash is stored, the key itself is shown once."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone


def all_scopes() -> list[str]:
    return list(ApiKey.SCOPES)


class ApiKey(models.Model):
    SCOPES = ("read", "order", "refill", "cancel")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    label = models.CharField(max_length=80, blank=True)
    prefix = models.CharField(max_length=12)
    last_four = models.CharField(max_length=4)
    digest = models.CharField(
        max_length=64, unique=True
    )  # SHA-256 in hex: the key has 256 bits, so no salt or stretching is needed
    scopes = ArrayField(models.CharField(max_length=10), default=all_scopes)
    allowed_addresses = ArrayField(models.CharField(max_length=49), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-id"], name="apikey_user")]

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last_four}"
