"""The form on the wallet page that announces a payment."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from customers.site_settings import DepositMethod


class DepositForm(forms.Form):
    method = forms.ChoiceField(label=_("Pay with"), widget=forms.RadioSelect)
    amount = forms.DecimalField(
        label=_("Amount, %(currency)s") % {"currency": settings.CURRENCY},
        max_digits=14,
        decimal_places=2,
        min_value=Decimal("0.01"),
        localize=True,  # 25,50 where people write it so
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "class": "tn"}),
    )
    reference = forms.CharField(
        label=_("Payment reference"),
        max_length=120,
        help_text=_("The number or words under which your payment arrives, such as the transaction id."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, methods: Sequence[DepositMethod], data: Any = None) -> None:
        super().__init__(data)
        self.methods = {method.name: method for method in methods}
        self.fields["method"].choices = [(name, name) for name in self.methods]  # type: ignore[attr-defined]
        if methods:
            self.fields["method"].initial = methods[0].name

    @property
    def chosen(self) -> str:
        """The name of the method that is marked on the page."""
        typed = str(self["method"].value() or "")
        return typed if typed in self.methods else next(iter(self.methods), "")
