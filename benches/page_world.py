"""What the back office has to show beside orders: work that waits for people, always the same amount of it, and what they
decided before, which grows with the orders.

Written by INSERT … SELECT as seed_scale does; the orders of which nobody knows are placed and made doubtful by the acts.
"""

from django.db import connection

from customers.models import User

WAITING_REQUESTS, WAITING_PAYMENTS, STAGED_CHANGES, OPEN_ALERTS, UNKNOWN = 120, 30, 200, 20, 20

# Once, at the first size. A day of 24 hours × 30 of calls and balances, as pruning leaves them.
_WAITING = """
    INSERT INTO orders_request (order_id, kind, state, state_at, created_at, created_by, reason, by_rule, note, internal_note, fence,
                                next_at, tries, upstream_id, upstream_message, raw_word)
    SELECT id, 'refill', 'requested', now(), now() - n * interval '10 minutes', 'customer', 'It went down', false, '', '', 0, now(), 0, '', '', ''
    FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM orders_order WHERE status = 'Completed' ORDER BY id DESC
          LIMIT %(requests)s) AS newest;
    INSERT INTO customers_depositrequest (user_id, method, amount, reference, state, note, created_at)
    SELECT id, 'Bank transfer', 25, 'W-' || id, 'pending', '', now() FROM customers_user WHERE email LIKE 'scale-%%' ORDER BY id LIMIT %(payments)s;
    INSERT INTO providers_catalogchange (provider_id, external_id, offer_id, kind, before, after, beyond_limits, state, found_at)
    SELECT provider_id, external_id, id, 'price', '{"rate": "1"}', '{"rate": "1.3"}', true, 'staged', now() FROM providers_offer
    WHERE provider_id = %(provider)s ORDER BY id LIMIT %(changes)s;
    INSERT INTO providers_alert (key, level, text, provider_id, at_risk, count, opened_at, last_at, closed_by)
    SELECT 'word:' || %(provider)s || ':w' || n, 'warning', 'The provider says a word that we do not know: w' || n, %(provider)s, n, 1, now(), now(), ''
    FROM generate_series(1, %(alerts)s) AS n;
    INSERT INTO providers_balancereading (provider_id, at, amount, currency)
    SELECT %(provider)s, now() - n * interval '1 hour', 1000 + n, 'USD' FROM generate_series(1, 720) AS n;
    INSERT INTO providers_providerhour (provider_id, hour, kind, calls, errors, deadlines, total_ms)
    SELECT %(provider)s, date_trunc('hour', now()) - n * interval '1 hour', kind, 100, 1, 0, 20000
    FROM generate_series(0, 719) AS n, unnest(ARRAY['submit', 'status', 'balance', 'catalog']) AS kind;
    INSERT INTO providers_markuprule (scope, percent, fixed, minimum, rounding, places, ending, position, enabled, note, changed_at)
    VALUES ('everything', 100, 0, 0, 'none', 2, 0, 0, true, '', now())
"""

# At each size, of the orders that came with it: one in 50 was refilled, one payment for 50, one alert for 1,000.
_PAST = """
    INSERT INTO orders_request (order_id, kind, state, state_at, created_at, created_by, reason, by_rule, note, internal_note, fence,
                                next_at, tries, upstream_id, upstream_message, raw_word, decided_by_id, decided_at)
    SELECT id, 'refill', 'done', created_at, created_at, 'customer', '', false, '', '', 1, created_at, 1, 'r' || id, '', '', %(admin)s, created_at
    FROM orders_order WHERE id > %(after)s AND status = 'Completed' AND id %% 50 = 1;
    INSERT INTO customers_depositrequest (user_id, method, amount, reference, state, note, created_at, decided_at, decided_by_id)
    SELECT user_id, 'Bank transfer', 25, 'P-' || id, 'credited', '', created_at, created_at, %(admin)s
    FROM orders_order WHERE id > %(after)s AND id %% 50 = 2;
    INSERT INTO customers_auditentry (at, actor_id, actor_label, verb, subject, summary, details)
    SELECT created_at, %(admin)s, 'adam@example.org', 'order.note', 'order:' || id, 'Note written', '{}'
    FROM orders_order WHERE id > %(after)s AND id %% 20 = 3;
    INSERT INTO providers_catalogchange (provider_id, external_id, offer_id, kind, before, after, beyond_limits, state, found_at, decided_at)
    SELECT %(provider)s, 'past-' || o.id, s.offer_id, 'price', '{"rate": "1"}', '{"rate": "1.01"}', false, 'applied', o.created_at, o.created_at
    FROM orders_order o JOIN orders_submission s ON s.order_id = o.id WHERE o.id > %(after)s AND o.id %% 100 = 4;
    INSERT INTO providers_alert (key, level, text, provider_id, at_risk, count, opened_at, last_at, closed_at, closed_by)
    SELECT 'word:' || id, 'warning', 'A word that we did not know', %(provider)s, 0, 1, created_at, created_at, created_at, 'adam@example.org'
    FROM orders_order WHERE id > %(after)s AND id %% 1000 = 5
"""


def set_up(admin: User, after: int, *, first: bool) -> None:
    """What belongs to the orders above number `after`; with the first of them what waits for people."""
    from providers.models import Provider

    provider = Provider.objects.filter(name__startswith="Scale ").order_by("pk")[0]
    values = {
        "admin": admin.pk,
        "after": after,
        "provider": provider.pk,
        "requests": WAITING_REQUESTS,
        "payments": WAITING_PAYMENTS,
        "changes": STAGED_CHANGES,
        "alerts": OPEN_ALERTS,
    }
    with connection.cursor() as cursor:
        for statement in _PAST.split(";\n") + (_WAITING.split(";\n") if first else []):
            cursor.execute(statement, values)
    if first:
        _doubtful()


def _doubtful() -> None:
    from tests import world
    from tests.staff_world import doubtful

    shop = world.service(world.offer(world.provider(name="Doubt")))
    buyer = world.customer("doubt@example.org", "1000")
    for number in range(UNKNOWN):
        doubtful(world.order(buyer, shop, f"https://example.org/doubt/{number}", 100))
