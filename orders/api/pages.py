"""The page /api: the reader's keys, and the reference with his own numbers in the examples.

A key is shown in the answer to the form that made it and nowhere else: it is not kept, so that page cannot be
shown a second time. Sending the form again therefore makes no second key, but says so.
"""

import json
import secrets
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import staff_of as signed_in
from customers.api_keys import (
    TooManyKeys,
    change_api_key,
    create_api_key,
    live_keys,
    revoke_api_key,
    rotate_api_key,
)
from customers.models import ApiKey, User
from orders.api.description import CHANGES, ERRORS, METHODS, Method
from orders.api.examples import LANGUAGES, colored, example
from orders.api.forms import SCOPES, KeyForm, RotateForm
from orders.api.limits import PER_MINUTE
from orders.models import Order
from providers.browsing import offered
from providers.service_types import TYPES

SECTIONS = (
    ("types", gettext_lazy("Service types")),
    ("repeating", gettext_lazy("Repeating safely")),
    ("errors", gettext_lazy("Errors")),
    ("limits", gettext_lazy("Limits")),
    ("changes", gettext_lazy("Changes")),
)
FORM_TOKEN = "api_key_form"  # noqa: S105 - a session entry's name


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return _page(request, signed_in(request))


@never_cache
@require_http_methods(["GET", "POST"])
def new_key(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = KeyForm(request.POST or None)
    if request.method == "POST":
        if request.POST.get("form") != request.session.get(FORM_TOKEN):
            messages.info(
                request,
                _("That form was sent already; its key was shown once. Create another if it is lost."),
            )
            return redirect("api_page")
        if form.is_valid():
            try:
                key, plain = create_api_key(user, **form.wanted, by=user, request=request)
            except TooManyKeys as error:
                form.add_error(None, str(error))
            else:
                del request.session[FORM_TOKEN]
                return _page(request, user, made=key, plain=plain)
    token = request.session.setdefault(FORM_TOKEN, secrets.token_hex(8))
    status = 422 if form.errors else 200
    return render(request, "orders/api_key.html", {"form": form, "form_token": token}, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
def key(request: HttpRequest, key_id: int) -> HttpResponse:
    user = signed_in(request)
    row = _own(user, key_id)
    form = KeyForm(request.POST) if request.method == "POST" else KeyForm.of(row)
    if request.method == "POST" and form.is_valid():
        change_api_key(row, **form.wanted, by=user, request=request)
        messages.success(
            request, _("Key “%(name)s” changed; it is in force with the next call.") % {"name": row.label}
        )
        return redirect("api_page")
    token = request.session.setdefault(FORM_TOKEN, secrets.token_hex(8))
    context = {"form": form, "key": row, "rotate": RotateForm(), "form_token": token}
    return render(request, "orders/api_key.html", context, status=422 if form.errors else 200)


@never_cache
@require_POST
def rotate(request: HttpRequest, key_id: int) -> HttpResponse:
    user = signed_in(request)
    row = _own(user, key_id)
    form = RotateForm(request.POST)
    if not form.is_valid() or request.POST.get("form") != request.session.get(FORM_TOKEN):
        messages.info(request, _("That form was sent already; its key was shown once."))
        return redirect("api_page")
    try:
        made, plain = rotate_api_key(row, overlap=form.span, by=user, request=request)
    except TooManyKeys as error:
        messages.error(request, str(error))
        return redirect("api_key", key_id)
    del request.session[FORM_TOKEN]
    return _page(request, user, made=made, plain=plain)


@require_POST
def revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    user = signed_in(request)
    row = _own(user, key_id)
    revoke_api_key(row, by=user, request=request)
    messages.success(
        request, _("Key “%(name)s” revoked. It opens nothing any more.") % {"name": row.label or row.prefix}
    )
    return redirect("api_page")


def _own(user: User, key_id: int) -> ApiKey:
    return get_object_or_404(live_keys(user).select_related("user"), pk=key_id)


# ── what the page shows ─────────────────────────────────────────────────────────────────────────────


def _page(request: HttpRequest, user: User, made: ApiKey | None = None, plain: str = "") -> HttpResponse:
    keys = list(live_keys(user))
    shown = request.GET.get("show", "add")
    method = next((method for method in METHODS if method.slug == shown), None)
    language = request.GET.get("lang", "curl")
    language = language if language in LANGUAGES else "curl"
    if method is None and shown not in dict(SECTIONS):
        method, shown = METHODS[1], "add"
    values = _own_numbers(user, keys)
    response = render(
        request,
        "orders/api.html",
        {
            "keys": [(row, _may(row)) for row in keys],
            "made": made,
            "plain": plain,
            "url": settings.SITE_URL + reverse("api"),
            "methods": METHODS,
            "sections": SECTIONS,
            "shown": shown,
            "title": method.title if method else dict(SECTIONS)[shown],
            "language": language,
            "languages": [(name, label) for name, (label, _make) in LANGUAGES.items()],
            "errors": ERRORS,
            "changes": CHANGES,
            "limits": PER_MINUTE.items(),
            "types": [kind for kind in TYPES.values() if kind.sellable],
        }
        | (_method(method, language, values) if method else _section(shown, language, values)),
    )
    if plain:
        response["Cache-Control"] = "no-store"
    return response


def _may(key: ApiKey) -> str:
    if set(key.scopes) == set(ApiKey.SCOPES):
        return _("All actions")
    return ", ".join(str(label) for name, label in SCOPES if name in key.scopes)


def _own_numbers(user: User, keys: list[ApiKey]) -> dict[str, str]:
    """What stands in the examples: the reader's key beginning, a service he can order, his last orders."""
    service = offered().filter(service_type="default").first()
    orders = list(Order.objects.for_user(user).order_by("-id").values_list("pk", flat=True)[:2])
    numbers = [str(number) for number in orders] + ["23501", "23502"]
    return {
        "key": f"{keys[0].prefix if keys else 'hw_'}_REST_OF_YOUR_KEY",
        "service": str(service.pk if service else 1),
        "quantity": str(service.minimum if service else 100),
        "link": "https://example.org/page",
        "order": numbers[0],
        "second": numbers[1],
        "request_id": "my-shop-1001",
        "currency": settings.CURRENCY,
    }


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _method(method: Method, language: str, values: dict[str, str]) -> dict[str, Any]:
    fields = [("key", values["key"]), ("action", method.action)]
    fields += [(given.name, _filled(given.example, values)) for given in method.parameters if given.example]
    answer = json.dumps(json.loads(_filled(method.answer, values)), indent=1, ensure_ascii=False)
    return _code(language, fields) | {
        "method": method,
        "answer": colored("", answer),
        "failure": colored("", json.dumps({"error": method.errors[0]})) if method.errors else [],
    }


def _section(shown: str, language: str, values: dict[str, str]) -> dict[str, Any]:
    if shown != "repeating":
        return {}
    add = next(method for method in METHODS if method.slug == "add")
    return _method(add, language, values) | {"method": None, "failure": []}


def _code(language: str, fields: list[tuple[str, str]]) -> dict[str, Any]:
    code = example(language, settings.SITE_URL + reverse("api"), fields)
    return {"code": colored(language, code), "code_text": code}
