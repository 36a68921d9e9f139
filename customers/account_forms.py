"""allauth's forms in our words: labels instead of placeholders, hints the browser and password managers understand."""

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base.forms import AuthenticateForm as BaseAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as BaseReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm as BaseActivateTOTPForm
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.exceptions import ValidationError
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

LABELS = {
    "login": _("E-mail"),
    "email": _("E-mail"),
    "password": _("Password"),
    "password1": _("Password"),
    "password2": _("The same password again"),
    "oldpassword": _("Present password"),
    "remember": _("Keep me signed in for 30 days"),
    "code": _("Code"),
}
AUTOCOMPLETE = {
    "login": "username",
    "email": "email",
    "password": "current-password",
    "oldpassword": "current-password",
    "password1": "new-password",
    "password2": "new-password",
    "code": "one-time-code",
}


def _dress(form: forms.BaseForm) -> None:
    for name, field in form.fields.items():
        field.label = LABELS.get(name, field.label)
        field.widget.attrs.pop("placeholder", None)
        if name in AUTOCOMPLETE:
            field.widget.attrs["autocomplete"] = AUTOCOMPLETE[name]
        if name == "code":
            field.widget.attrs.update({"class": "code-in", "autocapitalize": "off", "spellcheck": "false"})
        if name == "password1":
            field.help_text = " ".join(password_validators_help_texts()[1:2])


class Dressed:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self)  # type: ignore[arg-type]


def _refuse_denied(email: str) -> str:
    """For addresses that an account is to get; who has one already signs in and resets his password with it.

    The deny-list is another room's: settings.py names its question.
    """
    if email and import_string(settings.EMAIL_DENIED)(email):
        raise ValidationError(_("An account with this e-mail address cannot be opened here."))
    return email


class LoginForm(Dressed, account.LoginForm):
    """E-mail, password, keep signed in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = ""  # the link stands beside the label


class SignupForm(Dressed, account.SignupForm):
    """E-mail, password, and how to address the person."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    terms = forms.BooleanField(
        label=_("I accept the terms and the rules of acceptable use"),
        error_messages={"required": _("An account needs your yes to the terms.")},
    )
    field_order = ("name", "email", "password1", "terms")

    def clean_email(self) -> str:
        return _refuse_denied(super().clean_email())


class ResetPasswordForm(Dressed, account.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(Dressed, account.ResetPasswordKeyForm):
    pass


class ChangePasswordForm(Dressed, account.ChangePasswordForm):
    pass


class SetPasswordForm(Dressed, account.SetPasswordForm):
    pass


class AddEmailForm(Dressed, account.AddEmailForm):
    def clean_email(self) -> str:
        return _refuse_denied(super().clean_email())


class ChangeEmailForm(Dressed, account.ChangeEmailForm):
    def clean_email(self) -> str:
        return _refuse_denied(super().clean_email())


class ReauthenticateForm(Dressed, account.ReauthenticateForm):
    pass


class AuthenticateForm(Dressed, BaseAuthenticateForm):
    pass


class MfaReauthenticateForm(Dressed, BaseReauthenticateForm):
    pass


class ActivateTOTPForm(Dressed, BaseActivateTOTPForm):
    pass
