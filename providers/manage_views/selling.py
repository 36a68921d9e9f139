"""Putting services on the list and taking them off it, one or many; what that means is shown before it is done."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from customers.access import allowed, staff_of
from customers.figures import count, money
from providers.manage_views.previews import before
from providers.manage_views.services import list_page, say_published, service_page, small_number
from providers.models import Service
from providers.publishing import unpublish
from providers.sale_effects import SaleEffect, effect_of_publishing_again, effect_of_unpublishing
from providers.service_editing import publish_services


@allowed("service.edit")
@require_POST
def services_act(request: HttpRequest) -> HttpResponse:
    """Publish or unpublish the selected services."""
    ids = [pk for pk in map(small_number, request.POST.getlist("service")) if pk]
    back = request.POST.get("next", "")
    back = back if back.startswith("/manage/services") else reverse("manage_services")
    if asked := _before(request, ids, reverse("manage_services_act"), back):
        request.GET = QueryDict(urlsplit(back).query)  # the list as it was, behind the question
        return list_page(request, asked=asked)
    _do(request, ids)
    return redirect(back)


@allowed("service.edit")
@require_POST
def service_publish(request: HttpRequest, pk: int) -> HttpResponse:
    """The same for the one service of the page."""
    service = get_object_or_404(Service.objects.select_related("category"), pk=pk)
    page = reverse("manage_service", args=[pk])
    if asked := _before(request, [pk], reverse("manage_service_publish", args=[pk]), page):
        return service_page(request, service, asked=asked)
    _do(request, [pk])
    return redirect(page)


def _do(request: HttpRequest, ids: list[int]) -> None:
    if request.POST.get("act") == "unpublish":
        taken = unpublish(ids, by=staff_of(request), request=request)
        told = ngettext(
            "%d service is off the list. Its open orders go on.",
            "%d services are off the list. Their open orders go on.",
            taken,
        )
        messages.success(request, told % taken)
    elif request.POST.get("act") == "publish":
        fit, refused = publish_services(ids, by=staff_of(request), request=request)
        say_published(request, len(fit), refused)


def _before(request: HttpRequest, ids: list[int], action: str, back: str) -> dict[str, Any]:
    """What the act would do, for a page that waits for a yes; empty where it is not asked, or nothing changes."""
    act = request.POST.get("act", "")
    if "preview" not in request.POST or act not in ("publish", "unpublish"):
        return {}
    off = act == "unpublish"
    effect = effect_of_unpublishing(ids) if off else effect_of_publishing_again(ids)
    number = len(effect.simulation.rows)
    if not number:
        return {}
    title = (
        ngettext("Take %d service off the list?", "Take %d services off the list?", number)
        if off
        else ngettext("Put %d service on the list?", "Put %d services on the list?", number)
    )
    fields = [("act", act), ("next", back), *(("service", str(pk)) for pk in ids)]
    asked = before(
        title % number,
        effect.simulation,
        fields,
        action=action,
        back=back,
        yes=_("Take off") if off else _("Put on the list"),
        foot=_("It can be put on the list again at any time.") if off else _("New orders pay these prices."),
    )
    return asked | {"preview_lead": _words(effect, off=off), "preview_stats": None}


def _words(effect: SaleEffect, *, off: bool) -> str:
    simulation, words = effect.simulation, []
    if effect.open_orders:
        told = ngettext(
            "%s open order of theirs goes on.", "%s open orders of theirs go on.", effect.open_orders
        )
        words.append(told % count(effect.open_orders))
    else:
        words.append(_("No order of theirs is open."))
    if off and simulation.profit_change:
        earned = -simulation.profit_change
        brought = _("Their orders of the last 30 days brought a profit of %s.")
        cost = _("Their orders of the last 30 days were at a loss of %s.")
        words.append((brought if earned > 0 else cost) % money(abs(earned)))
    if simulation.below_cost:
        told = ngettext("%d is below cost.", "%d are below cost.", simulation.below_cost)
        words.append(told % simulation.below_cost)
    if not off and effect.refused:
        told = ngettext("%d cannot be sold and stays off.", "%d cannot be sold and stay off.", effect.refused)
        words.append(told % effect.refused)
    return " ".join(words)
