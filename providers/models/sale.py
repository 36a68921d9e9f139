"""What we sell: services, their categories, and the routes by which each can be delivered."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.models.upstream import Offer
from providers.service_types import TYPES, ServiceType


class Category(models.Model):
    name = models.CharField(max_length=200, unique=True)
    position = models.IntegerField(default=0)

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Service(models.Model):
    """A line of our price list. `id` is the number that customers and /api/v2 use."""

    class CancelRule(models.TextChoices):
        """Which cancels need no review. One of an order of which nothing was sent never does: it is done at once."""

        REVIEW = "review", _("Never: staff review each")
        PENDING = "pending", _("While the order is Pending; staff review later ones")
        RULES = "rules", _("While the order is Pending, and later where the rules have nothing against it")

    class RouteOrder(models.TextChoices):
        HAND = "hand", _("By hand")
        CHEAPEST = "cheapest", _("Cheapest first, always")

    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="services")
    name = models.CharField(max_length=300)
    own_name = models.BooleanField(
        default=False
    )  # True: an admin named it, the provider's renames are ignored
    description = models.TextField(blank=True)
    own_description = models.BooleanField(default=False)
    delivery_note = models.CharField(max_length=300, blank=True)  # "How it is delivered", shown to customers
    lines_label = models.CharField(max_length=80, blank=True)  # "Captions, one per line"
    service_type = models.CharField(max_length=40)
    minimum = models.BigIntegerField()
    maximum = models.BigIntegerField()
    # An admin's narrower limits, within the provider's; written over `minimum` and `maximum` by applying.
    own_minimum = models.BigIntegerField(null=True, blank=True)
    own_maximum = models.BigIntegerField(null=True, blank=True)
    refill = models.BooleanField(default=False)
    cancel = models.BooleanField(default=False)
    dripfeed = models.BooleanField(default=False)
    refill_days = models.PositiveSmallIntegerField(default=30)
    position = models.IntegerField(default=0)

    # Money, per 1000 (or per order for package types), panel currency. Written by providers.catalog.reprice only.
    rate = models.DecimalField(max_digits=18, decimal_places=8)
    cost_rate = models.DecimalField(max_digits=18, decimal_places=8)
    pinned_rate = models.DecimalField(max_digits=18, decimal_places=8, null=True, blank=True)
    # why it is pinned at that; for admins
    pinned_reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    below_cost_reason = models.CharField(max_length=200, blank=True)  # not empty: an admin allowed it

    published = models.BooleanField(default=False)  # an admin's decision
    off_sale = models.CharField(
        max_length=200, blank=True
    )  # the panel's own reason; not empty = cannot be ordered now
    # Cheapest: every repricing puts its routes in the order of what they cost (repricing.Standing.arranged).
    route_order = models.CharField(
        max_length=8, choices=RouteOrder.choices, default=RouteOrder.HAND, db_default=RouteOrder.HAND
    )
    hold_for_review = models.BooleanField(default=False)  # its orders wait as held until staff release them
    cancel_rule = models.CharField(
        max_length=7, choices=CancelRule.choices, default=CancelRule.PENDING, db_default=CancelRule.PENDING
    )
    auto_refill = models.BooleanField(default=False)
    median_seconds = models.PositiveIntegerField(
        null=True, blank=True
    )  # of our last 20 completed orders, null below 5
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["category__position", "category__name", "position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(rate__gte=0, cost_rate__gte=0), name="service_rates_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(published=False) | Q(rate__gt=0), name="service_published_has_price"
            ),
            models.CheckConstraint(
                condition=Q(minimum__lte=models.F("maximum")), name="service_minimum_below_maximum"
            ),
        ]
        indexes = [
            models.Index(
                fields=["category", "position", "id"],
                condition=Q(published=True, off_sale=""),
                name="service_on_sale",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.name}"

    @property
    def on_sale(self) -> bool:
        return self.published and not self.off_sale

    @property
    def type(self) -> ServiceType:
        return TYPES[self.service_type]

    @property
    def per_order(self) -> bool:
        return self.type.per_order


class Route(models.Model):
    """One way to deliver a service. The lowest enabled position is used; later ones are for fail-over."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="routes")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="routes")
    position = models.PositiveSmallIntegerField(default=0)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["service", "offer"], name="route_once")]

    def __str__(self) -> str:
        return f"service {self.service_id} by offer {self.offer_id}"


class Favorite(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="favorites")
    service = models.ForeignKey(
        Service, on_delete=models.CASCADE, related_name="+", verbose_name=_("service")
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "service"], name="favorite_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.service_id}"
