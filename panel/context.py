"""What every page may say about the site itself."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(_request: HttpRequest) -> dict[str, Any]:
    return {
        "SITE_NAME": settings.SITE_NAME,
        "SITE_URL": settings.SITE_URL,
        "CURRENCY": settings.CURRENCY,
        "MAIL_STAYS_HERE": not settings.EMAIL_URL_IS_SET,
    }
