"""The two buttons: look at the panel as a customer sees it, and stop looking."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from customers import viewing
from customers.access import allowed, staff_of
from customers.models import User


@allowed("customer.view_as")
@require_POST
def begin(request: HttpRequest, customer_id: int) -> HttpResponse:
    customer = User.objects.filter(pk=customer_id, role=User.Role.CUSTOMER, is_superuser=False).first()
    if customer is None:
        raise Http404
    try:
        viewing.begin(request, customer, by=staff_of(request))
    except viewing.CannotView as error:
        messages.error(request, str(error))
        return redirect("staff_customer", customer_id)
    return redirect("/")


@allowed("customer.view_as")
@require_POST
def end(request: HttpRequest) -> HttpResponse:
    seen = viewing.end(request, by=staff_of(request), how="by hand")
    if seen is None:
        return redirect("/")
    messages.info(request, _("You are back in your own account."))
    return redirect("staff_customer", seen.customer_id)
