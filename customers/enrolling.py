"""Making people known to the panel by hand: customers, staff, their second factor.

Their e-mail counts as confirmed, because an operator vouches for it. (People who sign up themselves confirm
theirs through allauth.)
"""

import base64
import binascii
from decimal import Decimal

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from customers import wallet
from customers.adjusting import CannotAdjust, check_limit
from customers.audit import actor_name, record
from customers.models import User

ZERO = Decimal(0)
STAFF_ROLES = ("reviewer", "admin", "superuser")


class CannotEnrol(ValueError):
    """Nobody was created; the sentence says why."""


def create_customer(
    email: str, password: str, *, balance: Decimal = ZERO, by: User | None = None, name: str = ""
) -> User:
    """A customer who can sign in and order. `balance`: at most 6 decimals, booked as an adjustment."""
    if balance < 0 or balance != balance.quantize(wallet.CENT_OF_CENTS):
        raise CannotEnrol(_("%(balance)s is not a balance to start with.") % {"balance": balance})
    with transaction.atomic():
        user = _create(email, password, name, role=User.Role.CUSTOMER)
        record(by, "customer.create", user, f"Customer {user.email} created", {"balance": balance})
        wallet.wallet_of(user)
        if balance > 0:
            try:
                check_limit(by, balance)
            except CannotAdjust as error:
                raise CannotEnrol(str(error)) from None
            wallet.adjust(user, balance, gettext_noop("Opening balance"), actor_name(by))
    return user


def create_staff(
    email: str,
    password: str,
    role: str,
    *,
    totp_secret: str | None = None,
    by: User | None = None,
    name: str = "",
) -> User:
    """A reviewer, an admin or a superuser. `totp_secret` (Base32) enrols the second factor at once."""
    if role not in STAFF_ROLES:
        raise CannotEnrol(
            _("%(role)s is not a role; use one of %(staff_roles)s.")
            % {"role": repr(role), "staff_roles": ", ".join(STAFF_ROLES)}
        )
    above_all = role == "superuser"
    secret = read_totp_secret(totp_secret) if totp_secret else None
    with transaction.atomic():
        user = _create(
            email,
            password,
            name,
            role=User.Role.REVIEWER if role == "reviewer" else User.Role.ADMIN,
            is_superuser=above_all,
            is_staff=above_all,
        )
        if secret:
            enrol_totp(user, secret)
        record(
            by,
            "staff.create",
            user,
            f"{role.capitalize()} {user.email} created",
            {"second_factor": bool(secret)},
        )
    return user


def enrol_totp(user: User, secret: str) -> None:
    """Replace the user's second factor by one that was made elsewhere. Recovery codes exist from then on."""
    Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
    TOTP.activate(user, read_totp_secret(secret))
    RecoveryCodes.activate(user)


def read_totp_secret(text: str) -> str:
    """A Base32 secret as authenticator apps show it, made plain. CannotEnrol when it is none or too short."""
    secret = "".join(text.split()).replace("-", "").rstrip("=").upper()
    padded = secret + "=" * (-len(secret) % 8)
    try:
        size = len(base64.b32decode(padded))
    except binascii.Error:
        raise CannotEnrol(_("The second factor's secret is not Base32 (A to Z and 2 to 7).")) from None
    if size < 10:
        raise CannotEnrol(_("The second factor's secret is too short; it needs at least 16 characters."))
    return padded


def _create(
    email: str, password: str, name: str, *, role: str, is_superuser: bool = False, is_staff: bool = False
) -> User:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise CannotEnrol(_("%(email)s is not an e-mail address.") % {"email": repr(email)}) from None
    if len(email) > 254:
        raise CannotEnrol(_("The e-mail address is longer than 254 characters."))
    if not password:
        raise CannotEnrol(_("The password is empty."))
    if User.objects.filter(email__iexact=email).exists():
        raise CannotEnrol(_("An account with the e-mail %(email)s exists already.") % {"email": email})
    user = User.objects.create_user(
        email, password, name=name, role=role, is_superuser=is_superuser, is_staff=is_staff
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user
