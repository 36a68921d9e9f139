"""What a mass order left: the lines that were not placed, until their writer has mended them."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class MassRest(models.Model):
    """The lines that one mass order did not place, as text that can be checked again. orders.mass_rest writes them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token = models.CharField(max_length=32)  # of the form that placed the others
    lines = models.TextField()
    size = models.IntegerField()  # orders in the text; one may have several lines
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "token"], name="mass_rest_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.token}"
