"""What a bench reports, and how it is printed."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`value` in `unit`, beside `bound` (what the machine or the provider allows, measured in the same run)."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    bound_is: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.value / self.bound if self.bound else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile in milliseconds."""
    return {
        "p50_ms": round(statistics.median(seconds) * 1000, 1),
        "p95_ms": round(percentile(seconds, 0.95) * 1000, 1),
        "p99_ms": round(percentile(seconds, 0.99) * 1000, 1),
    }


def table(figures: Sequence[Figure]) -> str:
    lines = [f"{'figure':44} {'value':>12} {'unit':12} {'bound':>12} {'ratio':>7}"]
    for row in figures:
        bound = f"{row.bound:12.1f}" if row.bound is not None else " " * 12
        ratio = f"{row.ratio:7.1%}" if row.ratio is not None else " " * 7
        more = "  " + ", ".join(f"{name} {value}" for name, value in row.more.items()) if row.more else ""
        lines.append(f"{row.name:44} {row.value:12.1f} {row.unit:12} {bound} {ratio}  {row.bound_is}{more}")
    return "\n".join(lines)


def as_json(figures: Sequence[Figure]) -> str:
    return json.dumps([asdict(row) | {"ratio": row.ratio} for row in figures])
