"""What this panel does not sell, whoever offers it."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Denial(models.Model):
    """One thing that is not sold, ordered or let in: what it is, where it holds, why and until when."""

    class Kind(models.TextChoices):
        WORD = (
            "word",
            _("Word or phrase"),
        )  # in names and categories; in links, comments and other texts of orders
        CATEGORY = "category", _("Category")  # of imported services
        HOST = "host", _("Site of links")  # example.com, its subdomains too
        LINK = "link", _("Text in links")  # anywhere in a link
        CUSTOMER = "customer", _("Customer")  # an e-mail address, a domain of such, or #number of an account

    class Scope(models.TextChoices):
        ALL = "all", _("Wherever it applies")
        CATALOG = "catalog", _("Imported services only")
        ORDERS = "orders", _("New orders only")
        SIGNUP = "signup", _("Sign-up only")

    kind = models.CharField(max_length=8, choices=Kind.choices)
    text = models.CharField(max_length=254)  # folded: providers.denying.entry_text
    scope = models.CharField(max_length=8, choices=Scope.choices, default=Scope.ALL)
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
