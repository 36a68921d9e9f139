"""The page for a fault of ours. It asks nobody: no database, no session, no broker; one of them may be the fault.

Named in panel/urls.py as `handler500`. A database that does not answer is 503 with a time to come back, anything
else 500. The reference on the page stands in the log, on the line before the one with the traceback.
"""

import secrets
import sys

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

log = structlog.get_logger("headwater.page")
RETRY_AFTER_S = 30


@requires_csrf_token
def failed(request: HttpRequest) -> HttpResponse:
    """What happened, what it means for the money, what to do. Only a request that reads surely changed nothing."""
    error = sys.exc_info()[1]
    away = isinstance(error, OperationalError | InterfaceError)
    reference = secrets.token_hex(4).upper()
    log.error("page_failed", reference=reference, path=request.path, error=type(error).__name__)
    words = {
        "away": away,
        "reads": request.method in ("GET", "HEAD"),
        "reference": reference,
        "site_name": settings.SITE_NAME,  # the name that admins set is in the database
    }
    response = HttpResponse(render_to_string("500.html", words), status=503 if away else 500)
    response["Cache-Control"] = "no-store"
    if away:
        response["Retry-After"] = str(RETRY_AFTER_S)
    return response
