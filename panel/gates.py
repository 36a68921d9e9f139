"""What stands between a person and a page: maintenance, and terms that changed since they were accepted.

/api/v2 has its own word for maintenance (orders/api/admission.py): its clients read JSON, and know people by key.
"""

from collections.abc import Callable
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from customers import site_settings
from customers.permissions import works_here

Handler = Callable[[HttpRequest], HttpResponseBase]
RETRY_AFTER_S = 300
# Staff get in through the sign-in pages; the rest is what a page is made of, and what must be readable always.
OPEN_IN_MAINTENANCE = ("/account/login", "/account/logout", "/account/2fa/", "/account/reauthenticate", "/admin/",
                       "/static/", "/brand", "/theme", "/healthz", "/metrics", "/api/v2", "/terms",
                       "/acceptable-use")  # fmt: skip
OPEN_BEFORE_TERMS = ("/account/", "/static/", "/brand", "/theme", "/healthz", "/metrics", "/api/v2", "/terms",
                     "/acceptable-use", "/help")  # fmt: skip


def maintenance(get_response: Handler) -> Handler:
    """Customers and strangers get 503 with our words while an admin has switched maintenance on; staff work on."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(OPEN_IN_MAINTENANCE) or _staff(request):
            return get_response(request)
        site = site_settings.of(request)
        if not site.maintenance:
            return get_response(request)
        response = render(request, "maintenance.html", {"note": site.maintenance_note}, status=503)
        response["Retry-After"] = str(RETRY_AFTER_S)
        response["Cache-Control"] = "no-store"
        return response

    return middleware


def terms(get_response: Handler) -> Handler:
    """Ask again when the terms are newer than what the customer accepted.

    Only whole pages are held up, so that nobody loses a form he was filling in. Accounts that an operator made
    by hand have accepted nothing here: what they agreed to is between the operator and them.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        accepted = request.user.terms_version if request.user.is_authenticated else ""
        asks = (
            accepted
            and request.method in ("GET", "HEAD")
            and not request.headers.get("HX-Request")
            and not request.path.startswith(OPEN_BEFORE_TERMS)
            and not _staff(request)
        )
        if asks and accepted != site_settings.of(request).terms_version:
            return redirect(f"{reverse('accept_terms')}?{urlencode({'next': request.get_full_path()})}")
        return get_response(request)

    return middleware


def _staff(request: HttpRequest) -> bool:
    """Whoever really asks, also while he looks at a customer's pages."""
    user = request.user
    return (user.is_authenticated and works_here(user)) or bool(getattr(request, "viewing_customer", None))
