"""Catalog changes that wait for a decision: of one provider on its page, of all of them on a page of their own."""

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
from customers.models import AuditEntry
from providers.catalog_effect import CatalogEffect, effect_of_changes, summed
from providers.change_effects import Effects, effects_of
from providers.deciding import decide_together
from providers.models import CatalogChange, Provider

Kind = CatalogChange.Kind
PAGE = 50
SHOWN = 4  # decisions that the page offers to undo
OWN = "decide-"  # a row's own decision: decide-<change>
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
    """What accepting does as the page comes: rows that would sell below cost are not ticked and preset to hide."""
    hide = [row.change for row in effects.rows if row.below_cost]
    return summed(effects.foresight, [row.change for row in effects.rows], hide)


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
    context = {"provider": provider, "waiting": list(waiting), "whole_page": True}
    context |= staged_part(request, provider) | {"lately": accepted_lately()}
    return render(request, "manage/catalog.html", context)


@allowed("catalog.decide")
@require_POST
def effect(request: HttpRequest) -> HttpResponse:
    """What accepting the ticked rows (or all of the kind) would do, as one sentence; nothing is decided."""
    everything = request.POST.get("decision") == "accept_all"
    accepted, _refused, hidden = _decided(request, "accept_all" if everything else "accept")
    rows = CatalogChange.objects.filter(pk__in=accepted | hidden)
    changes = list(rows.select_related("offer", "provider").order_by("id"))
    found = effect_of_changes(changes, [change for change in changes if change.pk in hidden])
    return render(request, "manage/parts/effect.html", {"effect": found, "everything": everything})


@allowed("catalog.decide")
@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """Accept or refuse: the selected rows, or all of a kind (of one provider or of all), as one revision."""
    accepted, refused, hidden = _decided(request, request.POST.get("decision", ""))
    done = decide_together(accepted, refused, hidden, by=staff_of(request), request=request)
    if not done.applied and not done.refused:
        messages.warning(request, _("Nothing was selected, or somebody decided it meanwhile."))
    if done.applied:
        told = ngettext("%d change accepted", "%d changes accepted", done.applied) % done.applied
        messages.success(request, _("%s; prices follow. Open orders keep theirs.") % told)
    if done.hidden:
        told = ngettext(
            "%d service is off the list until you publish it again.",
            "%d services are off the list until you publish them again.",
            done.hidden,
        )
        messages.success(request, told % done.hidden)
    if done.refused:
        told = ngettext("%d change refused", "%d changes refused", done.refused) % done.refused
        messages.success(request, _("%s, and not offered again.") % told)
    return redirect(_back(request))


def accepted_lately() -> list[dict[str, Any]]:
    """The latest decisions of people that still stand, newest first: revision, n, providers, at, by."""
    entries = AuditEntry.objects.filter(verb="catalog.accept").order_by("-at")[: SHOWN * 5]
    when: dict[str, AuditEntry] = {}
    for entry in entries:
        when.setdefault(entry.details.get("revision", ""), entry)
    standing = CatalogChange.objects.filter(
        revision__in=[one for one in when if one], state=CatalogChange.State.APPLIED
    ).exclude(kind=Kind.NEW)
    rows = standing.values("revision").annotate(n=Count("pk"), providers=Count("provider", distinct=True))
    found: list[dict[str, Any]] = [
        {
            "revision": one,
            "n": n,
            "providers": providers,
            "at": when[str(one)].at,
            "by": when[str(one)].actor_label,
        }
        for one, n, providers in rows.order_by().values_list("revision", "n", "providers")
    ]
    return sorted(found, key=lambda row: row["at"], reverse=True)[:SHOWN]


def _decided(request: HttpRequest, decision: str) -> tuple[set[int], set[int], set[int]]:
    """(accepted, refused, hidden) changes among those that still wait. A row's own decision counts, whatever is ticked;
    but "Hide service", which some rows come with, not while others are refused."""
    number = _number(request.POST.get("provider", ""))
    waiting = staged(None).filter(provider=number) if number else staged(None)
    own = {
        int(name.removeprefix(OWN)): str(value)
        for name, value in request.POST.items()
        if name.startswith(OWN)
        and _number(name.removeprefix(OWN))
        and value in ("accept", "refuse", "later", "hide")
    }
    if decision.endswith("_all"):
        meant = set(waiting.filter(kind=request.POST.get("kind", "")).values_list("pk", flat=True))
    else:
        ticked = {pk for pk in map(_number, request.POST.getlist("change")) if pk}
        meant = set(waiting.filter(pk__in=ticked).values_list("pk", flat=True))
    known = set(waiting.filter(pk__in=own).values_list("pk", flat=True)) if own else set()
    as_ticked = meant - own.keys()
    accepted = {pk for pk in known if own[pk] == "accept"}
    refused = {pk for pk in known if own[pk] == "refuse"}
    if decision.startswith("accept"):
        accepted |= as_ticked
    elif decision.startswith("refuse"):
        refused |= as_ticked
    hidden = set() if decision.startswith("refuse") else {pk for pk in known if own[pk] == "hide"}
    return accepted, refused, hidden


def _back(request: HttpRequest) -> str:
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return back if safe and back.startswith("/manage/") else "/manage/catalog"
