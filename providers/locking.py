"""Who writes offers and prices waits for the other, until the end of his transaction (PostgreSQL advisory locks).

Take them in this order: a provider's offers, then prices. Placing orders waits for neither.
"""

from django.db import connection

_OFFERS, _PRICES = 71_001, 71_002


def lock_offers(provider_id: int) -> None:
    _lock(_OFFERS, provider_id)


def lock_prices() -> None:
    _lock(_PRICES, 0)


def _lock(kind: int, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [kind, number % 2**31])
