"""The audit log: who did what, when, to what; newest first, by keyset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from customers.access import allowed
from customers.models import AuditEntry, User

PAGE = 50
# What a verb is about: its first word, or several that belong together.
THINGS = {
    "sign_in": (_("Sign-ins and sign-outs"), ("sign_in", "sign_out")),
    "security": (_("Passwords, second steps, sessions"), ("password", "second_factor", "session")),
    "prices": (
        _("Prices"),
        ("markup", "special_rate", "price_group", "exchange_rate", "service", "services"),
    ),
    "provider": (_("Providers"), ("provider", "offer", "catalog", "alert", "dispatch")),
    "balance": (_("Balances and payments"), ("balance", "deposit", "ledger")),
    "decision": (_("Decisions on orders"), ("unknown", "request", "order")),
    "export": (_("Exports and backups"), ("export", "database")),
    "viewing": (_("Looking as a customer"), ("viewing",)),
    "customer": (_("Customers and keys"), ("customer", "api_key")),
    "staff": (_("Team"), ("staff",)),
    "settings": (_("Settings and deny-list"), ("settings", "deny_list", "secrets")),
}


@dataclass(frozen=True)
class Asked:
    """The page's address, read. Days are of the reader's clock; what makes no sense counts as not asked."""

    q: str
    thing: str
    verb: str
    actor: str
    subject: str
    first: date | None
    last: date | None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Asked":
        words = {name: query.get(name, "").replace("\x00", "").strip()[:120] for name in query}
        return cls(
            q=words.get("q", ""),
            thing=words.get("thing", "") if words.get("thing", "") in THINGS else "",
            verb=words.get("verb", ""),
            actor=words.get("actor", ""),
            subject=words.get("subject", ""),
            first=_day(words.get("from", "")),
            last=_day(words.get("to", "")),
        )

    @property
    def narrowed(self) -> bool:
        return any((self.q, self.thing, self.verb, self.actor, self.subject, self.first, self.last))


@allowed("audit.see")
@require_safe
def audit_log(request: HttpRequest) -> HttpResponse:
    asked = Asked.read(request.GET)
    found = _matching(asked)
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
        "asked": asked,
        "things": [(name, label) for name, (label, _words) in THINGS.items()],
        "filtered": asked.narrowed,
        "after": rows[-1].pk if rows and older else None,
        "before": rows[0].pk if rows and newer else None,
    }
    return render(request, "manage/audit.html", context)


def _matching(asked: Asked) -> QuerySet[AuditEntry]:
    found = AuditEntry.objects.all()
    if asked.thing:
        words = Q()
        for word in THINGS[asked.thing][1]:
            words |= Q(verb__startswith=f"{word}.")
        found = found.filter(words)
    if asked.verb:
        found = found.filter(verb=asked.verb)
    if asked.subject:
        found = found.filter(subject=asked.subject)
    if asked.actor:
        # By account where one is meant, so that an e-mail that changed since does not hide what was done before.
        account = User.objects.filter(email__iexact=asked.actor).values_list("pk", flat=True).first()
        by_name = Q(actor_label__icontains=asked.actor)
        found = found.filter(by_name | Q(actor_id=account) if account else by_name)
    if asked.first:
        found = found.filter(at__gte=_midnight(asked.first))
    if asked.last:
        found = found.filter(at__lt=_midnight(asked.last + timedelta(days=1)))
    q = asked.q
    if ":" in q and " " not in q:
        return found.filter(subject=q)
    if q:
        return found.filter(Q(actor_label__icontains=q) | Q(summary__icontains=q) | Q(verb=q) | Q(subject=q))
    return found


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2999 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, clock.min, timezone.get_current_timezone())


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
