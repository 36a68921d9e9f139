"""People: one user table for customers and staff, told apart by role."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PriceGroup(models.Model):
    """A price list shared by customers; markup rules may be written for one group."""

    name = models.CharField(max_length=80, unique=True)
    note = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        fields.update(role=User.Role.ADMIN, is_superuser=True, is_staff=True)
        return self.create_user(email, password, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    class Role(models.TextChoices):
        CUSTOMER = "customer", _("Customer")
        REVIEWER = "reviewer", _("Reviewer")
        ADMIN = "admin", _("Admin")

    email = models.EmailField(_("e-mail"), max_length=254)
    name = models.CharField(_("name"), max_length=120, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.CUSTOMER)
    is_active = models.BooleanField(default=True)
    # Only the raw Django admin asks for is_staff; our own pages ask for the role.
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    price_group = models.ForeignKey(
        PriceGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="users"
    )
    time_zone = models.CharField(max_length=64, default="UTC")
    language = models.CharField(
        max_length=12, blank=True
    )  # a code of LANGUAGES; "": what the browser asks for
    theme = models.CharField(
        max_length=5, blank=True, choices=[("", _("System")), ("light", _("Light")), ("dark", _("Dark"))]
    )
    single_keys = models.BooleanField(default=True)  # WCAG 2.1.4: single-letter shortcuts can be turned off
    notices = models.JSONField(default=dict, blank=True)
    staff_note = models.TextField(blank=True)

    orders_suspended = models.BooleanField(default=False)
    api_suspended = models.BooleanField(default=False)
    deposits_suspended = models.BooleanField(default=False)
    suspended_reason = models.CharField(max_length=200, blank=True)  # for staff
    suspended_note = models.CharField(max_length=300, blank=True)  # what the customer reads about it

    terms_version = models.CharField(max_length=20, blank=True)
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    deletion_asked_at = models.DateTimeField(null=True, blank=True)  # by the customer; staff erase
    erased_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        indexes = [
            # The few whose wallets are watched for late refunds (orders/watching.py).
            models.Index(fields=["erased_at"], condition=Q(erased_at__isnull=False), name="user_erased"),
        ]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_once",
                violation_error_message=_("An account with this e-mail exists already."),
            )
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = type(self).objects.normalize_email(self.email).lower()

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email.split("@")[0]
