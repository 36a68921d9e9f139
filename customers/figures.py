"""How figures are shown: money, rates, counts and spans as text. Display only; nothing here is ever calculated with.

Stored amounts have six decimals and rates eight. A page shows two; small amounts and rates show what matters of
them. A negative amount has the real minus (U+2212), an absent one is an en dash.
"""

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from django.conf import settings
from django.utils import translation
from django.utils.formats import get_format
from django.utils.translation import gettext as _

MINUS, DASH = "\u2212", "\u2013"
SIGNS = {
    "USD": "$", "EUR": "€", "GBP": "£", "INR": "₹", "JPY": "¥", "TRY": "₺", "BRL": "R$", "UAH": "₴", "KZT": "₸",
    "NGN": "₦", "PHP": "₱", "VND": "₫", "KRW": "₩", "ILS": "₪", "PLN": "zł", "CAD": "CA$", "AUD": "A$",
}  # fmt: skip
Number = Decimal | int | str


def _digits(value: Decimal, places: int) -> str:
    """`places` decimals at most, two at least, with thousands separators; no sign."""
    text = f"{abs(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,f}"
    whole, _point, rest = text.partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def _separated(digits: str) -> str:
    """English digits with the separators of the reader's language: `1,306.50` is `1.306,50` in German."""
    language = translation.get_language() or "en"
    if language.startswith("en"):
        return digits
    return digits.translate(_separators(language))


@cache
def _separators(language: str) -> dict[int, str]:
    thousands = get_format("THOUSAND_SEPARATOR", language).replace(" ", "\u00a0")
    return {ord(","): thousands, ord("."): get_format("DECIMAL_SEPARATOR", language)}


def _signed(digits: str, value: Decimal, currency: str) -> str:
    sign = SIGNS.get(currency, f"{currency}\u00a0" if currency else "")
    return f"{MINUS if value < 0 else ''}{sign}{_separated(digits)}"


def _amount_digits(value: Decimal) -> str:
    if not value or abs(value) >= Decimal("0.10"):
        return _digits(value, 2)
    short = _digits(value, 5)
    return short if Decimal(short.replace(",", "")) else _digits(value, 6)


def money(value: Number | None, currency: str | None = None) -> str:
    """`$136.00`, `−$3.01`; up to five decimals (six where five would say 0) under 0.10. None is an en dash.

    `currency` is an ISO code; without it the panel's currency; "" shows no sign, for columns that name it once.
    """
    if value is None or value == "":
        return DASH
    amount = Decimal(value)
    return _signed(_amount_digits(amount), amount, settings.CURRENCY if currency is None else currency)


def money_exact(value: Number | None) -> str:
    """Every decimal that matters, two at least: for lines that must add up before the reader's eyes."""
    if value is None or value == "":
        return DASH
    amount = Decimal(value)
    return _signed(_digits(amount, 6), amount, settings.CURRENCY)


def signed(value: Number | None) -> str:
    """`+300.00` or `−136.00`, no currency: the amount column of a ledger."""
    if value is None or value == "":
        return DASH
    amount = Decimal(value)
    return f"{'+' if amount > 0 else ''}{_signed(_amount_digits(amount), amount, '')}"


def rate(value: Number | None, currency: str | None = None) -> str:
    """A price per 1000: two to five decimals, up to eight where five would say 0."""
    if value is None or value == "":
        return DASH
    price = Decimal(value)
    digits = _digits(price, 5)
    if price and not Decimal(digits.replace(",", "")):
        digits = _digits(price, 8)
    return _signed(digits, price, settings.CURRENCY if currency is None else currency)


def count(value: Number | None) -> str:
    """`1,306`; None is an en dash."""
    if value is None or value == "":
        return DASH
    number = int(value)
    return _separated(f"{MINUS if number < 0 else ''}{abs(number):,}")


def count_short(value: int | None) -> str:
    """For tabs: exact up to 10,000, then `10k+`, because counting further costs more than it tells."""
    return "10k+" if value is not None and value > 10_000 else count(value)


def percent(value: Number | None, places: int = 1) -> str:
    if value is None or value == "":
        return DASH
    number = Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return _separated(f"{MINUS if number < 0 else ''}{abs(number):,f}%")


# The first that occurs counts: browsers name their ancestors too.
_BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"), ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl"), ("python", "Python"),
)  # fmt: skip
_SYSTEMS = (
    ("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def browser_name(user_agent: str) -> str:
    """`Firefox, Windows` for people; the beginning of what was sent where neither is known."""
    names = (
        next((name for mark, name in known if mark in user_agent), "") for known in (_BROWSERS, _SYSTEMS)
    )
    return ", ".join(name for name in names if name) or user_agent[:60]


def span(value: timedelta | None) -> str:
    """The two largest units: `2 d 3 h`, `16 h 7 min`, `40 s`. None is an en dash."""
    if value is None:
        return DASH
    seconds = max(int(value.total_seconds()), 0)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes = rest // 60
    if days:
        parts = [(days, _("d")), (hours, _("h"))]
    elif hours:
        parts = [(hours, _("h")), (minutes, _("min"))]
    elif minutes:
        parts = [(minutes, _("min"))]
    else:
        parts = [(seconds, _("s"))]
    return " ".join(f"{number} {unit}" for number, unit in parts if number or len(parts) == 1)
