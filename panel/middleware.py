"""Two thin layers around every request: whose address it is, and one line in the log about it."""

import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject, empty

log = structlog.get_logger("headwater.request")
Handler = Callable[[HttpRequest], HttpResponseBase]


def client_address(get_response: Handler) -> Handler:
    """Set REMOTE_ADDR to the address that the outermost of our own proxies saw; without any do nothing."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if settings.TRUSTED_PROXIES:
            hops = [
                hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()
            ]
            if len(hops) >= settings.TRUSTED_PROXIES:
                request.META["REMOTE_ADDR"] = hops[-settings.TRUSTED_PROXIES]
        return get_response(request)

    return middleware


def request_log(get_response: Handler) -> Handler:
    """One line for each request, with the path only: scripts put API keys into query strings."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        response = get_response(request)
        if request.path != "/healthz" and not request.path.startswith(settings.STATIC_URL):
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round((time.monotonic() - started) * 1000),
                user=_known_user(request),
            )
        return response

    return middleware


def _known_user(request: HttpRequest) -> int | None:
    """Who asked, if the request came so far as to find out; to ask for the sake of the log could fail here."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject) and user.__dict__["_wrapped"] is empty:
        return None
    return getattr(user, "pk", None)
