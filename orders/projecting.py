"""project(): what one observation means for one order. Pure: values in, a decision out.

Rules of docs/reliability.md "Status sync": unknown words, missing ids and errors change nothing; an end is
only proposed here, and moves money in orders.syncing after it was confirmed.
"""

from dataclasses import dataclass
from decimal import Decimal

from providers.adapters.results import Observation, Word

LARGEST_COUNT = 2**63 - 1  # of a bigint column


@dataclass(frozen=True)
class Known:
    """What we know of the order before the observation."""

    status: str
    total: int
    start_count: int | None
    remains: int | None
    per_order: bool
    drip_feed: bool = False

    @property
    def final(self) -> bool:
        return self.status in {"Completed", "Partial", "Canceled"}


@dataclass(frozen=True)
class Projection:
    """`status`: what the customer should see now (unchanged where nothing is known). `ends`: an end with money
    to settle: "", "completed", "partial", "canceled". `attention`: why a person must decide instead.
    `late`: the report contradicts an order that has ended already."""

    status: str
    start_count: int | None
    remains: int | None
    ends: str = ""
    attention: str = ""
    late: bool = False


def project(known: Known, seen: Observation) -> Projection:
    """Decide what `seen` means. Never raises; never proposes to move money on a word we do not know."""
    start_count = (
        seen.start_count
        if seen.start_count is not None and 0 <= seen.start_count <= LARGEST_COUNT
        else known.start_count
    )
    usable = seen.remains is not None and seen.remains <= known.total
    remains = max(seen.remains, 0) if usable and seen.remains is not None else known.remains
    if seen.word is None:
        return Projection(known.status, known.start_count, known.remains)
    if known.final:
        return _after_the_end(known, seen)
    if seen.word == Word.COMPLETED:
        return _completed(known, seen, start_count, remains)
    if seen.word == Word.PARTIAL:
        return _partial(known, seen, start_count, remains)
    if seen.word == Word.CANCELED:
        return _canceled(known, seen, start_count, remains)
    return Projection(str(seen.word), start_count, remains)


def _completed(known: Known, seen: Observation, start_count: int | None, remains: int | None) -> Projection:
    if known.drip_feed and seen.charge is None and seen.remains is None:
        return _for_staff(
            known, start_count, "The drip-feed ended without a charge or remains: decide by hand"
        )
    left = seen.remains if seen.remains is not None and seen.remains > 0 else 0
    # It moves no money; what remains is flagged for staff by the caller.
    return Projection("Completed", start_count, left if left <= known.total else remains, ends="completed")


def _partial(known: Known, seen: Observation, start_count: int | None, remains: int | None) -> Projection:
    if known.per_order:
        return _for_staff(known, start_count, "Partial on a service with a fixed price: decide by hand")
    if seen.remains is None:
        return _for_staff(known, start_count, "Partial without the number that remains: decide by hand")
    if seen.remains > known.total:
        return _for_staff(
            known, start_count, f"Partial with remains {seen.remains} above the total: decide by hand"
        )
    if seen.remains <= 0:
        return _for_staff(known, start_count, "Partial with nothing remaining: decide by hand")
    return Projection("Partial", start_count, remains, ends="partial")


def _canceled(known: Known, seen: Observation, start_count: int | None, remains: int | None) -> Projection:
    delivered = (
        seen.charge is not None
        and seen.charge > Decimal(0)
        and seen.remains is not None
        and seen.remains < known.total
    )
    if delivered:
        return _for_staff(
            known,
            start_count,
            f"Canceled, but {seen.remains} of {known.total} remain and it was charged: full refund or by remains?",
        )
    return Projection("Canceled", start_count, remains, ends="canceled")


def _for_staff(known: Known, start_count: int | None, why: str) -> Projection:
    return Projection(known.status, start_count, known.remains, attention=why)


def _after_the_end(known: Known, seen: Observation) -> Projection:
    """Nothing moves after the end; another report is recorded and shown to staff."""
    same_word = str(seen.word) == known.status
    same_end = same_word and (
        seen.word != Word.PARTIAL or seen.remains is None or seen.remains == known.remains
    )
    canceled_as_partial = (
        known.status == "Canceled" and seen.word == Word.PARTIAL and seen.remains == known.total
    )
    if same_end or canceled_as_partial:
        return Projection(known.status, known.start_count, known.remains)
    shown = f"{seen.raw_word}" + (f", remains {seen.remains}" if seen.remains is not None else "")
    return Projection(
        known.status,
        known.start_count,
        known.remains,
        attention=f"Reported as {shown} after it ended as {known.status}"[:200],
        late=True,
    )
