"""`/`: what needs a customer, his balance, his latest orders and favorites; staff go where their work is."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from customers import site_settings
from customers.access import opens
from customers.access import staff_of as signed_in
from customers.models import User
from customers.permissions import works_here
from customers.wallet import balance_of
from orders import listing
from orders.attention import attention_of
from orders.models import Order
from providers import browsing
from providers.browsing import Wanted

LATEST = 5
FAVORITES_SHOWN = 8
FAVORITES_READ = 100  # whose prices are compared with those before


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Admins to the dashboard, reviewers to the queue, customers to their own page."""
    user = signed_in(request)
    if works_here(user):
        places = ("/manage/", "/staff/review", "/staff/orders", "/manage/team", "/manage/audit")
        return redirect(next((place for place in places if opens(user, place)), "/account/"))
    balance = balance_of(user)
    starred = browsing.matching(user, Wanted(favorites=True))[:FAVORITES_READ]
    favorites = browsing.lines_with_prices(user, starred)
    latest = _latest(user)
    # Before a first order nothing is low yet: the page leads to adding funds anyway.
    told = balance if latest["rows"] else None
    context = {
        "balance": balance,
        "attention": attention_of(user, told, favorites, site_settings.of(request).terms_version),
        "favorites": favorites[:FAVORITES_SHOWN],
        "more_favorites": len(favorites) > FAVORITES_SHOWN,
    }
    return render(request, "orders/home.html", context | latest)


@require_safe
def latest_orders(request: HttpRequest) -> HttpResponse:
    """The part that refreshes itself while an order is open; 204 while nothing changed."""
    context = _latest(signed_in(request))
    if request.GET.get("v") == context["version"]:
        return HttpResponse(status=204)
    return render(request, "orders/home_orders.html", context | {"refreshed": True})


def _latest(user: User) -> dict[str, Any]:
    shown = listing.page(user, listing.Asked(size=LATEST))
    is_open = any(row.order.status in Order.OPEN for row in shown.rows)
    return {"rows": shown.rows, "version": shown.version, "live": is_open}
