"""What admins set while the panel runs: name and looks, terms, ways to pay, maintenance.

Each setting is declared here with its default and its check, and nowhere else. Rows of `Setting` hold JSON; a row
that no longer passes its check counts as absent, so that a page never fails over a setting. Read once per request:
`of(request)`; outside of requests `load()`. Writing is one act with an audit entry.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers import brand
from customers.audit import record
from customers.encryption import decrypt, encrypt
from customers.figures import count
from customers.models import Setting, User

LARGEST_LOGO = 100_000  # bytes; it is part of every page
MOST_METHODS = 8
# Told by content, because a name says nothing. No SVG: it may hold script.
IMAGES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


class BadSetting(ValueError):
    """Nothing was changed. `key` says which setting, the text why."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


@dataclass(frozen=True)
class DepositMethod:
    """A way to pay. Amounts in panel currency; `name` is kept on every payment and is unique among the methods."""

    name: str
    note: str
    instructions: str
    minimum: Decimal
    maximum: Decimal | None


@dataclass(frozen=True)
class Secret:
    """A setting that nobody reads back: encrypted with FIELD_KEYS. `shown`: the part of it that is no secret."""

    sealed: str = ""
    shown: str = ""

    def __bool__(self) -> bool:
        return bool(self.sealed)

    def __repr__(self) -> str:
        return f"Secret({self.shown!r})" if self.sealed else "Secret()"

    def open(self) -> str:
        """The plain text. SecretUnreadable where FIELD_KEYS changed."""
        return decrypt(self.sealed) if self.sealed else ""


@dataclass(frozen=True)
class SiteSettings:
    """All settings with their present values."""

    site_name: str = field(default_factory=lambda: settings.SITE_NAME)
    logo: str = ""  # "image/png;<base64>", or "" for our own
    brand_color: str = ""  # "#rrggbb", or "" for our own
    support_contact: str = ""  # an e-mail address or an https address
    signup_open: bool = True
    terms_version: str = "2026-11"
    terms_text: str = ""  # "" for the text that comes with the panel
    maintenance: bool = False
    maintenance_note: str = ""
    deposit_methods: tuple[DepositMethod, ...] = ()
    # What one person may move by hand (customers/adjusting.py), panel currency: at once, and in 24 hours. None: any amount.
    reviewer_adjust_single: Decimal = Decimal(0)
    reviewer_adjust_day: Decimal = Decimal(0)
    admin_adjust_single: Decimal | None = None
    admin_adjust_day: Decimal | None = None
    # A person looks at these orders before they are sent (orders/screening.py). Amounts in panel currency.
    review_above: Decimal | None = None  # a charge of at least this
    review_first_orders: int = 0  # of each customer
    review_links: tuple[str, ...] = ()  # texts in links, lower case
    largest_charge: Decimal | None = None  # more than this is not placed at all
    payments_waiting: int = 10  # announced payments of one customer; more would only bury the queue
    # Open orders that staff see as slow or stuck (orders/stuck.py): so many times the usual time; days without a change.
    slow_times: int = 4
    stuck_days: int = 3
    # Notes to customers that reviewers pick instead of typing, by decision.
    approve_replies: tuple[str, ...] = ()
    reject_replies: tuple[str, ...] = ()
    # Who is told of alerts, and where (providers/telling.py).
    notice_emails: tuple[str, ...] = ()
    notice_level: str = "warning"  # or "critical"
    hook_address: "Secret" = field(default_factory=lambda: Secret())
    hook_secret: "Secret" = field(default_factory=lambda: Secret())
    chat_address: "Secret" = field(
        default_factory=lambda: Secret()
    )  # https://api.telegram.org/bot…/sendMessage
    chat_id: str = ""

    @property
    def support_link(self) -> str:
        return f"mailto:{self.support_contact}" if "@" in self.support_contact else self.support_contact

    @property
    def logo_address(self) -> str:
        return f"{reverse('brand_logo')}?v={_digest(self.logo)}" if self.logo else ""

    @property
    def sheet_address(self) -> str:
        return f"{reverse('brand_css')}?v={_digest(self.brand_color)}" if self.brand_color else ""

    def method(self, name: str) -> DepositMethod | None:
        return next((known for known in self.deposit_methods if known.name == name), None)


def load(only: Iterable[str] = ()) -> SiteSettings:
    """All settings as they are now, or the ones named (the others at their defaults); one query."""
    values: dict[str, Any] = {}
    for key, stored in Setting.objects.filter(key__in=only or CHECKS).values_list("key", "value"):
        try:
            values[key] = CHECKS[key](stored)
        except ValueError:
            continue
    return SiteSettings(**values)


def of(request: HttpRequest) -> SiteSettings:
    """The settings of this request, read on first use."""
    known: SiteSettings | None = getattr(request, "_site_settings", None)
    if known is None:
        known = load()
        request._site_settings = known  # type: ignore[attr-defined]
    return known


def change(
    values: Mapping[str, Any], *, by: User | None = None, request: HttpRequest | None = None
) -> tuple[str, ...]:
    """Check and store settings; the keys that really changed, with one audit entry. BadSetting changes nothing."""
    checked: dict[str, Any] = {}
    for key, value in values.items():
        try:
            checked[key] = CHECKS[key](value)
        except KeyError:
            raise BadSetting(key, _("%(key)s is not a setting.") % {"key": key}) from None
        except ValueError as error:
            raise BadSetting(key, str(error)) from None
    with transaction.atomic():
        before = load()
        changed = tuple(key for key, value in checked.items() if getattr(before, key) != value)
        unset = [key for key in changed if not checked[key] and checked[key] == getattr(SiteSettings(), key)]
        Setting.objects.filter(
            key__in=unset
        ).delete()  # no row says "none": who asks whether a rule is set sees that
        for key in (key for key in changed if key not in unset):
            Setting.objects.update_or_create(
                key=key, defaults={"value": _plain(checked[key]), "changed_by": by}
            )
        if changed:
            details = {key: [_told(key, getattr(before, key)), _told(key, checked[key])] for key in changed}
            record(
                by, "settings.change", "settings", f"Settings changed: {', '.join(changed)}", details, request
            )
    if request is not None:
        request._site_settings = None  # type: ignore[attr-defined]
    return changed


def logo_file(logo: str) -> tuple[str, bytes]:
    """Content type and bytes of a stored logo."""
    kind, _, data = logo.partition(";")
    return kind, base64.b64decode(data)


def logo_of(data: bytes) -> str:
    """An uploaded picture as it is stored. ValueError with a sentence."""
    kind = next((name for start, name in IMAGES.items() if data.startswith(start)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise ValueError(_("The logo must be a PNG, JPEG, GIF or WebP picture."))
    if len(data) > LARGEST_LOGO:
        raise ValueError(_("The logo must not be larger than %(most)s kB.") % {"most": LARGEST_LOGO // 1000})
    return f"{kind};{base64.b64encode(data).decode()}"


# ── checks: a raw value (from a form or from JSON) becomes the setting's own type, or ValueError says why ──────────


def _line(longest: int, *, required: Any = "") -> Callable[[Any], str]:
    def check(raw: Any) -> str:
        text = " ".join(str(raw or "").split())
        if len(text) > longest:
            raise ValueError(_("At most %(longest)s characters.") % {"longest": longest})
        if required and not text:
            raise ValueError(str(required))
        return text

    return check


def _prose(longest: int) -> Callable[[Any], str]:
    def check(raw: Any) -> str:
        text = str(raw or "").replace("\r\n", "\n").strip()
        if len(text) > longest:
            raise ValueError(_("At most %(longest)s characters.") % {"longest": count(longest)})
        return text

    return check


def _switch(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueError(_("Yes or no."))
    return raw


def _color(raw: Any) -> str:
    return brand.read_color(str(raw)) if raw else ""


def _logo(raw: Any) -> str:
    if not raw:
        return ""
    try:
        return logo_of(logo_file(str(raw))[1])
    except binascii.Error:
        raise ValueError(_("The logo must be a picture.")) from None


def _contact(raw: Any) -> str:
    text = _line(200)(raw)
    if text and "@" not in text and not text.startswith("https://"):
        raise ValueError(_("An e-mail address, or an address that begins with https://."))
    return text


def _methods(raw: Any) -> tuple[DepositMethod, ...]:
    if not isinstance(raw, list | tuple):
        raise ValueError(_("A list of ways to pay."))
    found = tuple(known if isinstance(known, DepositMethod) else _method(known) for known in raw)
    if len({slugify(known.name, allow_unicode=True) for known in found}) < len(found):
        raise ValueError(_("Each way to pay needs a name of its own."))
    if len(found) > MOST_METHODS:
        raise ValueError(_("At most %(most)s ways to pay.") % {"most": MOST_METHODS})
    return found


def _method(raw: Any) -> DepositMethod:
    if not isinstance(raw, Mapping):
        raise ValueError(_("A way to pay has a name and instructions."))
    minimum = _amount(raw.get("minimum")) or Decimal(0)
    maximum = _amount(raw.get("maximum"))
    if maximum is not None and maximum < max(minimum, Decimal("0.01")):
        raise ValueError(_("The maximum of a way to pay is below its minimum."))
    instructions = _prose(2000)(raw.get("instructions"))
    if not instructions:
        raise ValueError(_("A way to pay needs instructions: customers read them after choosing it."))
    return DepositMethod(
        _line(40, required=_("A way to pay needs a name."))(raw.get("name")),
        _line(80)(raw.get("note")),
        instructions,
        minimum,
        maximum,
    )


def _amount(raw: Any) -> Decimal | None:
    if raw is None or raw == "":
        return None
    try:
        amount = Decimal(str(raw))
    except InvalidOperation:
        raise ValueError(_("An amount is a number such as 10.00.")) from None
    if not amount.is_finite() or amount < 0 or amount >= 10**12 or amount != round(amount, 6):
        raise ValueError(_("An amount is a number such as 10.00."))
    return amount


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def check(raw: Any) -> int:
        try:
            number = int(str(raw or 0).strip())
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(
                _("A whole number from %(least)s to %(most)s.") % {"least": least, "most": count(most)}
            )
        return number

    return check


def _lines(
    most: int, longest: int, change: Callable[[str], str] = str.casefold
) -> Callable[[Any], tuple[str, ...]]:
    """One entry a line, each once; lower case, unless `change` says otherwise."""

    def check(raw: Any) -> tuple[str, ...]:
        given = raw if isinstance(raw, list | tuple) else str(raw or "").splitlines()
        found = tuple(
            dict.fromkeys(change(" ".join(str(line).split())) for line in given if str(line).strip())
        )
        if len(found) > most:
            raise ValueError(_("At most %(most)s lines.") % {"most": most})
        if any(len(line) > longest for line in found):
            raise ValueError(_("At most %(longest)s characters a line.") % {"longest": longest})
        return found

    return check


def _emails(raw: Any) -> tuple[str, ...]:
    found = _lines(20, 254)(raw)
    for address in found:
        try:
            validate_email(address)
        except ValidationError:
            raise ValueError(_("%(address)s is not an e-mail address.") % {"address": address}) from None
    return found


def _one_of(*known: str) -> Callable[[Any], str]:
    def check(raw: Any) -> str:
        if raw not in known:
            raise ValueError(_("One of: %(known)s.") % {"known": ", ".join(known)})
        return str(raw)

    return check


def _secret(shortest: int) -> Callable[[Any], Secret]:
    """Plain text from a form is sealed; what is stored stays as it is."""

    def check(raw: Any) -> Secret:
        if isinstance(raw, Secret):
            return raw
        if isinstance(raw, Mapping):
            return Secret(str(raw.get("sealed", "")), str(raw.get("shown", "")))
        text = str(raw or "").strip()
        if not text:
            return Secret()
        if not shortest <= len(text) <= 500 or not text.isprintable():
            raise ValueError(_("%(shortest)s to 500 characters.") % {"shortest": shortest})
        return Secret(encrypt(text))

    return check


def _web_address(raw: Any) -> Secret:
    """An address with a key in its path, as such hooks have; only its host is shown again."""
    found = _secret(0)(raw)
    if not found or found.shown:
        return found
    try:
        parts = urlsplit(str(raw).strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    private = f"{host}:{port or 80}" in settings.PROVIDER_ALLOWED_PRIVATE
    if not host or parts.username or (parts.scheme != "https" and not (parts.scheme == "http" and private)):
        raise ValueError(_("An address that begins with https://, without a user name in it."))
    return Secret(found.sealed, f"{host}:{port}" if port else host)


def _positive(raw: Any) -> Decimal | None:
    amount = _amount(raw)
    if amount == 0:
        raise ValueError(_("More than 0, or empty."))
    return amount


CHECKS: dict[str, Callable[[Any], Any]] = {
    "site_name": _line(40, required=gettext_lazy("The panel needs a name.")),
    "logo": _logo,
    "brand_color": _color,
    "support_contact": _contact,
    "signup_open": _switch,
    "terms_version": _line(20, required=gettext_lazy("The terms need a version, such as 2026-11.")),
    "terms_text": _prose(50_000),
    "maintenance": _switch,
    "maintenance_note": _prose(500),
    "deposit_methods": _methods,
    # An emptied field must not let reviewers move any amount.
    "reviewer_adjust_single": lambda raw: _amount(raw) or Decimal(0),
    "reviewer_adjust_day": lambda raw: _amount(raw) or Decimal(0),
    "admin_adjust_single": _amount,
    "admin_adjust_day": _amount,
    "review_above": _positive,
    "review_first_orders": _whole(0, 100),
    "review_links": _lines(200, 200),
    "largest_charge": _positive,
    "payments_waiting": _whole(1, 100),
    "slow_times": _whole(2, 50),
    "stuck_days": _whole(1, 60),
    "approve_replies": _lines(30, 300, str),
    "reject_replies": _lines(30, 300, str),
    "notice_emails": _emails,
    "notice_level": _one_of("warning", "critical"),
    "hook_address": _web_address,
    "hook_secret": _secret(16),
    "chat_address": _web_address,
    "chat_id": _line(80),
}
assert set(CHECKS) == {known.name for known in fields(SiteSettings)}  # noqa: S101  # a declaration, not input


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    """As JSON."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Secret):
        return {"sealed": value.sealed, "shown": value.shown}
    if isinstance(value, DepositMethod):
        return {
            "name": value.name,
            "note": value.note,
            "instructions": value.instructions,
            "minimum": f"{value.minimum:f}",
            "maximum": None if value.maximum is None else f"{value.maximum:f}",
        }
    return value


def _told(key: str, value: Any) -> Any:
    """What the audit trail keeps: all but pictures, long texts and secrets."""
    if isinstance(value, Secret):
        return value.shown or ("set" if value else "")
    if key == "logo":
        return f"picture of {len(value)} characters" if value else ""
    return f"{len(value)} characters" if key == "terms_text" else _plain(value)
