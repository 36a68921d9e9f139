"""The few pages that belong to no app: the house rules, the theme, and where the search box leads."""

import re
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from customers import brand as colors
from customers import site_settings
from customers.access import staff_of
from customers.models import User
from orders.listing import Asked
from orders.listing import found as orders_found
from panel.shell import Shell, leads_somewhere
from providers.browsing import number_of, offered

THEMES = {"", "light", "dark"}


@login_not_required
@require_safe
def acceptable_use(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/acceptable_use.html")


@login_not_required
@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/terms.html")


@login_not_required
@require_safe
def brand_css(request: HttpRequest) -> HttpResponse:
    """The operator's color as a sheet of its own, because pages may hold no inline style."""
    sheet = colors.stylesheet(site_settings.of(request).brand_color)
    return _kept(HttpResponse(sheet, content_type="text/css; charset=utf-8"))


@login_not_required
@require_safe
def brand_logo(request: HttpRequest) -> HttpResponse:
    logo = site_settings.of(request).logo
    if not logo:
        raise Http404
    kind, data = site_settings.logo_file(logo)
    return _kept(HttpResponse(data, content_type=kind))


def _kept(response: HttpResponse) -> HttpResponse:
    """The address carries a hash of the content, so a copy is good for ever."""
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/help.html")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep system (""), light or dark with the account; back to the page it was chosen on."""
    choice = request.POST.get("theme", "")
    if choice in THEMES and request.user.pk is not None:
        User.objects.filter(pk=request.user.pk).update(theme=choice)
    back = request.POST.get("next", "/")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return redirect(back if safe else "/")


@login_not_required
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Keep the language in this browser, and with the account of whoever is signed in; back to where it was chosen."""
    choice = request.POST.get("language", "")
    back = request.POST.get("next", "/")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    answer = redirect(back if safe else "/")
    if choice in dict(settings.LANGUAGES):
        answer.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            choice,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
        if request.user.pk is not None:
            User.objects.filter(pk=request.user.pk).update(language=choice)
    return answer


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """The box in the top bar: an order number, a link or a word, sent to the list that can answer it."""
    asked = request.GET.get("q", "").strip()[:200]
    number = asked.lstrip("#")
    if Shell(request).role == "customer":
        looks_like_an_order = number.replace(",", "").replace(" ", "").isdigit() or re.search(r"[./@]", asked)
        of_orders = looks_like_an_order and not _names_a_service(staff_of(request), asked)
        places = ["/orders/", "/services/"] if of_orders else ["/services/", "/orders/"]
    else:
        places = ["/staff/customers", "/staff/orders"] if _names_a_person(asked) else ["/staff/orders"]
    place = next((place for place in places if leads_somewhere(place)), "/")
    return redirect(f"{place}?{urlencode({'q': number if number.isdigit() else asked})}" if asked else place)


def _names_a_service(user: User, asked: str) -> bool:
    """The number of a service on sale which is neither the number nor the reference of an order of his."""
    number = number_of(asked)
    if number is None or orders_found(user, Asked(words=asked)).exists():
        return False
    return offered().filter(pk=number).exists()


def _names_a_person(asked: str) -> bool:
    return "@" in asked and "/" not in asked
