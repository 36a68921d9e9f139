"""Two thin layers around every request: whose address it is, and one line in the log about it."""

import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

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
            user = getattr(request, "user", None)
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round((time.monotonic() - started) * 1000),
                user=getattr(user, "pk", None),
            )
        return response

    return middleware
