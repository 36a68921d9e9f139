"""Forms of the settings page. What is right is decided by customers.site_settings; these only carry it."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from customers.site_settings import MOST_METHODS, Secret, SiteSettings, logo_of


class Part(forms.Form):
    """A group of settings: initial values are the present ones."""

    def __init__(self, site: SiteSettings, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        for name, field in self.fields.items():
            value = getattr(site, name, None)
            if isinstance(value, Secret):  # never shown again
                field.widget.attrs["placeholder"] = _set_words(value)
            elif isinstance(value, Decimal):
                field.initial = f"{value.normalize():f}"
            else:
                field.initial = "\n".join(value) if isinstance(value, tuple) else value

    def values(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class LooksForm(Part):
    site_name = forms.CharField(label=_("Name"), max_length=40)
    logo_file = forms.FileField(
        label=_("Logo"), required=False, help_text=_("A square PNG, JPEG, GIF or WebP, at most 100 kB.")
    )
    remove_logo = forms.BooleanField(label=_("Use the built-in logo"), required=False)
    brand_color = forms.CharField(
        label=_("Brand color"),
        required=False,
        max_length=7,
        help_text=_(
            "Such as #2a59c9. White or dark text on it must reach a contrast of 4.5:1. Empty: our blue."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono maxw-9", "spellcheck": "false"}),
    )
    support_contact = forms.CharField(
        label=_("Support contact"),
        required=False,
        max_length=200,
        help_text=_("An e-mail address or an https address; customers see it in Help."),
    )

    def clean_logo_file(self) -> str:
        given = self.cleaned_data["logo_file"]
        if given is None:
            return ""
        try:
            return logo_of(given.read())
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def values(self) -> dict[str, Any]:
        values = dict(self.cleaned_data)
        logo, removed = values.pop("logo_file", ""), values.pop("remove_logo", False)
        if logo or removed:
            values["logo"] = logo
        return values


class TermsForm(Part):
    signup_open = forms.BooleanField(
        label=_("People may sign up themselves"),
        required=False,
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )
    terms_version = forms.CharField(
        label=_("Version of the terms"),
        max_length=20,
        help_text=_("After a change everybody who accepted an earlier version is asked once more."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "maxw-13"}),
    )
    terms_text = forms.CharField(
        label=_("Text of the terms"),
        required=False,
        help_text=_("Plain text. Empty: the text that comes with the panel."),
        widget=forms.Textarea(attrs={"rows": 8}),
    )


class MaintenanceForm(Part):
    maintenance = forms.BooleanField(
        label=_("Maintenance"),
        required=False,
        help_text=_(
            "Customers get a page that says so, the API answers 503; staff work on. Orders go on being delivered."
        ),
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )
    maintenance_note = forms.CharField(
        label=_("What customers read"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class ReviewForm(Part):
    review_above = forms.CharField(
        label=_("Orders that cost at least, %(currency)s") % {"currency": settings.CURRENCY},
        required=False,
        help_text=_("Empty: no order waits for its charge."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "tn maxw-9", "autocomplete": "off"}),
    )
    review_first_orders = forms.CharField(
        label=_("The first orders of each customer"),
        required=False,
        help_text=_("How many; 0 for none. Canceled orders do not count."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "tn maxw-9", "autocomplete": "off"}),
    )
    review_links = forms.CharField(
        label=_("Orders whose link contains, one text per line"),
        required=False,
        help_text=_(
            "Capital letters make no difference. What must not be ordered at all belongs on the deny-list."
        ),
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false"}),
    )


class LimitsForm(Part):
    largest_charge = forms.CharField(
        label=_("One order costs at most, %(currency)s") % {"currency": settings.CURRENCY},
        required=False,
        help_text=_("A dearer one is refused, and nothing is charged. Empty: no limit."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "tn maxw-9", "autocomplete": "off"}),
    )
    payments_waiting = forms.CharField(
        label=_("Announced payments of one customer that may wait"),
        required=False,
        help_text=_("1 to 100. More are refused until some were checked."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "tn maxw-9", "autocomplete": "off"}),
    )


class DelaysForm(Part):
    slow_times = forms.CharField(
        label=_("Slow: so many times what the service usually takes"),
        help_text=_(
            "2 to 50, and never before an hour. Usual is the median of a service's last 20 completed orders; "
            "with fewer than 5 it is not known. Customers read at twice the usual time that it takes longer."
        ),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "tn maxw-9", "autocomplete": "off"}),
    )
    stuck_days = forms.CharField(
        label=_("Stuck: days without a change"),
        help_text=_(
            "1 to 60 days without a change of status, start count or remains, of an order that is slow as well. "
            "Staff may then settle it by hand."
        ),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "tn maxw-9", "autocomplete": "off"}),
    )


class RepliesForm(Part):
    reject_replies = forms.CharField(
        label=_("When rejecting, one per line"),
        required=False,
        help_text=_("Reviewers pick one as the note to the customer, and may still change it."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    approve_replies = forms.CharField(
        label=_("When approving, one per line"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )


class NoticesForm(Part):
    """Addresses and secrets that are empty stay as they are; a switch takes them away."""

    notice_emails = forms.CharField(
        label=_("E-mail addresses, one per line"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "inputmode": "email"}),
    )
    notice_level = forms.ChoiceField(
        label=_("Told are"),
        choices=[("warning", _("Warnings and critical alerts")), ("critical", _("Critical alerts only"))],
    )
    hook_address = forms.CharField(
        label=_("Webhook address"),
        required=False,
        max_length=500,
        help_text=_("Gets each alert and its end as signed JSON. It is kept encrypted and not shown again."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"}),
    )
    hook_secret = forms.CharField(
        label=_("Webhook secret"),
        required=False,
        max_length=500,
        help_text=_("At least 16 characters. The signature is made with it, so that the receiver knows us."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    remove_hook = forms.BooleanField(label=_("Take the webhook away"), required=False)
    chat_address = forms.CharField(
        label=_("Chat bot address"),
        required=False,
        max_length=500,
        help_text=_(
            "For Telegram: https://api.telegram.org/bot…/sendMessage. Kept encrypted, not shown again."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"}),
    )
    chat_id = forms.CharField(
        label=_("Chat id"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "maxw-13"}),
    )
    remove_chat = forms.BooleanField(label=_("Take the chat away"), required=False)

    def __init__(self, site: SiteSettings, data: Any = None, files: Any = None) -> None:
        super().__init__(site, data, files)
        self.site = site
        if not site.hook_address:
            del self.fields["remove_hook"]
        if not site.chat_address:
            del self.fields["remove_chat"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        stays_hook = self.site.hook_address and not given.get("remove_hook")
        if (given.get("hook_address") or stays_hook) and not (
            given.get("hook_secret") or self.site.hook_secret
        ):
            self.add_error("hook_secret", gettext("The webhook needs a secret of at least 16 characters."))
        stays_chat = self.site.chat_address and not given.get("remove_chat")
        if (given.get("chat_address") or stays_chat) and not given.get("chat_id"):
            self.add_error("chat_id", gettext("The chat bot needs the id of the chat to write to."))
        return given

    def values(self) -> dict[str, Any]:
        values = dict(self.cleaned_data)
        without_hook, without_chat = values.pop("remove_hook", False), values.pop("remove_chat", False)
        for name in ("hook_address", "hook_secret", "chat_address"):
            if not values[name]:
                del values[name]
        if without_hook:
            values |= {"hook_address": "", "hook_secret": ""}
        if without_chat:
            values |= {"chat_address": "", "chat_id": ""}
        return values


def _set_words(secret: Secret) -> str:
    if not secret:
        return ""
    return (
        gettext("Set: %s") % secret.shown if secret.shown else gettext("Set. Enter another one to change it")
    )


def _any_amount(label: Any, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "class": "tn maxw-13"}),
    )


class AdjustLimitsForm(Part):
    reviewer_adjust_single = _any_amount(_("Reviewer, at once"), _("0: reviewers correct no balances."))
    reviewer_adjust_day = _any_amount(_("Reviewer, in 24 hours"))
    admin_adjust_single = _any_amount(_("Admin, at once"), _("Empty: any amount. Superusers have no limit."))
    admin_adjust_day = _any_amount(_("Admin, in 24 hours"))


FORMS: dict[str, type[Part]] = {
    "looks": LooksForm,
    "terms": TermsForm,
    "maintenance": MaintenanceForm,
    "review": ReviewForm,
    "limits": LimitsForm,
    "delays": DelaysForm,
    "replies": RepliesForm,
    "notices": NoticesForm,
    "adjust_limits": AdjustLimitsForm,
}


class MethodForm(forms.Form):
    name = forms.CharField(label=_("Name"), required=False, max_length=40)
    note = forms.CharField(
        label=_("In a few words"),
        required=False,
        max_length=80,
        help_text=_("Such as: 1 to 2 working days, no fee"),
    )
    minimum = forms.CharField(
        label=_("Minimum, %(currency)s") % {"currency": settings.CURRENCY},
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "tn"}),
    )
    maximum = forms.CharField(
        label=_("Maximum, %(currency)s") % {"currency": settings.CURRENCY},
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "tn"}),
    )
    instructions = forms.CharField(
        label=_("Instructions"),
        required=False,
        max_length=2000,
        help_text=_("Where to pay, and what to name as the reference."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class _Methods(forms.BaseFormSet):
    refusal = ""


MethodFormSet = forms.formset_factory(
    MethodForm, formset=_Methods, extra=1, max_num=MOST_METHODS, absolute_max=20
)


def methods_of(site: SiteSettings) -> list[dict[str, Any]]:
    return [
        {
            "name": method.name,
            "note": method.note,
            "minimum": f"{method.minimum:f}" if method.minimum else "",
            "maximum": "" if method.maximum is None else f"{method.maximum:f}",
            "instructions": method.instructions,
        }
        for method in site.deposit_methods
    ]


def read_methods(formset: Any) -> list[dict[str, Any]]:
    """The rows that say anything; one that was emptied is a method taken away."""
    rows = [form.cleaned_data for form in formset.forms if hasattr(form, "cleaned_data")]
    return [row for row in rows if any(str(value).strip() for value in row.values())]
