"""Exchange rates to the panel's currency, by date."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.access import allowed, staff_of
from providers.exchange import exchange_rates
from providers.manage_forms import RateForm
from providers.models import ExchangeRate, Provider
from providers.rate_setting import set_rate


@allowed("catalog.see", changes="price.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def rates(request: HttpRequest) -> HttpResponse:
    form = RateForm(request.POST or None, initial={"currency": request.GET.get("currency", "")[:3]})
    status = 200
    if request.method == "POST":
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
    known = exchange_rates()
    used: dict[str, list[str]] = {}
    for currency, name in Provider.objects.filter(archived_at=None).values_list("currency", "name"):
        if currency != settings.CURRENCY:
            used.setdefault(currency, []).append(name)
    context = {
        "form": form,
        "known": sorted((code, rate) for code, rate in known.items() if code != settings.CURRENCY),
        "missing": sorted((code, names) for code, names in used.items() if code not in known),
        "used": used,
        "history": ExchangeRate.objects.select_related("set_by").order_by("-set_at")[:50],
        "today": timezone.now().date(),
    }
    return render(request, "manage/rates.html", context, status=status)
