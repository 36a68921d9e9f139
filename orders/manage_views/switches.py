"""The switch for all sending, and the ledger check."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, confirm_again, staff_of
from customers.audit import record
from customers.manage_views.money import money_tabs
from orders.dispatch import RestoreUndecided, pause_dispatch, resume_dispatch
from orders.ledger_watch import check_and_tell, last_check


@allowed("dispatch.switch")
@require_POST
def dispatch_pause(request: HttpRequest) -> HttpResponse:
    reason, by = " ".join(request.POST.get("note", "").split()), staff_of(request)
    if not reason:
        messages.error(request, _("Say why sending stops; everybody reads it."))
    elif pause_dispatch(by.email, reason):
        record(by, "dispatch.pause", "dispatch", f"All sending paused: {reason}"[:300], {}, request)
        messages.warning(
            request,
            _("No order is being sent now. Orders are accepted and wait; statuses are read as before."),
        )
    else:
        messages.info(request, _("Sending was paused already."))
    return redirect("manage_dashboard")


@allowed("dispatch.switch")
@require_POST
def dispatch_resume(request: HttpRequest) -> HttpResponse:
    after_restore = request.POST.get("after_restore") == "1"
    if after_restore:
        confirm_again(request)
    by = staff_of(request)
    try:
        doubted = resume_dispatch(by.email, after_restore=after_restore)
    except RestoreUndecided:
        messages.error(
            request,
            _("The database was restored. Put the open orders in doubt first, or orders may be sent twice."),
        )
        return redirect("manage_dashboard")
    summary = "Sending resumed" + (
        f" after a restore; {doubted} orders put in doubt" if after_restore else ""
    )
    record(by, "dispatch.resume", "dispatch", summary, {"doubted": doubted}, request)
    if doubted:
        said = ngettext(
            "Sending goes on. %d order is in doubt now and waits for a decision; nothing is sent twice.",
            "Sending goes on. %d orders are in doubt now and wait for a decision; nothing is sent twice.",
            doubted,
        )
        messages.warning(request, said % doubted)
    else:
        messages.success(request, _("Sending goes on. What waits is sent now."))
    return redirect("manage_dashboard")


@allowed("money.see", changes="ledger.check")
@require_http_methods(["GET", "HEAD", "POST"])
def ledger_check(request: HttpRequest) -> HttpResponse:
    """The last result of the check, and running it now over everything."""
    if request.method == "POST":
        report = check_and_tell()
        by = staff_of(request)
        word = "clean" if report.ok else f"{len(report.broken)} broken rows"
        record(by, "ledger.check", "ledger", f"Ledger checked by hand: {word}", dict(report.checked), request)
        return redirect("manage_ledger_check")
    last = last_check()
    context = {
        "tabs": money_tabs("check"),
        "at": last[0] if last else None,
        "report": last[1] if last else None,
    }
    return render(request, "manage/ledger_check.html", context)
