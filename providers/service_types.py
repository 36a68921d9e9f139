"""The one table of service types: what a customer fills in, what counts as quantity, how it is priced.

The order form, our API, pricing and the adapters all read this table; nothing else knows a type by name.
The standard library is its only dependency, so that the adapters may import it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

MAX_LINK = 2048
MAX_TEXT = 1000
MAX_LINES_TEXT = 200_000
MAX_QUANTITY = 2_147_483_647
MAX_RUNS = 1000
MAX_INTERVAL = 100_000
"""Minutes: about ten weeks between two runs."""

ABSENT = frozenset({"", "undefined", "null"})
"""What clients in loosely typed languages send when they mean nothing at all."""


@dataclass(frozen=True)
class Field:
    """One parameter a customer fills in beyond link, quantity, runs and interval."""

    name: str
    kind: Literal["text", "lines", "integer", "choice"]
    required: bool
    label: str
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required_if: tuple[str, str] | None = None
    """(other field, its value): required then, and dropped otherwise."""


@dataclass(frozen=True)
class ServiceType:
    code: str
    name: str
    fields: tuple[Field, ...] = ()
    counts: Literal["quantity", "lines", "one"] = "quantity"
    lines_field: str = ""
    per_order: bool = False
    """The rate is the price of one order, not of 1000 units."""
    drip_feed: bool = False
    has_link: bool = True
    sellable: bool = True


def _lines(name: str, label: str, help: str = "") -> Field:
    return Field(name, "lines", True, label, help)


def _text(name: str, label: str, help: str = "") -> Field:
    return Field(name, "text", True, label, help)


_COMMENTS = _lines("comments", "Comments, one per line")
_USERNAMES = _lines("usernames", "User names, one per line")
_USERNAME = _text("username", "User name")
_OWNER = _text("username", "User name of the comment's owner")

_TRAFFIC = (
    _text("country", "Country", "A country code such as US, or WW for the whole world."),
    Field(
        "device",
        "choice",
        True,
        "Device",
        choices=(
            ("1", "Desktop"),
            ("2", "Mobile (Android)"),
            ("3", "Mobile (iOS)"),
            ("4", "Mobile, mixed"),
            ("5", "Mobile and desktop, mixed"),
        ),
    ),
    Field(
        "type_of_traffic",
        "choice",
        True,
        "Type of traffic",
        choices=(("1", "Search keyword"), ("2", "Custom referrer"), ("3", "Blank referrer")),
    ),
    Field("google_keyword", "text", False, "Search keyword", required_if=("type_of_traffic", "1")),
    Field("referring_url", "text", False, "Referring address", required_if=("type_of_traffic", "2")),
)

# Bought per post as child orders appear, so it cannot be charged in advance: shown to admins, never sold.
_SUBSCRIPTION = (
    _USERNAME,
    Field("min", "integer", True, "Minimum per post"),
    Field("max", "integer", True, "Maximum per post"),
    Field("delay", "integer", True, "Delay in minutes"),
    Field("posts", "integer", False, "New posts"),
    Field("old_posts", "integer", False, "Existing posts"),
    Field("expiry", "text", False, "Expiry", "Day/month/year"),
)

_TABLE = (
    ServiceType("default", "Default", drip_feed=True),
    ServiceType("package", "Package", counts="one", per_order=True),
    ServiceType("seo", "SEO", (_lines("keywords", "Keywords, one per line"),)),
    ServiceType("custom comments", "Custom Comments", (_COMMENTS,), counts="lines", lines_field="comments"),
    ServiceType(
        "custom comments package", "Custom Comments Package", (_COMMENTS,), counts="one", per_order=True
    ),
    ServiceType("mentions", "Mentions", (_USERNAMES,)),
    ServiceType(
        "mentions with hashtags",
        "Mentions with Hashtags",
        (_USERNAMES, _lines("hashtags", "Hashtags, one per line")),
    ),
    ServiceType(
        "mentions custom list",
        "Mentions Custom List",
        (_USERNAMES,),
        counts="lines",
        lines_field="usernames",
    ),
    ServiceType("mentions hashtag", "Mentions Hashtag", (_text("hashtag", "Hashtag"),)),
    ServiceType("mentions user followers", "Mentions User Followers", (_USERNAME,)),
    ServiceType("mentions media likers", "Mentions Media Likers", (_text("media", "Media link"),)),
    ServiceType("comment likes", "Comment Likes", (_OWNER,)),
    ServiceType(
        "comment replies", "Comment Replies", (_OWNER, _COMMENTS), counts="lines", lines_field="comments"
    ),
    ServiceType("poll", "Poll", (Field("answer_number", "integer", True, "Answer number"),)),
    ServiceType("invites from groups", "Invites from Groups", (_lines("groups", "Groups, one per line"),)),
    ServiceType(
        "subscriptions", "Subscriptions", _SUBSCRIPTION, counts="one", has_link=False, sellable=False
    ),
    ServiceType("web traffic", "Web Traffic", _TRAFFIC, drip_feed=True),
)
TYPES: dict[str, ServiceType] = {service_type.code: service_type for service_type in _TABLE}

# Spellings seen in the wild that case, separators and spaces alone do not bring together.
_ALIASES = {
    "seo2": "seo",
    "subscription": "subscriptions",
    "customcomment": "custom comments",
    "customcommentpackage": "custom comments package",
    "mentionswithhashtag": "mentions with hashtags",
    "mentionshashtags": "mentions hashtag",
    "mentionsusersfollowers": "mentions user followers",
    "mentionsuserfollower": "mentions user followers",
    "mentionsmedialiker": "mentions media likers",
    "commentslikes": "comment likes",
    "commentlike": "comment likes",
    "commentsreplies": "comment replies",
    "commentreply": "comment replies",
    "invitesfromgroup": "invites from groups",
    "invitefromgroups": "invites from groups",
}
_BY_SQUASHED = {code.replace(" ", ""): code for code in TYPES} | _ALIASES


def fold(raw: str | None) -> str | None:
    """The type code for a provider's word; None when it is unknown or missing, never a guess of Default."""
    if not isinstance(raw, str):
        return None
    return _BY_SQUASHED.get(re.sub(r"[\s_\-]+", "", raw).lower())


def lines_of(text: str) -> list[str]:
    """The non-blank lines of a list field, stripped; what is counted, charged and sent."""
    return [line for line in (part.strip() for part in re.split(r"\r\n|\n|\r", text)) if line]


@dataclass(frozen=True)
class Ordered:
    """What a customer ordered, checked and clean. `quantity` is per run; `interval` is in minutes."""

    link: str
    quantity: int
    runs: int | None = None
    interval: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.quantity * (self.runs or 1)


class Sentence(str):
    """An English sentence that still knows its template and what stands in it, for readers of other languages.

    Figures are whole numbers, shown with separators; words (labels) are translated on their own.
    """

    template: str
    figures: dict[str, str | int]

    def __new__(cls, template: str, **figures: str | int) -> "Sentence":
        shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in figures.items()}
        sentence = super().__new__(cls, template % shown)
        sentence.template, sentence.figures = template, figures
        return sentence


class InvalidOrder(ValueError):
    """`errors`: a sentence for the customer by parameter name. `codes`: the same as required, bad, min, max
    or unknown, for callers that have their own words. `limit`: the N behind min or max."""

    def __init__(self, errors: Mapping[str, str], codes: Mapping[str, str], limit: int | None = None) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)
        self.codes = dict(codes)
        self.limit = limit


def read_order(service_type: ServiceType, raw: Mapping[str, str], minimum: int, maximum: int) -> Ordered:
    """Check a customer's parameters against a type and the service's limits (which apply per run).

    Parameters the type does not know are ignored. Raises InvalidOrder naming every wrong parameter at once.
    """
    return _Reader(service_type, raw, max(minimum, 1), min(maximum, MAX_QUANTITY)).read()


class _Reader:
    def __init__(self, service_type: ServiceType, raw: Mapping[str, str], minimum: int, maximum: int) -> None:
        self.type = service_type
        self.raw = raw
        self.minimum = minimum
        self.maximum = maximum
        self.errors: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.limit: int | None = None

    def read(self) -> Ordered:
        if not self.type.sellable:
            self._wrong("service", "bad", "%(type)s services cannot be ordered here.", type=self.type.name)
            raise InvalidOrder(self.errors, self.codes)
        link = self._link() if self.type.has_link else ""
        fields = self._fields()
        quantity = self._quantity(fields)
        runs, interval = self._drip_feed()
        if self.errors:
            raise InvalidOrder(self.errors, self.codes, self.limit)
        return Ordered(link, quantity, runs, interval, fields)

    def _wrong(
        self, name: str, code: str, template: str, limit: int | None = None, **figures: str | int
    ) -> None:
        if name not in self.errors:
            self.errors[name], self.codes[name] = Sentence(template, **figures), code
            if limit is not None and self.limit is None:
                self.limit = limit

    def _given(self, name: str) -> str:
        value = self.raw.get(name)
        text = "" if value is None else str(value).strip()
        return "" if text in ABSENT else text

    def _link(self) -> str:
        link = self._given("link")
        if not link:
            self._wrong("link", "required", "Enter a link.")
        elif len(link) > MAX_LINK:
            self._wrong("link", "bad", "The link is longer than %(most)s characters.", most=MAX_LINK)
        elif not printable(link):
            self._wrong("link", "bad", "The link contains characters that cannot be sent.")
        return link

    def _fields(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for wanted in self.type.fields:
            value = self._given(wanted.name)
            if wanted.required_if is not None:
                other, needed = wanted.required_if
                if values.get(other) != needed:
                    continue
            if not value:
                if wanted.required or wanted.required_if is not None:
                    self._wrong(wanted.name, "required", "Fill in: %(label)s.", label=wanted.label)
                continue
            checked = self._check(wanted, value)
            if checked is not None:
                values[wanted.name] = checked
        return values

    def _check(self, wanted: Field, value: str) -> str | None:
        if wanted.kind == "lines":
            return self._check_lines(wanted, value)
        if wanted.kind == "choice":
            if value not in {choice for choice, _ in wanted.choices}:
                self._wrong(
                    wanted.name, "unknown", "%(label)s: choose one of the values listed.", label=wanted.label
                )
                return None
            return value
        if wanted.kind == "integer":
            number = whole_number(value)
            if number is None or number > MAX_QUANTITY:
                self._wrong(wanted.name, "bad", "%(label)s must be a whole number.", label=wanted.label)
                return None
            return str(number)
        if len(value) > MAX_TEXT:
            self._wrong(
                wanted.name,
                "bad",
                "%(label)s is longer than %(most)s characters.",
                label=wanted.label,
                most=MAX_TEXT,
            )
        elif not printable(value):
            self._wrong(
                wanted.name, "bad", "%(label)s contains characters that cannot be sent.", label=wanted.label
            )
        else:
            return value
        return None

    def _check_lines(self, wanted: Field, value: str) -> str | None:
        lines = lines_of(value)
        if not lines:
            self._wrong(wanted.name, "required", "Fill in: %(label)s.", label=wanted.label)
        elif len(value) > MAX_LINES_TEXT:
            self._wrong(
                wanted.name, "bad", "The list is longer than %(most)s characters.", most=MAX_LINES_TEXT
            )
        elif not all(printable(line.replace("\t", " ")) for line in lines):
            self._wrong(wanted.name, "bad", "The list contains characters that cannot be sent.")
        else:
            return "\n".join(lines)
        return None

    def _quantity(self, fields: Mapping[str, str]) -> int:
        if self.type.counts == "one":
            return 1
        if self.type.counts == "lines":
            name = self.type.lines_field
            return self._within(name, len(lines_of(fields.get(name, ""))), in_lines=True)
        text = self._given("quantity")
        if not text:
            self._wrong("quantity", "required", "Enter a quantity.")
            return 0
        number = whole_number(text)
        if number is None:
            self._wrong("quantity", "bad", "Quantity must be a whole number.")
            return 0
        return self._within("quantity", number)

    def _within(self, name: str, number: int, *, in_lines: bool = False) -> int:
        if number < self.minimum:
            lines, plain = (
                "The minimum for this service is %(n)s lines.",
                "The minimum for this service is %(n)s.",
            )
            self._wrong(name, "min", lines if in_lines else plain, self.minimum, n=self.minimum)
        elif number > self.maximum:
            lines, plain = (
                "The maximum for this service is %(n)s lines.",
                "The maximum for this service is %(n)s.",
            )
            self._wrong(name, "max", lines if in_lines else plain, self.maximum, n=self.maximum)
        return number

    def _drip_feed(self) -> tuple[int | None, int | None]:
        """Runs of 0 or 1 are a plain order: scripts send them by habit, and they change no charge."""
        runs = self._bounded("runs", "The number of runs", MAX_RUNS)
        if not self.type.drip_feed:
            if runs is not None and runs > 1:
                self._wrong("runs", "bad", "This service cannot be ordered with drip-feed.")
            return None, None
        interval = self._bounded("interval", "The interval in minutes", MAX_INTERVAL)
        if runs is None or runs <= 1:
            if interval and runs is None and "runs" not in self.errors:
                self._wrong("runs", "required", "Enter the number of runs, or leave the interval empty.")
            return None, None
        if not interval and "interval" not in self.errors:
            self._wrong("interval", "required", "Enter the interval between runs in minutes.")
        return runs, interval

    def _bounded(self, name: str, label: str, most: int) -> int | None:
        text = self._given(name)
        if not text:
            return None
        number = whole_number(text)
        if number is None:
            self._wrong(name, "bad", "%(label)s must be a whole number.", label=label)
        elif number > most:
            self._wrong(name, "bad", "%(label)s cannot be more than %(most)s.", label=label, most=most)
            return None
        return number


_WHOLE = re.compile(r"[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5}")


def whole_number(text: str) -> int | None:
    """A non-negative integer written with or without thousands commas; None for anything else."""
    return int(text.replace(",", "")) if _WHOLE.fullmatch(text) else None


def printable(text: str) -> bool:
    """Whether the text has no control characters and no lone surrogates (neither can be stored or sent)."""
    return not _has_category(text, ("Cc", "Cs"))


def _has_category(text: Iterable[str], categories: tuple[str, ...]) -> bool:
    return any(unicodedata.category(char) in categories for char in text)
