"""What an adapter hands back: frozen values in our own words, the provider's raw word beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from providers.service_types import Ordered


class Word(StrEnum):
    """An order's status as the protocol names it."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    IN_PROGRESS = "In progress"
    COMPLETED = "Completed"
    PARTIAL = "Partial"
    CANCELED = "Canceled"


class RefillWord(StrEnum):
    PENDING = "Pending"
    IN_PROGRESS = "In progress"
    COMPLETED = "Completed"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class AddRequest:
    """`service`: the provider's service id. `service_type`: a code of service_types.TYPES.
    `request_key`: sent only where the provider documents an idempotency key."""

    service: str
    service_type: str
    ordered: Ordered
    request_key: str | None = None


@dataclass(frozen=True)
class Accepted:
    order_id: str
    http_status: int
    excerpt: str


@dataclass(frozen=True)
class OfferRow:
    """One line of a provider's price list. `rate` is per 1000 (or per order, by type) in the provider's
    currency, at most 8 decimals; `service_type` is None when the type is missing or not in our table."""

    service_id: str
    name: str
    category: str
    type_raw: str
    service_type: str | None
    rate: Decimal
    minimum: int
    maximum: int
    refill: bool
    cancel: bool
    dripfeed: bool
    description: str


@dataclass(frozen=True)
class Catalog:
    """`problems`: one sentence per row that was dropped or doubted."""

    rows: tuple[OfferRow, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """What a provider said about one order. `word` None: a word we do not know, which changes nothing.
    `remains` is as reported (it may be negative or above the total); None when missing or unreadable."""

    word: Word | None
    raw_word: str
    charge: Decimal | None = None
    start_count: int | None = None
    remains: int | None = None
    currency: str = ""
    runs: int | None = None
    child_ids: tuple[str, ...] = ()
    raw: str = ""


@dataclass(frozen=True)
class Statuses:
    """Ids in neither mapping: the provider gave no information about them."""

    found: Mapping[str, Observation] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RequestAnswer:
    """The answer to a refill or cancel request for one order. Accepted means taken, not carried out."""

    accepted: bool
    upstream_id: str = ""
    kind: str = ""
    message: str = ""


@dataclass(frozen=True)
class RefillStatuses:
    """`found`: None as value means a word we do not know, so nothing changes; `raw` holds the words as sent;
    `errors`: ids the provider answered with an error. Ids nowhere: no information."""

    found: Mapping[str, RefillWord | None] = field(default_factory=dict)
    raw: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Balance:
    """`currency` is empty when the provider does not tell it."""

    amount: Decimal
    currency: str = ""
