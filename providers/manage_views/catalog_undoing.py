"""Taking catalog changes back that were accepted together: what it would do is shown before it is done."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from customers.access import allowed, staff_of
from customers.figures import count
from providers.deciding import CannotUndo, undo_together
from providers.manage_views.previews import before
from providers.models import CatalogChange, Provider
from providers.undo_effects import UndoEffect, effect_of_undoing

NAMED = 5


@allowed("catalog.decide")
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Whichever providers it was of."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    back = back if safe and back.startswith("/manage/") else reverse("manage_catalog")
    revision = _read(request.POST.get("revision", ""))
    return _undo(request, revision, None, reverse("manage_catalog_undo"), back)


@allowed("catalog.decide")
@require_POST
def undo_of_provider(request: HttpRequest, pk: int) -> HttpResponse:
    """From the page of one of the providers that it was of."""
    provider = get_object_or_404(Provider, pk=pk)
    revision = _read(request.POST.get("revision", ""))
    if revision and not CatalogChange.objects.filter(provider=provider, revision=revision).exists():
        revision = None
    action, back = (reverse(name, args=[pk]) for name in ("manage_provider_undo", "manage_provider"))
    return _undo(request, revision, provider, action, back)


def _read(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _undo(
    request: HttpRequest, revision: UUID | None, provider: Provider | None, action: str, back: str
) -> HttpResponse:
    try:
        if revision is None:
            raise CannotUndo(_("There is nothing to undo in this revision."))
        if "preview" in request.POST:
            asked = _before(effect_of_undoing(revision), revision, action, back)
            return render(request, "manage/asked.html", {"provider": provider, "asked": asked})
        undone = undo_together(revision, by=staff_of(request), request=request)
    except CannotUndo as error:
        messages.error(request, str(error))
    else:
        words = ngettext(
            "%(n)d change of %(providers)s was undone",
            "%(n)d changes of %(providers)s were undone",
            number := sum(undone.values()),
        ) % {"n": number, "providers": ", ".join(undone)}
        messages.success(request, _("%s; prices follow.") % words)
    return redirect(back)


def _before(effect: UndoEffect, revision: UUID, action: str, back: str) -> dict[str, Any]:
    title = ngettext(
        "Undo %(n)s change of %(providers)s?", "Undo %(n)s changes of %(providers)s?", effect.changes
    ) % {"n": count(effect.changes), "providers": ", ".join(effect.providers)}
    return before(
        title,
        effect.simulation if effect.simulation.touched else None,
        {"revision": str(revision), "next": back},
        action=action,
        back=back,
        yes=_("Undo it"),
        foot=_("Open orders keep the price they were placed at."),
        words=_list_words(effect) or ("" if effect.simulation.touched else _("No price changes.")),
    )


def _list_words(effect: UndoEffect) -> str:
    """What goes off the list by an undo, with some names, and what comes back on it; "" where nothing does."""
    gone, said = effect.unpublished.simulation.rows, ""
    if effect.shown_again:
        told = ngettext(
            "%s hidden service comes back on the list; it is sold only if its price is not below cost.",
            "%s hidden services come back on the list; they are sold only if their price is not below cost.",
            effect.shown_again,
        )
        said = told % count(effect.shown_again)
    if not gone:
        return said
    words = ngettext(
        "%s service goes off the list, because only a new offer of this revision delivers it:",
        "%s services go off the list, because only new offers of this revision deliver them:",
        len(gone),
    )
    names = ", ".join(row.name for row in gone[:NAMED]) + (", …" if len(gone) > NAMED else "")
    said = f"{words % count(len(gone))} {names}. {said}".strip()
    if orders := effect.unpublished.open_orders:
        told = ngettext("%s open order of theirs goes on.", "%s open orders of theirs go on.", orders)
        said += f" {told % count(orders)}"
    return said
