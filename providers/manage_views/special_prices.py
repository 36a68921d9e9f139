"""One customer's own prices, on a page and as a part of the customer's page. Admins only: they show costs."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.access import allowed, staff_of
from customers.models import User
from providers.manage_forms import CopyRatesForm, SpecialRateForm
from providers.models import Service
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
    return _page(request, customer, SpecialRateForm(initial=_asked(request)), CopyRatesForm())


def _asked(request: HttpRequest) -> dict[str, str]:
    return {"service": request.GET["service"]} if request.GET.get("service", "").isdigit() else {}


def _page(
    request: HttpRequest, customer: User, form: SpecialRateForm, copy_form: CopyRatesForm, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "customer": customer,
        "prices": prices_of(customer),
        "form": form,
        "copy_form": copy_form,
        "alone": True,
    }
    return render(request, "manage/special_prices.html", context, status=status)


def _act(request: HttpRequest, customer: User) -> HttpResponse:
    act, by = request.POST.get("act", ""), staff_of(request)
    form = SpecialRateForm(request.POST if act == "set" else None)
    copy_form = CopyRatesForm(request.POST if act == "copy" else None)
    try:
        if act == "set" and form.is_valid():
            values = form.cleaned_data
            set_special_rate(
                customer, values["service"], rate=values["rate"], discount_percent=values["discount_percent"],
                note=values["note"], by=by, request=request,
            )  # fmt: skip
            said = _("Saved for new orders; placed ones keep their price.")
        elif act == "copy" and copy_form.is_valid():
            copied = copy_special_rates(copy_form.cleaned_data["source"], customer, by=by, request=request)
            said = _("%d special rates were copied; own ones for the same services were replaced.") % copied
        elif act == "reset":
            said = _reset(request, customer)
        else:
            return _page(request, customer, form, copy_form, 422)
    except InvalidRate as error:
        for name, sentence in error.errors.items():
            (copy_form if act == "copy" else form).add_error("source" if act == "copy" else name, sentence)
        return _page(request, customer, form, copy_form, 422)
    messages.success(request, said)
    return redirect("manage_special_prices", customer.pk)


def _reset(request: HttpRequest, customer: User) -> str:
    number = request.POST.get("service", "")
    service = get_object_or_404(Service, pk=number) if number.isascii() and number.isdigit() else None
    ended = reset_special_rates(customer, service, by=staff_of(request), request=request)
    return _("%d special rates ended; the price list counts again for new orders.") % ended
