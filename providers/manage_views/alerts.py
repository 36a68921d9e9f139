"""What a person must know: open alerts by money at risk, closed ones for a while."""

from django.contrib import messages
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from customers.access import admins_only, staff_of
from customers.audit import record
from providers.alerts import close_alert
from providers.models import Alert

SHOWN = 100
WORST_FIRST = Case(
    When(level=Alert.Level.CRITICAL, then=Value(0)),
    When(level=Alert.Level.WARNING, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


@admins_only
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
    return render(request, "manage/alerts.html", {"rows": rows[:SHOWN], "tabs": tabs, "closed": closed})


@admins_only
@require_POST
def alert_close(request: HttpRequest, pk: int) -> HttpResponse:
    alert = get_object_or_404(Alert, pk=pk)
    by = staff_of(request)
    if alert.closed_at is None and close_alert(alert.key, by=by.email):
        record(by, "alert.close", alert, f"Alert closed: {alert.text}", {"key": alert.key}, request)
        messages.success(request, _("Closed. It opens again if the cause comes back."))
    return redirect("manage_alerts")
