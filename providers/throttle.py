"""The rate limit towards one provider: calls per minute over all workers, counted in Redis.

Without Redis each process falls back to one call per second: slow, never wild.
"""

import threading
import time

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

RATE_USED_UP = "The rate limit towards this provider is used up for now; it is asked again later."
_FALLBACK_EVERY_S = 1.0
_lock = threading.Lock()
_limiter: SlidingWindowCounterRateLimiter | None = None
_last_without_redis: dict[int, float] = {}


def allowed(provider_id: int, per_minute: int) -> bool:
    """Take one call from the provider's budget; False when it is used up for now. 0 per minute means no limit."""
    if per_minute <= 0:
        return True
    try:
        return _windows().hit(RateLimitItemPerMinute(per_minute), "provider", str(provider_id))
    except (RedisError, StorageError, OSError):
        return _slowly(provider_id)


def wait_for(provider_id: int, per_minute: int, wait_s: float) -> bool:
    """Take one call from the budget, waiting up to `wait_s` seconds for it; False when there was none."""
    give_up = time.monotonic() + wait_s
    while not allowed(provider_id, per_minute):
        if time.monotonic() >= give_up:
            return False
        time.sleep(min(0.25, wait_s))
    return True


def _slowly(provider_id: int) -> bool:
    now = time.monotonic()
    with _lock:
        if now - _last_without_redis.get(provider_id, -_FALLBACK_EVERY_S) < _FALLBACK_EVERY_S:
            return False
        _last_without_redis[provider_id] = now
        return True


def _windows() -> SlidingWindowCounterRateLimiter:
    global _limiter
    if _limiter is None:
        storage = storage_from_string(
            settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1, key_prefix="headwater-out"
        )
        _limiter = SlidingWindowCounterRateLimiter(storage)
    return _limiter
