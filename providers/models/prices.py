"""Prices: markup rules, special rates, exchange rates, and what prices were. The arithmetic is providers.pricing."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import PriceGroup
from providers.models.sale import Category, Service
from providers.models.upstream import Provider


class MarkupRule(models.Model):
    """Cost → rate. The most specific scope wins: service, category, provider, everything; then the lowest position."""

    class Scope(models.TextChoices):
        SERVICE = "service", _("One service")
        CATEGORY = "category", _("A category")
        PROVIDER = "provider", _("A provider")
        EVERYTHING = "everything", _("Everything else")

    class Rounding(models.TextChoices):
        NONE = "none", _("None (8 places)")
        NEAREST = "nearest", _("To the nearest")
        UP = "up", _("Always up")
        ENDING = "ending", _("Up to a price ending")

    scope = models.CharField(max_length=10, choices=Scope.choices)
    service = models.ForeignKey(
        Service, null=True, blank=True, on_delete=models.CASCADE, related_name="markup_rules"
    )
    category = models.ForeignKey(
        Category, null=True, blank=True, on_delete=models.CASCADE, related_name="markup_rules"
    )
    provider = models.ForeignKey(
        Provider, null=True, blank=True, on_delete=models.CASCADE, related_name="markup_rules"
    )
    price_group = models.ForeignKey(
        PriceGroup, null=True, blank=True, on_delete=models.CASCADE, related_name="markup_rules"
    )
    percent = models.DecimalField(max_digits=9, decimal_places=4, default=0)
    fixed = models.DecimalField(max_digits=18, decimal_places=8, default=0)  # added per 1000, panel currency
    minimum = models.DecimalField(max_digits=18, decimal_places=8, default=0)  # least rate per 1000
    rounding = models.CharField(max_length=7, choices=Rounding.choices, default=Rounding.NONE)
    places = models.PositiveSmallIntegerField(default=2)  # for nearest and up
    ending = models.DecimalField(
        max_digits=9, decimal_places=6, default=0
    )  # 0.99: the next price that ends so
    position = models.IntegerField(default=0)
    enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                name="rule_target_fits_scope",
                condition=Q(scope="service", service__isnull=False, category=None, provider=None)
                | Q(scope="category", service=None, category__isnull=False, provider=None)
                | Q(scope="provider", service=None, category=None, provider__isnull=False)
                | Q(scope="everything", service=None, category=None, provider=None),
            ),
            models.CheckConstraint(
                condition=Q(percent__gte=-100, fixed__gte=0, minimum__gte=0, places__lte=8), name="rule_sane"
            ),
            models.UniqueConstraint(
                fields=["service", "price_group"],
                condition=Q(scope="service"),
                nulls_distinct=False,
                name="rule_once_per_service",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()}: {self.percent} %"


class SpecialRate(models.Model):
    """One customer's price for one service: a rate per 1000, or a percentage off the list rate."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="special_rates")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="special_rates")
    rate = models.DecimalField(max_digits=18, decimal_places=8, null=True, blank=True)
    discount_percent = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "service"], name="special_rate_once"),
            models.CheckConstraint(
                name="special_rate_one_kind",
                condition=Q(rate__gt=0, discount_percent=None)
                | Q(rate=None, discount_percent__gte=0, discount_percent__lt=100),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.service_id}"


class ExchangeRate(models.Model):
    """Panel currency for one unit of `currency`, from `date` on until a newer one."""

    currency = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=18, decimal_places=8)
    date = models.DateField()
    set_at = models.DateTimeField(default=timezone.now)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["currency", "-date"]
        constraints = [
            models.UniqueConstraint(fields=["currency", "date"], name="exchange_rate_once_a_day"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="exchange_rate_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.rate} from {self.date}"


class RateChange(models.Model):
    """What a service was sold for from `at` on: list price and cost per 1000 (per order for packages).

    Written by a database trigger on every change of either, whoever makes it; read by providers.price_history.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="rate_changes")
    at = models.DateTimeField()
    rate = models.DecimalField(max_digits=18, decimal_places=8)
    cost_rate = models.DecimalField(max_digits=18, decimal_places=8)  # never shown to customers

    class Meta:
        indexes = [
            models.Index(fields=["service", "-id"], name="rate_change_series"),
            models.Index(fields=["at"], name="rate_change_at"),
        ]

    def __str__(self) -> str:
        return f"service {self.service_id}: {self.rate} from {self.at:%Y-%m-%d}"
