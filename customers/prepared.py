"""Statements that PostgreSQL plans once for each connection: afterwards only the values travel.

For the handful that every order needs. Planning one of them costs PostgreSQL more than doing it, so it keeps them
prepared, by name, as long as the connection lives. Everything else goes by Django's own cursor, whose statements hold
their values as text. A pooler that hands one connection to several clients in turn (PgBouncer with pool_mode =
transaction) does not know those names: DB_PREPARED_STATEMENTS=off sends the same statements without them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import NotSupportedError, OperationalError, connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName
from psycopg.types.numeric import Int8

Row = tuple[Any, ...]


def rows_of(sql: str, values: Mapping[str, Any] | Sequence[Any]) -> list[Row]:
    """Run one statement with its values bound by the server, and fetch what it returns. `%s` or `%(name)s`.

    Unlike with an ordinary cursor PostgreSQL sees the statement without its values: where a value stands alone in a
    list of columns it must be told the type (`%s::uuid`). Raises what Django's cursors raise.
    """
    try:
        return _rows_of(sql, values)
    except (NotSupportedError, OperationalError) as error:
        # What was prepared is of yesterday (a migration changed a column meanwhile) or not there: nothing was executed.
        # Within a transaction the rollback forgets what is prepared, and whoever asked asks again.
        stale = isinstance(error.__cause__, FeatureNotSupported | InvalidSqlStatementName)
        if not stale or connection.in_atomic_block:
            raise
    connection.close()
    return _rows_of(sql, values)


def _rows_of(sql: str, values: Mapping[str, Any] | Sequence[Any]) -> list[Row]:
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    bare = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]  # the stubs know no base
    kind = _Logged if connection.queries_logged else CursorWrapper
    with kind(bare, connection) as cursor, _prepared(connection.connection):
        cursor.execute(sql, _typed(values))
        rows: list[Row] = cursor.fetchall()
    return rows


class _Logged(CursorDebugWrapper):
    """Logs the statement with its values in their places, as it can be read and run."""

    def execute(self, sql: Any, params: Any = None) -> Any:
        with self.db.wrap_database_errors:
            readable = self.db.ops.compose_sql(sql, params)
        with self.debug_sql(readable):
            return CursorWrapper.execute(self, sql, params)


@contextmanager
def _prepared(raw: Any) -> Iterator[None]:
    """Not a setting of the connection: psycopg would then remember every other statement too, to count it."""
    raw.prepare_threshold = 0 if settings.DB_PREPARED_STATEMENTS else None
    try:
        yield
    finally:
        raw.prepare_threshold = None


def _typed(values: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any] | list[Any]:
    """Whole numbers all of one type: psycopg would choose by size, and each choice is another statement."""
    if isinstance(values, Mapping):
        return {name: Int8(value) if type(value) is int else value for name, value in values.items()}
    return [Int8(value) if type(value) is int else value for value in values]
