"""Queries that Django writes once: afterwards only the values travel.

Writing a query with joins costs Django about 1 ms of CPU each time, several times what PostgreSQL needs to answer it.
That is nothing for a page and most of the work for an order, so the few queries that every order asks are kept
written. The models stay the one home of columns and conditions: what is kept is the SQL that the ORM made of them.
(It lives in this room because every other room may import from here.)
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators

from customers.prepared import Row, rows_of

M = TypeVar("M", bound=Model)


class CompiledQuery(Generic[M]):
    """`CompiledQuery(build, service=-1)`: `build(service=…)` makes the queryset, -1 is an example of the value.

    Each example must be unlike every constant of the query, and not None: NULL is another query. Calling it with the
    real values gives the objects, with what select_related, only and annotate add. No prefetch_related.
    """

    def __init__(self, build: Callable[..., QuerySet[M]], **examples: Any) -> None:
        self._build = build
        self._examples = examples
        self._written: _Written | None = None

    def __call__(self, **values: Any) -> list[M]:
        # Two threads may write it at the same moment: both write the same.
        written = self._written or self._write()
        rows = rows_of(written.sql, written.parameters(values))
        return [written.object_of(row) for row in written.converted(rows)]

    def first(self, **values: Any) -> M | None:
        """The first object; the query itself should be cut to one."""
        found = self(**values)
        return found[0] if found else None

    def _write(self) -> "_Written":
        self._written = _Written(self._build(**self._examples), self._examples)
        return self._written


class _Written:
    def __init__(self, queryset: QuerySet[Any], examples: Mapping[str, Any]) -> None:
        self.compiler: Any = queryset.query.get_compiler(connection=connection)
        self.sql, found = self.compiler.as_sql()
        self._constants = list(found)
        self._places = {
            name: [place for place, value in enumerate(found) if _same(value, example)]
            for name, example in examples.items()
        }
        if lost := [name for name, places in self._places.items() if not places]:
            raise ValueError(f"{', '.join(lost)}: the example is not to be seen in the query.")
        if any(isinstance(value, date) for place, value in enumerate(found) if not self._given(place)):
            raise ValueError("A time would be kept with the query for ever: pass it as a value.")
        klass, selected = self.compiler.klass_info, self.compiler.select
        self._model = klass["model"]
        self._start, self._end = klass["select_fields"][0], klass["select_fields"][-1] + 1
        self._names = [column[0].target.attname for column in selected[self._start : self._end]]
        # django-stubs are of a later Django
        self._related: Any = get_related_populators(klass, selected, connection.alias)  # type: ignore[call-arg]
        self._added = list((self.compiler.annotation_col_map or {}).items())
        self._converters = self.compiler.get_converters([column[0] for column in selected])

    def _given(self, place: int) -> bool:
        return any(place in places for places in self._places.values())

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        given = list(self._constants)
        for name, places in self._places.items():
            for place in places:
                given[place] = values[name]
        return given

    def converted(self, rows: Iterable[Row]) -> Iterable[Any]:
        """The values as the fields read them (decrypted, parsed)."""
        return self.compiler.apply_converters(rows, self._converters) if self._converters else rows

    def object_of(self, row: Any) -> Any:
        made = self._model.from_db(connection.alias, self._names, row[self._start : self._end])
        for populator in self._related:
            populator.populate(row, made)
        for name, place in self._added:
            setattr(made, name, row[place])
        return made


def _same(value: Any, example: Any) -> bool:
    return type(value) is type(example) and value == example
