"""What a person must know: open alerts by money at risk, closed ones for a while; who was told, and a test of that."""

from collections.abc import Iterator
from datetime import datetime

from django.contrib import messages
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from customers import site_settings
from customers.access import allowed, staff_of
from customers.audit import record
from customers.site_settings import SiteSettings
from providers.alerts import WATCHED, ClosesByItself, close_by_hand
from providers.channels import channels_of
from providers.models import Alert, Telling
from providers.telling import send_tests

SHOWN = 100
WORST_FIRST = Case(
    When(level=Alert.Level.CRITICAL, then=Value(0)),
    When(level=Alert.Level.WARNING, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


@allowed("alerts.see")
@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    closed = request.GET.get("state") == "closed"
    open_ones = Alert.objects.filter(closed_at=None)
    past = Alert.objects.filter(closed_at__isnull=False)
    rows = (
        past.select_related("provider").order_by("-closed_at")
        if closed
        else open_ones.select_related("provider").order_by("-at_risk", WORST_FIRST, "-last_at")
    )
    tabs = [
        {"label": _("Open"), "href": "?", "current": not closed, "count": open_ones.count()},
        {"label": _("Closed"), "href": "?state=closed", "current": closed, "count": None},
    ]
    site = site_settings.of(request)
    shown = [
        (alert, list(_told(alert)), not closed and not alert.key.startswith(WATCHED))
        for alert in rows.prefetch_related("tellings")[:SHOWN]
    ]
    context = {"rows": shown, "tabs": tabs, "closed": closed, "channels": list(_channels(site))}
    return render(request, "manage/alerts.html", context)


def _channels(site: SiteSettings) -> Iterator[tuple[str, str, int]]:
    """(name, where to, how many notices could not be delivered and are not tried again) of what is set up."""
    where = {
        Telling.Channel.MAIL: ", ".join(site.notice_emails),
        Telling.Channel.HOOK: site.hook_address.shown,
        Telling.Channel.CHAT: f"{site.chat_address.shown}, {site.chat_id}",
    }
    lost = Telling.objects.filter(told_at=None, next_at=None, attempts__gt=0, alert__closed_at=None)
    for channel in channels_of(site):
        name = str(Telling.Channel(channel).label)
        yield name, where[Telling.Channel(channel)], lost.filter(channel=channel).count()


def _told(alert: Alert) -> Iterator[tuple[str, str, datetime | None]]:
    """(look, sentence, its time) about each notice of an alert: told, to be tried again, or given up."""
    for telling in sorted(alert.tellings.all(), key=lambda row: row.pk):
        over = telling.what == Telling.What.OVER
        words = {"name": telling.get_channel_display(), "n": telling.attempts}
        if telling.told_at:
            said = _("%(name)s told that it is over,") if over else _("%(name)s told,")
            yield "ok", said % words, telling.told_at
        elif telling.failure:
            tries = ngettext(
                "%(name)s not told in %(n)s try.", "%(name)s not told in %(n)s tries.", telling.attempts
            )
            said = f"{tries % words} {telling.failure}"
            if telling.next_at:
                yield "warn", said + " " + _("Next try:"), telling.next_at
            else:
                yield "err", said + " " + _("There are no more tries."), None


@allowed("alert.close")
@require_POST
def alert_test(request: HttpRequest) -> HttpResponse:
    """One test through each channel now, with what came of it; nothing is wrong, and the message says so."""
    results = send_tests(site_settings.of(request))
    if not results:
        messages.error(request, _("Nobody is told of alerts yet. Set up an address in Settings first."))
    for channel, failure in results:
        name = str(Telling.Channel(channel).label)
        if failure:
            messages.error(
                request, _("%(name)s: the test did not arrive. %(why)s") % {"name": name, "why": failure}
            )
        else:
            messages.success(request, _("%s: the test was sent.") % name)
    record(staff_of(request), "alert.test", "alerts", "Test notice sent", {"results": dict(results)}, request)
    return redirect("manage_alerts")


@allowed("alert.close")
@require_POST
def alert_close(request: HttpRequest, pk: int) -> HttpResponse:
    alert = get_object_or_404(Alert, pk=pk)
    try:
        if close_by_hand(alert, by=staff_of(request), request=request):
            messages.success(request, _("Closed. It opens again if the cause comes back."))
    except ClosesByItself as error:
        messages.info(request, str(error))
    return redirect("manage_alerts")
