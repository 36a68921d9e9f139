"""Which columns of the orders list a person wants to see, kept in a cookie of his browser.

The page is the same for any choice but for cells left out, so a choice costs no query and works without script.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _

COOKIE = "order_columns"
COOKIE_AGE = 365 * 24 * 3600
CHOICES = {
    "charge": _("Charge"),
    "start": _("Start count"),
    "quantity": _("Quantity"),
    "remains": _("Remains"),
    "reference": _("Your reference"),
}
USUAL = frozenset({"charge", "start", "quantity", "remains"})
COMPACT = "compact"  # not a column: lower rows


@dataclass(frozen=True)
class Columns:
    shown: frozenset[str] = USUAL
    compact: bool = False

    def choices(self) -> list[tuple[str, object, bool]]:
        """(name, label, shown) in the order of the table, for the menu."""
        return [(name, label, name in self.shown) for name, label in CHOICES.items()]

    @property
    def show(self) -> Mapping[str, bool]:
        return {name: name in self.shown for name in CHOICES}

    @property
    def width(self) -> int:
        """Columns of the table: checkbox, number, service, status and action are always there."""
        return 5 + len(self.shown)


def read(request: HttpRequest) -> Columns:
    """The choice this browser keeps, or the usual columns; unknown words in the cookie are ignored."""
    kept = request.COOKIES.get(COOKIE)
    return Columns() if kept is None else of(kept.split("."))


def of(words: Iterable[str]) -> Columns:
    known = frozenset(words)
    return Columns(known & frozenset(CHOICES), COMPACT in known)


def keep(response: HttpResponseBase, columns: Columns, *, secure: bool) -> None:
    words = sorted(columns.shown) + ([COMPACT] if columns.compact else [])
    # Never empty: some clients drop an empty cookie, and everything would be back.
    response.set_cookie(
        COOKIE, ".".join(words) or "none", max_age=COOKIE_AGE, secure=secure, httponly=True, samesite="Lax"
    )
