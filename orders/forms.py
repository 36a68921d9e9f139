"""The order form: its fields come from the one table of service types, its judgment from there too.

Django renders and keeps what was typed; what is right or wrong is decided by read_order when pricing and placing.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext as _

from customers.figures import count
from customers.stored_words import said
from orders.type_words import spoken
from providers.browsing import Line
from providers.service_types import (
    MAX_QUANTITY,
    TYPES,
    Field,
    InvalidOrder,
    ServiceType,
    printable,
    whole_number,
)

DRIP_FEED = ("runs", "interval")


class Kept(forms.CharField):
    """Any text, kept as it was typed. `required` only says that the label is not "optional"."""

    def clean(self, value: Any) -> str:
        return "" if value is None else str(value)


class OrderForm(forms.Form):
    """The details of one order of `line`. None: no service is chosen, or it is not on sale any more; what was posted
    says which fields the page had (`fields_of`), so that nothing typed is lost. A fresh page shows the plainest type.
    """

    use_required_attribute = False

    def __init__(self, line: Line | None, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.line = line
        before = TYPES.get(str(self.data.get("fields_of", "")), TYPES["default"])
        self.type: ServiceType = line.service.type if line else before
        if self.type.has_link:
            self.fields["link"] = Kept(
                label=_("Link"), widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"})
            )
        for field in self.type.fields:
            self.fields[field.name] = self._control(field)
        if self.type.counts == "quantity":
            self.fields["quantity"] = Kept(label=_("Quantity"), widget=_number())
        self.fields["reference"] = Kept(
            label=_("Your reference"), required=False, widget=forms.TextInput(attrs={"maxlength": 120})
        )
        if self.drips:
            self.fields["drip"] = forms.BooleanField(
                label=_("Drip-feed"),
                required=False,
                help_text=_("Repeat the quantity in several runs instead of one delivery."),
                widget=forms.CheckboxInput(attrs={"role": "switch"}),
            )
            self.fields["runs"] = Kept(label=_("Runs"), widget=_number())
            self.fields["interval"] = Kept(label=_("Interval"), widget=_number())

    @property
    def drips(self) -> bool:
        if self.line is None:
            return self.type.drip_feed and "runs" in self.data
        return bool(self.type.drip_feed and self.line.service.dripfeed)

    @property
    def per_type(self) -> list[tuple[forms.BoundField, str]]:
        """The type's own controls, each with the condition under which it is asked for: `type_of_traffic=1` or ""."""
        return [
            (self[field.name], "=".join(field.required_if) if field.required_if else "")
            for field in self.type.fields
        ]

    @property
    def lines_name(self) -> str:
        """The list whose lines are the quantity, or "" where a number is typed."""
        return self.type.lines_field if self.type.counts == "lines" else ""

    @property
    def limits(self) -> str:
        """`Min 1,000, max 250,000`, with "lines" where lines count."""
        if self.line is None or self.type.counts == "one":
            return ""
        service = self.line.service
        values = {"min": count(service.minimum), "max": count(service.maximum)}
        if self.lines_name:
            return _("Min %(min)s, max %(max)s lines") % values
        return _("Min %(min)s, max %(max)s") % values

    def _control(self, field: Field) -> forms.Field:
        label = gettext_lazy(field.label)
        if field.name == self.type.lines_field and self.line and self.line.service.lines_label:
            label = self.line.service.lines_label  # type: ignore[assignment]
        required, words = field.required, said(field.help) or self._condition(field)
        if field.kind == "choice":
            choices = [("", _("Choose")), *((value, gettext(name)) for value, name in field.choices)]
            return Kept(label=label, help_text=words, required=required, widget=forms.Select(choices=choices))
        if field.kind == "lines":
            area = forms.Textarea(
                attrs={"rows": 7, "data-lines": "", "class": "lh-loose", "spellcheck": "true"}
            )
            return Kept(label=label, help_text=words, required=required, widget=area)
        widget = _number() if field.kind == "integer" else forms.TextInput(attrs={"autocomplete": "off"})
        return Kept(label=label, help_text=words, required=required, widget=widget)

    def _condition(self, field: Field) -> str:
        if field.required_if is None:
            return ""
        name, value = field.required_if
        other = next(known for known in self.type.fields if known.name == name)
        names = {"choice": gettext(dict(other.choices)[value]), "field": gettext(other.label)}
        return _("Only with “%(choice)s” as %(field)s.") % names

    def asked(self) -> dict[str, str]:
        """The raw parameters for placing: link, quantity and the type's own; the runs only while drip-feed is on."""
        names = [name for name in self.fields if name not in {"reference", "drip", *DRIP_FEED}]
        if self.drips and self._typed("drip"):
            names += DRIP_FEED
        return {name: value for name in names if (value := self._typed(name))}

    @property
    def reference(self) -> str:
        """The customer's own words, without characters that cannot be stored."""
        return "".join(char for char in self._typed("reference") if printable(char))

    def _typed(self, name: str) -> str:
        value = self.data.get(name) if self.is_bound else self.get_initial_for_field(self.fields[name], name)
        return "" if value is None or value is False else str(value).strip()

    def refuse(self, error: InvalidOrder) -> None:
        """Show what is wrong beside the fields it is about."""
        self.full_clean()
        for name, sentence in self.said(error).items():
            self.add_error(name if name in self.fields else None, sentence)

    def said(self, error: InvalidOrder) -> dict[str, str]:
        """The error's sentences by parameter, with the service's own name for its lines."""
        own = self.line.service.lines_label if self.line else ""
        label = next((field.label for field in self.type.fields if field.name == self.type.lines_field), "")
        if not own or not label:
            return spoken(error)
        return {name: sentence.replace(gettext(label), own) for name, sentence in spoken(error).items()}


class RequestForm(forms.Form):
    """A customer's words with a refill or cancel request."""

    reason = forms.CharField(
        label=gettext_lazy("What happened"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class RefillForm(RequestForm):
    current_count = forms.CharField(
        label=gettext_lazy("Count now"),
        required=False,
        help_text=gettext_lazy("The counter on your link at this moment, as you see it."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    field_order = ["current_count", "reason"]

    def clean_current_count(self) -> int | None:
        text = self.cleaned_data["current_count"].strip()
        if not text:
            return None
        number = whole_number(text)
        if number is None or number > MAX_QUANTITY * 1000:
            raise forms.ValidationError(_("Enter the count as a whole number."))
        return number


class CancelForm(RequestForm):
    reason = forms.CharField(
        label=gettext_lazy("Reason"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


def _number() -> forms.TextInput:
    return forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "tn"})
