"""seed_scale --customers N --services N --orders N [--biggest PERCENT] [--open N]: bulk data for benches, made inside PostgreSQL.

Sets of rows are written by INSERT … SELECT from generate_series, so that nothing travels over the connection (COPY of ready
rows takes nearly as long: docs/performance.md has the figures). The books are in order: every order has its charge,
submission, attempt and events; wallets follow.
With 0 customers or 0 services the orders go to those of earlier runs.
The provider it makes is paused and has no key: nothing is ever sent for these orders.
"""

import time
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection, transaction
from django.utils import timezone

from customers.management.command_line import Command as Base
from customers.models import Account, User
from providers.models import Category, Offer, Provider, Route, Service

CUSTOMER, PROVIDER = "scale-", "Scale "  # how the names of what is made here begin


class Command(Base):
    help = "Fill the database with customers, services and orders (for benches; never on a panel that sells)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--customers", type=int, required=True)
        parser.add_argument("--services", type=int, required=True)
        parser.add_argument("--orders", type=int, required=True)
        parser.add_argument(
            "--biggest", type=int, default=0, help="percent of the orders that one customer placed"
        )
        parser.add_argument(
            "--open", type=int, default=0, help="how many of the newest orders are still in progress"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if min(options["customers"], options["services"], options["orders"]) < 0:
            raise CommandError("A number of rows cannot be negative.")
        begun = time.monotonic()
        with transaction.atomic():
            customers = _customers(options["customers"]) if options["customers"] else _customers_before()
            services = _services(options["services"]) if options["services"] else _services_before()
            if not customers or not services:
                raise CommandError("At least one customer and one service are needed.")
            seed_orders(
                options["orders"], customers, services, biggest=options["biggest"], still_open=options["open"]
            )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        seconds = round(time.monotonic() - begun, 1)
        made = {name: options[name] for name in ("customers", "services", "orders")}
        self.say(made | {"seconds": seconds}, f"Made {made} in {seconds} s.")


def _customers(count: int) -> list[int]:
    stamp = time.time_ns()
    users = User.objects.bulk_create(
        (User(email=f"{CUSTOMER}{stamp}-{number}@example.org", password="!") for number in range(count)),  # noqa: S106
        batch_size=2000,
    )
    Account.objects.bulk_create(
        (Account(user=user, kind=Account.Kind.WALLET, balance=Decimal(0)) for user in users), batch_size=2000
    )
    return [user.pk for user in users]


def _customers_before() -> list[int]:
    return list(User.objects.filter(email__startswith=CUSTOMER).order_by("id").values_list("id", flat=True))


def _services_before() -> list[int]:
    made = Service.objects.filter(routes__offer__provider__name__startswith=PROVIDER)
    return list(made.order_by("id").values_list("id", flat=True))


def _services(count: int) -> list[int]:
    stamp = time.time_ns()
    provider = Provider.objects.create(
        name=f"{PROVIDER}{stamp}",
        api_url="",
        paused_at=timezone.now(),
        pause_kind=Provider.Pause.BY_HAND,
        pause_reason="seed_scale",
    )
    shelves = [Category.objects.get_or_create(name=f"Scale {number}")[0] for number in range(min(count, 20))]
    common = {"service_type": "default", "minimum": 10, "maximum": 1_000_000, "refill": True, "cancel": True}
    offers = Offer.objects.bulk_create(
        (
            Offer(
                provider=provider,
                external_id=str(number),
                name=f"Impressions {number}",
                rate=Decimal(1),
                **common,
            )
            for number in range(count)
        ),
        batch_size=2000,
    )
    services = Service.objects.bulk_create(
        (
            Service(
                category=shelves[number % len(shelves)],
                name=offer.name,
                rate=Decimal(2),
                cost_rate=Decimal(1),
                published=True,
                **common,
            )
            for number, offer in enumerate(offers)
        ),
        batch_size=2000,
    )
    routes = (Route(service=service, offer=offer) for service, offer in zip(services, offers, strict=True))
    Route.objects.bulk_create(routes, batch_size=2000)
    return [service.pk for service in services]


# The newest %(open)s are in progress and due to be asked about. Of the others one in 50 ended Partial (a quarter came
# back), one in 100 Canceled; the rest Completed. Three seconds apart.
_ORDERS = """
    CREATE TEMP TABLE seeded AS
    SELECT nextval(pg_get_serial_sequence('orders_order', 'id')) AS id, n,
           CASE WHEN n %% 100 < %(biggest)s THEN (%(users)s::bigint[])[1]
                ELSE (%(users)s::bigint[])[1 + n %% cardinality(%(users)s::bigint[])] END AS user_id,
           (%(services)s::bigint[])[1 + (n * 7) %% cardinality(%(services)s::bigint[])] AS service_id,
           clock_timestamp() - (%(count)s - n) * interval '3 seconds' AS at,
           CASE WHEN n > %(count)s - %(open)s THEN 'In progress' WHEN n %% 100 = 3 THEN 'Canceled' WHEN n %% 50 = 7 THEN 'Partial'
                ELSE 'Completed' END AS status
    FROM generate_series(1, %(count)s) AS n ORDER BY n;
    INSERT INTO orders_order (id, user_id, service_id, created_at, source, link, quantity, total, fields, reference, rate, per_order,
                              charge, cost, refunded, status, status_at, ended_at, start_count, remains, attention, request_hash)
    SELECT id, user_id, service_id, at, 'command', 'https://example.org/' || n, 1000, 1000, '{}', '', 2, false, 2, 1,
           CASE status WHEN 'Canceled' THEN 2 WHEN 'Partial' THEN 0.5 ELSE 0 END, status,
           CASE status WHEN 'In progress' THEN at ELSE at + interval '1 hour' END, CASE WHEN status <> 'In progress' THEN at + interval '1 hour' END,
           100, CASE status WHEN 'Canceled' THEN 1000 WHEN 'In progress' THEN 1000 WHEN 'Partial' THEN 250 ELSE 0 END, '', ''
    FROM seeded;
    INSERT INTO orders_submission (order_id, state, state_at, provider_id, route_id, offer_id, fence, next_at, waits_for, queued_since,
                                   provider_order_id, request_key, polls, observed_seq, raw_word, seen_status, next_poll_at)
    SELECT s.id, 'accepted', s.at, o.provider_id, r.id, o.id, 1, s.at, '', s.at, 'scale-' || s.id, gen_random_uuid(), 5, 0, s.status, '',
           CASE s.status WHEN 'In progress' THEN clock_timestamp() END
    FROM seeded s JOIN providers_route r ON r.service_id = s.service_id JOIN providers_offer o ON o.id = r.offer_id;
    INSERT INTO orders_submissionattempt (submission_id, fence, provider_id, offer_id, cost, state, reason, message, candidate_id,
                                          params_hash, excerpt, started_at, ended_at)
    SELECT order_id, 1, provider_id, offer_id, 1, 'accepted', '', '', '', '', '', state_at, state_at
    FROM orders_submission WHERE order_id IN (SELECT id FROM seeded);
    INSERT INTO orders_orderevent (order_id, at, kind, actor, before, after, why, staff_only)
    SELECT id, at, 'status', 'customer', '', 'Pending', 'Placed and paid', false FROM seeded
    UNION ALL SELECT id, at + interval '1 minute', 'status', 'provider', 'Pending', 'In progress', '', false FROM seeded
    UNION ALL SELECT id, at + interval '1 hour', 'status', 'provider', 'In progress', status, '', false FROM seeded WHERE status <> 'In progress';
    WITH moves AS (
        SELECT min(at) - interval '1 day' AS at, user_id, 2 * count(*) + 100 AS change, 'deposit:scale-' || min(id) AS cause,
               NULL::bigint AS order_number, 0::bigint AS n, 0 AS step FROM seeded GROUP BY user_id
        UNION ALL SELECT at, user_id, -2, 'order:' || id || ':charge', id, n, 1 FROM seeded
        UNION ALL SELECT at + interval '1 hour', user_id, 2, 'order:' || id || ':refunded-to:2.000000', id, n, 2 FROM seeded WHERE status = 'Canceled'
        UNION ALL SELECT at + interval '1 hour', user_id, 0.5, 'order:' || id || ':refunded-to:0.500000', id, n, 2 FROM seeded WHERE status = 'Partial'
    )
    INSERT INTO customers_transfer (at, source_id, target_id, amount, cause, order_number, note, actor, balance_after)
    SELECT m.at, CASE WHEN change < 0 THEN a.id WHEN step = 0 THEN 1 ELSE 2 END, CASE WHEN change < 0 THEN 2 ELSE a.id END, abs(change),
           cause, order_number, '', 'seed_scale', a.balance + sum(change) OVER (PARTITION BY user_id ORDER BY n, step)
    FROM moves m JOIN customers_account a USING (user_id) WHERE a.kind = 'wallet' ORDER BY n, step;
    UPDATE customers_account a SET balance = a.balance + t.balance
    FROM (SELECT user_id, 2 * count(*) + 100 - 2 * count(*) + sum(CASE status WHEN 'Canceled' THEN 2 WHEN 'Partial' THEN 0.5 ELSE 0 END) AS balance
          FROM seeded GROUP BY user_id) t
    WHERE a.user_id = t.user_id AND a.kind = 'wallet';
    DROP TABLE seeded;
"""


def seed_orders(
    count: int, users: list[int], services: list[int], *, biggest: int = 0, still_open: int = 0
) -> None:
    """`count` orders of these customers and services, each service with one route; within a transaction.

    `biggest`: percent of them placed by the first customer. `still_open`: the newest so many are in progress.
    """
    values: dict[str, Any] = {
        "users": users,
        "services": services,
        "count": count,
        "biggest": biggest,
        "open": still_open,
    }
    if count:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            for statement in _ORDERS.split(";\n"):
                if statement.strip():
                    cursor.execute(statement, values)
