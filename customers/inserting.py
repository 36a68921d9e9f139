"""A row and the rows that belong to it, inserted by one statement.

For what every order writes: three statements of the ORM, each written anew from its models, become one that is written
once and prepared. The models stay the one home of columns and defaults: the values are those that `save()` would send.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, router
from django.db.models import Field, ForeignKey, Model
from django.db.models.expressions import DatabaseDefault

from customers.prepared import rows_of

_written: dict[tuple[type[Model], ...], "_Together"] = {}


def insert_together(first: Model, *others: Model) -> None:
    """Insert `first` and the `others`, each of which has it in a foreign key; all of them or none.

    Afterwards `first` has its number and the others point to it; what else the others would learn from the database
    (their own number) they do not know. No model's save() or signal runs. Raises what save(force_insert=True) raises;
    TypeError: a row of `others` does not belong to `first`. Rows of one model come in no sure order.
    """
    kinds = (type(first), *map(type, others))
    together = _written.get(kinds)
    if together is None:
        # Two threads may write it at the same moment: both write the same.
        together = _written[kinds] = _Together(first, others)
    for row, (field, _columns) in zip(others, together.belonging, strict=True):
        if field.get_cached_value(row, None) is not first:
            raise TypeError(f"This {type(row).__name__} does not belong to the {type(first).__name__}.")
    values = together.values((first, *others))
    sql = together.sql_for(tuple(value is None for value in values))
    [(number,)] = rows_of(sql, [value for value in values if value is not None])
    first.pk = number
    for row, (field, _columns) in zip(others, together.belonging, strict=True):
        setattr(row, field.attname, number)
    for row in (first, *others):
        row._state.adding, row._state.db = False, router.db_for_write(type(row))


class _Together:
    """The statements for rows of these models, and which of their values they take.

    What is NULL is written into the statement, of which there are then a few: half of an order's columns are empty
    until it is sent, and psycopg reads a statement of more than fifty values anew each time.
    """

    def __init__(self, first: Model, others: tuple[Model, ...]) -> None:
        self.columns = _columns_of(first, None)
        self.belonging = []
        for row in others:
            field = _belongs_by(row, first)
            self.belonging.append((field, _columns_of(row, field)))
        self.tables = [_quoted(row._meta.db_table) for row in (first, *others)]
        self.key = _quoted(first._meta.pk.column)
        self.written: dict[tuple[bool, ...], str] = {}

    def values(self, rows: tuple[Model, ...]) -> list[Any]:
        columns = [self.columns, *(columns for _field, columns in self.belonging)]
        real = connections[DEFAULT_DB_ALIAS]  # what `connection` looks up anew for every value
        return [
            _value(field, row, real) for row, fields in zip(rows, columns, strict=True) for field in fields
        ]

    def sql_for(self, empty: tuple[bool, ...]) -> str:
        """The statement where these of the values are NULL."""
        sql = self.written.get(empty)
        if sql is None:
            sql = self.written[empty] = self._write(iter(empty))
        return sql

    def _write(self, empty: Iterator[bool]) -> str:
        parts = [
            f"first AS (INSERT INTO {self.tables[0]} ({_names(self.columns)})"
            f" VALUES ({_places(self.columns, empty)}) RETURNING {self.key})"
        ]
        for number, (field, columns) in enumerate(self.belonging, 1):
            parts.append(
                f"other{number} AS (INSERT INTO {self.tables[number]} ({_quoted(field.column)}, {_names(columns)})"
                f" SELECT first.{self.key}, {_places(columns, empty)} FROM first)"
            )
        return f"WITH {', '.join(parts)} SELECT {self.key} FROM first"


def _columns_of(row: Model, belongs_by: "Field[Any, Any] | None") -> "list[Field[Any, Any]]":
    """What is sent: all but the number that the database gives and the one that points to the first row."""
    fields = row._meta.local_concrete_fields
    return [
        field
        for field in fields
        if field is not belongs_by and not field.generated and field is not row._meta.auto_field
    ]


def _belongs_by(row: Model, first: Model) -> Any:
    for field in row._meta.local_concrete_fields:
        if isinstance(field, ForeignKey) and field.get_cached_value(row, None) is first:
            return field
    raise TypeError(f"A {type(row).__name__} does not belong to a {type(first).__name__}.")


def _value(field: "Field[Any, Any]", row: Model, real: Any) -> Any:
    value = field.pre_save(row, True)
    if isinstance(value, DatabaseDefault):
        raise TypeError(f"{field} of a row that is inserted with others must be given.")
    return field.get_db_prep_save(value, real)


def _names(fields: "list[Field[Any, Any]]") -> str:
    return ", ".join(_quoted(field.column) for field in fields)


def _places(fields: "list[Field[Any, Any]]", empty: Iterator[bool]) -> str:
    # The fields first: zip() takes from `empty` only what they need.
    return ", ".join(
        f"{'NULL' if null else '%s'}::{_kind(field)}" for field, null in zip(fields, empty, strict=False)
    )


def _kind(field: "Field[Any, Any]") -> str:
    """The type without its length: a cast to varchar(40) would cut in silence what the column refuses."""
    whole = field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
    return re.sub(r"\(.*?\)", "", str(whole)).replace("timestamp with time zone", "timestamptz")


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(name or "")
