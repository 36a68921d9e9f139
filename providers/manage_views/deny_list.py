"""The deny-list: what this panel does not sell, each entry with its reason and its end."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, staff_of
from customers.figures import count
from providers.denying import HELD, allow, checked_entry, deny
from providers.denying_effects import DenyEffect, effect_of_allowing, effect_of_denying
from providers.manage_forms import DenialForm
from providers.manage_views.previews import before
from providers.models import Denial, Offer

SHOWN = 50  # offers that are held back


@allowed("catalog.see", changes="deny_list.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def deny_list(request: HttpRequest) -> HttpResponse:
    form, asked = DenialForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        held, values = _held().count(), form.cleaned_data
        try:
            if "preview" in request.POST and (asked := _before_denying(request, values)):
                return render(request, "manage/deny_list.html", _context(request, form) | {"asked": asked})
            entry = deny(
                values["kind"], values["text"], values["reason"], until=values["until"], scope=values["scope"],
                by=staff_of(request), request=request,
            )  # fmt: skip
        except ValueError as error:
            form.add_error("text", str(error))
        else:
            messages.success(request, _said(entry, _held().count() - held))
            return redirect("manage_deny_list")
    return render(
        request, "manage/deny_list.html", _context(request, form), status=422 if form.is_bound else 200
    )


def _before_denying(request: HttpRequest, values: dict[str, Any]) -> dict[str, Any]:
    """What the entry would do, for a page that waits for a yes; empty where there is nothing to see."""
    entry = checked_entry(
        values["kind"], values["text"], values["reason"], until=values["until"], scope=values["scope"]
    )
    effect = effect_of_denying(entry)
    if not effect.asks:
        return {}
    return before(
        _("Deny “%s”?") % entry.text,
        effect.simulation if effect.simulation.touched else None,
        [(name, request.POST.get(name, "")) for name in ("kind", "text", "scope", "reason", "until")],
        action=reverse("manage_deny_list"),
        back=reverse("manage_deny_list"),
        yes=_("Deny it"),
        foot=_("Orders that were placed go on. Removing the entry gives everything back."),
        words=_words(effect),
    )


def _words(effect: DenyEffect) -> str:
    words = []
    if effect.held:
        told = ngettext("%d offer goes off sale.", "%d offers go off sale.", effect.held)
        words.append(told % effect.held)
    if effect.freed:
        told = ngettext("%d offer may be sold again.", "%d offers may be sold again.", effect.freed)
        words.append(told % effect.freed)
    if effect.left_out:
        told = ngettext(
            "%d new service that waits in the catalog would be left out.",
            "%d new services that wait in the catalog would be left out.",
            effect.left_out,
        )
        words.append(told % effect.left_out)
    if effect.open_orders:
        told = ngettext(
            "%d open order of a service that goes off sale goes on.",
            "%d open orders of services that go off sale go on.",
            effect.open_orders,
        )
        words.append(told % effect.open_orders)
    if effect.refused:
        told = _(
            "Of the last %(looked)s orders it would have refused %(n)s; %(open)s of these are open and go on."
        )
        figures = {"looked": effect.looked_at, "n": effect.refused, "open": effect.refused_open}
        words.append(told % {name: count(figure) for name, figure in figures.items()})
    return " ".join(words)


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
    kind, page = request.GET.get("kind", ""), reverse("manage_deny_list")
    entries = Denial.objects.select_related("created_by")
    counts = {value: entries.filter(kind=value).count() for value in Denial.Kind.values}
    if kind in counts:
        entries = entries.filter(kind=kind)
    tabs = [{"label": _("All"), "href": page, "current": kind not in counts, "count": sum(counts.values())}]
    tabs += [
        {
            "label": Denial.Kind(value).label,
            "href": f"{page}?kind={value}",
            "current": value == kind,
            "count": n,
        }
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
    if "preview" in request.POST and (effect := effect_of_allowing(entry)).asks:
        asked = before(
            _("Take “%s” off the list?") % entry.text,
            effect.simulation if effect.simulation.touched else None,
            {},
            action=reverse("manage_deny_list_remove", args=[entry.pk]),
            back=reverse("manage_deny_list"),
            yes=_("Take it off"),
            foot=_("What another entry or a price rise holds back stays off sale."),
            words=_words(effect),
        )
        return render(request, "manage/deny_list.html", _context(request, DenialForm()) | {"asked": asked})
    held, text = _held().count(), entry.text
    allow(entry, by=staff_of(request), request=request)
    freed = held - _held().count()
    said = _("“%s” is off the list.") % text
    if freed > 0:
        again = ngettext("%d offer may be sold again.", "%d offers may be sold again.", freed)
        said = f"{said} {again % freed}"
    messages.success(request, said)
    return redirect("manage_deny_list")
