"""The page of settings: name and looks, terms, ways to pay, maintenance."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers import site_settings
from customers.access import allowed, require, staff_of
from customers.permissions import may
from customers.settings_forms import FORMS, MethodFormSet, methods_of, read_methods

# Cards that the verb of the page is not enough for: nobody sets the limit he has himself.
VERB_OF = {"adjust_limits": "limits.edit"}


@allowed("settings.see", changes="settings.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    """Each card is a form of its own; what was typed stays when a check refuses it. PermissionDenied for the limits of
    roles unless his role may set them."""
    site = site_settings.of(request)
    part = request.POST.get("part", "")
    forms: dict[str, Any] = {
        name: form(site, request.POST if part == name else None, request.FILES if part == name else None)
        for name, form in FORMS.items()
    }
    methods = MethodFormSet(
        request.POST if part == "methods" else None, initial=methods_of(site), prefix="method"
    )
    status = 200
    if request.method == "POST":
        status = 422
        changed = _store(request, part, forms, methods)
        if changed is not None:
            messages.success(request, _("Saved.") if changed else _("Nothing was different."))
            return redirect("manage_settings")
    if not may(staff_of(request), VERB_OF["adjust_limits"]):
        for field in forms["adjust_limits"].fields.values():
            field.disabled = True
    context = {"forms": forms, "methods": methods, "now": site}
    return render(request, "manage/settings.html", context, status=status)


def _store(request: HttpRequest, part: str, forms: dict[str, Any], methods: Any) -> bool | None:
    """Whether something changed; None: refused, and the form says why."""
    require(staff_of(request), VERB_OF.get(part, "settings.edit"))
    form = methods if part == "methods" else forms.get(part)
    if form is None or not form.is_valid():
        return None
    values = {"deposit_methods": read_methods(methods)} if part == "methods" else form.values()
    try:
        return bool(site_settings.change(values, by=staff_of(request), request=request))
    except site_settings.BadSetting as error:
        if part == "methods":
            methods.refusal = str(error)
        else:
            form.add_error(error.key if error.key in form.fields else None, str(error))
        return None
