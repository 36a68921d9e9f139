"""What happened to orders, told to their owners by mail: by choice, after the fact, each event at most once.

Events are read in the order of their ids behind a cursor. An id may become visible later than a higher one (its
transaction was still open), so a run takes only what lies below a mark that an earlier run set: by then every
transaction that could hold a lower id has ended. Cursor and mails are written in one transaction.

All events of one customer in one run share one mail, so that 5,000 orders are not 5,000 mails.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from customers.models import Account, Setting, Transfer, User
from customers.notices import low_below, wants, write_notices
from orders.models import Order, OrderEvent, Request

# Longer than any transaction of ours may last (statement and idle limits in panel/settings.py).
SETTLED_AFTER = timedelta(seconds=90)
EVENTS_AT_ONCE = 5000
LINES_IN_A_MAIL = 50
CURSOR = "notices.cursor"
State = Request.State
KIND_OF = {Order.Status.COMPLETED: "finished", Order.Status.PARTIAL: "partial"}


def write_due(now: datetime | None = None) -> int:
    """Turn settled events into waiting mails; how many events were looked at. Safe to run anywhere, twice at once."""
    now = now or timezone.now()
    with transaction.atomic():
        Setting.objects.get_or_create(key=CURSOR, defaults={"value": _mark(_last(), _last(), now)})
        row = Setting.objects.select_for_update(skip_locked=True).filter(key=CURSOR).first()
        if row is None:
            return 0  # another worker is at it
        done, seen = row.value["done"], row.value["seen"]
        marked_at = parse_datetime(row.value["at"]) or now
        if now - marked_at < SETTLED_AFTER:
            return 0
        upto, looked_at = _tell(done, seen)
        if upto >= seen:
            row.value = _mark(seen, _last(), now)
        else:
            row.value = {**row.value, "done": upto}
        row.save(update_fields=["value", "changed_at"])
    return looked_at


def _tell(done: int, seen: int) -> tuple[int, int]:
    """Write the mails for events in (done, seen], up to a limit; the last id taken, and how many events."""
    events = list(
        OrderEvent.objects.filter(pk__gt=done, pk__lte=seen, staff_only=False, kind__in=["status", "money", "request"])
        .select_related("order__user", "order__service")
        .only(
            "kind", "before", "after", "why", "amount", "order__link", "order__refunded", "order__charge", "order__status",
            "order__service__name", "order__user__email", "order__user__name", "order__user__notices",
            "order__user__is_active", "order__user__role", "order__user__language",
        )
        .order_by("pk")[:EVENTS_AT_ONCE]
    )  # fmt: skip
    of_user: dict[User, list[OrderEvent]] = defaultdict(list)
    for event in events:
        of_user[event.order.user].append(event)
    write_notices(_mails(of_user, _taken_back(events)))
    upto = events[-1].pk if len(events) == EVENTS_AT_ONCE else seen
    return upto, len(events)


def _decided(event: OrderEvent) -> tuple[str, str]:
    """("refill" or "cancel", "approved" or "denied") where a person decided a request; ("", "") for all else."""
    kind, _gap, state = event.after.partition(" ")
    by_a_person = event.kind == OrderEvent.Kind.REQUEST and event.before == f"{kind} {State.REQUESTED}"
    return (kind, state) if by_a_person and state in (State.APPROVED, State.DENIED) else ("", "")


def _taken_back(events: list[OrderEvent]) -> set[tuple[int, str]]:
    """(order, kind) of those approved requests that wait for a decision again: the approval is no news."""
    approved = {event.order_id for event in events if _decided(event)[1] == State.APPROVED}
    if not approved:
        return set()
    again = Request.objects.filter(order__in=approved, state=State.REQUESTED)
    return set(again.values_list("order", "kind"))


def _mails(
    of_user: dict[User, list[OrderEvent]], taken_back: set[tuple[int, str]]
) -> Iterator[tuple[User, str, str, dict[str, Any]]]:
    spenders = [
        user
        for user, events in of_user.items()
        if low_below(user) is not None and any(map(_is_charge, events))
    ]
    for user, events in of_user.items():
        lines = _lines(user, events, taken_back)
        if lines:
            shown = {
                "lines": lines[:LINES_IN_A_MAIL],
                "more": max(len(lines) - LINES_IN_A_MAIL, 0),
                "n": len(lines),
            }
            yield user, f"events:{events[0].pk}-{events[-1].pk}", "orders", shown
    yield from _low_balances(spenders)


def _lines(user: User, events: list[OrderEvent], taken_back: set[tuple[int, str]]) -> list[dict[str, Any]]:
    """One line for each order with news the customer chose; its end, its refund and what was decided about its
    requests belong to one line."""
    news: dict[int, dict[str, Any]] = {}
    for event in events:
        of, decision = _decided(event)
        if decision == State.APPROVED and (event.order_id, of) in taken_back:
            continue
        if of:
            kind = "request"
        elif event.kind == OrderEvent.Kind.MONEY and event.after == "returned":
            kind = "refund"
        else:
            kind = KIND_OF.get(Order.Status(event.after), "") if event.after in Order.Status.values else ""
        if not kind:
            continue
        line = news.setdefault(
            event.order_id,
            {"order": event.order, "kinds": set(), "status": "", "returned": Decimal(0), "decisions": {}},
        )
        line["kinds"].add(kind)
        if of:  # of a request that was decided twice, the last one
            line["decisions"][of] = {"of": of, "decision": decision, "note": event.why}
        elif kind == "refund":
            line["returned"] += event.amount or Decimal(0)
        else:
            line["status"] = event.after
    return [line for line in news.values() if any(wants(user, kind) for kind in line["kinds"])]


def _low_balances(users: list[User]) -> Iterator[tuple[User, str, str, dict[str, Any]]]:
    """Of those who just spent: who fell below his own mark. Once per payment, because its id is in the key."""
    wallets = {
        account.user_id: account
        for account in Account.objects.filter(user__in=users, kind=Account.Kind.WALLET)
    }
    last_in = dict(
        Transfer.objects.filter(target__in=wallets.values(), source=Account.HOUSE_IDS[Account.Kind.DEPOSITS])
        .values_list("target__user_id")
        .annotate(last=Max("pk"))
    )
    for user in users:
        below, wallet = low_below(user), wallets.get(user.pk)
        if wallet is None or below is None or wallet.balance is None or wallet.balance >= below:
            continue
        key = f"low-balance:{last_in.get(user.pk, 0)}"
        yield user, key, "low_balance", {"balance": wallet.balance, "below": below}


def _is_charge(event: OrderEvent) -> bool:
    return (
        event.kind == OrderEvent.Kind.STATUS
        and event.after == Order.Status.PENDING
        and event.amount is not None
    )


def _mark(done: int, seen: int, at: datetime) -> dict[str, Any]:
    return {"done": done, "seen": seen, "at": at.isoformat()}


def _last() -> int:
    """The highest event id that is visible now; 0 without any. By the index, whatever the table's length."""
    return OrderEvent.objects.aggregate(last=Max("pk"))["last"] or 0
