"""The statements that run most often, on a database with history: none may read more of it as it grows.

20,000 orders are seeded once. Then each act is done for real, and before each of its statements PostgreSQL runs it with
EXPLAIN (ANALYZE) inside a savepoint that is rolled back. From those plans it is asserted, for every table that grows with
history, that it is never read from one end to the other, and that a statement reads a few hundred rows of it at most,
whatever it returns: so a filter that throws rows away counts as well as a scan.

Reports, the dashboard, a wallet's month and the hourly check have tests/orders/test_tally_plans.py. What stops at a limit
(the counts of tabs at 10,001 orders) is watched with the limit at COUNTED.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from customers.api_keys import create_api_key
from customers.models import User
from orders import attention, listing, request_lane, submission
from orders.models import Order, Request, Submission
from orders.recording import Sent, record
from orders.status_lane import _due, _followed_ids, _open_ones
from orders.sweeping import sweep
from orders.syncing import apply_observations, touch
from orders.tasks import wake_lanes
from orders.watching import watch
from providers.adapters.results import Accepted, Observation, RefillStatuses, RefillWord, Statuses, Word
from providers.connecting import options_of
from providers.models import Provider, Service
from tests import world
from tests.staff_world import cancel_asked, refill_asked, signed_in

ORDERS, OPEN, BIGGEST_PERCENT = 20_000, 300, 40
# Grow with every order or act, for ever.
HISTORY = frozenset(
    {"orders_order", "orders_submission", "orders_submissionattempt", "orders_orderevent", "orders_request",
     "customers_transfer", "customers_auditentry", "customers_depositrequest"}
)  # fmt: skip
COUNTED = 90
LATELY = timedelta(minutes=-50)  # the newest seeded orders end in an hour from now: ten minutes of them
MOST_ROWS = 700  # of history that one statement may read: a hundred rows with what belongs to them


@dataclass(frozen=True)
class Plan:
    """One statement as it ran: rows read of each history table, and those that were scanned from end to end."""

    sql: str
    read: dict[str, int]
    scanned: frozenset[str]

    @property
    def most(self) -> int:
        return max(self.read.values(), default=0)


class Watch:
    """Explains every statement before it runs, in a savepoint, so that the real one finds the same rows."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.explaining = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        word = sql.split(None, 1)[0].upper()
        if (
            not self.explaining
            and not many
            and word in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "(SELECT"}
        ):
            self.explaining = True
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SAVEPOINT looking")
                    try:
                        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                        told = cursor.fetchone()[0]
                    finally:
                        cursor.execute("ROLLBACK TO SAVEPOINT looking")
                        cursor.execute("RELEASE SAVEPOINT looking")
            finally:
                self.explaining = False
            self.plans.append(_plan(sql, told if isinstance(told, list) else json.loads(told)))
        return execute(sql, params, many, context)


def _plan(sql: str, told: list[dict[str, Any]]) -> Plan:
    read: dict[str, int] = {}
    scanned: set[str] = set()
    tables: dict[str, str] = {}
    nodes = list(_nodes(told[0]["Plan"]))
    for node in nodes:  # a bitmap's heap names the table, its index does not
        for child in node.get("Plans", []):
            if "Relation Name" in node and "Index Name" in child:
                tables[child["Index Name"]] = node["Relation Name"]
    for node in nodes:
        table = node.get("Relation Name") or tables.get(node.get("Index Name", ""))
        if table not in HISTORY or node["Node Type"] in {"ModifyTable", "LockRows"}:
            continue
        thrown_away = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = round((node["Actual Rows"] + thrown_away) * node["Actual Loops"])
        if node["Node Type"] == "Seq Scan":
            scanned.add(str(table))
        if node["Node Type"] != "Bitmap Index Scan":
            read[str(table)] = read.get(str(table), 0) + rows
    return Plan(sql, read, frozenset(scanned))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


@contextmanager
def watched() -> Iterator[list[Plan]]:
    watch_ = Watch()
    with connection.execute_wrapper(watch_):
        yield watch_.plans


@dataclass
class World:
    """`biggest` placed two of five orders; `small` a few; `due` are queued orders of a provider that takes them."""

    biggest: User
    small: User
    staff: User
    provider: Provider
    service_id: int


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One transaction around all tests of this module; rolled back at its end."""
    with django_db_blocker.unblock():
        outer = transaction.atomic()
        outer.__enter__()
        try:
            yield _seed()
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)


def _seed() -> World:
    call_command(
        "seed_scale",
        customers=40,
        services=60,
        orders=ORDERS,
        biggest=BIGGEST_PERCENT,
        open=OPEN,
        verbosity=0,
    )
    first = User.objects.filter(email__startswith="scale-").order_by("pk")
    biggest, small = first[0], first[7]
    provider = world.provider(name="Hot")
    shop = world.service(world.offer(provider))
    adam = world.admin()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO orders_request (order_id, kind, state, state_at, created_at, created_by, reason, by_rule, note, internal_note, fence,
                                        next_at, tries, upstream_id, upstream_message, raw_word, decided_by_id, decided_at)
            SELECT id, 'refill', 'done', created_at, created_at, 'customer', '', false, '', '', 1, created_at, 1, 'r' || id, '', '', %(adam)s, created_at
            FROM orders_order WHERE status = 'Completed' AND id %% 3 = 0;
            INSERT INTO customers_auditentry (at, actor_label, verb, subject, summary, details)
            SELECT created_at, 'adam', 'order.note', 'order:' || id, 'Seeded', '{}' FROM orders_order;
            UPDATE orders_order SET reference = 'PO-' || id WHERE id %% 2 = 0;
            INSERT INTO customers_depositrequest (user_id, method, amount, reference, state, note, created_at, decided_at)
            SELECT user_id, 'Bank transfer', 25, 'P-' || id, 'credited', '', created_at, created_at FROM orders_order WHERE id %% 5 = 2;
            """.replace("%(adam)s", str(adam.pk)).replace("%%", "%")
        )
    buyer = world.customer("buyer@example.org", "100000")
    for number in range(40):
        world.order(buyer, shop, f"https://example.org/hot/{number}", 100)
    for order in Order.objects.filter(user=small, status="Completed").order_by("-pk")[:5]:
        refill_asked(order)
    for order in Order.objects.filter(user=small, status="In progress")[:2]:
        cancel_asked(order)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return World(biggest, small, adam, provider, shop.pk)


# ── the acts: each returns what is to be watched, ready to run ──────────────────────────────────────

Act = Callable[[], Any]


def _pages(who: str, *addresses: str) -> Callable[[World], Act]:
    """Pages as a signed-in person opens them; {order} is one of the biggest customer's."""

    def prepare(seeded: World) -> Act:
        order = Order.objects.filter(user=seeded.biggest).order_by("-pk")[300].pk
        client = signed_in(getattr(seeded, who))

        def act() -> None:
            for address in addresses:
                answer = client.get(
                    address.format(order=order, customer=seeded.biggest.pk, service=seeded.service_id)
                )
                assert answer.status_code == 200, (address, answer.status_code)
                list(answer) if answer.streaming else answer.content

        return act

    return prepare


def _bounded(who: str, *addresses: str) -> Callable[[World], Act]:
    """Pages that read up to a limit: tabs count to 10,001, home looks at 500 orders of a status and a week of answers.
    The limits are made small, so that a statement that does not stop at its limit is seen. As among so few orders a walk
    over all of them may still be cheaper, plans without one are preferred; what has no index is walked all the same."""

    def prepare(seeded: World) -> Act:
        ask = _pages(who, *addresses)(seeded)

        def act() -> None:
            with (
                mock.patch.object(listing, "MOST_COUNTED", COUNTED),
                mock.patch.multiple(attention, MOST=COUNTED, MANY_ORDERS=COUNTED, RECENT=LATELY),
                connection.cursor() as cursor,
            ):
                cursor.execute("SET LOCAL enable_seqscan = off")
                ask()
                cursor.execute("SET LOCAL enable_seqscan = on")

        return act

    return prepare


def _api(**form: Any) -> Callable[[World], Act]:
    """One call of /api/v2 by the biggest customer; a list of ids is filled in where it says `100`."""

    def prepare(seeded: World) -> Act:
        key = create_api_key(seeded.biggest)[1]
        ids = Order.objects.filter(user=seeded.biggest).order_by("pk").values_list("pk", flat=True)[:100]
        given = {"key": key, "service": seeded.service_id} | form
        if given.get("orders") == "100":
            given["orders"] = ",".join(map(str, ids))

        def act() -> None:
            answer = Client().post("/api/v2", given)
            assert answer.status_code == 200, answer.content
            assert "error" not in answer.json(), answer.content

        return act

    return prepare


def _placing(seeded: World) -> Act:
    service = Service.objects.get(pk=seeded.service_id)
    return lambda: world.order(seeded.biggest, service, "https://example.org/1", 10, request_id="form:hot")


def _sending(seeded: World) -> Act:
    """T1 of what is due, then T2 and T3 of one order."""

    def act() -> None:
        claims = submission._claim(seeded.provider.pk, 100, force=False, besides=set())
        assert len(claims) == 40
        order_id, fence = claims[0]
        order = Order.objects.get(pk=order_id)
        sent = submission._begin(order, fence, "hash", 20)
        assert isinstance(sent, Sent)
        assert record(sent, Accepted("hot-1", 200, "{}")) == "accepted"

    return act


def _sweeping(seeded: World) -> Act:
    past = timezone.now() - timedelta(minutes=1)
    claims = submission._claim(seeded.provider.pk, 20, force=False, besides=set())
    for order_id, fence in claims[:5]:
        assert submission._begin(Order.objects.get(pk=order_id), fence, "hash", 20)
    Submission.objects.filter(state__in=["claimed", "sending"]).update(lease_until=past)

    def act() -> None:
        swept = sweep()
        assert (swept.released, swept.unknown) == (15, 5)

    return act


def _following(seeded: World) -> Act:
    """The due orders of a provider; then a hundred that did not change, that changed, that ended."""
    provider_id = Submission.objects.filter(next_poll_at__isnull=False).values_list("provider_id", flat=True)[
        0
    ]

    def act() -> None:
        batch = _due(provider_id, 100, timezone.now())
        assert len(batch) == 100
        forced = _followed_ids(provider_id)
        assert len(forced) >= 100
        assert len(_open_ones(forced[:100])) == 100
        touch(batch, 1)
        news = Observation(Word.IN_PROGRESS, "In progress", remains=5)
        assert apply_observations(batch, Statuses({row.upstream_id: news for row in batch}), 10) > 0
        ended = Observation(Word.COMPLETED, "Completed", remains=0)
        assert apply_observations(batch, Statuses({row.upstream_id: ended for row in batch}), 11) == 100

    return act


def _refills(seeded: World) -> Act:
    """Refills: approved ones are claimed, accepted ones asked about, among thousands that are done."""
    provider = Provider.objects.get(name__startswith="Scale")
    asked = Request.objects.filter(kind="refill", state="done").values_list("order_id", flat=True)
    others = Order.objects.filter(status="Completed", submission__provider=provider).exclude(pk__in=asked)
    numbers = list(others.order_by("pk").values_list("pk", flat=True)[:80])
    made = {"kind": "refill", "created_by": "customer", "next_at": timezone.now()}
    Request.objects.bulk_create(Request(order_id=number, state="approved", **made) for number in numbers[:20])
    Request.objects.bulk_create(
        Request(order_id=number, state="accepted", upstream_id=f"r{number}", next_poll_at=timezone.now(), **made)
        for number in numbers[20:]
    )  # fmt: skip
    adapter = mock.Mock(
        **{"refill_statuses.return_value": RefillStatuses({f"r{numbers[20]}": RefillWord.COMPLETED})}
    )

    def act() -> None:
        claimed = request_lane._claim(provider.pk, "refill", options_of(provider), None)
        assert len(claimed) == 20
        with mock.patch.object(request_lane, "adapter_or_none", return_value=adapter):
            tally = request_lane.refills_lane(provider.pk)
        assert (tally.sent, tally.changed) == (60, 1)

    return act


ACTS: dict[str, Callable[[World], Act]] = {
    "placing an order": _placing,
    "placing over the API, by a key": _api(action="add", link="https://example.org/api", quantity=10),
    "API status of 100 ids": _api(action="status", orders="100"),
    "API balance": _api(action="balance"),
    "sending: claim, begin, record": _sending,
    "sweeping expired leases": _sweeping,
    "following: due, unchanged, changed, completed": _following,
    "waking lanes": lambda _seeded: wake_lanes,
    "watching for troubles": lambda _seeded: watch,
    "following refills": _refills,
    "a customer's newest orders, with the counts of the tabs": _bounded("biggest", "/orders/"),
    "a customer's Partial orders": _bounded("biggest", "/orders/?status=Partial"),
    "a customer's live rows": _bounded("biggest", "/orders/rows?top={order}"),
    "a customer's page far back": _bounded("biggest", "/orders/?after={order}"),
    "a customer's home": _bounded("biggest", "/", "/orders/latest"),
    "the new-order page": _pages("biggest", "/orders/new", "/orders/new?service={service}"),
    "staff's orders, with the counts of open ones": _bounded("staff", "/staff/orders"),
    "a customer's order by id": _pages("biggest", "/orders/?q={order}"),
    "a customer's orders by link": _pages("biggest", "/orders/?q=https://example.org/11"),
    "a customer's order": _pages("biggest", "/orders/{order}"),
    "staff's search by link": _pages("staff", "/staff/orders?q=https://example.org/11"),
    "staff's search by upstream id": _pages("staff", "/staff/orders?q=scale-11"),
    "staff's search by number": _pages("staff", "/staff/orders?q={order}"),
    "staff's page of an order": _pages("staff", "/staff/orders/{order}"),
    "a customer's page for staff": _pages("staff", "/staff/customers/{customer}"),
    "the ledger for staff, by kind": _pages(
        "staff", *(f"/manage/money/ledger{ask}" for ask in ("", "?kind=refund", "?kind=deposit", "?kind=charge",
                                                           "?kind=adjust", "?kind=write_off"))
    ),
    "payments, what was decided lately": _pages("staff", "/manage/money"),
    "the review queue": _pages("staff", "/staff/review"),
    "the desk of unknown orders": _pages("staff", "/staff/unknown"),
}  # fmt: skip


@pytest.mark.django_db  # within the module's transaction: each test leaves the seeded rows as it found them
@pytest.mark.parametrize("name", list(ACTS))
def test_it_reads_no_more_as_history_grows(name: str, seeded: World) -> None:
    act = ACTS[name](seeded)
    with watched() as plans:
        act()
    assert plans, "nothing was asked of the database"
    scanned = [(sorted(plan.scanned), plan.sql) for plan in plans if plan.scanned]
    wide = [(plan.read, plan.sql) for plan in plans if plan.most > MOST_ROWS]
    assert not scanned and not wide, _told(scanned, wide)


def _told(scanned: list[tuple[list[str], str]], wide: list[tuple[dict[str, int], str]]) -> str:
    lines = [f"scanned from end to end {tables}: {sql}" for tables, sql in scanned]
    return "\n".join(lines + [f"reads {read}: {sql}" for read, sql in wide])
