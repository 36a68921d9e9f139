"""What needs a customer's attention on his home page: each thing with its money and one next step.

Reading only. Every part is one query over a bounded number of rows by an index, whatever the customer has ordered:
the oldest open and the newest ended orders of each status (MOST), the requests that were answered lately. What ended,
was answered or changed counts for RECENT.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Abs
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.deposit_finding import announced_by
from customers.figures import count, money, rate, span
from customers.models import DepositRequest, User
from customers.notices import low_below
from customers.stored_words import said
from orders.models import Order, Request, Submission
from orders.stuck import LATE_TIMES, patience
from providers.browsing import Line, about

RECENT = timedelta(days=7)
MOST = 500
MANY_ORDERS = 2000
PAYMENTS = 20
NAMED = 3  # order numbers in a sentence
LINKED = 60  # order numbers in an address
OPEN_STATUSES = (Order.Status.PENDING, Order.Status.PROCESSING, Order.Status.IN_PROGRESS)


@dataclass(frozen=True)
class Item:
    """One thing and what to do about it. `kind` is ok, info, warn or err."""

    kind: str
    icon: str
    title: str
    text: str
    link: str
    button: str


@dataclass(frozen=True)
class Found:
    """An order that something is said about. `amount`: its charge, or what came back of it, panel currency."""

    id: int
    service: str
    amount: Decimal


def attention_of(
    user: User, balance: Decimal | None, favorites: Sequence[Line], terms_version: str
) -> list[Item]:
    """In the order in which they are shown; six queries.

    `balance`: panel currency, None where a low one is no news. `favorites` carry what their price was before.
    """
    now = timezone.now()
    found = [
        *_verified(user),
        *_late(user, now),
        *_ended(user, now - RECENT),
        *_asked(user, now - RECENT),
        *_payments(user, now - RECENT),
        *_low(user, balance),
        *_prices(favorites),
    ]
    if user.terms_version and user.terms_version != terms_version:
        text = _(
            "Please read and accept them before your next order. Your balance and orders stay as they are."
        )
        found.append(
            Item(
                "info",
                "file-text",
                _("The terms changed"),
                text,
                reverse("accept_terms"),
                _("Read the terms"),
            )
        )
    return found


def _verified(user: User) -> Iterable[Item]:
    doubtful = Order.objects.for_user(user).filter(submission__state=Submission.State.UNKNOWN)
    rows = [
        Found(*row) for row in doubtful.order_by("-pk").values_list("pk", "service__name", "charge")[:MOST]
    ]
    if rows:
        title = ngettext("One order is being verified", "%(n)s orders are being verified", len(rows))
        text = _(
            "The delivery network did not confirm yet. %(amount)s is charged once; nothing is sent twice."
        )
        yield _about_orders("info", "question-mark", title, rows, text % {"amount": _sum(rows)})


def _late(user: User, now: datetime) -> Iterable[Item]:
    """Open for more than LATE_TIMES what the service usually takes, after the last run of a drip-feed began.

    Compared here and not in the database, which would rather compare every service with every order.
    """
    rows = (
        Order.objects.filter(pk__in=_of_each(user, OPEN_STATUSES, "pk"))
        .exclude(submission__state=Submission.State.UNKNOWN)
        .order_by("pk")
        .values_list(
            "pk", "service__name", "charge", "created_at", "service__median_seconds", "runs", "interval"
        )
    )
    late = [
        row
        for row in rows
        if row[4] is not None and row[3] + patience(LATE_TIMES, row[4], row[5], row[6]) < now
    ]
    if late:
        title = ngettext(
            "One order takes longer than usual", "%(n)s orders take longer than usual", len(late)
        )
        waited, median = late[0][3], late[0][4]
        text = ngettext(
            "Placed %(waited)s ago; its service usually takes about %(usual)s. %(amount)s is charged; what is not "
            "delivered in the end returns to your balance.",
            "The first was placed %(waited)s ago; its service usually takes about %(usual)s. %(amount)s is charged; "
            "what is not delivered in the end returns to your balance.",
            len(late),
        )
        found = [Found(*row[:3]) for row in late]
        said = text % {"waited": span(now - waited), "usual": about(median), "amount": _sum(found)}
        yield _about_orders("warn", "hourglass", title, found, said)


def _ended(user: User, since: datetime) -> Iterable[Item]:
    statuses = (Order.Status.PARTIAL, Order.Status.CANCELED)
    rows = list(
        Order.objects.filter(pk__in=_of_each(user, statuses, "-pk"), ended_at__gte=since)
        .order_by("-ended_at", "-pk")
        .values_list("status", "pk", "service__name", "refunded")
    )
    partial = [Found(*row[1:]) for row in rows if row[0] == Order.Status.PARTIAL]
    if partial:
        title = ngettext(
            "One order ended before its full quantity",
            "%(n)s orders ended before their full quantity",
            len(partial),
        )
        yield _about_orders(
            "warn", "circle-half-2", title, partial, _came_back(partial), status=Order.Status.PARTIAL
        )
    canceled = [Found(*row[1:]) for row in rows if row[0] == Order.Status.CANCELED]
    if canceled:
        title = ngettext("One order was canceled", "%(n)s orders were canceled", len(canceled))
        yield _about_orders("", "ban", title, canceled, _came_back(canceled), status=Order.Status.CANCELED)


def _came_back(rows: Sequence[Found]) -> str:
    if not any(row.amount for row in rows):
        return _("No money came back.")
    return _("%(amount)s came back to your balance.") % {"amount": _sum(rows)}


def _asked(user: User, since: datetime) -> Iterable[Item]:
    """Refills and cancels: open ones, and answers. A cancel that was done is told as a canceled order."""
    wanted = ("order_id", "order__service__name", "order__charge", "kind", "state", "note")
    live = list(Request.objects.for_user(user).live().order_by("pk").values_list(*wanted)[:MOST])
    if live:
        title = ngettext(
            "One refill or cancel is being handled", "%(n)s refills and cancels are being handled", len(live)
        )
        text = _(
            "A refill costs nothing; a cancel returns what was not delivered. Staff answer within 24 hours."
        )
        yield _about_orders("info", "clock", title, [Found(*row[:3]) for row in live], text)
    open_again = {(row[0], row[3]) for row in live}
    answers = [
        row for row in _answered(user, since).values_list(*wanted) if (row[0], row[3]) not in open_again
    ]
    declined = [row for row in answers if row[4] != "done"]
    if declined:
        title = ngettext(
            "One refill or cancel was declined", "%(n)s refills and cancels were declined", len(declined)
        )
        text = _("The charge stays as it was; asking cost nothing.")
        if len(declined) == 1 and declined[0][5]:
            text = _with_answer(text, declined[0][5])
        yield _about_orders("err", "circle-x", title, [Found(*row[:3]) for row in declined], text)
    done = [Found(*row[:3]) for row in answers if row[3] == Request.Kind.REFILL and row[4] == "done"]
    if done:
        title = ngettext("One refill is done", "%(n)s refills are done", len(done))
        yield _about_orders("ok", "circle-check", title, done, _("It cost nothing."))


def _answered(user: User, since: datetime) -> "QuerySet[Request, Any]":
    """Newest first. Of who has many orders, the answers of these days are looked through, by their index; of all others,
    their orders. Left to choose, PostgreSQL reads all of 60,000 orders to find a hundred answers."""
    answered: QuerySet[Request] = Request.objects.filter(
        state__in=["done", "rejected", "denied"], state_at__gte=since
    ).order_by("-state_at", "-pk")
    if not Order.objects.for_user(user).order_by("-pk")[MANY_ORDERS:].exists():
        return answered.filter(order__user=user)[:MOST]
    owner = Order.objects.filter(pk=OuterRef("order_id")).values("user_id")
    # "Less than one apart": of "equal" PostgreSQL believes that it is rare, and sorts all before it takes the first.
    apart = Abs(Subquery(owner, output_field=BigIntegerField()) - user.pk)
    return answered.annotate(apart=apart).filter(apart__lt=1)[:MOST]


def _payments(user: User, since: datetime) -> Iterable[Item]:
    told = list(announced_by(user)[:PAYMENTS])
    page = reverse("wallet")
    waiting = [row for row in told if row.state == DepositRequest.State.PENDING]
    if waiting:
        title = ngettext(
            "One payment is not in your balance yet",
            "%(n)s payments are not in your balance yet",
            len(waiting),
        )
        text = _("%(payment)s. We add it to your balance when we see the money.")
        said = text % {"payment": _payment(waiting)}
        yield Item("info", "clock", title % _n(waiting), said, f"{page}#h-announced", _("See payments"))
    refused = [
        row
        for row in told
        if row.state == DepositRequest.State.REFUSED and row.decided_at and row.decided_at >= since
    ]
    if refused:
        title = ngettext("One payment was refused", "%(n)s payments were refused", len(refused))
        text = _("%(payment)s. Nothing was added to your balance.") % {"payment": _payment(refused)}
        if len(refused) == 1 and refused[0].note:
            text = _with_answer(text, refused[0].note)
        yield Item("err", "circle-x", title % _n(refused), text, page, _("Open wallet"))


def _with_answer(text: str, note: str) -> str:
    answer = _("Answer:")  # not inside the f-string: the extraction of sentences does not look there
    return f"{text} {answer} {said(note)}"


def _payment(rows: Sequence[DepositRequest]) -> str:
    amount = money(sum((row.amount for row in rows), Decimal(0)))
    return f"{amount}, {rows[0].method}, {rows[0].reference}" if len(rows) == 1 else amount


def _low(user: User, balance: Decimal | None) -> Iterable[Item]:
    below = low_below(user)
    if below is not None and balance is not None and balance < below:
        text = _("%(balance)s is left, less than your mark of %(mark)s. A new order needs its whole charge.")
        said = text % {"balance": money(balance), "mark": money(below)}
        yield Item("warn", "wallet", _("Your balance is low"), said, reverse("wallet"), _("Add funds"))


def _prices(favorites: Sequence[Line]) -> Iterable[Item]:
    changed = [(line, line.moved) for line in favorites if line.moved]
    if not changed:
        return
    title = ngettext(
        "The price of one favorite changed", "The prices of %(n)s favorites changed", len(changed)
    )
    rose = sum(1 for _line, move in changed if move.rose)
    if len(changed) == 1:
        line, move = changed[0]
        text = _("%(service)s: %(before)s before, %(now)s now. Orders keep the rate they were placed at.") % {
            "service": line.service.name,
            "before": rate(move.before),
            "now": rate(move.now),
        }
    else:
        text = _("%(rose)s up, %(fell)s down. Orders keep the rate they were placed at.") % {
            "rose": count(rose),
            "fell": count(len(changed) - rose),
        }
    icon = "trending-up" if rose else "trending-down"
    link = f"{reverse('services')}?favorites=1&changed=1"
    yield Item("info", icon, title % _n(changed), text, link, _("See the changes"))


def _of_each(user: User, statuses: Sequence[str], order: str) -> "QuerySet[Order, Any]":
    """The first MOST orders of each status by one index; a plain `status IN` would sort all of them."""
    first, *rest = (
        Order.objects.for_user(user).filter(status=status).order_by(order).values("pk")[:MOST]
        for status in statuses
    )
    return first.union(*rest, all=True)


def _about_orders(
    kind: str, icon: str, title: str, rows: Sequence[Found], text: str, status: str = ""
) -> Item:
    """One order leads to its page, several to the list of them; too many for an address to all of their status."""
    numbers = list(dict.fromkeys(row.id for row in rows))
    if len(numbers) == 1:
        which = _("Order %(id)s, %(service)s.") % {"id": numbers[0], "service": rows[0].service}
        link, button = reverse("order", args=[numbers[0]]), _("Open order")
    else:
        which, button = _named(numbers), _("See them")
        if status and len(numbers) > LINKED:
            asked = {"status": str(status)}
        else:
            asked = {"q": ",".join(map(str, numbers[:LINKED]))}
        link = f"{reverse('orders')}?{urlencode(asked, safe=',')}"
    return Item(kind, icon, title % _n(rows), f"{which} {text}", link, button)


def _named(numbers: Sequence[int]) -> str:
    ids, more = ", ".join(map(str, numbers[:NAMED])), len(numbers) - NAMED
    if more <= 0:
        return _("Orders %(ids)s.") % {"ids": ids}
    return _("Orders %(ids)s and %(more)s more.") % {"ids": ids, "more": count(more)}


def _n(rows: Sequence[object]) -> dict[str, str]:
    return {"n": f"{MOST}+" if len(rows) >= MOST else count(len(rows))}


def _sum(rows: Sequence[Found]) -> str:
    return money(sum((row.amount for row in rows), Decimal(0)))
