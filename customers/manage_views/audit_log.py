"""The audit log: who did what, searchable, newest first, by keyset."""

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from customers.access import admins_only
from customers.models import AuditEntry

PAGE = 50
# The first word of a verb, as a filter.
THINGS = (
    "provider", "catalog", "services", "service", "markup", "exchange_rate", "balance", "deposit", "customer",
    "staff", "dispatch", "unknown", "request", "order", "alert",
)  # fmt: skip


@admins_only
@require_safe
def audit_log(request: HttpRequest) -> HttpResponse:
    found = _matching(request)
    after, before = _number(request.GET.get("after", "")), _number(request.GET.get("before", ""))
    if before:
        rows = list(reversed(found.filter(pk__gt=before).order_by("pk")[: PAGE + 1]))
        newer, older = len(rows) > PAGE, True
        rows = rows[-PAGE:]
    else:
        rows = list((found.filter(pk__lt=after) if after else found).order_by("-pk")[: PAGE + 1])
        newer, older = bool(after), len(rows) > PAGE
        rows = rows[:PAGE]
    context = {
        "rows": rows,
        "q": request.GET.get("q", ""),
        "thing": request.GET.get("thing", ""),
        "things": THINGS,
        "filtered": bool(request.GET.get("q") or request.GET.get("thing")),
        "after": rows[-1].pk if rows and older else None,
        "before": rows[0].pk if rows and newer else None,
    }
    return render(request, "manage/audit.html", context)


def _matching(request: HttpRequest) -> QuerySet[AuditEntry]:
    found = AuditEntry.objects.all()
    q, thing = request.GET.get("q", "").strip()[:120], request.GET.get("thing", "")
    if thing in THINGS:
        found = found.filter(verb__startswith=f"{thing}.")
    if ":" in q and " " not in q:
        found = found.filter(subject=q)
    elif q:
        found = found.filter(Q(actor_label__icontains=q) | Q(summary__icontains=q) | Q(verb=q) | Q(subject=q))
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
