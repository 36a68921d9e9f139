"""All providers, problems first; adding one, with a test of the connection before anything is saved."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import allowed, staff_of
from customers.audit import record
from customers.figures import count, money, rate
from providers import asking
from providers.connecting import MANUAL, InvalidProvider, add_provider
from providers.grading import Found, test_connection
from providers.manage_forms import ConnectionForm
from providers.models import CatalogChange, Provider
from providers.overview import Standing, standings
from providers.taking import proposals_of

ZERO = Decimal(0)
Kind = CatalogChange.Kind


@allowed("catalog.see")
@require_safe
def provider_list(request: HttpRequest) -> HttpResponse:
    archived = request.GET.get("archived") == "1"
    rows = standings(archived=archived)
    return render(
        request,
        "manage/providers.html",
        {
            "rows": rows,
            "problems": [row for row in rows if row.problem][:5],
            "stats": _stats(rows) if rows else None,
            "archived": archived,
            "has_archived": Provider.objects.filter(archived_at__isnull=False).exists(),
        },
    )


def _stats(rows: list[Standing]) -> list[dict[str, Any]]:
    alive = [row for row in rows if not row.provider.archived_at]
    known = [row for row in alive if row.exchange is not None]
    held = sum(((row.provider.balance or ZERO) * (row.exchange or ZERO) for row in known), ZERO)
    spends = [
        (row.runway.daily_spend or ZERO) * (row.exchange or ZERO)
        for row in known
        if row.runway.daily_spend is not None
    ]
    shortest = min(
        (row for row in alive if row.runway.days is not None),
        key=lambda row: row.runway.days or ZERO,
        default=None,
    )
    rates = sorted({(row.provider.currency, row.exchange) for row in known if row.exchange != 1})
    staged = CatalogChange.objects.filter(state=CatalogChange.State.STAGED)
    changes = dict(staged.values_list("kind").annotate(n=Count("pk")).order_by("kind"))
    return [
        {
            "label": _("Held with providers"),
            "value": money(held) if any(row.provider.balance is not None for row in known) else "–",
            "note": ", ".join(f"{currency} × {rate(factor, '')}" for currency, factor in rates)
            or _("Balances as last read"),
        },
        {
            "label": _("Spend per day, 7-day average"),
            "value": money(sum(spends, ZERO)) if spends else "–",
            "note": _("%d active providers") % len(alive) if spends else _("Known after 3 days of readings"),
        },
        {
            "label": _("Shortest runway"),
            "value": _("%s days") % shortest.runway.days if shortest else "–",
            "note": shortest.provider.name if shortest else _("Known after 3 days of readings"),
            "tone": shortest.runway_tone if shortest else "",
        },
        {
            "label": _("Catalog changes to review"),
            "value": count(sum(changes.values())),
            "note": ", ".join(f"{kind.label}: {count(changes[kind])}" for kind in Kind if kind in changes),
            "href": reverse("manage_catalog"),
        },
    ]


@allowed("catalog.see", changes="provider.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def provider_add(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "manage/provider_add.html", {"form": ConnectionForm()})
    form = ConnectionForm(request.POST)
    if "test" in request.POST:  # without script the test comes back on the whole page
        found = _try_out(request, form)
        return render(request, "manage/provider_add.html", {"form": form, "found": found})
    if form.is_valid():
        values = form.cleaned_data
        try:
            taken = proposals_of(request.POST.getlist("take"))
            adapter = taken.pop("adapter", values["adapter"])
            provider = add_provider(
                values["name"],
                values["api_url"],
                values["key"],
                currency=values["currency"],
                adapter=adapter,
                options=taken,
                by=staff_of(request),
                request=request,
            )
        except InvalidProvider as error:
            form.take(error.errors)
        else:
            if not provider.sends_by_itself:
                messages.success(request, _("%s was added. Say next what it offers.") % provider.name)
                return redirect("manage_handmade", provider.pk)
            messages.success(
                request, _("%s was added. Read its services next; nothing is on sale yet.") % provider.name
            )
            return redirect("manage_provider", provider.pk)
    return render(request, "manage/provider_add.html", {"form": form}, status=422)


@allowed("provider.edit")
@require_POST
def provider_try(request: HttpRequest) -> HttpResponse:
    """Test what stands in the form of a new provider; nothing is saved."""
    found = _try_out(request, ConnectionForm(request.POST))
    return render(request, "manage/parts/found.html", {"found": found})


def _try_out(request: HttpRequest, form: ConnectionForm) -> Found:
    form.is_valid()
    values = form.cleaned_data
    if values.get("adapter") == MANUAL:
        return Found(failures=(_("There is nothing to test: without an API, staff deliver by hand."),))
    missing = [str(form.fields[name].label) for name in ("api_url", "key") if not values.get(name)]
    if missing:
        return Found(failures=(_("Enter these first: %s.") % ", ".join(missing),))
    provider = Provider(
        name=values.get("name") or _("This provider"),
        api_url=values["api_url"],
        key=values["key"],
        adapter=values.get("adapter") or "standard",
        currency=(values.get("currency") or "").upper(),
    )
    found = test_connection(provider, asking.IMPATIENT)
    record(
        staff_of(request), "provider.test", "provider:new", "A connection was tested before it was saved",
        {"api_url": provider.api_url, "works": found.works}, request,
    )  # fmt: skip
    return found


@allowed("catalog.decide")
@require_POST
def sync_all(request: HttpRequest) -> HttpResponse:
    if asking.ask_for_everything():
        messages.info(
            request, _("The workers read all catalogs and balances now. This page shows what they found.")
        )
    else:
        messages.warning(
            request,
            _("No worker is running, so nothing was read. Start one; until then read providers one by one."),
        )
    record(
        staff_of(request), "provider.sync", "providers", "All catalogs and balances asked for", {}, request
    )
    return redirect("manage_providers")
