"""The one address of the API: parse, admit, count, act, answer.

Logical errors are answered with 200 and {"error": …}, because that is what clients look for; 413, 429 and 503 are what
they are, with the same body. No input may lead to another 5xx.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt

from customers.models import ApiKey
from orders.api import adding, following, reading
from orders.api.admission import admit, require
from orders.api.errors import DOWN, INCORRECT_REQUEST, Refusal
from orders.api.limits import count_call
from orders.api.parsing import Parameters, read_parameters
from orders.api.shapes import Answer

log = structlog.get_logger("headwater.api")
METHODS = ("GET", "POST")
DOWN_FOR_S = 30


@dataclass(frozen=True)
class Action:
    scope: str
    act: Callable[[ApiKey, Parameters], Answer]


ACTIONS = {
    "services": Action("read", reading.services),
    "add": Action("order", adding.add),
    "status": Action("read", following.status),
    "refill": Action("refill", following.refill),
    "refill_status": Action("read", following.refill_status),
    "cancel": Action("cancel", following.cancel),
    "balance": Action("read", reading.balance),
}


# Clients are scripts with a key and no cookie: there is no session that a forged request could ride on.
@csrf_exempt
@login_not_required
def endpoint(request: HttpRequest) -> HttpResponse:
    """/api/v2 and /api/v2/, neither of them redirected: a redirect would turn a POST into an empty GET."""
    if request.method not in METHODS:
        return _say({"error": INCORRECT_REQUEST}, 405, {"Allow": ", ".join(METHODS)})
    try:
        with translation.override("en"):
            return _say(_answer(request))
    except Refusal as refusal:
        return _say({"error": refusal.text}, refusal.status, refusal.headers)
    except (OperationalError, InterfaceError) as error:
        log.error("api_without_database", error=type(error).__name__)
        return _say({"error": DOWN}, 503, {"Retry-After": str(DOWN_FOR_S)})


def _answer(request: HttpRequest) -> Answer:
    parameters = read_parameters(request)
    if "request_id" not in parameters and (header := request.headers.get("Idempotency-Key", "").strip()):
        parameters = {**parameters, "request_id": header}
    key = admit(request, parameters)
    name = parameters.get("action", "").lower()
    count_call(key.pk, name)
    action = ACTIONS.get(name)
    if action is None:
        raise Refusal(INCORRECT_REQUEST)
    require(key, action.scope)
    return action.act(key, parameters)


def _say(answer: Answer, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    response = HttpResponse(
        json.dumps(answer, separators=(",", ":")), content_type="application/json", status=status
    )
    response["Cache-Control"] = "no-store"  # a GET's address holds the key
    for name, value in (headers or {}).items():
        response[name] = value
    return response
