"""A row and the rows that belong to it, inserted by one statement.

For what every order writes: three statements of the ORM, each written anew from its models, become one that is written
once and prepared. The models stay the one home of columns and defaults: the values are those that `save()` would send.
"""

import re
from typing import Any

from django.db import connection, router
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
    [(number,)] = rows_of(together.sql, together.values((first, *others)))
    first.pk = number
    for row, (field, _columns) in zip(others, together.belonging, strict=True):
        setattr(row, field.attname, number)
    for row in (first, *others):
        row._state.adding, row._state.db = False, router.db_for_write(type(row))


class _Together:
    """The statement for rows of these models, and which of their values it takes."""

    def __init__(self, first: Model, others: tuple[Model, ...]) -> None:
        self.columns = _columns_of(first, None)
        self.belonging = []
        for row in others:
            field = _belongs_by(row, first)
            self.belonging.append((field, _columns_of(row, field)))
        key = _quoted(first._meta.pk.column)
        parts = [
            f"first AS (INSERT INTO {_quoted(first._meta.db_table)} ({_names(self.columns)})"
            f" VALUES ({_places(self.columns)}) RETURNING {key})"
        ]
        for number, (row, (field, columns)) in enumerate(zip(others, self.belonging, strict=True)):
            parts.append(
                f"other{number} AS (INSERT INTO {_quoted(row._meta.db_table)}"
                f" ({_quoted(field.column)}, {_names(columns)})"
                f" SELECT first.{key}, {_places(columns)} FROM first)"
            )
        self.sql = f"WITH {', '.join(parts)} SELECT {key} FROM first"

    def values(self, rows: tuple[Model, ...]) -> list[Any]:
        columns = [self.columns, *(columns for _field, columns in self.belonging)]
        return [_value(field, row) for row, fields in zip(rows, columns, strict=True) for field in fields]


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


def _value(field: "Field[Any, Any]", row: Model) -> Any:
    value = field.pre_save(row, True)
    if isinstance(value, DatabaseDefault):
        raise TypeError(f"{field} of a row that is inserted with others must be given.")
    return field.get_db_prep_save(value, connection)


def _names(fields: "list[Field[Any, Any]]") -> str:
    return ", ".join(_quoted(field.column) for field in fields)


def _places(fields: "list[Field[Any, Any]]") -> str:
    # Without the length: a cast to varchar(40) would cut in silence what the column refuses.
    kinds = (
        re.sub(
            r"\(.*?\)",
            "",
            str(field.rel_db_type(connection) if field.is_relation else field.db_type(connection)),
        )
        for field in fields
    )
    return ", ".join(f"%s::{kind}" for kind in kinds)


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(name or "")
