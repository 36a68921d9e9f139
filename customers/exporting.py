"""CSV files of any length: streamed row by row, and harmless in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

# A cell that starts so is run as a formula by spreadsheets, also after a tab or a line break.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    """What csv.writer writes to: hands every line straight back."""

    def write(self, line: str) -> str:
        return line


def cell(value: Any) -> str:
    """One value as text: times in UTC as ISO 8601, None as nothing, text defused; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value, timezone.get_default_timezone()).isoformat(timespec="seconds")
    if isinstance(value, str):
        return "'" + value if value.startswith(_DANGEROUS) else value
    return str(value)


def csv_download(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """A download named `name`.csv; `rows` is consumed while it is sent, so an iterator of any length will do."""
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield writer.writerow(header)
        for row in rows:
            yield writer.writerow([cell(value) for value in row])

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"},
    )
