"""A customer's personal data, for admins: handing out what is stored, and erasing the person."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, confirm_again, staff_of
from customers.audit import record
from customers.erasing import CannotErase, why_not
from customers.models import User
from customers.wallet import balance_of, owed_by
from orders.erasing import erase_customer
from orders.models import Order
from orders.own_data import document


class EraseForm(forms.Form):
    write_off = forms.CharField(
        label=gettext_lazy("Why the balance is written off"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Only where money is left. It stays in the ledger."),
    )
    typed = forms.CharField(
        label=gettext_lazy("Type the customer's e-mail address"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


@allowed("customer.export")
@require_POST
def export(request: HttpRequest, customer_id: int) -> StreamingHttpResponse:
    """The same document that the customer can download himself. Posted, because it leaves an audit entry."""
    customer = _customer(customer_id)
    record(
        staff_of(request), "export.customer", customer, f"Data of {customer.email} downloaded", {}, request
    )
    name = f"customer-{customer.pk}-{timezone.now():%Y-%m-%d}.json"
    return StreamingHttpResponse(
        document(customer),
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@allowed("customer.erase")
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest, customer_id: int) -> HttpResponse:
    """What goes and what stays, and the form; it wants the password or second factor once more."""
    customer = _customer(customer_id)
    form = EraseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        confirm_again(request)
        given = form.cleaned_data
        try:
            left = erase_customer(
                customer,
                typed=given["typed"],
                write_off=given["write_off"],
                by=staff_of(request),
                request=request,
            )
        except CannotErase as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Erased. The account is called %s now.") % left)
            return redirect("staff_customer", customer.pk)
    context: dict[str, Any] = {
        "customer": customer,
        "form": form,
        "problem": why_not(customer),
        "balance": balance_of(customer),
        "owed": owed_by(customer),
        "open_orders": Order.objects.for_user(customer).filter(status__in=Order.OPEN).count(),
    }
    return render(request, "customers/staff/erase.html", context, status=422 if form.is_bound else 200)


def _customer(customer_id: int) -> User:
    found = User.objects.filter(pk=customer_id, role=User.Role.CUSTOMER, is_superuser=False).first()
    if found is None:
        raise Http404
    return found
