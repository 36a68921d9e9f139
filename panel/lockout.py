"""What the brute-force lock (django-axes) counts, and what a locked-out person is told."""

from datetime import datetime, timedelta
from typing import Any

from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


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


def locked_until(request: HttpRequest) -> datetime:
    """When the lock that this request ran into ends: the last counted failure plus the cool-off."""
    last = AccessAttempt.objects.filter(
        username=username(request, None), ip_address=address(request)
    ).aggregate(last=Max("attempt_time"))["last"]
    return (last or timezone.now()) + (get_cool_off(request) or timedelta(0))


def response(request: HttpRequest, *_: Any) -> HttpResponse:
    """429 with the time from which another try is counted (`axes` hands over more than is needed)."""
    until = locked_until(request)
    minutes = max(1, -int((timezone.now() - until).total_seconds() // 60))
    page = render(request, "account/locked_out.html", {"until": until, "minutes": minutes}, status=429)
    page["Retry-After"] = str(minutes * 60)
    return page
