"""Forms of the admins' pages about providers, services and prices. Shape only; the acts check what may be."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from customers.models import PriceGroup, User
from providers.adapters import OPTIONS, REGISTRY, Option
from providers.connecting import MANUAL
from providers.models import Category, Denial, MarkupRule, Provider, Service

CODE = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}
DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}


def amount(label: Any, *, places: int = 8, digits: int = 18, **more: Any) -> forms.DecimalField:
    """A decimal typed as text: number inputs drop what they do not understand."""
    return forms.DecimalField(
        label=label, max_digits=digits, decimal_places=places, widget=forms.TextInput(attrs=DECIMAL), **more
    )


# What a provider may speak: how people tell the dialects apart (providers.adapters.REGISTRY).
SPEAKS: dict[str, Any] = {
    "standard": _("Standard: the API v2 that most panels have"),
    "lists_with_ids": _("Lists with ids: answers about many orders come as a list"),
    "media_url": _("Media URL: an older form, the link is called media_url"),
    "success_envelopes": _("Envelopes: every answer is wrapped in status and data"),
    MANUAL: _("No API: staff deliver by hand"),
}


class ConnectionForm(forms.Form):
    """Where a provider is and how it is spoken to. The key is never shown; left empty it stays as it is."""

    name = forms.CharField(label=_("Name"), max_length=80)
    adapter = forms.ChoiceField(label=_("Speaks"))
    api_url = forms.CharField(
        label=_("API address"),
        required=False,
        max_length=500,
        widget=forms.TextInput(
            attrs={**CODE, "inputmode": "url", "placeholder": "https://provider.example/api/v2"}
        ),
    )
    key = forms.CharField(
        label=_("API key"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={**CODE, "autocomplete": "new-password"}),
    )
    currency = forms.CharField(
        label=_("Currency"),
        max_length=3,
        widget=forms.TextInput(attrs=CODE),
        help_text=_("The currency of its rates and of our balance there."),
    )

    def __init__(self, *args: Any, provider: Provider | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        adapter: Any = self.fields["adapter"]
        adapter.choices = [(name, SPEAKS.get(name, name)) for name in (*REGISTRY, MANUAL)]
        adapter.help_text = _("If in doubt take the first: a test of the connection says which one fits.")
        if provider is None:
            self.fields["currency"].initial = settings.CURRENCY
            self.fields["key"].help_text = _("Kept encrypted and never shown again.")
            self.fields["api_url"].help_text = _("Address and key stay empty where there is no API.")
        elif provider.key:
            self.fields["key"].help_text = _(
                "A key is set. Leave this empty to keep it; a new address clears it, so that nobody else is handed it."
            )
        else:
            self.fields["key"].help_text = _("No key is set: nothing can be sent or read.")

    def take(self, errors: Mapping[str, str]) -> None:
        """What the act said against it, beside the fields."""
        for name, sentence in errors.items():
            self.add_error(name if name in self.fields else None, sentence)


class KeyForm(forms.Form):
    key = forms.CharField(
        label=_("New API key"),
        widget=forms.PasswordInput(attrs={**CODE, "autocomplete": "new-password"}),
        help_text=_("Tried with a question for the balance before it is kept."),
    )
    anyway = forms.BooleanField(label=_("Keep it even if the provider does not answer to it"), required=False)


class DetailsForm(forms.Form):
    low_balance = amount(
        _("Warn below"),
        places=6,
        digits=20,
        required=False,
        min_value=0,
        help_text=_("An alert opens when the balance there is less, in the provider's currency."),
    )
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 2}))


class OptionsForm(forms.Form):
    """One field per option of the adapter, with its meaning and default. `values()` is what the act takes."""

    def __init__(self, data: Any, *, adapter: str, present: Mapping[str, Any]) -> None:
        super().__init__(data, prefix="option")
        self.known: Mapping[str, Option] = REGISTRY[adapter].all_options() if adapter in REGISTRY else OPTIONS
        for name, option in self.known.items():
            self.fields[name] = self._field(name, option)
            self.fields[name].initial = self._shown(option, present.get(name, option.default))

    def _field(self, name: str, option: Option) -> forms.Field:
        label = name.replace("_", " ").capitalize()
        help_text = self._help(option)
        if option.kind == "flag":
            return forms.BooleanField(label=label, required=False, help_text=help_text)
        if option.kind == "choice":
            return forms.ChoiceField(
                label=label, choices=[(c, c) for c in option.choices], required=False, help_text=help_text
            )
        if option.kind == "pairs":
            area = forms.Textarea(attrs={**CODE, "rows": 2, "class": "mono"})
            return forms.CharField(label=label, required=False, widget=area, help_text=help_text)
        attrs = DECIMAL if option.kind in ("number", "integer") else CODE
        return forms.CharField(
            label=label, required=False, strip=False, widget=forms.TextInput(attrs=attrs), help_text=help_text
        )

    def _help(self, option: Option) -> str:
        if option.kind == "pairs":
            return _("%(help)s One name=value a line.") % {"help": option.help}
        default = self._shown(option, option.default)
        if option.kind == "flag":
            default = _("on") if option.default else _("off")
        return _("%(help)s Default: %(default)s.") % {"help": option.help, "default": default}

    @staticmethod
    def _shown(option: Option, value: Any) -> Any:
        if option.kind == "pairs":
            return "\n".join(f"{name}={text}" for name, text in dict(value).items())
        if option.kind == "number":
            return f"{value:g}"
        return value

    def values(self) -> dict[str, Any]:
        """Options by name; what is left empty becomes the default."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if not (value == "" and self.known[name].kind != "pairs")
        }


class ServiceForm(forms.Form):
    own_name = forms.BooleanField(label=_("Keep my own name when the provider renames it"), required=False)
    name = forms.CharField(label=_("Name"), max_length=300)
    own_description = forms.BooleanField(label=_("Keep my own description"), required=False)
    description = forms.CharField(
        label=_("Description"), required=False, widget=forms.Textarea(attrs={"rows": 5})
    )
    delivery_note = forms.CharField(
        label=_("How it is delivered"),
        required=False,
        max_length=300,
        help_text=_("Shown to customers. Say plainly who or what delivers it."),
    )
    lines_label = forms.CharField(
        label=_("Label of its lines"),
        required=False,
        max_length=80,
        help_text=_("For services with one text per line, such as “Captions, one per line”."),
    )
    category = forms.ModelChoiceField(label=_("Category"), queryset=Category.objects.all(), required=False)
    new_category = forms.CharField(label=_("Or a new category"), required=False, max_length=200, strip=True)
    position = forms.IntegerField(
        label=_("Position in its category"),
        min_value=-1_000_000,
        max_value=1_000_000,
        help_text=_("Lowest first."),
    )
    refill_days = forms.IntegerField(label=_("Refill days"), min_value=0, max_value=3650)
    own_minimum = forms.IntegerField(
        label=_("My own minimum"),
        min_value=1,
        required=False,
        help_text=_("Empty: the provider's. It can only be narrower."),
    )
    own_maximum = forms.IntegerField(label=_("My own maximum"), min_value=1, required=False)
    pinned_rate = amount(
        _("Pinned price"),
        required=False,
        help_text=_("Per 1000 (or per order). Empty: the markup rules price it."),
    )
    pinned_reason = forms.CharField(
        label=_("Why this price"),
        required=False,
        max_length=200,
        help_text=_(
            "Kept with the pinned price in its history. Below cost it needs the reason below as well."
        ),
    )
    below_cost_reason = forms.CharField(
        label=_("Why it may be sold below cost"),
        required=False,
        max_length=200,
        help_text=_("Empty: it is never sold below cost."),
    )
    route_order = forms.ChoiceField(
        label=_("Order of its routes"),
        required=False,
        choices=Service.RouteOrder.choices,
        help_text=_("Cheapest first is kept at every change of a price or an exchange rate; prices follow."),
    )
    hold_for_review = forms.BooleanField(
        label=_("Hold its orders until staff release them"),
        required=False,
        help_text=_("They are paid and wait; nothing is sent before."),
    )
    cancel_rule = forms.ChoiceField(
        label=_("Approve cancels without review"),
        choices=Service.CancelRule.choices,
        help_text=_("An order of which nothing was sent is canceled at once, whatever is chosen here."),
    )
    auto_refill = forms.BooleanField(
        label=_("Approve refills without review"),
        required=False,
        help_text=_(
            "Off: staff review each refill. On: those inside the refill days go to the provider at once."
        ),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not values.get("category") and not values.get("new_category"):
            self.add_error("category", _("Choose a category or name a new one."))
        return values


class RuleForm(forms.ModelForm):
    service = forms.IntegerField(
        label=_("Service number"),
        required=False,
        min_value=1,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    percent = amount(_("Markup, %"), places=4, digits=9, min_value=-100, max_value=10_000)
    fixed = amount(_("Plus, per 1000"), min_value=0, required=False)
    minimum = amount(_("At least, per 1000"), min_value=0, required=False)
    ending = amount(
        _("Price ending"), places=6, digits=9, min_value=0, max_value=Decimal("0.999999"), required=False
    )

    class Meta:
        model = MarkupRule
        fields = (
            "price_group", "scope", "category", "provider", "percent", "fixed", "minimum", "rounding", "places",
            "ending", "position", "enabled", "note",
        )  # fmt: skip
        labels = {
            "price_group": _("Price list"),
            "scope": _("Applies to"),
            "category": _("Category"),
            "provider": _("Provider"),
            "rounding": _("Rounding"),
            "places": _("Decimal places"),
            "position": _("Place among rules for the same thing"),
            "enabled": _("In use"),
            "note": _("Note"),
        }

    field_order = ("scope", "service", "category", "provider")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        group: Any = self.fields["price_group"]
        group.empty_label, group.queryset = _("Standard"), PriceGroup.objects.order_by("name")
        for name in ("category", "provider"):
            field: Any = self.fields[name]
            field.empty_label = "–"
        if self.instance.service_id:
            self.fields["service"].initial = self.instance.service_id
        for name in ("percent", "fixed", "minimum", "ending"):
            value = self.initial.get(name)
            if isinstance(value, Decimal):
                self.initial[name] = f"{value.normalize():f}"
        self.fields["places"].required = self.fields["position"].required = False

    def clean(self) -> dict[str, Any]:
        """The target that fits the scope, and no other: what is hidden or left over does not count."""
        values = super().clean() or {}
        scope = values.get("scope")
        for name in ("fixed", "minimum", "ending"):
            values[name] = values.get(name) or Decimal(0)
        for name, default in (("places", 2), ("position", 0)):
            values[name] = default if values.get(name) is None else values[name]
        number, service = values.get("service"), None
        if scope == MarkupRule.Scope.SERVICE:
            service = Service.objects.filter(pk=number).first() if number else None
            if service is None and "service" not in self.errors:
                self.add_error("service", _("There is no service with this number."))
        for name in ("category", "provider"):
            if scope != name:
                values[name] = None
            elif values.get(name) is None and name not in self.errors:
                self.add_error(name, _("Choose what the rule applies to."))
        values["service"] = self.instance.service = service
        return values


class RateForm(forms.Form):
    currency = forms.CharField(label=_("Currency"), max_length=3, widget=forms.TextInput(attrs=CODE))
    rate = amount(_("Rate"))
    date = forms.DateField(
        label=_("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Empty: today."),
    )


class PublishForm(forms.Form):
    markup = amount(
        _("Markup, %"),
        places=4,
        digits=9,
        required=False,
        min_value=-100,
        max_value=10_000,
        help_text=_("Writes a rule for each service. Empty: the present rules price them."),
    )


class DenialForm(forms.Form):
    """Driven by the model's kinds and scopes, so that a new one shows here by itself."""

    kind = forms.ChoiceField(label=_("Kind"))
    text = forms.CharField(
        label=_("What is denied"),
        max_length=254,
        widget=forms.TextInput(attrs=CODE),
        help_text=_(
            "A word, a category, example.com, a part of links, or a customer's e-mail, domain or #number."
            " Capital letters make no difference; words match as whole words."
        ),
    )
    scope = forms.ChoiceField(label=_("Where it holds"))
    reason = forms.CharField(
        label=_("Reason"), max_length=120, help_text=_("Shown to admins beside what it holds back.")
    )
    until = forms.DateField(
        label=_("Holds until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("The last day (UTC). Empty: for good."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields["kind"]
        scope: Any = self.fields["scope"]
        kind.choices, scope.choices = Denial.Kind.choices, Denial.Scope.choices


class PriceListForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80)
    note = forms.CharField(label=_("Note"), required=False, max_length=200)


class SpecialRateForm(forms.Form):
    service = forms.ModelChoiceField(
        label=_("Service number"),
        queryset=Service.objects.all(),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"invalid_choice": _("There is no service with this number.")},
    )
    rate = amount(
        _("Price"), required=False, help_text=_("Per 1000, or per order where the service is priced so.")
    )
    discount_percent = amount(
        _("Or percent off"),
        places=4,
        digits=7,
        required=False,
        min_value=0,
        help_text=_("Off what the customer would pay otherwise."),
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=200)


class CopyRatesForm(forms.Form):
    source = forms.ModelChoiceField(
        label=_("E-mail of the other customer"),
        queryset=User.objects.filter(role=User.Role.CUSTOMER),
        to_field_name="email",
        widget=forms.TextInput(attrs={**CODE, "inputmode": "email"}),
        help_text=_("Their special rates are copied; for the same services they replace the ones here."),
        error_messages={"invalid_choice": _("There is no customer with this e-mail.")},
    )
