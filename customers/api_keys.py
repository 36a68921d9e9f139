"""Keys for /api/v2: 256 random bits, of which only the SHA-256 is kept. A key is shown once, then never."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from customers.audit import record
from customers.models import ApiKey, User

_BEGINNING = "hw_"
_SHOWN = len(_BEGINNING) + 8  # of the key, in lists: enough to tell keys apart, worthless to a thief
# The time of last use is for people: one write a minute is as good as one per call.
_USE_NOTED_EVERY = timedelta(minutes=1)


def create_api_key(
    user: User, label: str = "", *, scopes: Sequence[str] = ApiKey.SCOPES, by: User | None = None
) -> tuple[ApiKey, str]:
    """Make a key: its row, and the key itself, which nobody can read again. ValueError: unknown scope."""
    unknown = set(scopes) - set(ApiKey.SCOPES)
    if unknown or not scopes:
        raise ValueError(f"A key needs scopes among {', '.join(ApiKey.SCOPES)}.")
    plain = _BEGINNING + secrets.token_hex(32)
    key = ApiKey.objects.create(
        user=user,
        label=label.strip()[:80],
        prefix=plain[:_SHOWN],
        last_four=plain[-4:],
        digest=_digest(plain),
        scopes=list(scopes),
    )
    record(by, "api_key.create", user, f"API key {key.prefix}… made for {user.email}", {"scopes": key.scopes})
    return key, plain


def revoke_api_key(key: ApiKey, *, by: User | None = None) -> bool:
    """End a key for ever; False when it was revoked already."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    if revoked:
        record(by, "api_key.revoke", key.user, f"API key {key.prefix}… of {key.user.email} revoked")
    return bool(revoked)


def find_api_key(plain: str) -> ApiKey | None:
    """The live key behind what a client sent, with its user; None: unknown, revoked, expired or suspended.

    The look-up is by hash, so its duration tells nothing about keys that exist.
    """
    if not plain or len(plain) > 200:
        return None
    now = timezone.now()
    key = (
        ApiKey.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=now), digest=_digest(plain), revoked_at=None
        )
        .filter(user__is_active=True, user__api_suspended=False)
        .select_related("user")
        .first()
    )
    if key is not None and (key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
    return key


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
