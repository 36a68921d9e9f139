"""What a signed-in person brings to every page: his language, his clock, and for staff a second factor."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone, translation

from customers.access import second_factor_first
from customers.permissions import works_here

Handler = Callable[[HttpRequest], HttpResponseBase]
# Reachable without the second factor: setting it up, signing out, and what a page is made of.
OPEN_TO_STAFF = (
    "/account/",
    "/brand",
    "/theme",
    "/static/",
    "/healthz",
    "/metrics",
    "/api/v2",
    "/terms",
    "/acceptable-use",
)


def language(get_response: Handler) -> Handler:
    """The language a person chose in his profile wins over what his browser asks for.

    LocaleMiddleware has chosen by cookie and browser before. Nothing stays active in the thread afterwards, so the
    answer's language is named here. The API answers in English (orders/api/endpoint.py).
    """
    known = dict(settings.LANGUAGES)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        chosen = user.language if user.is_authenticated else ""
        if not chosen and user.is_authenticated and works_here(user):
            chosen = (
                settings.LANGUAGE_CODE
            )  # alerts and the audit log are kept in English: another one is a choice
        if chosen in known:
            translation.activate(chosen)
            request.LANGUAGE_CODE = chosen
        try:
            response = get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or "")
            return response
        finally:
            translation.deactivate()

    return middleware


def time_zone(get_response: Handler) -> Handler:
    """Show times in the reader's zone; a zone name this machine does not know falls back to UTC."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        name = request.user.time_zone if request.user.is_authenticated else ""
        if name:
            try:
                timezone.activate(ZoneInfo(name))
            except (KeyError, ValueError, OSError):
                timezone.deactivate()
        try:
            return get_response(request)
        finally:
            timezone.deactivate()

    return middleware


def second_factor(get_response: Handler) -> Handler:
    """Reviewers, admins and superusers get no page before a second factor is set up."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(reverse("mfa_index")):
            request.session.pop("second_factor", None)  # it may change there: asked anew on the next page
        user, closed = request.user, not request.path.startswith(OPEN_TO_STAFF)
        staff = closed and user.is_authenticated and works_here(user)
        return (second_factor_first(request) if staff else None) or get_response(request)

    return middleware
