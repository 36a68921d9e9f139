"""Read-only means read-only: while an admin looks at the panel as a customer, nothing at all can be changed.

The one place that keeps it, for pages, partials, forms and the API alike, whatever a view does:
 1. anything but GET and HEAD is answered 403 before any view is asked; only the button that ends it passes;
 2. a page is built in a read-only transaction of the database, rolled back afterwards, so that a GET that writes fails;
 3. downloads and the pages of sign-in, password, second step, e-mail and sessions stay closed: recovery codes are there.
The customer's pages then see him as the user (`request.viewing_customer` tells the frame), and the session stays the
admin's own. Runs after the session is known to be his and before anything asks who reads.
"""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.db import connection, transaction
from django.db.utils import InternalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from psycopg.errors import ReadOnlySqlTransaction

from customers import viewing
from customers.access import staff_of
from customers.models import User
from customers.permissions import may

# Of what belongs to the account itself only these are shown.
OPEN_ACCOUNT_PAGES = ("/account/", "/account/notices", "/account/data")
DOWNLOADS = (".csv", ".json")


class ReadOnlyView:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Without a session cookie (the API, first visits) the session is not even touched.
        looking = viewing.read(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if looking is None or request.path == reverse("viewing_end"):
            return self.get_response(request)
        admin = staff_of(request) if isinstance(request.user, User) else None
        customer = (
            viewing.customer_of(looking)
            if admin and may(admin, "customer.view_as") and not looking.over
            else None
        )
        if admin is None or customer is None:
            return self._over(request, looking, admin)
        request.viewing_customer = customer  # type: ignore[attr-defined]
        request.viewing_until = looking.until  # type: ignore[attr-defined]
        request.user = customer
        try:
            if request.method not in ("GET", "HEAD"):
                return _refused(request, _("You are only looking. Nothing was changed, sent or charged."))
            if _closed(request.path):
                return _refused(request, _("This stays closed while you look at somebody else's account."))
            return self._read(request)
        finally:
            request.user = admin

    def _read(self, request: HttpRequest) -> HttpResponseBase:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            response = self.get_response(request)
            transaction.set_rollback(True)
        if getattr(request, "_viewing_wrote", False):
            return _refused(
                request, _("This page would change something, so it was not opened. Nothing was changed.")
            )
        if response.streaming:  # its rows would be read after the transaction
            response.close()
            return _refused(request, _("Downloads stay closed while you look at somebody else's account."))
        response["Cache-Control"] = "no-store"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        wrote = isinstance(exception, InternalError) and isinstance(
            exception.__cause__, ReadOnlySqlTransaction
        )
        if not wrote or not hasattr(request, "viewing_customer"):
            return None
        request._viewing_wrote = True  # type: ignore[attr-defined]
        return HttpResponse(status=403)

    def _over(self, request: HttpRequest, looking: viewing.Viewing, admin: User | None) -> HttpResponseBase:
        """The time is over, or one of the two may not any more. Nothing of that page is done as the admin himself."""
        how = "time over" if looking.over else "not allowed any more"
        if admin is not None:
            viewing.end(request, by=admin, how=how)
        else:
            request.session.flush()
        if request.method not in ("GET", "HEAD"):
            text = _("The view of the customer's account has ended. Nothing was changed, sent or charged.")
            return HttpResponse(text, status=403, content_type="text/plain; charset=utf-8")
        place = (
            reverse("staff_customer", args=[looking.customer_id])
            if admin and may(admin, "customer.view_as")
            else "/"
        )
        if admin is not None:
            messages.info(request, _("The view of the customer's account has ended."))
        if request.headers.get("HX-Request"):
            return HttpResponse(status=200, headers={"HX-Redirect": place})
        return redirect(place)


def _closed(path: str) -> bool:
    return (path.startswith("/account/") and path not in OPEN_ACCOUNT_PAGES) or path.endswith(DOWNLOADS)


def _refused(request: HttpRequest, sentence: str) -> HttpResponse:
    if request.headers.get("HX-Request") or request.path.startswith("/api/v2"):
        return HttpResponse(sentence, status=403, content_type="text/plain; charset=utf-8")
    return render(request, "customers/viewing_refused.html", {"sentence": sentence}, status=403)
