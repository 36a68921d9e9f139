"""The OpenAPI 3.1 document of /api/v2, made from the description; a test holds real answers against it."""

from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from orders.api.description import METHODS, VERSION, Method, Parameter
from orders.models import Order
from providers.service_types import TYPES

Schema = dict[str, Any]
_AMOUNT: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2,8}$"}
_COUNT: Schema = {"type": "string", "pattern": r"^[0-9]+$"}
_NUMBER: Schema = {"type": "integer", "minimum": 1}
_ECHO: Schema = {"type": ["integer", "string"], "description": "The id as it was asked for"}
_CURRENCY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
_REFILL_WORD: Schema = {"type": "string", "enum": ["Pending", "In progress", "Completed", "Rejected"]}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(**properties: Schema) -> Schema:
    return {"type": "array", "items": _object(**properties)}


def answers() -> dict[str, Schema]:
    """The schema of each answer, by the shape that Method.shape names."""
    status = _object(
        charge=_AMOUNT,
        start_count=_COUNT,
        status={"type": "string", "enum": list(Order.Status.values)},
        remains=_COUNT,
        currency=_CURRENCY,
    )
    return {
        "error": _object(error={"type": "string", "minLength": 1}),
        "services": _list(
            service=_NUMBER,
            name={"type": "string"},
            type={"type": "string", "enum": [kind.name for kind in TYPES.values() if kind.sellable]},
            category={"type": "string"},
            rate=_AMOUNT,
            min=_COUNT,
            max=_COUNT,
            refill={"type": "boolean"},
            cancel={"type": "boolean"},
            dripfeed={"type": "boolean"},
        ),
        "added": _object(order=_NUMBER),
        "status": status,
        "statuses": {"type": "object", "additionalProperties": {"anyOf": [_ref("status"), _ref("error")]}},
        "refill": _object(refill=_COUNT),
        "refills": _list(order=_ECHO, refill={"anyOf": [_NUMBER, _ref("error")]}),
        "refill_status": _object(status=_REFILL_WORD),
        "refill_statuses": _list(refill=_ECHO, status={"anyOf": [_REFILL_WORD, _ref("error")]}),
        "cancels": _list(order=_ECHO, cancel={"anyOf": [{"const": 1}, _ref("error")]}),
        "canceled": _object(order=_NUMBER, cancel={"const": 1}, status={"const": "success"}),
        "balance": _object(balance=_AMOUNT, currency=_CURRENCY),
    }


_KINDS: dict[str, Schema] = {
    "text": {"type": "string"},
    "lines": {"type": "string"},
    "id": {"type": ["integer", "string"]},
    "number": {"type": ["integer", "string"]},
    "ids": {"type": "string", "pattern": "^[0-9]+(,[0-9]+){0,99}$"},
}


def _call(method: Method) -> Schema:
    """The parameters of one method, as the body of a POST."""
    properties: dict[str, Schema] = {
        "key": {"type": "string", "description": "Your API key"},
        "action": {"const": method.action},
    }
    for parameter in method.parameters:
        properties[parameter.name] = _KINDS[parameter.kind] | {"description": parameter.english}
    needed = [parameter.name for parameter in method.parameters if parameter.needed == "required"]
    return {
        "type": "object",
        "title": method.title,
        "description": method.about,
        "properties": properties,
        "required": ["key", "action", *needed],
    }


def _cancel_one() -> Schema:
    one = next(method for method in METHODS if method.slug == "cancel")
    order = Parameter("order", "required", "Order number", "id")
    return _call(
        Method("cancel-one", "cancel", "Cancel one order", one.about, "cancel", "canceled", (order,))
    )


def _query() -> list[Schema]:
    found: dict[str, Schema] = {
        "key": {"schema": {"type": "string"}, "required": True, "description": "Your API key"},
        "action": {"schema": {"enum": sorted({method.action for method in METHODS})}, "required": True},
    }
    for method in METHODS:
        for parameter in method.parameters:
            found.setdefault(
                parameter.name,
                {"schema": {"type": "string"}, "required": False, "description": parameter.english},
            )
    return [{"name": name, "in": "query"} | rest for name, rest in found.items()]


def _responses() -> Schema:
    def told(description: str, schema: Schema, **headers: Schema) -> Schema:
        answer: Schema = {
            "description": description,
            "content": {"application/json": {"schema": schema}},
        }
        return answer | ({"headers": headers} if headers else {})

    wait = {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
    return {
        "200": told(
            "The answer, or what was wrong with the request", {"anyOf": [_ref(name) for name in answers()]}
        ),
        "413": told("The body is larger than 2 MB", _ref("error")),
        "429": told("Too many calls of this action by this key", _ref("error"), **{"Retry-After": wait}),
        "503": told("The panel cannot work now", _ref("error"), **{"Retry-After": wait}),
    }


@cache
def document() -> Schema:
    body = {"schema": {"oneOf": [*map(_call, METHODS), _cancel_one()]}}
    header = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same as request_id",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{settings.SITE_NAME} API",
            "version": VERSION,
            "description": "The panel API v2. Logical errors are answered with 200 and an error text.",
        },
        "servers": [{"url": settings.SITE_URL}],
        "paths": {
            "/api/v2": {
                "post": {
                    "operationId": "call",
                    "summary": "Any action, its parameters in the body",
                    "parameters": [header],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/x-www-form-urlencoded": body,
                            "multipart/form-data": body,
                            "application/json": body,
                        },
                    },
                    "responses": _responses(),
                },
                "get": {
                    "operationId": "callByQuery",
                    "summary": "Any action, its parameters in the address",
                    "parameters": [*_query(), header],
                    "responses": _responses(),
                },
            }
        },
        "components": {"schemas": answers()},
    }


@login_not_required
@require_safe
def openapi(_request: HttpRequest) -> JsonResponse:
    response = JsonResponse(document(), json_dumps_params={"indent": 1, "ensure_ascii": False})
    response["Cache-Control"] = "max-age=300"
    return response
