"""What we sell: the list with filters, the editor of one service, and its routes."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import allowed, staff_of
from customers.figures import count, rate
from customers.models import AuditEntry
from providers import routes as routing
from providers.applying import REFUSED
from providers.exchange import exchange_rates
from providers.manage_forms import ServiceForm
from providers.manage_views.previews import one_words, preview_of_one
from providers.manage_views.service_history import history_of
from providers.models import Category, Offer, Provider, Route, Service
from providers.overview import OPEN
from providers.pricing import converted, margin_percent
from providers.rates import RuleBook
from providers.refused import NotRefused, sell_again
from providers.rule_setting import described
from providers.service_editing import (
    EDITABLE,
    InvalidService,
    category_named,
    change_service,
)
from providers.service_effects import effect_of_routes, effect_of_values
from providers.service_types import TYPES
from providers.service_undoing import CannotUndoService, effect_of_undoing, last_change, undo_change

PAGE = 50
TOLD = 5  # sentences of refusals in one message
STATES = (
    ("", gettext_lazy("All")),
    ("on", gettext_lazy("On sale")),
    ("off", gettext_lazy("Off sale")),
    ("unpublished", gettext_lazy("Unpublished")),
    ("below", gettext_lazy("Below cost")),
)


def small_number(text: str) -> int | None:
    """A number of a row or a place in a list; None for what is neither."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


# ── the list ────────────────────────────────────────────────────────────────────────────────────────


@allowed("catalog.see")
@require_safe
def service_list(request: HttpRequest) -> HttpResponse:
    return list_page(request)


def list_page(request: HttpRequest, asked: dict[str, Any] | None = None) -> HttpResponse:
    """`asked`: an act on services that waits for a yes (previews.before)."""
    matching = _matching(request, Service.objects.all())
    state = request.GET.get("state", "")
    counts = _state_counts(matching)
    chosen = _in_state(matching, state)
    start = small_number(request.GET.get("after", "")) or small_number(request.GET.get("before", "")) or 0
    total = counts.get(state, 0)
    first = Route.objects.filter(service=OuterRef("pk"), enabled=True).order_by("position", "id")
    page = (
        chosen.select_related("category")
        .annotate(
            provider_name=Subquery(first.values("offer__provider__name")[:1]),
            provider_pk=Subquery(first.values("offer__provider")[:1]),
        )
        .order_by("category__position", "category__name", "position", "id")[start : start + PAGE]
    )
    rows = list(page)
    for row in rows:
        row.margin = margin_percent(row.rate, row.cost_rate)  # type: ignore[attr-defined]
    return render(
        request,
        "manage/services.html",
        {
            "asked": asked,
            "rows": rows,
            "tabs": [
                {
                    "label": str(label),
                    "href": reverse("manage_services") + state_href(request, key),
                    "current": key == state,
                    "count": counts[key],
                }
                for key, label in STATES
            ],
            "state": state,
            "q": request.GET.get("q", ""),
            "categories": Category.objects.all(),
            "providers": Provider.objects.filter(archived_at=None),
            "category": small_number(request.GET.get("category", "")),
            "provider": small_number(request.GET.get("provider", "")),
            "filtered": any(request.GET.get(name) for name in ("q", "category", "provider", "state")),
            "shown": (start + 1, start + len(rows), total),
            "after": start + PAGE if start + PAGE < total else None,
            "before": max(start - PAGE, 0) or "0" if start else None,
        },
    )


def _matching(request: HttpRequest, services: QuerySet[Service]) -> QuerySet[Service]:
    q = request.GET.get("q", "").strip()[:100]
    if number := small_number(q.lstrip("#")):
        services = services.filter(
            Q(pk=number) | Q(name__icontains=q) | Q(routes__offer__external_id=q)
        ).distinct()
    elif q:
        services = services.filter(name__icontains=q)
    if category := small_number(request.GET.get("category", "")):
        services = services.filter(category=category)
    if provider := small_number(request.GET.get("provider", "")):
        services = services.filter(pk__in=Route.objects.filter(offer__provider=provider).values("service"))
    return services


_OFF = Q(published=True) & ~Q(off_sale="")
_BELOW = Q(published=True, rate__lt=F("cost_rate"))


def _in_state(services: QuerySet[Service], state: str) -> QuerySet[Service]:
    wanted = {
        "on": Q(published=True, off_sale=""),
        "off": _OFF,
        "unpublished": Q(published=False),
        "below": _BELOW,
    }
    return services.filter(wanted[state]) if state in wanted else services


def _state_counts(services: QuerySet[Service]) -> dict[str, int]:
    """All tabs in one query; `distinct` because a search by the provider's id joins routes."""
    one = Count("pk", distinct=True)
    return services.order_by().aggregate(
        **{
            "": one,
            "on": Count("pk", distinct=True, filter=Q(published=True, off_sale="")),
            "off": Count("pk", distinct=True, filter=_OFF),
            "unpublished": Count("pk", distinct=True, filter=Q(published=False)),
            "below": Count("pk", distinct=True, filter=_BELOW),
        }
    )


def state_href(request: HttpRequest, state: str) -> str:
    params = request.GET.copy()
    for name in ("after", "before", "state"):
        params.pop(name, None)
    if state:
        params["state"] = state
    return f"?{params.urlencode()}"


def say_published(request: HttpRequest, number: int, refused: list[str] | tuple[str, ...]) -> None:
    if number:
        told = ngettext("%d service is on sale.", "%d services are on sale.", number)
        messages.success(request, told % number)
    if refused:
        more = len(refused) - TOLD
        text = " ".join(refused[:TOLD]) + (_(" And %d more.") % more if more > 0 else "")
        messages.warning(request, _("Not published: %s") % text)
    if not number and not refused:
        messages.warning(request, _("Nothing was selected."))


# ── the editor ──────────────────────────────────────────────────────────────────────────────────────


@allowed("catalog.see", changes="service.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def service_edit(request: HttpRequest, pk: int) -> HttpResponse:
    service = get_object_or_404(Service.objects.select_related("category"), pk=pk)
    form = ServiceForm(request.POST or None, initial=_initial(service))
    if request.method == "POST" and "preview" in request.POST:
        preview = _price_preview(service, form)
        return service_page(request, service, form, 422 if form.errors else 200, preview)
    if request.method == "POST" and form.is_valid():
        values = {name: value for name, value in form.cleaned_data.items() if name in EDITABLE}
        if form.cleaned_data["new_category"]:
            values["category"] = category_named(form.cleaned_data["new_category"])
        values["route_order"] = values["route_order"] or service.route_order
        _names_it_himself(service, values)
        try:
            changed = change_service(service, values, by=staff_of(request), request=request)
        except InvalidService as error:
            for name, sentence in error.errors.items():
                form.add_error(name if name in form.fields else None, sentence)
        else:
            if service.off_sale and service.published:
                messages.warning(request, _("Saved, and it is off sale: %s") % service.off_sale)
            else:
                messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect("manage_service", service.pk)
    return service_page(request, service, form, 422 if form.is_bound else 200)


@allowed("service.edit")
@require_POST
def service_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What the price in the form would do if it were saved."""
    service = get_object_or_404(Service, pk=pk)
    preview = _price_preview(service, ServiceForm(request.POST, initial=_initial(service)))
    return render(request, "manage/parts/preview.html", preview)


def _price_preview(service: Service, form: ServiceForm) -> dict[str, Any]:
    if not form.is_valid():
        return {"form": form, "unclear": True}
    values = {name: form.cleaned_data[name] for name in ("pinned_rate", "below_cost_reason", "category")}
    values["route_order"] = form.cleaned_data["route_order"] or service.route_order
    if name := form.cleaned_data["new_category"]:
        values["category"] = Category.objects.filter(name=" ".join(name.split())[:200]).first()
    return preview_of_one(effect_of_values(service, values))


@allowed("service.edit")
@require_POST
def service_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the latest change of the service back, if it still is the latest."""
    service = get_object_or_404(Service, pk=pk)
    change = get_object_or_404(AuditEntry, pk=small_number(request.POST.get("change", "")) or 0)
    try:
        undo_change(service, change, by=staff_of(request), request=request)
    except (CannotUndoService, InvalidService) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Undone; the price follows. Open orders keep theirs."))
    return redirect("manage_service", service.pk)


def _names_it_himself(service: Service, values: dict[str, Any]) -> None:
    """Whoever types another name means to keep it, box or no box."""
    for own, name in (("own_name", "name"), ("own_description", "description")):
        if values[name].replace("\r\n", "\n") != getattr(service, name) and not getattr(service, own):
            values[own] = True
        values[name] = values[name].replace("\r\n", "\n")


def _initial(service: Service) -> dict[str, Any]:
    initial = {name: getattr(service, name) for name in EDITABLE}
    if service.pinned_rate is not None:
        initial["pinned_rate"] = f"{service.pinned_rate.normalize():f}"
    return initial


def service_page(
    request: HttpRequest,
    service: Service,
    form: ServiceForm | None = None,
    status: int = 200,
    preview: dict[str, Any] | None = None,
    route_act: dict[str, Any] | None = None,
    asked: dict[str, Any] | None = None,
) -> HttpResponse:
    """`preview`: of the price in the form. `route_act`, `asked`: an act on the routes, or on the sale, that waits for a
    yes. `form`: None for the service as it is."""
    form = form or ServiceForm(initial=_initial(service))
    exchange = exchange_rates()
    routes = list(service.routes.select_related("offer__provider").order_by("position", "id"))
    for route in routes:
        factor = exchange.get(route.offer.provider.currency)
        route.cost = converted(route.offer.rate, factor) if factor else None  # type: ignore[attr-defined]
        route.refused = route.offer.on_hold.startswith(REFUSED)  # type: ignore[attr-defined]
    used = next((route for route in routes if _may_sell(service, route)), None)
    rule = RuleBook().rule_for(service.pk, service.category_id, used.offer.provider_id if used else None)
    context = {
        "service": service,
        "form": form,
        "routes": routes,
        "used": used,
        "rule": rule,
        "rule_words": described(rule) if rule else "",
        "margin": margin_percent(service.rate, service.cost_rate),
        "below_cost": service.rate < service.cost_rate,
        "type_name": TYPES[service.service_type].name
        if service.service_type in TYPES
        else service.service_type,
        "open_orders": Service.objects.filter(pk=service.pk, orders__status__in=OPEN).count(),
        "offers": _offers_to_add(request, service),
        "offer_q": request.GET.get("offer", ""),
        "route_act": route_act,
        "asked": asked,
        "history": history_of(service),
    }
    if last := last_change(service):
        context |= {"last": last, "last_words": one_words(effect_of_undoing(service, last))}
    return render(request, "manage/service.html", context | (preview or {}), status=status)


def _may_sell(service: Service, route: Route) -> bool:
    """Whether orders may go by it now (repricing.Standing.selling; the page has the rows at hand)."""
    offer = route.offer
    usable = route.enabled and offer.available and offer.provider.sells
    return usable and offer.service_type == service.service_type


def _offers_to_add(request: HttpRequest, service: Service) -> list[Offer]:
    """Offers of the same type that could deliver it as well, as searched for, by `cost` in panel currency."""
    q = request.GET.get("offer", "").strip()[:100]
    if not q:
        return []
    offers = Offer.objects.filter(
        service_type=service.service_type, gone_at=None, provider__archived_at=None
    ).exclude(routes__service=service)
    offers = offers.filter(Q(name__icontains=q) | Q(external_id=q) | Q(provider__name__icontains=q))
    exchange = exchange_rates()
    found = list(offers.select_related("provider").order_by("id")[:200])
    for offer in found:
        factor = exchange.get(offer.provider.currency)
        offer.cost = converted(offer.rate, factor) if factor else None  # type: ignore[attr-defined]
    found.sort(key=lambda offer: (offer.cost is None, offer.cost, offer.pk))  # type: ignore[attr-defined]
    return found[:20]


@allowed("service.edit")
@require_POST
def service_route(request: HttpRequest, pk: int) -> HttpResponse:
    """One act on the routes: add, move (the offer goes first), cheapest, up, down, on, off, remove, again (REFUSED)."""
    service = get_object_or_404(Service, pk=pk)
    act, number = request.POST.get("act", ""), small_number(request.POST.get("id", ""))
    by = staff_of(request)
    try:
        if "preview" in request.POST and act != "again" and (asks := _route_act(service, act, number)):
            form = ServiceForm(initial=_initial(service))
            return service_page(request, service, form, route_act=asks)
        said = _("Routes changed. New orders follow them; open orders stay where they are.")
        if act in ("add", "move"):
            offer = get_object_or_404(Offer.objects.select_related("provider"), pk=number)
            route_act = routing.add_route if act == "add" else routing.move_to_offer
            route_act(service, offer, by=by, request=request)
            if act == "move":
                said = _moved_words(service, offer)
        elif act == "cheapest":
            if not routing.cheapest_first(service, by=by, request=request):
                said = _("The cheapest route is first already.")
        else:
            route = get_object_or_404(
                Route.objects.select_related("offer__provider", "service"), pk=number, service=service
            )
            if act in ("up", "down"):
                routing.move_route(route, -1 if act == "up" else 1, by=by, request=request)
            elif act in ("on", "off"):
                routing.switch_route(route, act == "on", by=by, request=request)
            elif act == "remove":
                routing.remove_route(route, by=by, request=request)
            elif act == "again":
                sell_again(route.offer, by=by, request=request)
                said = _(
                    "New orders go by it again. If the provider refuses the next one, it is held back again."
                )
    except (routing.CannotRoute, NotRefused) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("manage_service", service.pk)


def _route_act(service: Service, act: str, number: int | None) -> dict[str, Any]:
    """What to show before an act on the routes; empty where cost and price stay, so that there is nothing to ask."""
    offer = None
    if act in ("add", "move"):
        offer = get_object_or_404(Offer.objects.select_related("provider"), pk=number)
    elif act != "cheapest":
        route = get_object_or_404(Route.objects.select_related("offer__provider"), pk=number, service=service)
        offer = route.offer
    simulation = effect_of_routes(service, routing.shape_after(service, act, offer))
    (row,) = simulation.rows
    if (row.cost, row.new_price, row.off_sale) == (row.cost_before, row.price_now, service.off_sale):
        return {}
    return preview_of_one(simulation) | {"act": act, "id": number, "offer": offer}


def _moved_words(service: Service, offer: Offer) -> str:
    """Where new orders go, what stays, and what it costs now."""
    service.refresh_from_db()
    staying = Service.objects.filter(pk=service.pk, orders__status__in=OPEN).count()
    words = {"provider": offer.provider.name, "id": offer.external_id, "n": count(staying)}
    said = ngettext(
        "New orders go to %(provider)s %(id)s; %(n)s open order stays where it is.",
        "New orders go to %(provider)s %(id)s; %(n)s open orders stay where they are.",
        staying,
    )
    price = {"rate": rate(service.rate), "cost": rate(service.cost_rate)}
    said = said % words + " " + _("The price is %(rate)s now, at a cost of %(cost)s.") % price
    return said + " " + _("It is off sale: %s") % service.off_sale if service.off_sale else said
