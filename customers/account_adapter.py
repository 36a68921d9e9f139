"""Our words and rules for allauth: one sentence for every failed sign-in, secrets encrypted, consent kept."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from customers import security_trail, site_settings
from customers.encryption import decrypt, encrypt
from customers.models import User

SIGN_IN_FAILED = _("E-mail or password is not right.")


class AccountAdapter(DefaultAccountAdapter):
    # Which part was wrong, or whether the account exists, is nobody's business.
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": SIGN_IN_FAILED,
        "email_password_mismatch": SIGN_IN_FAILED,
        "username_password_mismatch": SIGN_IN_FAILED,
        "invalid_login": SIGN_IN_FAILED,
        "incorrect_password": _("This password is not right."),
        "enter_current_password": _("This is not your present password."),
        "incorrect_code": _("This code is not right, or it is too old. Take the one your app shows now."),
        "too_many_login_attempts": _("Too many attempts from your address. Wait a minute and try again."),
        "rate_limited": _("Too many attempts. Wait a minute and try again."),
        "invalid_password_reset": _("This link is used or too old. Ask for a new one."),
        "email_taken": _("There is an account with this e-mail already."),
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        # panel.middleware.client_address has already looked behind our own proxies.
        return str(request.META.get("REMOTE_ADDR", ""))

    def post_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse:
        """After the second step."""
        security_trail.signed_in(user, request)
        response: HttpResponse = super().post_login(request, user, **facts)
        return response

    def logout(self, request: HttpRequest) -> None:
        """Kept where it was asked for: a new password ends sessions too, and says so itself. Written first: after it
        the request is nobody's."""
        asked = request.resolver_match is not None and request.resolver_match.url_name == "account_logout"
        if asked and isinstance(request.user, User):
            security_trail.signed_out(request.user, request)
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """A wrong password, or no such account."""
        tried = str(credentials.get("email") or credentials.get("username") or "").strip().lower()
        security_trail.sign_in_failed(tried, request)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return site_settings.of(request).signup_open

    def format_email_subject(self, subject: str) -> str:
        return f"{site_settings.load().site_name}: {subject}"

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """A new account is a customer's, whatever was posted; what was agreed to is kept with the time."""
        user.name = form.cleaned_data.get("name", "")
        user.role = User.Role.CUSTOMER
        user.language = get_language() or ""  # the mails come in it; the profile changes it
        user.terms_version = site_settings.of(request).terms_version
        user.terms_accepted_at = timezone.now()
        return super().save_user(request, user, form, commit)


class MfaAdapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
    }

    def encrypt(self, text: str) -> str:
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text)
