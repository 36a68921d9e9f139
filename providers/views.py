"""The price list: what can be ordered, with the visitor's own rates."""

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import staff_of as signed_in
from customers.exporting import csv_download
from customers.models import User
from providers import browsing
from providers.browsing import Line, Shelf, Wanted
from providers.models import Favorite, Service
from providers.price_history import MOST_RECENT, Moved
from providers.rates import CustomerRates
from providers.reporting import LONGEST, TooManyReports, report_service

ROWS = 50
CSV_HEADER = ("id", "category", "name", "type", "rate", "rate_is", "min", "max", "refill_days", "cancel", "drip_feed",
              "median_seconds")  # fmt: skip


@require_safe
def services(request: HttpRequest) -> HttpResponse:
    user, wanted = signed_in(request), Wanted.read(request.GET)
    rates = CustomerRates(user)
    changes = browsing.price_changes(user, rates)
    matching, shelves = browsing.matching(user, wanted, changes), browsing.shelves()
    size = sum(shelf.size for shelf in shelves)
    shown = Paginator(range(matching.count() if wanted.narrowed else size), ROWS).get_page(
        request.GET.get("page")
    )
    first = max(0, shown.start_index() - 1)
    listed = browsing.first_of(matching, wanted, shelves, first, first + ROWS)
    context = {
        "groups": _groups(browsing.lines_with_prices(user, listed, rates), wanted, shelves),
        "shown": shown,
        "found": shown.paginator.count,
        "wanted": wanted,
        "shelves": shelves,
        "size": size,
        "favorites": Favorite.objects.filter(user=user, service__in=browsing.offered().values("pk")).count(),
        "chips": _chips(wanted),
        "changes": _changes(changes.values()),
    }
    return render(request, "providers/services.html", context)


@require_safe
def price_list(request: HttpRequest) -> HttpResponseBase:
    """All that fits the filters, at the customer's own rates, as CSV."""
    user = signed_in(request)
    return csv_download("services", CSV_HEADER, _priced(user, Wanted.read(request.GET)))


@require_POST
def favorite(request: HttpRequest, service_id: int) -> HttpResponse:
    """Star or unstar; the button alone for htmx, else back to where it was pressed."""
    try:
        starred = browsing.toggle_favorite(signed_in(request), service_id)
        service = Service.objects.only("pk", "name").get(pk=service_id)
    except Service.DoesNotExist:
        raise Http404 from None
    if getattr(request, "htmx", False):
        return render(request, "providers/star.html", {"service": service, "starred": starred})
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, None) and back.startswith("/")
    return redirect(back if safe else reverse("services"))


class ReportForm(forms.Form):
    words = forms.CharField(
        label=gettext_lazy("What is wrong with it?"),
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest, service_id: int) -> HttpResponse:
    """A customer tells staff what is wrong with a service that he can see."""
    user = signed_in(request)
    service = get_object_or_404(browsing.offered(), pk=service_id)
    form = ReportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            report_service(user, service, form.cleaned_data["words"])
        except TooManyReports:
            messages.warning(
                request, _("Your earlier reports wait for an answer first. This one was not sent.")
            )
        else:
            messages.success(request, _("Reported. Our staff look at it; thank you."))
        return redirect("services")
    context = {"service": service, "form": form}
    return render(request, "providers/report.html", context, status=422 if form.is_bound else 200)


def _groups(lines: list[Line], wanted: Wanted, shelves: list[Shelf]) -> list[dict[str, Any]]:
    """Rows by category in their order; the number beside a category is all of it, or what fits the filters."""
    sizes = {shelf.id: shelf.size for shelf in shelves}
    groups: list[dict[str, Any]] = []
    for line in lines:
        category = line.service.category
        if not groups or groups[-1]["category"] != category:
            groups.append({"category": category, "lines": []})
        groups[-1]["lines"].append(line)
    for group in groups:
        whole = sizes.get(group["category"].pk, 0)
        group["size"] = len(group["lines"]) if wanted.narrowed else whole
    return groups


def _changes(moves: Collection[Moved]) -> dict[str, Any] | None:
    """What the notice above the list says; None where no price of his changed lately."""
    if not moves:
        return None
    rose = sum(1 for move in moves if move.rose)
    return {
        "n": len(moves),
        "many": len(moves) >= MOST_RECENT,
        "rose": rose,
        "fell": len(moves) - rose,
        "last": max(move.at for move in moves),
    }


def _priced(user: User, wanted: Wanted) -> Iterator[tuple[Any, ...]]:
    chunk: list[Service] = []
    for service in browsing.matching(user, wanted).iterator(chunk_size=500):
        chunk.append(service)
        if len(chunk) == 500:
            yield from map(_csv_row, browsing.lines(user, chunk))
            chunk = []
    yield from map(_csv_row, browsing.lines(user, chunk))


def _csv_row(line: Line) -> tuple[Any, ...]:
    service = line.service
    return (
        service.pk,
        service.category.name,
        service.name,
        service.type.name,
        line.rate,
        "per order" if service.per_order else "per 1000",
        service.minimum,
        service.maximum,
        service.refill_days if service.refill else 0,
        int(service.cancel),
        int(service.dripfeed),
        service.median_seconds,
    )


def _chips(wanted: Wanted) -> list[dict[str, Any]]:
    """Refill and cancel as chips that add or remove themselves, keeping everything else of the address."""
    kept: dict[str, Any] = {}
    if wanted.words:
        kept["q"] = wanted.words
    if wanted.category:
        kept["category"] = wanted.category
    for name in ("favorites", "refill", "cancel", "changed"):
        if getattr(wanted, name):
            kept[name] = 1
    chips = []
    toggles = [("refill", _("Refill")), ("cancel", _("Cancel"))]
    if wanted.changed:
        toggles.append(("changed", _("Price changed")))
    for name, label in toggles:
        is_on = getattr(wanted, name)
        changed = {key: value for key, value in kept.items() if key != name} | ({} if is_on else {name: 1})
        chips.append({"label": label, "value": "✓" if is_on else "", "href": f"?{urlencode(changed)}"})
    return chips
