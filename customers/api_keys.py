"""Keys for /api/v2: 256 random bits, of which only the SHA-256 is kept. A key is shown once, then never."""

import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.compiled import CompiledQuery
from customers.models import ApiKey, Setting, User

MOST_KEYS = (
    20  # live ones of a customer; limits are counted per key, so a flood of keys would be a way around them
)
MOST_ADDRESSES = 50
_BEGINNING = "hw_"
_SHOWN = len(_BEGINNING) + 8  # of the key, in lists: enough to tell keys apart, worthless to a thief
# The time of last use is for people: one write a minute is as good as one per call.
_USE_NOTED_EVERY = timedelta(minutes=1)


class TooManyKeys(ValueError):
    """The customer has MOST_KEYS live keys already."""


def create_api_key(
    user: User,
    label: str = "",
    *,
    scopes: Sequence[str] = ApiKey.SCOPES,
    addresses: Sequence[str] = (),
    expires_at: datetime | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> tuple[ApiKey, str]:
    """Make a key: its row, and the key itself, which nobody can read again.

    `addresses` as read_addresses gives them. ValueError: unknown scope. TooManyKeys.
    """
    _check_scopes(scopes)
    plain = _BEGINNING + secrets.token_hex(32)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).only("pk").get(
            pk=user.pk
        )  # two tabs count one after another
        if live_keys(user).count() >= MOST_KEYS:
            raise TooManyKeys(_("There are %(most)s keys already; revoke one first.") % {"most": MOST_KEYS})
        key = ApiKey.objects.create(
            user=user,
            label=label.strip()[:80],
            prefix=plain[:_SHOWN],
            last_four=plain[-4:],
            digest=_digest(plain),
            scopes=list(scopes),
            allowed_addresses=list(addresses),
            expires_at=expires_at,
        )
        summary = f"API key {key.prefix}… made for {user.email}"
        record(by, "api_key.create", user, summary, _facts(key), request)
    return key, plain


def change_api_key(
    key: ApiKey,
    *,
    label: str,
    scopes: Sequence[str],
    addresses: Sequence[str],
    expires_at: datetime | None,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Change what a key may do, from where and until when; in force with the next call. ValueError: unknown scope."""
    _check_scopes(scopes)
    key.label, key.scopes, key.allowed_addresses = label.strip()[:80], list(scopes), list(addresses)
    key.expires_at = expires_at
    with transaction.atomic():
        key.save(update_fields=["label", "scopes", "allowed_addresses", "expires_at"])
        summary = f"API key {key.prefix}… of {key.user.email} changed"
        record(by, "api_key.change", key.user, summary, _facts(key), request)


def rotate_api_key(
    key: ApiKey, *, overlap: timedelta, by: User | None = None, request: HttpRequest | None = None
) -> tuple[ApiKey, str]:
    """A new key that may do what the old one may; the old one goes on for `overlap`, then it expires. TooManyKeys."""
    with transaction.atomic():
        made = create_api_key(
            key.user,
            key.label,
            scopes=key.scopes,
            addresses=key.allowed_addresses,
            expires_at=key.expires_at,
            by=by,
            request=request,
        )
        ends = timezone.now() + overlap
        still = ApiKey.objects.filter(pk=key.pk).filter(Q(expires_at=None) | Q(expires_at__gt=ends))
        still.update(expires_at=ends)
        summary = f"API key {key.prefix}… of {key.user.email} replaced by {made[0].prefix}…"
        record(by, "api_key.rotate", key.user, summary, {"old_key_ends": ends.isoformat()}, request)
    return made


def revoke_api_key(key: ApiKey, *, by: User | None = None, request: HttpRequest | None = None) -> bool:
    """End a key for ever; False when it was revoked already."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    if revoked:
        summary = f"API key {key.prefix}… of {key.user.email} revoked"
        record(by, "api_key.revoke", key.user, summary, request=request)
    return bool(revoked)


def live_keys(user: User) -> QuerySet[ApiKey]:
    """The user's keys that still open something, newest first."""
    return _live().filter(user=user).order_by("-id")


def look_up_api_key(plain: str) -> ApiKey | None:
    """The live key behind what a client sent, with its user, whatever the state of his account.

    `maintenance` on it says whether the panel is closed for now, so that asking costs no query of its own.
    The look-up is by hash, so its duration tells nothing about keys that exist.
    """
    plain = plain.strip()
    if not plain or len(plain) > 200:
        return None
    return _of_digest.first(digest=_digest(plain), now=timezone.now())


def note_use(key: ApiKey) -> None:
    """Remember when the key was last used, at most once a minute."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now


def read_addresses(text: str) -> list[str]:
    """Addresses and networks, separated by spaces, commas or lines, in one spelling. ValueError names a wrong one."""
    found: list[str] = []
    for word in text.replace(",", " ").split():
        try:
            network = ipaddress.ip_network(word, strict=False)
        except ValueError:
            raise ValueError(
                _("%(word)s is neither an address nor a network such as 203.0.113.0/24.")
                % {"word": word[:60]}
            ) from None
        single = network.prefixlen == network.max_prefixlen
        spelling = str(network.network_address) if single else str(network)
        if spelling not in found:
            found.append(spelling)
    if len(found) > MOST_ADDRESSES:
        raise ValueError(_("Not more than %(most)s addresses.") % {"most": MOST_ADDRESSES})
    return found


def allows_address(key: ApiKey, address: str) -> bool:
    """Whether the key may be used from there; an empty list allows every address."""
    if not key.allowed_addresses:
        return True
    try:
        caller = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
        caller = caller.ipv4_mapped
    networks = [ipaddress.ip_network(allowed, strict=False) for allowed in key.allowed_addresses]
    return any(caller.version == network.version and caller in network for network in networks)


def _live(now: datetime | None = None) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now or timezone.now()), revoked_at=None
    )


def _by_digest(digest: str, now: datetime) -> QuerySet[ApiKey]:
    closed = Setting.objects.filter(key="maintenance", value=True)
    found = _live(now).filter(digest=digest).select_related("user")
    return found.annotate(maintenance=Exists(closed))[:1]


_of_digest = CompiledQuery(_by_digest, digest="?", now=datetime.max.replace(tzinfo=UTC))


def _check_scopes(scopes: Sequence[str]) -> None:
    if not scopes or set(scopes) - set(ApiKey.SCOPES):
        raise ValueError(f"A key needs scopes among {', '.join(ApiKey.SCOPES)}.")


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "scopes": key.scopes,
        "addresses": key.allowed_addresses,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
