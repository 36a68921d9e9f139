"""The services of a provider without an API: an admin writes what staff deliver, and sells it."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, staff_of
from providers.connecting import MANUAL
from providers.handmade import InvalidOffer, change_offer, make_service, offer_on_or_off
from providers.manage_forms import amount
from providers.models import Category, Offer, Provider, Route
from providers.service_types import TYPES


class OfferForm(forms.Form):
    """What staff offer. The type is chosen once: orders of it have its fields."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=300)
    category = forms.CharField(
        label=gettext_lazy("Category"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"list": "categories", "autocomplete": "off"}),
    )
    service_type = forms.ChoiceField(
        label=gettext_lazy("Type"),
        choices=[(code, found.name) for code, found in TYPES.items() if found.sellable],
        help_text=gettext_lazy("What customers fill in, and whether it is priced per 1000 or per order."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    minimum = forms.IntegerField(label=gettext_lazy("Minimum"), min_value=1, max_value=2_147_483_647)
    maximum = forms.IntegerField(label=gettext_lazy("Maximum"), min_value=1, max_value=2_147_483_647)
    rate = amount(
        gettext_lazy("What it costs us"),
        min_value=0,
        help_text=gettext_lazy("Per 1000 (or per order), in the provider's currency. 0 is fine."),
    )
    price = amount(
        gettext_lazy("Price"),
        required=False,
        min_value=0,
        help_text=gettext_lazy("Per 1000 (or per order). Empty: the markup rules price it."),
    )
    refill = forms.BooleanField(label=gettext_lazy("Refills are possible"), required=False)
    cancel = forms.BooleanField(label=gettext_lazy("It can be canceled once it was started"), required=False)

    def __init__(self, *args: Any, offer: Offer | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if offer is not None:  # the price is the service's own, on its page
            del self.fields["service_type"], self.fields["price"]

    def take(self, error: InvalidOffer) -> None:
        for name, sentence in error.errors.items():
            self.add_error(name if name in self.fields else None, sentence)


@allowed("catalog.see", changes="service.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def handmade(request: HttpRequest, pk: int) -> HttpResponse:
    """What the provider offers, and the form for one more."""
    provider = _provider(pk)
    form = OfferForm(request.POST or None, initial={"minimum": 1, "maximum": 1000, "rate": 0})
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        service_type, price = values.pop("service_type"), values.pop("price")
        try:
            made = make_service(
                provider,
                values,
                service_type=service_type,
                price=price,
                by=staff_of(request),
                request=request,
            )
        except InvalidOffer as error:
            form.take(error)
        else:
            words = {"id": made.service.pk, "why": made.why_not}
            if made.on_sale:
                messages.success(request, _("Service %(id)s is on sale. Its orders wait for you.") % words)
            else:
                messages.warning(request, _("Service %(id)s was made and is not on sale: %(why)s") % words)
            return redirect("manage_handmade", pk)
    context = {
        "provider": provider,
        "form": form,
        "rows": _with_services(Offer.objects.filter(provider=provider).order_by("-id")[:200]),
        "categories": Category.objects.values_list("name", flat=True)[:200],
        "currency_name": settings.CURRENCY,
    }
    return render(request, "manage/handmade.html", context, status=422 if request.method == "POST" else 200)


@allowed("catalog.see", changes="service.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def handmade_offer(request: HttpRequest, pk: int, offer_id: int) -> HttpResponse:
    provider = _provider(pk)
    offer = get_object_or_404(Offer.objects.select_related("provider"), pk=offer_id, provider=provider)
    form = OfferForm(request.POST or None, offer=offer, initial=_initial(offer))
    if request.method == "POST" and form.is_valid():
        try:
            changed = change_offer(offer, form.cleaned_data, by=staff_of(request), request=request)
        except InvalidOffer as error:
            form.take(error)
        else:
            messages.success(
                request, _("Saved. New orders follow it.") if changed else _("Nothing was different.")
            )
            return redirect("manage_handmade", pk)
    context = {
        "provider": provider,
        "offer": offer,
        "form": form,
        "categories": Category.objects.values_list("name", flat=True)[:200],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "manage/handmade_offer.html", context, status=status)


@allowed("service.edit")
@require_POST
def handmade_switch(request: HttpRequest, pk: int, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer.objects.select_related("provider"), pk=offer_id, provider=_provider(pk))
    offered = request.POST.get("offered") == "yes"
    try:
        offer_on_or_off(offer, offered, by=staff_of(request), request=request)
    except InvalidOffer as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            _("It is offered again.") if offered else _("It is off sale; its open orders go on."),
        )
    return redirect("manage_handmade", pk)


def _provider(pk: int) -> Provider:
    provider = get_object_or_404(Provider, pk=pk)
    if provider.adapter != MANUAL:
        raise Http404
    return provider


def _with_services(offers: QuerySet[Offer]) -> list[tuple[Offer, Any]]:
    """Each offer with the service that it delivers; two queries."""
    rows = list(offers)
    routes = Route.objects.filter(offer__in=rows).select_related("service").order_by("-id")
    service_of = {route.offer_id: route.service for route in routes}
    return [(offer, service_of.get(offer.pk)) for offer in rows]


def _initial(offer: Offer) -> dict[str, Any]:
    names = ("name", "category", "description", "minimum", "maximum", "refill", "cancel")
    return {name: getattr(offer, name) for name in names} | {"rate": f"{offer.rate.normalize():f}"}
