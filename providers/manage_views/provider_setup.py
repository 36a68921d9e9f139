"""Setting a provider up: taking what the test proposes, saying what its types mean, replacing its key."""

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, staff_of
from customers.figures import money
from providers import balances
from providers.connecting import InvalidProvider
from providers.currency_doubt import NothingToSettle, confirm_currency
from providers.manage_forms import KeyForm
from providers.manage_views.markup import SHOWN
from providers.manage_views.previews import before
from providers.models import Provider
from providers.rotating import problem_with_key, rotate_key
from providers.service_types import TYPES
from providers.supply_effects import MappingEffect, effect_of_mapping
from providers.taking import proposals_of, take_proposals
from providers.type_mapping import CannotMap, map_type


@allowed("provider.edit")
@require_POST
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the ticked proposals of a test; other options stay as they are."""
    provider = get_object_or_404(Provider, pk=pk)
    try:
        taken = proposals_of(request.POST.getlist("take"))
        if not taken:
            messages.warning(request, _("Nothing was selected."))
            return redirect("manage_provider", pk)
        take_proposals(provider, taken, by=staff_of(request), request=request)
    except InvalidProvider as error:
        messages.error(request, str(error))
    else:
        what = ", ".join(f"{name} = {value}" for name, value in taken.items())
        messages.success(request, _("Set: %s. Test the connection again to be sure.") % what)
    return redirect("manage_provider", pk)


@allowed("provider.edit")
@require_POST
def types(request: HttpRequest, pk: int) -> HttpResponse:
    """What one of the provider's words for types means, for all of its services or for single ones."""
    provider = get_object_or_404(Provider, pk=pk)
    word, code = request.POST.get("word", ""), request.POST.get("type", "")
    ids = [part for part in re.split(r"[\s,;]+", request.POST.get("ids", "")) if part]
    try:
        if "preview" in request.POST:
            effect = effect_of_mapping(provider, word, code, ids or None)
            if effect.offers:
                asked = _before_mapping(provider, word, code, ids, effect)
                return render(request, "manage/asked.html", {"provider": provider, "asked": asked})
        changed = map_type(provider, word, code, ids or None, by=staff_of(request), request=request)
    except CannotMap as error:
        messages.error(request, str(error))
    else:
        services = ngettext("%d service", "%d services", changed) % changed
        if code:
            said = _("%(services)s mapped as %(name)s. What is not on sale yet can be published now.")
            messages.success(request, said % {"services": services, "name": TYPES[code].name})
        else:
            messages.success(request, _("%s without a known type now; that is not sold.") % services)
    return redirect(reverse("manage_provider", args=[pk]) + "#types")


def _before_mapping(
    provider: Provider, word: str, code: str, ids: list[str], effect: MappingEffect
) -> dict[str, Any]:
    page = reverse("manage_provider", args=[provider.pk])
    gets = ngettext(
        "%d service of theirs gets the type.", "%d services of theirs get the type.", effect.offers
    )
    words = [gets % effect.offers]
    if effect.waiting:
        waits = ngettext(
            "%d that waits among the changes of the catalog gets it, too.",
            "%d that wait among the changes of the catalog get it, too.",
            effect.waiting,
        )
        words.append(waits % effect.waiting)
    if code:
        fit = sum(1 for one in effect.sellable if not one.why_not)
        could = ngettext(
            "%d that is not on sale could be published then.",
            "%d that are not on sale could be published then.",
            fit,
        )
        words.append(could % fit)
    name = TYPES[code].name if code else _("not known, not sold")
    asked = before(
        _("“%(word)s” means: %(name)s") % {"word": word or _("no type given"), "name": name},
        effect.simulation if effect.simulation.touched else None,
        {"word": word, "type": code, "ids": ", ".join(ids)},
        action=reverse("manage_provider_types", args=[provider.pk]),
        back=f"{page}#types",
        yes=_("Say so"),
        foot=_("Open orders go on as they were placed. Nothing is published by it."),
        words=" ".join(words),
    )
    more = max(len(effect.sellable) - SHOWN, 0)
    return asked | {"sellable": effect.sellable[:SHOWN], "sellable_more": more}


@allowed("provider.edit")
@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """The admin's word that its rates are in the currency that is set, though its balance came in another."""
    provider = get_object_or_404(Provider, pk=pk)
    try:
        confirm_currency(provider, by=staff_of(request), request=request)
    except NothingToSettle as error:
        messages.warning(request, str(error))
    else:
        said = _(
            "The rates of %(name)s are in %(currency)s. It is sold again once its list was read: sync it now."
        )
        messages.success(request, said % {"name": provider.name, "currency": provider.currency})
    return redirect("manage_provider", pk)


@allowed("catalog.see", changes="provider.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def key(request: HttpRequest, pk: int) -> HttpResponse:
    """Replace the key: it is kept if the provider answers to it, or if the admin insists."""
    provider = get_object_or_404(Provider, pk=pk)
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        new = form.cleaned_data["key"]
        problem = problem_with_key(provider, new)
        if problem and not form.cleaned_data["anyway"]:
            said = _("The provider was asked with this key, and nothing was saved: %s") % problem
            form.add_error("key", said)
        else:
            return _keep(request, provider, new, problem)
    context = {"provider": provider, "form": form}
    return render(request, "manage/key.html", context, status=422 if form.is_bound else 200)


def _keep(request: HttpRequest, provider: Provider, new: str, problem: str) -> HttpResponse:
    try:
        rotate_key(provider, new, by=staff_of(request), request=request)
    except InvalidProvider as error:
        messages.error(request, str(error))
        return redirect("manage_provider", provider.pk)
    if problem:
        messages.warning(request, _("The key was replaced without a test that worked: %s") % problem)
        return redirect("manage_provider", provider.pk)
    read = balances.read_balance(provider, wait_s=2)
    balance = money(read.balance, read.currency)
    text = (
        _("The key was replaced and works; the balance is %s. The earlier key is gone from here.") % balance
    )
    if provider.pause_kind == Provider.Pause.AUTH:
        text += " " + _(
            "The pause for the refused key ends by itself once the balance covers the next order."
        )
    messages.success(request, text)
    return redirect("manage_provider", provider.pk)
