"""Forms of the staff pages about customers."""

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from customers.models import PriceGroup

Money: Any = {"max_digits": 20, "decimal_places": 6}


class NewCustomerForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"), max_length=254, help_text=_("Counts as confirmed."))
    name = forms.CharField(label=_("Name"), max_length=120, required=False)
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Hand it over safely; the customer can change it."),
    )
    balance = forms.DecimalField(
        label=_("Balance to start with"), min_value=Decimal(0), required=False, **Money,
        help_text=_("Booked as an adjustment with your name."),
    )  # fmt: skip

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password


class AdjustForm(forms.Form):
    amount = forms.DecimalField(
        label=_("Amount"), **Money, help_text=_("Negative takes money away, for example -12.50."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )  # fmt: skip
    reason = forms.CharField(
        label=_("Reason"), max_length=200, help_text=_("The customer sees it in the statement.")
    )
    # One form is one movement: a double click or a reload moves nothing twice.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class SuspendForm(forms.Form):
    orders = forms.BooleanField(
        label=_("No new orders"), required=False, widget=forms.CheckboxInput(attrs={"role": "switch"})
    )
    api = forms.BooleanField(
        label=_("No API"), required=False, widget=forms.CheckboxInput(attrs={"role": "switch"})
    )
    deposits = forms.BooleanField(
        label=_("No deposits"), required=False, widget=forms.CheckboxInput(attrs={"role": "switch"})
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, help_text=_("For staff. Also needed to lift a suspension.")
    )
    note = forms.CharField(
        label=_("What the customer reads"),
        max_length=300,
        required=False,
        help_text=_("Shown on his pages below what is suspended; may stay empty."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    # What the page showed (customers.managing): nobody overwrites what a colleague did meanwhile.
    seen_suspension = forms.CharField(required=False, widget=forms.HiddenInput)


class NoteForm(forms.Form):
    staff_note = forms.CharField(
        label=_("Staff note"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Customers never see it."),
    )
    seen_note = forms.CharField(required=False, widget=forms.HiddenInput)


class PriceGroupForm(forms.Form):
    price_group = forms.ModelChoiceField(
        label=_("Price list"),
        queryset=PriceGroup.objects.order_by("name"),
        required=False,
        empty_label=_("Standard"),
        help_text=_("For new orders; placed ones keep their price."),
    )
