"""The forms of the keys page."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.api_keys import read_addresses
from customers.models import ApiKey

SCOPES = (
    ("read", gettext_lazy("Read: services, status, balance")),
    ("order", gettext_lazy("Place orders")),
    ("refill", gettext_lazy("Ask for refills")),
    ("cancel", gettext_lazy("Ask to cancel")),
)
OVERLAPS = {
    "0": (gettext_lazy("End it at once"), timedelta(0)),
    "1h": (gettext_lazy("Keep it for 1 hour"), timedelta(hours=1)),
    "24h": (gettext_lazy("Keep it for 24 hours"), timedelta(hours=24)),
    "7d": (gettext_lazy("Keep it for 7 days"), timedelta(days=7)),
}


class KeyForm(forms.Form):
    label = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("Where it is used, such as “Shop backend”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Allowed actions"),
        choices=SCOPES,
        initial=list(ApiKey.SCOPES),
        widget=forms.CheckboxSelectMultiple,
    )
    addresses = forms.CharField(
        label=gettext_lazy("Allowed addresses"),
        required=False,
        help_text=gettext_lazy("Addresses or networks of your servers. Empty: any address."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        help_text=gettext_lazy("The key stops working after this day. Empty: never."),
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    @classmethod
    def of(cls, key: ApiKey) -> "KeyForm":
        """A form filled with what a key is now."""
        last = timezone.localtime(key.expires_at) - timedelta(seconds=1) if key.expires_at else None
        return cls(
            initial={
                "label": key.label,
                "scopes": key.scopes,
                "addresses": ", ".join(key.allowed_addresses),
                "expires_on": last.date().isoformat() if last else None,
            }
        )

    def clean_addresses(self) -> list[str]:
        try:
            return read_addresses(self.cleaned_data["addresses"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean_expires_on(self) -> datetime | None:
        last = self.cleaned_data["expires_on"]
        if last is None:
            return None
        if last < timezone.localdate():
            raise forms.ValidationError(_("This day has passed."))
        if last.year > timezone.localdate().year + 50:
            raise forms.ValidationError(
                _("This day is too far away; leave it empty for a key without an end.")
            )
        return timezone.make_aware(datetime.combine(last + timedelta(days=1), time.min))

    @property
    def wanted(self) -> dict[str, Any]:
        """What create_api_key and change_api_key take."""
        values = self.cleaned_data
        return {
            "label": values["label"],
            "scopes": values["scopes"],
            "addresses": values["addresses"],
            "expires_at": values["expires_on"],
        }


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        label=gettext_lazy("The old key"),
        choices=[(name, label) for name, (label, _span) in OVERLAPS.items()],
        initial="24h",
    )

    @property
    def span(self) -> timedelta:
        return OVERLAPS[self.cleaned_data["overlap"]][1]
