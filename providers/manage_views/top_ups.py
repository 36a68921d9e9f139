"""Recording what was paid in at a provider, so that a jump of its balance has a reason beside it."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, staff_of
from customers.figures import money
from providers.manage_forms import amount
from providers.models import Provider, TopUp
from providers.top_ups import CannotRecord, record_top_up, take_back

SHOWN = 50


class TopUpForm(forms.Form):
    amount = amount(
        gettext_lazy("Amount"),
        places=6,
        help_text=gettext_lazy("What was credited there, after their fees, in the provider's currency."),
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        max_length=80,
        help_text=gettext_lazy("The number of the payment or invoice. Each is recorded once."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    at = forms.DateTimeField(
        label=gettext_lazy("Paid"),
        required=False,
        help_text=gettext_lazy("Empty: now. At most 7 days ago."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


@allowed("catalog.see", changes="provider.top_up")
@require_http_methods(["GET", "HEAD", "POST"])
def top_ups(request: HttpRequest, pk: int) -> HttpResponse:
    """What was recorded, and the form for one more. No money is moved and nothing is asked of the provider."""
    provider = get_object_or_404(Provider, pk=pk)
    form = TopUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = _record(request, provider, form.cleaned_data)
        except CannotRecord as error:
            form.add_error(error.field, str(error))
        else:
            said = _("Recorded: %s.") % money(made.amount, made.currency)
            seen = (
                _("The balance rose by it already.")
                if made.reading_id
                else _("It counts once a reading of the balance shows it.")
            )
            messages.success(request, f"{said} {seen}")
            return redirect("manage_top_ups", pk)
    context = {
        "provider": provider,
        "form": form,
        "rows": TopUp.objects.filter(provider=provider).select_related("by", "reading")[:SHOWN],
    }
    return render(request, "manage/top_ups.html", context, status=422 if request.method == "POST" else 200)


def _record(request: HttpRequest, provider: Provider, values: dict[str, Any]) -> TopUp:
    at: datetime | None = values["at"]
    return record_top_up(
        provider, values["amount"], values["reference"], at=at, by=staff_of(request), request=request
    )


@allowed("provider.top_up")
@require_POST
def remove(request: HttpRequest, pk: int, top_up_id: int) -> HttpResponse:
    """The record was wrong; a double click removes it once."""
    found = TopUp.objects.filter(pk=top_up_id, provider_id=pk).select_related("provider").first()
    if found is None:
        messages.info(request, _("This record is gone already."))
    else:
        take_back(found, by=staff_of(request), request=request)
        messages.success(request, _("The record is taken back. No money moved."))
    return redirect("manage_top_ups", pk)
