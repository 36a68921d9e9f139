"""The truth log: what really exists in the sandbox's book, one JSON object per line.

A line is handed to the kernel before the answer that speaks of it leaves, so a kill -9 of the sandbox or of
its client never leaves an order that is not in the log. It is the oracle of the fault campaigns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class TruthLog:
    """Appends to every given file and keeps the lines in memory for GET /control/truth."""

    def __init__(self, paths: list[Path]) -> None:
        self.lines: list[Line] = []
        self._files: list[int] = []
        for path in dict.fromkeys(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":  # a torn last line must not swallow the next
                os.write(file, b"\n")
            self._files.append(file)

    def write(self, event: str, **facts: Any) -> Line:
        line: Line = {"at": datetime.now(UTC).isoformat(), "event": event, **facts}
        self.lines.append(line)
        if self._files:
            data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
            for file in self._files:
                os.write(file, data)
        return line

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files.clear()


def read_lines(path: Path) -> Iterator[Line]:
    """Lines of an earlier run. A torn last line (power loss) is skipped."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and "event" in line:
                yield line
