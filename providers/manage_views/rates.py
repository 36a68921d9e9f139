"""Exchange rates to the panel's currency, by date: what another one would do to prices, setting it, taking it back."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, staff_of
from customers.models import AuditEntry
from providers.browsing import number_of
from providers.exchange import exchange_rates
from providers.manage_forms import RateForm
from providers.manage_views.previews import preview_of, touched_words
from providers.models import ExchangeRate, Provider
from providers.rate_setting import set_rate, simulate_rate
from providers.rate_undoing import CannotUndoRate, effect_of_undoing_rate, last_rate_change, undo_rate


@allowed("catalog.see", changes="price.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def rates(request: HttpRequest) -> HttpResponse:
    """Save, or (without script) preview, or show. The preview never saves."""
    form = RateForm(request.POST or None, initial={"currency": request.GET.get("currency", "")[:3]})
    status, preview = 200, _nothing_yet()
    if request.method == "POST" and "preview" in request.POST:
        preview = _preview(form)
        status = 422 if form.errors else 200
    elif request.method == "POST":
        status = 422
        if form.is_valid():
            values = form.cleaned_data
            try:
                saved = set_rate(
                    values["currency"], values["rate"], values["date"], by=staff_of(request), request=request
                )
            except ValueError as error:
                form.add_error(None, str(error))
            else:
                messages.success(
                    request,
                    _("The rate of %s is saved; prices follow. Open orders keep theirs.") % saved.currency,
                )
                return redirect("manage_rates")
    return render(request, "manage/rates.html", _context(form) | preview, status=status)


def _context(form: RateForm) -> dict[str, Any]:
    known = exchange_rates()
    used: dict[str, list[str]] = {}
    for currency, name in Provider.objects.filter(archived_at=None).values_list("currency", "name"):
        if currency != settings.CURRENCY:
            used.setdefault(currency, []).append(name)
    last = last_rate_change()
    return {
        "form": form,
        "known": sorted((code, rate) for code, rate in known.items() if code != settings.CURRENCY),
        "missing": sorted((code, names) for code, names in used.items() if code not in known),
        "used": used,
        "history": ExchangeRate.objects.select_related("set_by").order_by("-set_at")[:50],
        "today": timezone.now().date(),
        "last": last,
        "last_words": effect_of_undoing_rate(last).sentence if last else "",
    }


@allowed("price.edit")
@require_POST
def rates_preview(request: HttpRequest) -> HttpResponse:
    """What the form would do if it were saved."""
    form = RateForm(request.POST)
    return render(request, "manage/parts/preview.html", _preview(form))


def _preview(form: RateForm) -> dict[str, Any]:
    if not form.is_valid():
        return {"form": form, "unclear": True}
    values = form.cleaned_data
    try:
        simulation = simulate_rate(values["currency"], values["rate"], values["date"])
    except ValueError as error:
        form.add_error(None, str(error))
        return {"form": form, "unclear": True}
    preview = preview_of(simulation)
    if values["date"] and values["date"] > timezone.now().date():
        preview["preview_lead"] = _("From %(day)s on: %(words)s") % {
            "day": date_format(values["date"], "j M Y"), "words": touched_words(simulation),
        }  # fmt: skip
    return preview


def _nothing_yet() -> dict[str, Any]:
    return {"simulation": None, "preview_lead": _("Fill in a rate to see what it changes.")}


@allowed("price.edit")
@require_POST
def rates_undo(request: HttpRequest) -> HttpResponse:
    """Take the latest change back, if it still is the latest."""
    change = get_object_or_404(AuditEntry, pk=number_of(request.POST.get("change", "")) or 0)
    try:
        said = undo_rate(change, by=staff_of(request), request=request)
    except CannotUndoRate as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Undone. %s Prices follow; open orders keep theirs.") % said)
    return redirect("manage_rates")
