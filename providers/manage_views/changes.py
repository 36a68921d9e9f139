"""Catalog changes that wait for a decision: of one provider on its page, of all of them on a page of their own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from customers.access import allowed, staff_of
from providers.catalog_effect import CatalogEffect, effect_of_changes, summed
from providers.change_effects import Effects, effects_of
from providers.deciding import accept_changes, refuse_changes
from providers.models import CatalogChange, Provider

Kind = CatalogChange.Kind
PAGE = 50
# In the order in which an admin wants to see them, with the words of the tabs.
KINDS = (Kind.PRICE, Kind.LIMITS, Kind.TYPE, Kind.MISSING, Kind.BACK, Kind.NEW, Kind.DETAILS)


def staged(provider: Provider | None) -> QuerySet[CatalogChange]:
    found = CatalogChange.objects.filter(state=CatalogChange.State.STAGED)
    return found.filter(provider=provider) if provider else found


def staged_part(request: HttpRequest, provider: Provider | None) -> dict[str, Any]:
    """What the table of changes needs: tabs by kind with counts, one page of rows with their effect."""
    waiting = staged(provider)
    counts = dict(waiting.values_list("kind").annotate(n=Count("pk")).order_by())
    kinds = [kind for kind in KINDS if counts.get(kind)]
    kind = request.GET.get("kind", "")
    kind = kind if kind in kinds else (kinds[0] if kinds else "")
    start = _number(request.GET.get("after", "")) or _number(request.GET.get("before", "")) or 0
    rows = (
        waiting.filter(kind=kind)
        .select_related("offer", "provider")
        .order_by("-beyond_limits", "provider", "id")
    )
    page = list(rows[start : start + PAGE])
    total = counts.get(kind, 0)
    effects = effects_of(page) if page else None
    return {
        "change_tabs": [
            {"label": Kind(k).label, "href": _tab(request, k), "current": k == kind, "count": counts[k]}
            for k in kinds
        ],
        "kind": kind,
        "effects": effects,
        "effect": _preselected(effects) if effects else None,
        "changes_total": sum(counts.values()),
        "kind_total": total,
        "shown": (start + 1, start + len(page)) if page else None,
        "after": start + PAGE if start + PAGE < total else None,
        "before": max(start - PAGE, 0) or "0" if start else None,
    }


def _preselected(effects: Effects) -> CatalogEffect:
    """What accepting does as the page comes: rows that would sell below cost are not ticked."""
    rows = tuple(row for row in effects.rows if not row.below_cost)
    return replace(summed(replace(effects, rows=rows)), below_cost=0)


def _tab(request: HttpRequest, kind: str) -> str:
    params = request.GET.copy()
    for name in ("after", "before", "asked"):
        params.pop(name, None)
    params["kind"] = kind
    return f"?{params.urlencode()}#changes"


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


@allowed("catalog.see")
@require_safe
def catalog(request: HttpRequest) -> HttpResponse:
    number = _number(request.GET.get("provider", ""))
    provider = Provider.objects.filter(pk=number).first() if number else None
    waiting = (
        staged(None).values("provider", "provider__name").annotate(n=Count("pk")).order_by("provider__name")
    )
    context = {"provider": provider, "waiting": list(waiting), "whole_page": True} | staged_part(
        request, provider
    )
    return render(request, "manage/catalog.html", context)


@allowed("catalog.decide")
@require_POST
def effect(request: HttpRequest) -> HttpResponse:
    """What accepting the ticked rows (or all of the kind) would do, as one sentence; nothing is decided."""
    everything = request.POST.get("decision") == "accept_all"
    chosen = _chosen(request, everything=everything)
    changes = CatalogChange.objects.filter(pk__in=[pk for pk, _provider in chosen])
    found = effect_of_changes(list(changes.select_related("offer", "provider").order_by("id")))
    return render(request, "manage/parts/effect.html", {"effect": found, "everything": everything})


@allowed("catalog.decide")
@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """Accept or refuse: the selected rows, or all of a kind (of one provider or of all)."""
    decision = request.POST.get("decision", "")
    accept = decision.startswith("accept")
    chosen = _chosen(request, everything=decision.endswith("_all"))
    done, by = 0, staff_of(request)
    for provider_id, ids in _by_provider(chosen).items():
        provider = Provider.objects.get(pk=provider_id)
        if accept:
            done += accept_changes(provider, change_ids=ids, by=by, request=request).applied
        else:
            done += refuse_changes(provider, change_ids=ids, by=by, request=request)
    if not done:
        messages.warning(request, _("Nothing was selected, or somebody decided it meanwhile."))
    elif accept:
        told = ngettext("%d change accepted", "%d changes accepted", done) % done
        messages.success(request, _("%s; prices follow. Open orders keep theirs.") % told)
    else:
        told = ngettext("%d change refused", "%d changes refused", done) % done
        messages.success(request, _("%s, and not offered again.") % told)
    return redirect(_back(request))


def _chosen(request: HttpRequest, *, everything: bool) -> Sequence[tuple[int, int]]:
    """(change, provider) of what is meant and still waits."""
    number = _number(request.POST.get("provider", ""))
    waiting = staged(None).filter(provider=number) if number else staged(None)
    if everything:
        waiting = waiting.filter(kind=request.POST.get("kind", ""))
    else:
        waiting = waiting.filter(pk__in=[pk for pk in map(_number, request.POST.getlist("change")) if pk])
    return list(waiting.order_by("id").values_list("pk", "provider_id"))


def _by_provider(chosen: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for change_id, provider_id in chosen:
        found.setdefault(provider_id, []).append(change_id)
    return found


def _back(request: HttpRequest) -> str:
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return back if safe and back.startswith("/manage/") else "/manage/catalog"
