"""The shared cache. A Redis that is dead, full or read-only makes it forgetful, never an error page."""

from collections.abc import Callable
from typing import Any

import redis.exceptions
import structlog
from django.core.cache.backends.redis import RedisCache

log = structlog.get_logger("headwater.cache")
_AWAY = (redis.exceptions.RedisError, OSError)


def _or(answer: Callable[[], Any], method: Callable[..., Any]) -> Callable[..., Any]:
    def forgiving(self: RedisCache, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except _AWAY as error:
            log.warning("cache_away", error=type(error).__name__)
            return answer()

    return forgiving


class ForgivingRedisCache(RedisCache):
    """Django's Redis cache, with every operation answering "nothing known" while the server is away.

    What must hold without Redis (lock-outs, money, idempotency keys) is kept in PostgreSQL, not here.
    """

    add = _or(lambda: True, RedisCache.add)
    set = _or(lambda: None, RedisCache.set)
    touch = _or(lambda: False, RedisCache.touch)
    delete = _or(lambda: False, RedisCache.delete)
    get_many = _or(dict, RedisCache.get_many)
    has_key = _or(lambda: False, RedisCache.has_key)
    incr = _or(lambda: 1, RedisCache.incr)
    set_many = _or(list, RedisCache.set_many)
    delete_many = _or(lambda: None, RedisCache.delete_many)
    clear = _or(lambda: False, RedisCache.clear)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return _or(lambda: default, RedisCache.get)(self, key, default, version)
