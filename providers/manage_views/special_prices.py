"""One customer's own prices, on a page and as a part of the customer's page. Admins only: they show costs.

Each act says first what it would do to what he pays (`preview`), and is done on a yes.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from customers.access import allowed, staff_of
from customers.managing import set_price_group
from customers.models import PriceGroup, User
from customers.staff_forms import PriceGroupForm
from providers.customer_effects import (
    effect_of_copying,
    effect_of_ending,
    effect_of_price_list,
    effect_of_special_rate,
)
from providers.manage_forms import CopyRatesForm, SpecialRateForm
from providers.manage_views.previews import before
from providers.models import Service
from providers.simulating import Simulation
from providers.special_rates import (
    InvalidRate,
    copy_special_rates,
    prices_of,
    reset_special_rates,
    set_special_rate,
)


@allowed("catalog.see", changes="customer.price")
@require_http_methods(["GET", "HEAD", "POST"])
def of_customer(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Show, set, copy and reset. With `?part` only the table, for the customer's page."""
    customer = get_object_or_404(
        User.objects.select_related("price_group"), pk=customer_id, role=User.Role.CUSTOMER
    )
    if request.method == "POST":
        return _act(request, customer)
    if "part" in request.GET:
        return render(
            request, "manage/parts/special_rates.html", {"customer": customer, "prices": prices_of(customer)}
        )
    return _page(request, customer)


def _asked(request: HttpRequest) -> dict[str, str]:
    return {"service": request.GET["service"]} if request.GET.get("service", "").isdigit() else {}


class _Forms:
    """The forms of the page; the one that was sent is bound. `service`: the one whose rate ends; None: all."""

    def __init__(self, request: HttpRequest, customer: User) -> None:
        act = self.act = request.POST.get("act", "")
        sent = request.POST
        self.rate = SpecialRateForm(sent) if act == "set" else SpecialRateForm(initial=_asked(request))
        self.copy = CopyRatesForm(sent if act == "copy" else None)
        self.list = PriceGroupForm(
            sent if act == "list" else None, initial={"price_group": customer.price_group_id}
        )
        self.service: Service | None = None
        number = sent.get("service", "")
        if act == "reset" and number.isascii() and number.isdigit():
            self.service = get_object_or_404(Service, pk=number)

    @property
    def valid(self) -> bool:
        forms = {"set": self.rate, "copy": self.copy, "list": self.list}
        return forms[self.act].is_valid() if self.act in forms else self.act == "reset"

    def take(self, error: InvalidRate) -> None:
        for name, sentence in error.errors.items():
            form, field = (self.copy, "source") if self.act == "copy" else (self.rate, name)
            form.add_error(field, sentence)


def _page(
    request: HttpRequest,
    customer: User,
    forms: _Forms | None = None,
    status: int = 200,
    asked: dict[str, Any] | None = None,
) -> HttpResponse:
    forms = forms or _Forms(request, customer)
    context: dict[str, Any] = {
        "customer": customer,
        "prices": prices_of(customer),
        "form": forms.rate,
        "copy_form": forms.copy,
        "list_form": forms.list if PriceGroup.objects.exists() else None,
        "asked": asked,
        "alone": True,
    }
    return render(request, "manage/special_prices.html", context, status=status)


def _act(request: HttpRequest, customer: User) -> HttpResponse:
    forms = _Forms(request, customer)
    if not forms.valid:
        return _page(request, customer, forms, 422)
    try:
        if "preview" in request.POST:
            effect = _effect(customer, forms)
            if effect.changed:
                return _page(request, customer, forms, asked=_before(request, customer, forms, effect))
        messages.success(request, _do(request, customer, forms))
    except InvalidRate as error:
        forms.take(error)
        return _page(request, customer, forms, 422)
    return redirect("manage_special_prices", customer.pk)


def _effect(customer: User, forms: _Forms) -> Simulation:
    if forms.act == "set":
        values = forms.rate.cleaned_data
        return effect_of_special_rate(
            customer, values["service"], rate=values["rate"], discount_percent=values["discount_percent"]
        )
    if forms.act == "copy":
        return effect_of_copying(forms.copy.cleaned_data["source"], customer)
    if forms.act == "list":
        return effect_of_price_list(customer, forms.list.cleaned_data["price_group"])
    return effect_of_ending(customer, forms.service)


def _before(request: HttpRequest, customer: User, forms: _Forms, effect: Simulation) -> dict[str, Any]:
    page = reverse("manage_special_prices", args=[customer.pk])
    names = ("act", "service", "rate", "discount_percent", "note", "source", "price_group")
    words = ""
    if forms.act == "set" and (rate := forms.rate.cleaned_data["rate"]) is not None:
        (row,) = effect.rows
        if rate < row.new_price:
            words = _("The price is below the cost, so the cost is charged.")
    return before(
        _("What %s would pay") % customer.email,
        effect,
        [(name, request.POST[name]) for name in names if name in request.POST],
        action=page,
        back=page,
        yes=_("Do it"),
        foot=_("It counts for new orders; placed ones keep their price."),
        words=words,
    )


def _do(request: HttpRequest, customer: User, forms: _Forms) -> str:
    """The act; returns what was done, as a sentence."""
    by = staff_of(request)
    if forms.act == "set":
        values = forms.rate.cleaned_data
        set_special_rate(
            customer, values["service"], rate=values["rate"], discount_percent=values["discount_percent"],
            note=values["note"], by=by, request=request,
        )  # fmt: skip
        return _("Saved for new orders; placed ones keep their price.")
    if forms.act == "copy":
        copied = copy_special_rates(forms.copy.cleaned_data["source"], customer, by=by, request=request)
        said = ngettext(
            "%d special rate was copied; an own one for the same service was replaced.",
            "%d special rates were copied; own ones for the same services were replaced.",
            copied,
        )
        return said % copied
    if forms.act == "list":
        set_price_group(customer, forms.list.cleaned_data["price_group"], by=by, request=request)
        return _("The price list is set; it counts for new orders.")
    ended = reset_special_rates(customer, forms.service, by=by, request=request)
    said = ngettext(
        "%d special rate ended; the price list counts again for new orders.",
        "%d special rates ended; the price list counts again for new orders.",
        ended,
    )
    return said % ended
