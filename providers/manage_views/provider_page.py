"""One provider: how it stands, what changed in its catalog, its connection, and the switches."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import allowed, staff_of
from customers.audit import record
from customers.figures import count, money, percent
from customers.models import AuditEntry
from providers import archiving, asking, balances
from providers.connecting import InvalidProvider, change_connection, options_of
from providers.currency_doubt import doubted_currency
from providers.grading import Found, test_connection
from providers.manage_forms import ConnectionForm, DetailsForm, OptionsForm
from providers.manage_views.changes import staged_part
from providers.manage_views.previews import before, preview_of, preview_of_one
from providers.manage_views.provider_health import health_part
from providers.models import Alert, CatalogChange, Provider
from providers.overview import Standing, standings
from providers.pausing import pause_by_hand, resume_by_hand
from providers.sending import answering
from providers.supply_effects import effect_of_archiving, effect_of_currency

EVENTS = 8


@allowed("catalog.see")
@require_safe
def provider_page(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, get_object_or_404(Provider, pk=pk))


def _page(
    request: HttpRequest,
    provider: Provider,
    *,
    found: Found | None = None,
) -> HttpResponse:
    """`found`: what a test of the connection said."""
    row = standings(only=provider.pk)[0]
    context = {
        "provider": provider,
        "row": row,
        "stats": _stats(row),
        "reading": asking.reading_of(provider, _asked(request)),
        "events": _events(provider),
        "alerts": Alert.objects.filter(provider=provider, closed_at=None).order_by("-opened_at")[:10],
        "revisions": _revisions(provider),
        "options": options_of(provider),
        "found": found,
        "doubted": doubted_currency(provider),
    }
    context |= staged_part(request, provider) | health_part(row)
    return render(request, "manage/provider.html", context)


def _stats(row: Standing) -> list[dict[str, Any]]:
    provider, answers = row.provider, answering(row.provider)
    spend = row.runway.daily_spend
    return [
        {
            "label": _("Balance"),
            "value": money(provider.balance, provider.currency),
            "note": _("Warning below %s") % money(provider.low_balance, provider.currency)
            if provider.low_balance is not None
            else "",
        },
        {
            "label": _("Runway"),
            "value": _("%s days") % row.runway.days if row.runway.days is not None else "–",
            "note": _("at %s a day") % money(spend, provider.currency)
            if spend
            else _("Known after 3 days of readings"),
            "tone": row.runway_tone,
        },
        {
            "label": _("Open orders"),
            "value": count(row.open_orders),
            "note": _("%(waiting)s wait to be sent, %(unknown)s being verified")
            % {"waiting": count(row.waiting), "unknown": count(row.unknown)},
            "tone": "cau" if row.unknown else "",
        },
        {
            "label": _("Errors sending, 24 h"),
            "value": percent(row.error_percent),
            "note": _("%(failed)s of %(sent)s") % {"failed": count(row.failed), "sent": count(row.sent)},
            "tone": row.error_tone,
        },
        {
            "label": _("Answer time, 24 h"),
            "value": f"{answers.median:.2f} s" if answers.median is not None else "–",
            "note": _("95th percentile %s s") % f"{answers.slowest_5_percent:.2f}"
            + f" ({_orders(answers.orders)})"
            if answers.slowest_5_percent is not None
            else _("No order was sent"),
        },
    ]


def _orders(number: int) -> str:
    return ngettext("%s order", "%s orders", number) % count(number)


def _events(provider: Provider) -> list[dict[str, Any]]:
    """The latest acts of people and alerts about this provider, newest first."""
    acts = AuditEntry.objects.filter(subject=f"provider:{provider.pk}").order_by("-at")[:EVENTS]
    alerts = Alert.objects.filter(provider=provider).order_by("-opened_at")[:EVENTS]
    events: list[dict[str, Any]] = [
        {"kind": "", "icon": "user", "title": act.summary, "at": act.at, "text": _("by %s") % act.actor_label}
        for act in acts
    ]
    for alert in alerts:
        kind = "ok" if alert.closed_at else "err" if alert.level == Alert.Level.CRITICAL else "warn"
        over = (
            _("Over since %s") % date_format(timezone.localtime(alert.closed_at), "d M, H:i")
            if alert.closed_at
            else ""
        )
        events.append(
            {"kind": kind, "icon": "alert-triangle", "title": alert.text, "at": alert.opened_at, "text": over}
        )
    return sorted(events, key=lambda event: event["at"], reverse=True)[:EVENTS]


def _revisions(provider: Provider) -> Any:
    """The latest decisions that can be undone, each with its size."""
    applied = CatalogChange.objects.filter(
        provider=provider, state=CatalogChange.State.APPLIED, revision__isnull=False
    ).exclude(kind=CatalogChange.Kind.NEW)
    found = list(
        applied.values("revision", "decided_by__email")
        .annotate(n=Count("pk"), at=Max("decided_at"))
        .order_by("-at")[:4]
    )
    elsewhere = CatalogChange.objects.filter(
        revision__in=[row["revision"] for row in found], state=CatalogChange.State.APPLIED
    ).exclude(provider=provider)
    others = dict(elsewhere.values_list("revision").annotate(n=Count("provider", distinct=True)).order_by())
    return [row | {"others": others.get(row["revision"], 0)} for row in found]


def _asked(request: HttpRequest) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(request.GET.get("asked", "")), tz=timezone.get_default_timezone())
    except (ValueError, OverflowError, OSError):
        return None


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────


@allowed("catalog.see")
@require_safe
def sync_state(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that says how the reading goes; it stops asking once the reading is over."""
    provider = get_object_or_404(Provider, pk=pk)
    reading = asking.reading_of(provider, _asked(request))
    return render(request, "manage/parts/reading.html", {"provider": provider, "reading": reading})


@allowed("catalog.decide")
@require_POST
def sync_now(request: HttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    asked = timezone.now()
    record(staff_of(request), "provider.sync", provider, f"Catalog of {provider.name} asked for", {}, request)
    done = asking.ask_for_catalog(provider)
    address = reverse("manage_provider", args=[provider.pk])
    if done is None:
        return redirect(f"{address}?asked={asked.timestamp():.3f}")
    by_itself = _("No worker is running, so this page read the catalog itself.")
    if done.failed:
        messages.error(request, f"{by_itself} {done.error}")
    else:
        counts = (
            _("%(new)s new, %(changed)s changed, %(missing)s missing, %(applied)s applied.") % done.as_json()
        )
        messages.warning(request, f"{by_itself} {done.error or counts}")
    return redirect(address)


@allowed("provider.edit")
@require_POST
def balance_now(request: HttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    patient, provider.options = provider.options, provider.options | asking.IMPATIENT
    read = balances.read_balance(provider, wait_s=2)
    provider.options = patient
    record(staff_of(request), "provider.balance", provider, f"Balance of {provider.name} read", {}, request)
    if read.error:
        messages.error(request, _("The balance was not read: %s") % read.error if read.failed else read.error)
    else:
        messages.success(request, _("The balance is %s.") % money(read.balance, read.currency))
    return redirect("manage_provider", provider.pk)


@allowed("provider.edit")
@require_POST
def connection_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Read-only questions with the saved address and key; the answer stands beside the button."""
    provider = get_object_or_404(Provider, pk=pk)
    found = test_connection(provider, asking.IMPATIENT)
    summary = f"Connection of {provider.name} tested: {'works' if found.works else 'does not work'}"
    record(staff_of(request), "provider.test", provider, summary, {"works": found.works}, request)
    if request.headers.get("HX-Request"):
        return render(request, "manage/parts/found.html", {"found": found, "provider": provider})
    return _page(request, Provider.objects.get(pk=pk), found=found)


# ── changing ────────────────────────────────────────────────────────────────────────────────────────


@allowed("catalog.see", changes="provider.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def connection(request: HttpRequest, pk: int) -> HttpResponse:
    """Name, address, key, currency, what to warn at, and the options."""
    provider = get_object_or_404(Provider, pk=pk)
    present = {name: getattr(provider, name) for name in ("name", "adapter", "api_url", "currency")}
    data = request.POST if request.method == "POST" else None
    adapter = data.get("adapter", provider.adapter) if data is not None else provider.adapter
    form = ConnectionForm(data, initial=present, provider=provider)
    details = DetailsForm(
        data,
        initial={
            "note": provider.note,
            "low_balance": f"{provider.low_balance.normalize():f}"
            if provider.low_balance is not None
            else None,
        },
    )
    options = OptionsForm(data, adapter=adapter, present=provider.options)
    # every form is asked, so that all of their errors show at once
    valid = data is not None and all([form.is_valid(), details.is_valid(), options.is_valid()])
    asked = _before_saving(request, provider, form) if valid else {}
    if valid and not asked and _save(request, provider, form, details, options):
        return redirect("manage_provider", provider.pk)
    context = {"provider": provider, "form": form, "details": details, "options": options} | asked
    return render(request, "manage/connection.html", context, status=200 if data is None or asked else 422)


def _before_saving(request: HttpRequest, provider: Provider, form: ConnectionForm) -> dict[str, Any]:
    """What another currency would do to prices, for a page that waits for a yes to that currency; else nothing."""
    currency = form.cleaned_data["currency"].strip().upper()
    if "preview" not in request.POST or request.POST.get("sure") == currency or currency == provider.currency:
        return {}
    effect = effect_of_currency(provider, currency)
    if not effect.touched:
        return {}
    if form.cleaned_data["key"]:
        form.add_error("key", _("Enter the key again: it is not kept while the page waits for your answer."))
    one = effect.touched == 1
    return (preview_of_one(effect) if one else preview_of(effect)) | {"sure": currency}


def _save(
    request: HttpRequest,
    provider: Provider,
    form: ConnectionForm,
    details: DetailsForm,
    options: OptionsForm,
) -> bool:
    by, values = staff_of(request), form.cleaned_data
    moved = values["api_url"] != provider.api_url
    try:
        change_connection(
            provider,
            api_url=values["api_url"],
            key=values["key"] or None,
            currency=values["currency"],
            adapter=values["adapter"],
            options=options.values(),
            by=by,
            request=request,
        )
        archiving.change_details(
            provider,
            name=values["name"],
            note=details.cleaned_data["note"],
            low_balance=details.cleaned_data["low_balance"],
            by=by,
            request=request,
        )
    except InvalidProvider as error:
        form.take(error.errors)
        return False
    if moved and not provider.key:
        messages.warning(
            request,
            _(
                "The address changed, so the key was cleared. Enter the key for the new address; until then nothing is sent."
            ),
        )
    else:
        messages.success(request, _("Saved. Test the connection to be sure."))
    return True


@allowed("provider.edit")
@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    try:
        pause_by_hand(provider, request.POST.get("note", ""), by=staff_of(request), request=request)
    except ValueError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            _("Sending to %s is paused. Its services stay listed; their orders wait.") % provider.name,
        )
    return redirect("manage_provider", pk)


@allowed("provider.edit")
@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    resume_by_hand(provider, by=staff_of(request), request=request)
    messages.success(request, _("Sending to %s goes on. What waits is sent now.") % provider.name)
    return redirect("manage_provider", pk)


@allowed("provider.edit")
@require_POST
def archive(request: HttpRequest, pk: int) -> HttpResponse:
    """With `preview`, what it would do, for a page that waits for a yes."""
    provider = get_object_or_404(Provider, pk=pk)
    try:
        if "preview" in request.POST:
            archiving.check_nothing_waits(provider)
            context = {"provider": provider, "asked": _before_archiving(provider)}
            return render(request, "manage/asked.html", context)
        archiving.archive(provider, by=staff_of(request), request=request)
    except archiving.CannotArchive as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            _("%s is archived. Nothing is sent to it; its open orders are followed to their end.")
            % provider.name,
        )
    return redirect("manage_provider", pk)


def _before_archiving(provider: Provider) -> dict[str, Any]:
    effect, page = effect_of_archiving(provider), reverse("manage_provider", args=[provider.pk])
    off_sale = sum(1 for row in effect.rows if row.off_sale)
    moved = effect.touched - off_sale
    words = [_("Nothing is sent to it any more. Orders that it has accepted are followed to their end.")]
    if off_sale:
        goes = ngettext("%s service goes off sale.", "%s services go off sale.", off_sale)
        words.append(goes % count(off_sale))
    if moved:
        goes = ngettext("%s service goes to its next route.", "%s services go to their next route.", moved)
        words.append(goes % count(moved))
    if not effect.touched:
        words.append(_("No service on sale is delivered by it."))
    asked = before(
        _("Archive %s?") % provider.name,
        effect if effect.touched else None,
        {},
        action=reverse("manage_provider_archive", args=[provider.pk]),
        back=page,
        yes=_("Archive"),
        foot=_("It can be brought back; nothing of it is sold then before its list was read."),
        words=" ".join(words),
    )
    return asked | {"preview_stats": None} if off_sale else asked


@allowed("provider.edit")
@require_POST
def bring_back(request: HttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    archiving.bring_back(provider, by=staff_of(request), request=request)
    messages.success(request, _back_words(provider))
    return redirect("manage_provider", pk)


def _back_words(provider: Provider) -> str:
    if not provider.stopped:
        return _("%s is back.") % provider.name
    said = _("%s is back. Nothing of it is sold before its list was read: sync it now, or wait for its turn.")
    return said % provider.name
