"""What a provider offers, and putting it on sale with a markup."""

from decimal import Decimal
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from customers.access import allowed, staff_of
from providers.manage_forms import PublishForm
from providers.manage_views.previews import preview_of
from providers.manage_views.services import PAGE, say_published, small_number, state_href
from providers.models import MarkupRule, Offer, Provider, Route
from providers.publishing import NoSuchOffer, NotAsShown, PublishingEffect, effect_of_publishing, publish


@allowed("catalog.see", changes="service.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def offers(request: HttpRequest, pk: int) -> HttpResponse:
    """What a provider offers, and putting it on sale with a markup."""
    provider = get_object_or_404(Provider, pk=pk)
    form = PublishForm(request.POST or None)
    status, asked = 200, None
    if request.method == "POST":
        if form.is_valid():
            asked, status = _publish(request, provider, form.cleaned_data["markup"])
            if status == 302:
                return redirect("manage_offers", provider.pk)
        else:
            status = 422
    context = _offers_context(request, provider, form) | {"asked": asked}
    return render(request, "manage/offers.html", context, status=status)


def _publish(
    request: HttpRequest, provider: Provider, markup: Decimal | None
) -> tuple[dict[str, Any] | None, int]:
    """Put the chosen offers on sale; or, where `preview` is asked and something that is in force would change, what
    to show before that, and nothing is done. 302: done; 409: what was shown is not so any more."""
    everything = request.POST.get("which") == "all"
    chosen = _unsold(provider) if everything else request.POST.getlist("offer")
    if not chosen:
        messages.warning(request, _("Nothing was selected."))
        return None, 302
    if everything and request.POST.get("listed") != _fingerprint(chosen):
        messages.error(
            request,
            _("The list of offers is not the one that was shown. Nothing was done: look at it again."),
        )
        return None, 409
    shown = request.POST.get("shown")
    try:
        if "preview" in request.POST and markup is not None:
            effect = effect_of_publishing(provider, chosen, markup=markup)
            if effect.asks:
                return _before_publishing(effect, markup, [] if everything else chosen), 200
        done = publish(provider, chosen, markup=markup, shown=shown, by=staff_of(request), request=request)
    except NotAsShown as error:
        messages.error(request, str(error))
        effect = effect_of_publishing(provider, chosen, markup=markup)
        return _before_publishing(effect, markup or Decimal(0), [] if everything else chosen), 409
    except (NoSuchOffer, ValueError) as error:
        messages.error(request, str(error))
        return None, 302
    say_published(request, len(done.services), done.skipped)
    if done.rules_replaced:
        told = ngettext(
            "%d rule was replaced; “Undo” below the markup rules takes it back.",
            "%d rules were replaced; “Undo” below the markup rules takes them back together.",
            done.rules_replaced,
        )
        messages.info(request, told % done.rules_replaced)
    return None, 302


def _before_publishing(effect: PublishingEffect, markup: Decimal, offers: list[str]) -> dict[str, Any]:
    words = []
    if effect.rules_replaced:
        told = ngettext("%d rule is replaced.", "%d rules are replaced.", effect.rules_replaced)
        words.append(told % effect.rules_replaced)
    if effect.rules_added:
        told = ngettext("%d service gets a rule.", "%d services get a rule.", effect.rules_added)
        words.append(told % effect.rules_added)
    if effect.new:
        told = ngettext("%d service is new.", "%d services are new.", effect.new)
        words.append(told % effect.new)
    if effect.skipped:
        told = ngettext("%d offer cannot be sold.", "%d offers cannot be sold.", len(effect.skipped))
        words.append(told % len(effect.skipped))
    return preview_of(effect.simulation) | {
        "words": " ".join(words),
        "markup": f"{markup.normalize():f}",
        "offers": offers,
        "shown": effect.fingerprint,
    }


def _unsold(provider: Provider) -> list[str]:
    """The upstream ids of what waits to be put on sale."""
    unsold = _with_sale(Offer.objects.filter(provider=provider, gone_at=None)).filter(on_sale=False)
    return list(unsold.order_by("pk").values_list("external_id", flat=True))


def _fingerprint(external_ids: list[str]) -> str:
    """Stands for a list of offers that is too long for a form: "all" means those that were listed."""
    return sha256("\n".join(external_ids).encode()).hexdigest()


def _with_sale(offers: QuerySet[Offer]) -> Any:
    """`sold_as`: the service on sale by it, `sold_at` its price, `on_sale`: whether there is one."""
    routes = Route.objects.filter(offer=OuterRef("pk"), enabled=True, service__published=True)
    first = routes.order_by("service")
    return offers.annotate(
        sold_as=Subquery(first.values("service")[:1]),
        sold_at=Subquery(first.values("service__rate")[:1]),
        on_sale=Exists(routes),  # asked of thousands, by one join; the two above of the page's rows
    )


def _offers_context(request: HttpRequest, provider: Provider, form: PublishForm) -> dict[str, Any]:
    found = _with_sale(Offer.objects.filter(provider=provider, gone_at=None))
    q, category = request.GET.get("q", "").strip()[:100], request.GET.get("category", "")
    if q:
        found = found.filter(Q(name__icontains=q) | Q(external_id=q))
    if category:
        found = found.filter(category=category)
    counts = {
        "": found.filter(on_sale=False).count(),
        "sold": found.filter(on_sale=True).count(),
    }
    state = "sold" if request.GET.get("state") == "sold" else ""
    start = small_number(request.GET.get("after", "")) or small_number(request.GET.get("before", "")) or 0
    rows = list(found.filter(on_sale=state == "sold").order_by("category", "id")[start : start + PAGE])
    names = Offer.objects.filter(provider=provider, gone_at=None).order_by("category")
    return {
        "provider": provider,
        "form": form,
        "rows": rows,
        "listed": _fingerprint(_unsold(provider)),
        "tabs": [
            {"label": label, "href": state_href(request, key), "current": key == state, "count": counts[key]}
            for key, label in (("", _("Not on sale")), ("sold", _("On sale")))
        ],
        "state": state,
        "has_rules": MarkupRule.objects.filter(enabled=True).exists(),
        "total": counts[state],
        "categories": names.values_list("category", flat=True).distinct(),
        "category": category,
        "q": q,
        "shown": (start + 1, start + len(rows), counts[state]),
        "after": start + PAGE if start + PAGE < counts[state] else None,
        "before": max(start - PAGE, 0) or "0" if start else None,
    }
