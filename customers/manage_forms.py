"""Forms of the admins' pages about people and money."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _

from customers import site_settings
from customers.models import User


class PaymentForm(forms.Form):
    email = forms.EmailField(label=_("Customer's e-mail"), max_length=254)
    method = forms.CharField(label=_("Method"), max_length=40, initial="bank transfer")
    amount = forms.DecimalField(
        label=_("Amount"),
        max_digits=20,
        decimal_places=6,
        min_value=Decimal("0.000001"),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    reference = forms.CharField(
        label=_("Reference"),
        max_length=120,
        help_text=_("As the bank or payment provider shows it; each is credited once."),
    )

    def clean_method(self) -> str:
        """A way to pay by the name that customers announce it under, or the references would count twice."""
        typed = " ".join(str(self.cleaned_data["method"]).split())
        names = {method.name.casefold(): method.name for method in site_settings.load().deposit_methods}
        return names.get(typed.casefold(), typed)

    def clean_email(self) -> User:
        user = User.objects.filter(email__iexact=self.cleaned_data["email"], role=User.Role.CUSTOMER).first()
        if user is None:
            raise forms.ValidationError(_("There is no customer with this e-mail."))
        return user


class InviteForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"), max_length=254)
    name = forms.CharField(label=_("Name"), max_length=120, required=False)
    role = forms.ChoiceField(
        label=_("Role"),
        choices=[
            (User.Role.REVIEWER, _("Reviewer: requests and orders in doubt, no cost, no prices")),
            (User.Role.ADMIN, _("Admin: everything, money and team included")),
        ],
    )
