"""`/`: where the work of whoever signed in is."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_safe

from customers.access import staff_of as signed_in
from orders.models import Order


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Admins to the dashboard, reviewers to the queue, customers to open orders or else to a new one."""
    user = signed_in(request)
    if user.manages:
        return redirect(_first_there("/manage/", "/manage/providers", "/staff/review"))
    if user.reviews:
        return redirect(_first_there("/staff/review"))
    has_open = Order.objects.for_user(user).filter(status__in=Order.OPEN).exists()
    return redirect("orders" if has_open else "new_order")


def _first_there(*addresses: str) -> str:
    for address in addresses:
        try:
            resolve(address)
        except Resolver404:
            continue
        return address
    return "/orders/"
