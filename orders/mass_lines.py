"""Many orders as text: `service | link | quantity` lines, or CSV. Pure: text in, lines out, nothing judged.

CSV has a header that names its columns (service, link, quantity, runs, interval, reference, and the parameters of the
service types, such as comments); without one the columns are service, link, quantity. A cell may hold line breaks.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from customers.figures import count
from providers.service_types import TYPES, lines_of

MOST_LINES = 5000
_PLAIN = ("service", "link", "quantity")  # the columns where no header names them
_NAMES = {
    "service_id": "service",
    "service id": "service",
    "url": "link",
    "amount": "quantity",
    "qty": "quantity",
}
PARAMETERS = frozenset({"link", "quantity", "runs", "interval"}) | {
    wanted.name for service_type in TYPES.values() for wanted in service_type.fields
}


class Unreadable(ValueError):
    """The text as a whole cannot be taken; the sentence says why."""


@dataclass(frozen=True)
class Line:
    """One order as it was written. `number` counts the lines of the text from 1; `service` is 0 where it is none."""

    number: int
    text: str
    service: int
    raw: dict[str, str] = field(default_factory=dict)
    reference: str = ""


def read_lines(text: str) -> list[Line]:
    """The orders in a text, in its order. Raises Unreadable: nothing in it, too many, or a broken CSV."""
    text = text.removeprefix("\ufeff").replace("\x00", "")
    first = next(iter(lines_of(text)), "")
    if not first:
        raise Unreadable(_("Enter at least one line."))
    found = []
    for line in _piped(text) if "|" in first else _csv(text, first):
        found.append(line)
        if len(found) > MOST_LINES:
            raise Unreadable(_("At most %s lines at a time. Send the rest afterwards.") % count(MOST_LINES))
    if not found:
        raise Unreadable(_("Enter at least one line."))
    return found


def written(text: str, lines: Sequence[Line]) -> str:
    """Some lines of this text as a text of their own, which `read_lines` reads as the same orders."""
    first = next(iter(lines_of(text.removeprefix("\ufeff").replace("\x00", ""))), "")
    if "|" in first:  # the first line says how the others are read
        return "\n".join(line.text for line in sorted(lines, key=lambda line: "|" not in line.text))
    delimiter = _delimiter(first)
    names = [_name(cell) for cell in next(csv.reader([first], delimiter=delimiter))]
    header = first if "service" in names else delimiter.join(_PLAIN)
    return "\n".join([header, *(line.text for line in lines)])


def _piped(text: str) -> Iterator[Line]:
    """A link may itself hold the bar: the first one ends the service, the last one begins the quantity."""
    for number, whole in enumerate(text.splitlines(), 1):
        if not whole.strip():
            continue
        service, _bar, rest = whole.partition("|")
        link, bar, quantity = rest.rpartition("|")
        raw = {"link": link.strip(), "quantity": quantity.strip()} if bar else {"link": rest.strip()}
        yield Line(
            number, whole.strip(), _number(service), {key: value for key, value in raw.items() if value}
        )


def _csv(text: str, first: str) -> Iterator[Line]:
    delimiter = _delimiter(first)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    columns, begins = list(_PLAIN), 1
    try:
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            names = [_name(cell) for cell in cells]
            if "service" in names:
                columns = names
                _check_columns(names)
                continue
            values = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
            yield Line(
                number,
                _as_csv(cells, delimiter),
                _number(values.get("service", "")),
                {name: value for name, value in values.items() if name in PARAMETERS},
                values.get("reference", ""),
            )
    except csv.Error as error:
        raise Unreadable(
            _("The CSV cannot be read near line %(line)s: %(why)s.") % {"line": reader.line_num, "why": error}
        ) from None


def _delimiter(first: str) -> str:
    return max(",;\t", key=first.count)


def _as_csv(cells: Sequence[str], delimiter: str) -> str:
    """Quoted where it must be: a cell may hold the delimiter, or comments of several lines."""
    row = io.StringIO()
    csv.writer(row, delimiter=delimiter, lineterminator="").writerow(cells)
    return row.getvalue().strip(" \r\n")


def _check_columns(names: list[str]) -> None:
    unknown = [name for name in names if name and name not in PARAMETERS | {"service", "reference"}]
    if unknown:
        raise Unreadable(_("The CSV has a column that means nothing here: %s.") % unknown[0][:40])


def _name(cell: str) -> str:
    name = cell.strip().lower()
    return _NAMES.get(name, name)


def _number(text: str) -> int:
    digits = text.strip().lstrip("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else 0
