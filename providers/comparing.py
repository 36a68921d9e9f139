"""A provider's list against what we last accepted from it: pure, no database.

Values are kept as JSON would hold them (rates as text with 8 places), so that a change can be stored, shown
and applied later exactly as it was found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from providers.adapters.results import OfferRow
from providers.service_types import TYPES, ServiceType

FIELDS_OF = {
    "price": ("rate",),
    "limits": ("minimum", "maximum"),
    "type": ("service_type",),
    "details": ("name", "category", "description", "type_raw", "refill", "cancel", "dripfeed"),
}
FIELDS = tuple(name for names in FIELDS_OF.values() for name in names)
LARGEST_RATE = Decimal("9999999999")  # of numeric(18,8)
LONGEST_ID = 100  # of Offer.external_id
SHORT_LIST_SHARE = Decimal("0.10")
TWO_LISTS_APART = timedelta(minutes=10)


@dataclass(frozen=True)
class Known:
    """An offer as we have it."""

    offer_id: int
    values: Mapping[str, Any]
    on_hold: str = ""
    missing_since: datetime | None = None
    gone: bool = False


@dataclass(frozen=True)
class Change:
    """One difference. `beyond` says why it may not be applied without an admin; "" = within the limits."""

    external_id: str
    kind: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    offer_id: int | None = None
    beyond: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.external_id, self.kind


@dataclass
class Comparison:
    """`changes`: every difference, also the missing ones. `returned`: offers that are listed again before
    they were taken off sale; nothing is to be decided about them."""

    changes: list[Change] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    missing: int = 0
    unchanged: int = 0
    refused: str = ""  # why nothing of this list may be applied without an admin


def values_of(row: OfferRow) -> dict[str, Any]:
    """A row's values, cut to the size of their columns."""
    return {
        "name": row.name[:300],
        "category": row.category[:200],
        "description": row.description,
        "type_raw": row.type_raw[:60],
        "service_type": row.service_type or "",
        "rate": f"{row.rate:.8f}",
        "minimum": row.minimum,
        "maximum": row.maximum,
        "refill": row.refill,
        "cancel": row.cancel,
        "dripfeed": row.dripfeed,
    }


def storable(rows: Iterable[OfferRow]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The rows by external id, and a sentence for each that is dropped: repeated ids, too large values."""
    kept: dict[str, dict[str, Any]] = {}
    problems = []
    for row in rows:
        if row.service_id in kept:
            problems.append(f"Service {row.service_id} is listed more than once; the first was kept.")
        elif not row.service_id or len(row.service_id) > LONGEST_ID:
            problems.append(f"Service {row.service_id[:20]}… was dropped: its id is too long.")
        elif not 0 <= row.rate <= LARGEST_RATE:
            problems.append(f"Service {row.service_id} was dropped: its rate is too large.")
        else:
            kept[row.service_id] = values_of(row)
    return kept, problems


def compare(
    known: Mapping[str, Known],
    listed: Mapping[str, Mapping[str, Any]],
    rise_limit_percent: float,
    waiting: Iterable[Mapping[str, Any]] = (),
) -> Comparison:
    """All differences. `waiting`: new services that are not decided yet, whose types may be mapped by hand too.

    An empty list, or one that lacks more than 10 % of what we know, is refused: such a list never means that
    everything was dropped; an admin decides.
    """
    result = Comparison()
    alive = [external_id for external_id, offer in known.items() if not offer.gone]
    missing = [external_id for external_id in alive if external_id not in listed]
    result.missing = len(missing)
    if not listed:
        result.refused = "The list is empty; nothing was changed."
        return result
    if len(missing) > SHORT_LIST_SHARE * len(alive):
        result.refused = (
            f"{len(missing)} of {len(alive)} services are missing from the list, more than 10 %;"
            " nothing was changed until an admin decides."
        )
    mapped = _types_mapped_by_hand([*(offer.values for offer in known.values()), *waiting])
    for external_id, values in listed.items():
        offer = known.get(external_id)
        values = _with_mapped_type(values, offer, mapped)
        if offer is None:
            result.new += 1
            found = [Change(external_id, "new", {}, values)]
        else:
            found = _differences(external_id, offer, values, Decimal(str(rise_limit_percent)))
            if found:
                result.changed += 1
            else:
                result.unchanged += 1
            if offer.missing_since and not offer.gone:
                result.returned.append(offer.offer_id)
        result.changes += found
    result.changes += [Change(pk, "missing", {}, {}, known[pk].offer_id) for pk in missing]
    if result.refused:
        result.changes = [_beyond(change, "The list was short.") for change in result.changes]
    return result


def _differences(
    external_id: str, offer: Known, values: Mapping[str, Any], rise_limit: Decimal
) -> list[Change]:
    found = []
    if offer.gone:
        found.append(Change(external_id, "back", {}, {}, offer.offer_id))
    for kind, names in FIELDS_OF.items():
        if all(offer.values[name] == values[name] for name in names):
            continue
        before = {name: offer.values[name] for name in names if offer.values[name] != values[name]}
        after = {name: values[name] for name in before}
        beyond = _why_beyond(kind, offer.values, values, rise_limit)
        found.append(Change(external_id, kind, before, after, offer.offer_id, beyond))
    return found


def _why_beyond(kind: str, before: Mapping[str, Any], after: Mapping[str, Any], rise_limit: Decimal) -> str:
    if kind == "price":
        old, new = Decimal(before["rate"]), Decimal(after["rate"])
        if new == 0:
            return "The price fell to zero."
        if new > old * (100 + rise_limit) / 100:
            return f"The price rose from {_short(old)} to {_short(new)}, more than {_short(rise_limit)} %."
    if kind == "limits" and not limits_fit(after["service_type"], after["minimum"], after["maximum"]):
        return f"The limits make no sense: minimum {after['minimum']}, maximum {after['maximum']}."
    if kind == "type" and (sold := sellable_type(before["service_type"])):
        fresh = sellable_type(after["service_type"])
        if fresh is None or fresh.per_order != sold.per_order:
            word = fresh.name if fresh else repr(after["type_raw"])
            return f"The type changed from {sold.name} to {word}, which is sold differently or not at all."
    return ""


def sellable_type(code: str) -> ServiceType | None:
    """The type behind a code if it may be sold, else None."""
    found = TYPES.get(code)
    return found if found and found.sellable else None


def limits_fit(code: str, minimum: int, maximum: int) -> bool:
    """Whether any quantity can be ordered within the limits; a package is one order, whatever they say."""
    one = code in TYPES and TYPES[code].counts == "one"
    return minimum <= maximum and (one or maximum > 0)


def _types_mapped_by_hand(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What an admin decided about words that our table does not know: word → code. New rows follow it."""
    return {row["type_raw"]: row["service_type"] for row in rows if row["service_type"] and row["type_raw"]}


def _with_mapped_type(
    values: Mapping[str, Any], offer: Known | None, mapped: Mapping[str, str]
) -> Mapping[str, Any]:
    if values["service_type"]:
        return values
    if offer is not None and offer.values["type_raw"] == values["type_raw"]:
        code = offer.values["service_type"]  # also for a missing word, which stands for no other row
    else:
        code = mapped.get(values["type_raw"], "")
    return {**values, "service_type": code} if code else values


def _beyond(change: Change, why: str) -> Change:
    return Change(
        change.external_id, change.kind, change.before, change.after, change.offer_id, change.beyond or why
    )


def _short(rate: Decimal) -> str:
    return f"{rate.normalize():f}"


DECISIVE = ("price", "limits", "type")  # kinds that keep an offer on hold until they are decided
RISE_REFUSED = "A price rise was refused here; the provider charges the new price."


def rose(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a change of the price makes it dearer, so that its offer is not to be sold at the price before."""
    return Decimal(after["rate"]) > Decimal(before["rate"])


def holds_of(changes: Sequence[Change], refused_rises: Iterable[Change] = ()) -> dict[int, str]:
    """offer id → why it must not be sold until an admin decides: price, limits or type beyond the limits.

    `refused_rises`: within the limits, but an admin said no and the provider charges them all the same.
    """
    reasons: dict[int, list[str]] = {}
    for change in refused_rises:
        if change.offer_id is not None and not change.beyond:
            reasons.setdefault(change.offer_id, []).append(RISE_REFUSED)
    for change in changes:
        if change.beyond and change.offer_id is not None and change.kind in DECISIVE:
            reasons.setdefault(change.offer_id, []).append(change.beyond)
    return {offer_id: " ".join(sentences)[:200] for offer_id, sentences in reasons.items()}
