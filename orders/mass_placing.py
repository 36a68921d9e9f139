"""Many orders in one go: one transaction, the same rules as placing.py, a few statements for hundreds of lines.

    1. repeat?  a token that was placed before answers with its orders (other content: RequestIdReused)
    2. every line is judged as a single order would be; routes, rates and the operator's rules are read once for all
    3. Orders, Submissions, OrderEvents in bulk, some hundreds of lines at a time
    4. last: the wallet, once; each order is a transfer of its own with its own cause and balance after it
    5. after commit: one hint per provider

`place_all` takes everything or nothing; `place_valid` takes the lines without a problem. Both count aloud to `report`;
what is written is nobody's order until the transaction ends.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models.functions import MD5
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from customers.wallet import charge_orders
from orders.hints import hint_submit
from orders.mass_lines import Line
from orders.mass_progress import EVERY, Report, unseen
from orders.models import Order, OrderEvent, Submission
from orders.placing import (
    CannotPlace,
    PriceChanged,
    Quote,
    RequestIdReused,
    Suspended,
    hash_of,
    order_of,
    placed_event,
    priced,
    submission_of,
    usable_routes,
    waits_for_staff,
)
from orders.screening import Asked, held_event, screen
from orders.type_words import spoken
from providers.models import Route
from providers.rates import CustomerRates
from providers.service_types import InvalidOrder

ZERO = Decimal(0)


class HasProblems(CannotPlace):
    """A line cannot be placed, and all or nothing was asked for."""

    code = "lines"


@dataclass(frozen=True)
class Judged:
    """A line with what it would cost, or with what is wrong with it. `twin`: the same link and service twice;
    `waits_for`: why a person looks at the order before it is sent."""

    line: Line
    quote: Quote | None
    problem: str = ""
    twin: str = ""
    waits_for: str = ""


@dataclass(frozen=True)
class Judgment:
    rows: Sequence[Judged]

    @property
    def good(self) -> list[Judged]:
        return [row for row in self.rows if row.quote is not None]

    @property
    def bad(self) -> list[Judged]:
        return [row for row in self.rows if row.quote is None]

    @property
    def doubles(self) -> list[Judged]:
        return [row for row in self.rows if row.twin]

    @property
    def held(self) -> list[Judged]:
        """Lines whose order waits until a person has looked at it."""
        return [row for row in self.rows if row.waits_for]

    @property
    def total(self) -> Decimal:
        """The sum of the charges, each rounded on its own as it will be charged; 6 decimals."""
        return sum((row.quote.charge for row in self.rows if row.quote is not None), ZERO)


def judge(user: User, lines: Sequence[Line], report: Report = unseen) -> Judgment:
    """Check and price every line; at most seven queries for any number of them. Nothing is written."""
    routes: dict[int, Route] = {}
    for route in usable_routes().filter(service_id__in={line.service for line in lines if line.service}):
        routes.setdefault(route.service_id, route)
    rates = CustomerRates(user)
    rate_of = {pk: rates.rate(route.service, route.offer.provider_id) for pk, route in routes.items()}
    rows = []
    for done, line in enumerate(lines, 1):
        rows.append(_judged(line, routes.get(line.service), rate_of))
        if done % EVERY == 0:
            report("checking", done, len(lines))
    return Judgment(_with_twins(user, _screened(user, rows)))


def place_all(
    user: User,
    lines: Sequence[Line],
    *,
    token: str,
    shown_total: Decimal | None = None,
    report: Report = unseen,
) -> list[Order]:
    """Place every line, or none. Raises HasProblems, and what place_valid raises."""
    if before := placed_before(user, token, lines):
        return before
    judgment = judge(user, lines, report)
    if judgment.bad:
        raise HasProblems(judgment.bad[0].problem)
    return _place(user, lines, judgment, token, shown_total, report)


def place_valid(
    user: User,
    lines: Sequence[Line],
    *,
    token: str,
    shown_total: Decimal | None = None,
    report: Report = unseen,
) -> list[Order]:
    """Place the lines that have no problem, in one transaction; the orders in the order of the lines.

    Repeating a token with the same lines returns the orders of the first time. Raises CannotPlace (no line is
    left, Suspended, PriceChanged, RequestIdReused) and customers.wallet.InsufficientFunds: nothing was charged.
    """
    if before := placed_before(user, token, lines):
        return before
    return _place(user, lines, judge(user, lines, report), token, shown_total, report)


def placed_before(user: User, token: str, lines: Sequence[Line]) -> list[Order]:
    """The orders of this token, if it was placed; RequestIdReused where the lines are others than then."""
    orders = list(placed_with(user, token))
    if orders:
        asked = {_request_id(token, line): hash_of(line.service, line.raw) for line in lines}
        if any(asked.get(order.request_id or "") != order.request_hash for order in orders):
            raise RequestIdReused(_("This form was already sent with other lines. Nothing more was charged."))
    return orders


def placed_with(user: User, token: str) -> Sequence[Order]:
    """The orders of one mass order, in the order of its lines. The token is the form's, or from its address."""
    mine = Order.objects.for_user(user).filter(request_id__startswith=f"mass:{token}:")
    return list(mine.select_related("service").order_by("pk"))


def _place(
    user: User,
    lines: Sequence[Line],
    judgment: Judgment,
    token: str,
    shown_total: Decimal | None,
    report: Report,
) -> list[Order]:
    if user.orders_suspended or not user.is_active:
        raise Suspended(_("Ordering is suspended for this account. Nothing was charged."))
    if not judgment.good:
        raise HasProblems(_("No line can be placed. Nothing was charged."))
    if shown_total is not None and shown_total != judgment.total:
        raise PriceChanged(shown_total, judgment.total)
    try:
        with transaction.atomic():
            return _write(user, judgment.good, token, report)
    except IntegrityError:
        # The same form from two tabs at the same moment: the other one won, and is the answer to both.
        if before := placed_before(user, token, lines):
            return before
        raise


def _write(user: User, rows: Sequence[Judged], token: str, report: Report) -> list[Order]:
    now = timezone.now()
    orders: list[Order] = []
    for begin in range(0, len(rows), EVERY):
        orders += _write_some(user, rows[begin : begin + EVERY], token, now)
        report("writing", len(orders), len(rows))
    report("charging", len(orders), len(rows))
    charge_orders(user, [(order.pk, order.charge) for order in orders], actor="customer")
    routes = [row.quote.route for row in rows if row.quote and not row.waits_for]
    for provider_id in {route.offer.provider_id for route in routes if not waits_for_staff(route)}:
        hint_submit(provider_id)
    return orders


def _write_some(user: User, rows: Sequence[Judged], token: str, now: datetime) -> list[Order]:
    """The orders of these lines with their submissions and stories, in their order; not charged yet."""
    quotes = [row.quote for row in rows if row.quote is not None]
    orders = [
        order_of(
            user,
            quote,
            now,
            "mass",
            _request_id(token, row.line),
            hash_of(row.line.service, row.line.raw),
            row.line.reference,
        )
        for row, quote in zip(rows, quotes, strict=True)
    ]
    Order.objects.bulk_create(orders)
    Submission.objects.bulk_create(
        [
            submission_of(order, quote.route, row.waits_for)
            for order, quote, row in zip(orders, quotes, rows, strict=True)
        ]
    )
    held = [
        held_event(order, row.waits_for) for order, row in zip(orders, rows, strict=True) if row.waits_for
    ]
    OrderEvent.objects.bulk_create([placed_event(order) for order in orders] + held)
    return orders


def _judged(line: Line, route: Route | None, rate_of: dict[int, Decimal]) -> Judged:
    if not line.service:
        return Judged(line, None, _("The line must begin with the number of a service."))
    if route is None or not route.service.on_sale:
        return Judged(line, None, _("Service %d is not on sale now.") % line.service)
    try:
        return Judged(line, priced(route, rate_of[line.service], line.raw))
    except InvalidOrder as error:
        return Judged(line, None, " ".join(spoken(error).values()))


def _screened(user: User, rows: Sequence[Judged]) -> list[Judged]:
    """The lines after the operator's rules: some become problems, some wait for a person."""
    priced_rows = [row for row in rows if row.quote is not None]
    asked = [Asked(row.quote.route, row.quote.ordered, row.quote.charge) for row in priced_rows if row.quote]
    verdicts = {row.line.number: one for row, one in zip(priced_rows, screen(user, asked), strict=True)}
    screened = []
    for row in rows:
        verdict = verdicts.get(row.line.number)
        if verdict and verdict.refused:
            row = Judged(row.line, None, " ".join(verdict.refused.errors.values()))
        elif verdict and verdict.waits_for:
            row = replace(row, waits_for=verdict.waits_for)
        screened.append(row)
    return screened


def _with_twins(user: User, rows: Sequence[Judged]) -> list[Judged]:
    """Mark good lines whose link and service come twice in the text, or have an open order already."""
    keys = [(row.line.service, row.quote.ordered.link) if row.quote else None for row in rows]
    digests = {
        hashlib.md5(key[1].encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        for key in keys
        if key
    }
    open_now = set(
        Order.objects.for_user(user)
        .annotate(link_digest=MD5("link"))
        .filter(link_digest__in=digests, status__in=Order.OPEN)
        .values_list("service_id", "link")
    )
    seen: dict[tuple[int, str], int] = {}
    marked = []
    for row, key in zip(rows, keys, strict=True):
        twin = ""
        if key in open_now:
            twin = _("The same link has an open order of this service.")
        elif key is not None and key in seen:
            twin = _("Same service and link as line %d.") % seen[key]
        if key is not None:
            seen.setdefault(key, row.line.number)
        marked.append(replace(row, twin=twin))
    return marked


def _request_id(token: str, line: Line) -> str:
    return f"mass:{token}:{line.number}"
