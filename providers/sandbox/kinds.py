"""Service types of the panel API: which parameters an order needs, and what counts as its quantity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class Wrong(Exception):
    """A logical error; its text is what the client reads under "error"."""


@dataclass(frozen=True)
class Kind:
    """`counts` is where the quantity comes from: "quantity", "one", or the name of a list parameter.

    A flat kind costs its rate once; the others cost rate / 1000 per unit.
    """

    required: tuple[str, ...]
    counts: str = "quantity"
    flat: bool = False
    drip_feed: bool = False
    link: bool = True


KINDS: dict[str, Kind] = {
    "Default": Kind((), drip_feed=True),
    "Package": Kind((), counts="one", flat=True),
    "SEO": Kind(("keywords",)),
    "Custom Comments": Kind(("comments",), counts="comments"),
    "Custom Comments Package": Kind(("comments",), counts="one", flat=True),
    "Mentions": Kind(("usernames",)),
    "Mentions with Hashtags": Kind(("usernames", "hashtags")),
    "Mentions Custom List": Kind(("usernames",), counts="usernames"),
    "Mentions Hashtag": Kind(("hashtag",)),
    "Mentions User Followers": Kind(("username",)),
    "Mentions Media Likers": Kind(("media",)),
    "Comment Likes": Kind(("username",)),
    "Comment Replies": Kind(("username", "comments"), counts="comments"),
    "Poll": Kind(("answer_number",)),
    "Invites from Groups": Kind(("groups",)),
    "Subscriptions": Kind(("username", "min", "max", "delay"), counts="posts", link=False),
    "Web Traffic": Kind(("country", "device", "type_of_traffic"), drip_feed=True),
}
UNKNOWN_KIND = Kind(())


def kind_of(type_name: str) -> Kind:
    return KINDS.get(type_name, UNKNOWN_KIND)


@dataclass(frozen=True)
class Measure:
    """quantity is per run, as sent; total = quantity x runs."""

    quantity: int
    runs: int | None = None

    @property
    def total(self) -> int:
        return self.quantity * (self.runs or 1)


def measure(type_name: str, params: Mapping[str, str], minimum: int, maximum: int) -> Measure:
    """Check the parameters of an add for this type. Raises Wrong with the sentence for the client."""
    kind = kind_of(type_name)
    if kind.link and not params.get("link", "").strip():
        raise Wrong("Bad link")
    for name in kind.required:
        if not _lines(params.get(name, "")):
            raise Wrong(f"Missing required parameter {name}")
    if kind.counts == "one":
        return Measure(1)
    if kind.counts == "posts":
        return _subscription(params, minimum, maximum)
    if type_name == "Web Traffic":
        _web_traffic(params)
    if kind.counts == "quantity":
        if not params.get("quantity", "").strip():
            raise Wrong("Missing required parameter quantity")
        quantity = _integer(params, "quantity")
    else:
        quantity = len(_lines(params[kind.counts]))
    _within(quantity, minimum, maximum)
    return Measure(quantity, _runs(kind, params))


def _lines(text: str) -> list[str]:
    return [line for line in (part.strip() for part in text.splitlines()) if line]


def _integer(params: Mapping[str, str], name: str) -> int:
    text = params.get(name, "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise Wrong(f"Incorrect {name}")
    return int(text)


def _within(quantity: int, minimum: int, maximum: int) -> None:
    if quantity < minimum:
        raise Wrong(f"Quantity less than minimal {minimum}")
    if quantity > maximum:
        raise Wrong(f"Quantity more than maximum {maximum}")


def _runs(kind: Kind, params: Mapping[str, str]) -> int | None:
    if not kind.drip_feed or not params.get("runs", "").strip():
        return None
    runs = _integer(params, "runs")
    if runs < 1:
        raise Wrong("Incorrect runs")
    if not params.get("interval", "").strip():
        raise Wrong("Missing required parameter interval")
    _integer(params, "interval")
    return runs


def _subscription(params: Mapping[str, str], minimum: int, maximum: int) -> Measure:
    low, high = _integer(params, "min"), _integer(params, "max")
    _within(low, minimum, maximum)
    _within(high, max(minimum, low), maximum)
    posts = _integer(params, "posts") if params.get("posts", "").strip() else 5
    return Measure(low, max(posts, 1))


def _web_traffic(params: Mapping[str, str]) -> None:
    if _integer(params, "device") not in range(1, 6):
        raise Wrong("Incorrect device")
    traffic = _integer(params, "type_of_traffic")
    if traffic not in range(1, 4):
        raise Wrong("Incorrect type_of_traffic")
    wanted = {1: "google_keyword", 2: "referring_url"}.get(traffic)
    if wanted and not params.get(wanted, "").strip():
        raise Wrong(f"Missing required parameter {wanted}")
