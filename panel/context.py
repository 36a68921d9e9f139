"""What every page may say about the site itself."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from customers import site_settings


def site(request: HttpRequest) -> dict[str, Any]:
    return {
        "SITE_NAME": SimpleLazyObject(lambda: site_settings.of(request).site_name),
        "SITE_URL": settings.SITE_URL,
        "CURRENCY": settings.CURRENCY,
        "MAIL_STAYS_HERE": not settings.EMAIL_URL_IS_SET,
    }
