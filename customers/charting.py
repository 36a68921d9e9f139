"""A bar chart as numbers for an SVG: where each bar stands, so that the template only writes them down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Slot(Protocol):
    """One hour or day: what there was in all, how much of it failed, and whether it is still running."""

    @property
    def placed(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def running(self) -> bool: ...


OfSlot = TypeVar("OfSlot", bound=Slot)
GAP = 1.5
FOOT, HEAD, SIDE = 22.0, 8.0, 34.0


@dataclass(frozen=True)
class Bar:
    """One slot: the sent ones below, those that failed above them. Coordinates are the SVG's."""

    x: float
    width: float
    middle: float
    sent_y: float
    sent_height: float
    failed_y: float
    failed_height: float
    faded: bool
    label: str  # "" where the axis has no room for one
    title: str


@dataclass(frozen=True)
class Line:
    y: float
    text: str
    text_y: float


@dataclass(frozen=True)
class Chart:
    width: int
    height: int
    left: float
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]


def chart(
    slots: Sequence[OfSlot],
    width: int,
    height: int,
    *,
    slots_in_all: int,
    every: int,
    label: Callable[[OfSlot], str],
    title: Callable[[OfSlot], str],
) -> Chart:
    """Bars for `slots`, with room for `slots_in_all` of them; every `every`-th has a label below."""
    top = _nice(max((slot.placed for slot in slots), default=0))
    floor = height - FOOT
    scale = (floor - HEAD) / top
    step = (width - SIDE) / max(slots_in_all, 1)
    bar = min(step * 0.64, 40)
    bars = []
    for index, slot in enumerate(slots):
        sent = (slot.placed - slot.failed) * scale
        # one failure among thousands must still be seen
        failed = max(slot.failed * scale - (GAP if sent else 0), 3) if slot.failed else 0
        x = SIDE + index * step + (step - bar) / 2
        bars.append(
            Bar(
                x=round(x, 1),
                width=round(bar, 1),
                middle=round(x + bar / 2, 1),
                sent_y=round(floor - sent, 1),
                sent_height=round(sent, 1),
                failed_y=round(floor - sent - failed - (GAP if sent else 0), 1),
                failed_height=round(failed, 1),
                faded=slot.running,
                label=label(slot) if index % every == 0 else "",
                title=title(slot),
            )
        )
    lines = [
        Line(
            round(floor - top * scale * part / 4, 1),
            f"{top * part // 4:,}",
            round(floor - top * scale * part / 4 + 4, 1),
        )
        for part in range(5)
    ]
    return Chart(width, height, SIDE, tuple(bars), tuple(lines))


def _nice(most: int) -> int:
    """The next number that four lines divide into whole, round steps."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if 4 * step * factor >= most:
                return 4 * step * factor
        step *= 10
