"""What the brute-force lock (django-axes) counts, and what a locked-out person is told."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import select_template


def username(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str | None:
    """The e-mail address that was tried, folded, so that changing its case buys no further guesses."""
    tried = None
    if credentials:
        tried = credentials.get("email") or credentials.get("username")
    if not tried and request is not None:
        tried = request.POST.get("login") or request.POST.get("username")
    return str(tried).strip().lower() if tried else None


def address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def response(request: HttpRequest, _credentials: dict[str, Any] | None = None, *_: Any) -> HttpResponse:
    page = select_template(["account/locked_out.html", "panel/locked_out.html"])
    return HttpResponse(page.render({}, request), status=429)
