"""The deny-list: what this panel does not sell, each entry with its reason and its end."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, staff_of
from providers.denying import HELD, allow, deny
from providers.manage_forms import DenialForm
from providers.models import Denial, Offer

SHOWN = 50  # offers that are held back


@allowed("catalog.see", changes="deny_list.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def deny_list(request: HttpRequest) -> HttpResponse:
    form = DenialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        before, values = _held().count(), form.cleaned_data
        try:
            entry = deny(
                values["kind"], values["text"], values["reason"], until=values["until"], scope=values["scope"],
                by=staff_of(request), request=request,
            )  # fmt: skip
        except ValueError as error:
            form.add_error("text", str(error))
        else:
            messages.success(request, _said(entry, _held().count() - before))
            return redirect("manage_deny_list")
    return render(
        request, "manage/deny_list.html", _context(request, form), status=422 if form.is_bound else 200
    )


def _said(entry: Denial, more: int) -> str:
    added = _("“%s” is on the list.") % entry.text
    if more > 0:
        held = ngettext(
            "%d offer is held back by it; open orders go on.",
            "%d offers are held back by it; open orders go on.",
            more,
        )
        return f"{added} {held % more}"
    return added


def _held() -> Any:
    return Offer.objects.filter(on_hold__startswith=HELD, gone_at=None)


def _context(request: HttpRequest, form: DenialForm) -> dict[str, Any]:
    kind = request.GET.get("kind", "")
    entries = Denial.objects.select_related("created_by")
    counts = {value: entries.filter(kind=value).count() for value in Denial.Kind.values}
    if kind in counts:
        entries = entries.filter(kind=kind)
    tabs = [{"label": _("All"), "href": "?", "current": kind not in counts, "count": sum(counts.values())}]
    tabs += [
        {"label": Denial.Kind(value).label, "href": f"?kind={value}", "current": value == kind, "count": n}
        for value, n in counts.items()
    ]
    today = timezone.now().date()
    rows = [(entry, entry.until is not None and entry.until < today) for entry in entries]
    held = _held()
    return {
        "form": form,
        "tabs": tabs,
        "rows": rows,
        "held": list(held.select_related("provider").order_by("provider__name", "id")[:SHOWN]),
        "held_total": held.count(),
    }


@allowed("deny_list.edit")
@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an entry off; what only it held back may be sold again."""
    entry = get_object_or_404(Denial, pk=pk)
    before, text = _held().count(), entry.text
    allow(entry, by=staff_of(request), request=request)
    freed = before - _held().count()
    said = _("“%s” is off the list.") % text
    if freed > 0:
        again = ngettext("%d offer may be sold again.", "%d offers may be sold again.", freed)
        said = f"{said} {again % freed}"
    messages.success(request, said)
    return redirect("manage_deny_list")
