"""Emptying the tables after a test that commits: DELETE where there are rows.

Django's way, TRUNCATE, makes the files of all tables and indexes anew, however few rows there are: half a second for
each of hundreds of tests. Rows are deleted with triggers and foreign keys off; the role of a throw-away cluster may do
that (panel.local.postgres). Where it may not (PostgreSQL before 15), Django's way stays.
"""

from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

from customers.models.money import ensure_house_accounts
from orders.models.submission import ensure_dispatch_switch

# What migrations know and no test changes.
KEPT = ("django_migrations", "django_content_type", "auth_permission")
_MAY = "SELECT current_setting('server_version_num')::int >= 150000 AND has_parameter_privilege('session_replication_role', 'SET')"


def install() -> None:
    """From now on tests with their own transactions end this way."""
    django_way = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def teardown(test: Any) -> None:
        if not _empty_tables():
            django_way(test)

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


def _empty_tables() -> bool:
    """Whether it could be done."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MAY)
        if cursor.fetchone() != (True,):
            return False
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        tables = [name for name in names if name not in KEPT]
        cursor.execute("SET LOCAL session_replication_role = 'replica'")
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables)
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {name}")
    ensure_house_accounts()
    ensure_dispatch_switch()
    return True
