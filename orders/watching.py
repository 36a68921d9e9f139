"""What is wrong as a state, not as an event: looked at twice a minute, each trouble one alert while it lasts.

Events raise their alerts where they happen (a breaker opens, a balance is low, the ledger drifts). What only shows
by looking is computed here and kept as alerts with keys that begin with "watch:"; they close when the trouble is gone,
never by hand. Alerts are thus the one list of what is wrong: for the page, the dashboard and the notices.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, DurationField, ExpressionWrapper, F, Min, Q, QuerySet, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from customers.figures import money, span
from customers.models import Account, DepositRequest, Heartbeat
from orders.at_risk import daily_sales_at, waiting_at
from orders.dispatch import NEEDS_A_DECISION
from orders.models import DispatchSwitch, Order, Request, Submission
from orders.screening import REVIEW
from providers.alerts import WATCHED, close_alert, keep_alert
from providers.balances import runways
from providers.models import Alert, Provider
from providers.reaching import Outage, outages
from providers.running_out import running_out

# Told on the dashboard by rows of its own, with more figures.
SHOWN_BY_DASHBOARD = ("watch:unknown", "watch:runway:", "watch:requests")
WAITS_TOO_LONG = timedelta(hours=24)
SILENT_FOR = timedelta(minutes=2)
_LOCK = 0x4857_0709  # so that of several watchers at once only one looks
PAID_FOR = F("order__charge") - F("order__refunded")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Trouble:
    key: str
    text: str
    critical: bool = False
    provider_id: int | None = None
    at_risk: Decimal = ZERO


def watch(now: datetime | None = None) -> list[Trouble]:
    """Bring the alerts of this module in line with what is wrong now; safe from any process, at any time."""
    now = now or timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return []
        found = list(troubles(now))
        for trouble in found:
            keep_alert(
                trouble.key, trouble.text,
                level=Alert.Level.CRITICAL if trouble.critical else Alert.Level.WARNING,
                provider_id=trouble.provider_id, at_risk=trouble.at_risk,
            )  # fmt: skip
        present = {trouble.key for trouble in found}
        # "balance:" was a low balance's own alert: one of an earlier version is closed by this, for it is told here.
        ours = Q(key__startswith=WATCHED) | Q(key__startswith="balance:")
        known = Alert.objects.filter(ours, closed_at=None).values_list("key", flat=True)
        for key in set(known) - present:
            close_alert(key)
    return found


def troubles(now: datetime) -> Iterator[Trouble]:
    """All that is wrong now, as far as it shows by looking. Sixteen queries at most, whatever there is."""
    yield from _silent()
    yield from _dispatch()
    yield from _down()
    yield from _unknown(now)
    yield from _runways()
    yield from _waiting(now)
    yield from _erased()


def silent_parts() -> list[Trouble]:
    """What the heartbeats say, for a watcher outside of the queue (check_heartbeat); also where none was ever heard."""
    found = list(_silent())
    if not found and not heartbeats().filter(kind="worker").exists():
        return [
            Trouble(
                "watch:workers",
                "No worker was ever heard here: nothing is sent and nothing is followed.",
                True,
            )
        ]
    return found


def heartbeats() -> QuerySet[Any]:
    """Workers and the clock, each with the `age` of its last sign, by the database's clock."""
    age = ExpressionWrapper(Now() - F("at"), output_field=DurationField())
    return Heartbeat.objects.filter(kind__in=["worker", "beat"]).annotate(age=age)


def clock_is_silent() -> bool:
    """Whether beat was heard once, and no more."""
    return heartbeats().filter(kind="beat", age__gt=SILENT_FOR).exists()


def _silent() -> Iterator[Trouble]:
    rows = list(heartbeats().values_list("name", "kind", "age").order_by("name"))
    silent = [(name, kind, age) for name, kind, age in rows if age > SILENT_FOR]
    workers = [row for row in rows if row[1] == "worker"]
    if workers and all(row in silent for row in workers):
        age = span(min(row[2] for row in workers))
        text = f"No worker was heard for {age}: nothing is sent and nothing is followed. Orders are still accepted."
        yield Trouble("watch:workers", text, critical=True)
        return  # the clock is heard through a worker
    for name, kind, age in silent:
        if kind == "beat":
            text = f"The clock (beat) was not heard for {span(age)}: nothing is started on time. Orders are accepted."
            yield Trouble("watch:beat", text, critical=True)
        else:
            yield Trouble(
                f"watch:worker:{name}"[:160], f"The worker {name} was not heard for {span(age)}. Others work."
            )


def _dispatch() -> Iterator[Trouble]:
    switch = DispatchSwitch.objects.first()
    if switch is None or not switch.paused_at:
        return
    if switch.restored:  # as the lane that noticed says it, should that lane have died over it
        keep_alert("dispatch:restored", NEEDS_A_DECISION, level=Alert.Level.CRITICAL)
        return
    why = f": {switch.reason}" if switch.reason else ""
    yield Trouble(
        "watch:dispatch", f"Sending is paused by {switch.paused_by or 'somebody'}{why}. Orders wait."
    )


def _down() -> Iterator[Trouble]:
    """Providers that cannot be reached or give no usable answers, each once while it lasts (providers.reaching)."""
    found = outages()
    if not found:
        return
    waits = Count("pk", filter=Q(state__in=_WAITS))
    left = Sum("order__charge", filter=Q(state__in=_WAITS), default=ZERO)
    followed = Count("pk", filter=Q(state=Submission.State.ACCEPTED))
    of_each = Submission.objects.filter(provider__in=list(found), order__status__in=Order.OPEN)
    counted = of_each.values_list("provider").annotate(n=waits, charged=left, accepted=followed).order_by()
    orders = {pk: (number, charged, accepted) for pk, number, charged, accepted in counted}
    for pk, outage in found.items():
        number, charged, accepted = orders.get(pk, (0, ZERO, 0))
        means = [_unsent(number, charged)] if outage.stops_sending else []
        if outage.stops_statuses and accepted:
            means.append(_stale(outage, accepted))
        yield Trouble(
            f"watch:down:{pk}",
            " ".join([outage.title, *means, outage.advice]),
            critical=outage.stops_sending,
            provider_id=pk,
            at_risk=charged if outage.stops_sending else ZERO,
        )


_WAITS = (Submission.State.QUEUED, Submission.State.CLAIMED)


def _unsent(number: int, charged: Decimal) -> str:
    if not number:
        return "No order waits for it."
    return f"Orders that wait: {number}, {money(charged)} charged. They are sent once, when it is back; nothing is sent twice."


def _stale(outage: Outage, number: int) -> str:
    read = outage.provider.last_status_at
    since = f"as read on {read:%d %b, %H:%M} UTC" if read else "as placed"
    return f"Open orders shown {since}: {number}."


def _unknown(now: datetime) -> Iterator[Trouble]:
    decidable = now - timedelta(
        seconds=settings.UNKNOWN_QUARANTINE_SECONDS
    )  # before, a late answer may settle it
    doubtful = Submission.objects.filter(state=Submission.State.UNKNOWN, state_at__lte=decidable)
    found = doubtful.aggregate(n=Count("pk"), sum=Sum("order__charge"), since=Min("state_at"))
    if found["n"]:
        text = (
            f"Orders that wait for a decision because nobody knows whether the provider has them: {found['n']},"
            f" {money(found['sum'])} charged for them, the oldest for {span(now - found['since'])}."
        )
        yield Trouble("watch:unknown", text, critical=True, at_risk=found["sum"])


def _runways() -> Iterator[Trouble]:
    """Providers where the money runs out, by limit or by days, each once while it lasts (providers.running_out)."""
    providers = list(Provider.objects.filter(archived_at=None).defer("key").order_by("pk"))
    lasting = runways(providers)
    low = {pk: found for p in providers if (found := running_out(p, lasting[pk := p.pk]))}
    waiting, sales = waiting_at(list(low)), daily_sales_at(list(low))
    for provider in providers:
        if not (found := low.get(provider.pk)):
            continue
        says = [f"{provider.name} has {money(found.balance, provider.currency)} left"]
        if found.limit is not None:
            says.append(f"less than its limit of {money(found.limit, provider.currency)}")
        if found.days is not None and found.daily_spend is not None:
            says.append(
                f"enough for {found.days} days at {money(found.daily_spend, provider.currency)} a day"
            )
        number, charged = waiting.get(provider.pk, (0, ZERO))
        waits = f" Orders that wait to be sent there: {number}, {money(charged)} charged." if number else ""
        yield Trouble(
            f"watch:runway:{provider.pk}",
            ", ".join(says) + f". Top it up.{waits}",
            found.critical,
            provider.pk,
            charged + sales.get(provider.pk, ZERO),
        )


def _waiting(now: datetime) -> Iterator[Trouble]:
    """What waits for staff for more than a day: announced payments, requests, orders held for review."""
    before = now - WAITS_TOO_LONG
    pending = DepositRequest.objects.filter(state=DepositRequest.State.PENDING, created_at__lt=before)
    asked = Request.objects.filter(state=Request.State.REQUESTED, created_at__lt=before)
    held = Submission.objects.filter(
        state=Submission.State.HELD, waits_for__startswith=REVIEW, state_at__lt=before
    )
    for key, words, found in (
        (
            "deposits",
            "Payments that customers announced wait to be checked",
            _counted(pending, "created_at", F("amount")),
        ),
        (
            "requests",
            "Refill and cancel requests wait for a decision",
            _counted(asked, "created_at", PAID_FOR),
        ),
        (
            "reviews",
            "Orders held for review wait to be released or rejected",
            _counted(held, "state_at", F("order__charge")),
        ),
    ):
        if found["n"]:
            yield Trouble(
                f"watch:{key}",
                f"{words}: {found['n']} for over a day, the oldest for {span(now - found['since'])}.",
                at_risk=found["sum"],
            )


def _erased() -> Iterator[Trouble]:
    """Wallets of erased accounts that hold money: an order ended after the erasure, and its refund has nobody who could
    spend it."""
    left = Account.objects.filter(
        kind=Account.Kind.WALLET, user__erased_at__isnull=False, balance__gt=0
    ).aggregate(n=Count("pk"), sum=Sum("balance", default=ZERO))
    if left["n"]:
        text = (
            f"Erased accounts that hold money: {left['n']}, {money(left['sum'])} in all, from refunds that came later."
            " Nobody can sign in to them: pay it out and book that, or write it off."
        )
        yield Trouble("watch:erased", text, at_risk=left["sum"])


def _counted(rows: QuerySet[Any], field: str, amount: Combinable) -> dict[str, Any]:
    return rows.aggregate(n=Count("pk"), since=Min(field), sum=Sum(amount, default=ZERO))
