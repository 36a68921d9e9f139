"""What a person sets about himself: name, clock, looks, keys, and the mails he wants."""

from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from customers.models import User
from customers.notices import KINDS, low_mark


@cache
def time_zones() -> list[tuple[str, str]]:
    """Zones by place, as people know them; without the doubles that exist for old machines."""
    old = ("Etc/", "posix/", "right/", "SystemV/", "US/", "Brazil/", "Canada/", "Chile/", "Mexico/")
    names = sorted(name for name in available_timezones() if "/" in name and not name.startswith(old))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


def languages() -> list[tuple[str, Any]]:
    return [("", _("As the browser")), *settings.LANGUAGES]


class ProfileForm(forms.ModelForm):
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=time_zones, help_text=_("All dates and times are shown in it.")
    )
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=languages,
        help_text=_("Of the pages and of the mails to you. Names of services stay as they are."),
    )
    theme = forms.ChoiceField(
        label=_("Colors"),
        required=False,
        choices=[("", _("As the device")), ("light", _("Light")), ("dark", _("Dark"))],
        widget=forms.RadioSelect,
    )
    single_keys = forms.BooleanField(
        label=_("Single-letter shortcuts"),
        required=False,
        help_text=_(
            "Such as J for the next row. Press ? for the list. Turn off if you speak to your computer."
        ),
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )

    class Meta:
        model = User
        fields = ["name", "language", "time_zone", "theme", "single_keys"]
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name"})}

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())


class NoticesForm(forms.Form):
    """One switch for each kind of mail, and the balance that counts as low."""

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data)
        for kind in KINDS:
            self.fields[kind.name] = forms.BooleanField(
                label=kind.label,
                help_text=kind.help,
                required=False,
                initial=user.notices.get(kind.name, kind.default),
                widget=forms.CheckboxInput(attrs={"role": "switch"}),
            )
        self.fields["low_balance_below"] = forms.DecimalField(
            label=_("Low means below, %(currency)s") % {"currency": settings.CURRENCY},
            min_value=Decimal("0.01"),
            localize=True,
            max_digits=20,
            decimal_places=2,
            initial=low_mark(user),
            widget=forms.TextInput(
                attrs={"inputmode": "decimal", "autocomplete": "off", "class": "tn maxw-9"}
            ),
        )

    def chosen(self) -> dict[str, Any]:
        """What `User.notices` keeps."""
        values = dict(self.cleaned_data)
        return values | {"low_balance_below": f"{values['low_balance_below']:f}"}
