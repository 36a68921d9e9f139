"""How often one key may call one action: counted in Redis over all web processes.

Without Redis each process counts for itself: more is let through than meant, and no call fails. The limits are
generous on purpose: a Headwater at its default pace (600 calls a minute, all actions together) never meets them.
"""

import math
import threading
import time

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from orders.api.errors import TooFast

PER_MINUTE = {
    "services": 60,
    "add": 600,
    "status": 600,
    "refill": 300,
    "refill_status": 300,
    "cancel": 300,
    "balance": 300,
}
_OTHER = RateLimitItemPerMinute(60)
_ITEMS = {action: RateLimitItemPerMinute(most) for action, most in PER_MINUTE.items()}
_REDIS_AWAY_S = 5.0  # asked again after this; a dead host must not cost every call a connection attempt

_lock = threading.Lock()
_shared: SlidingWindowCounterRateLimiter | None = None
_own = SlidingWindowCounterRateLimiter(MemoryStorage())
_away_until = 0.0


def count_call(key_id: int, action: str) -> None:
    """Count one call. Raises TooFast with the seconds until another one is taken."""
    if not settings.API_RATE_LIMITS:
        return
    item = _ITEMS.get(action, _OTHER)
    name = action if action in _ITEMS else "other"
    global _away_until
    if time.monotonic() >= _away_until:
        try:
            _count(_windows(), item, key_id, name)
            return
        except (RedisError, StorageError, OSError):
            _away_until = time.monotonic() + _REDIS_AWAY_S
    _count(_own, item, key_id, name)


def _count(
    windows: SlidingWindowCounterRateLimiter, item: RateLimitItemPerMinute, key_id: int, name: str
) -> None:
    if not windows.hit(item, "key", str(key_id), name):
        reset = windows.get_window_stats(item, "key", str(key_id), name).reset_time
        raise TooFast(min(60, max(1, math.ceil(reset - time.time()))))


def _windows() -> SlidingWindowCounterRateLimiter:
    global _shared
    with _lock:
        if _shared is None:
            storage = storage_from_string(
                settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5, key_prefix="headwater-in"
            )
            _shared = SlidingWindowCounterRateLimiter(storage)
    return _shared
