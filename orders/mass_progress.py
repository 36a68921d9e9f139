"""How far a mass order is, for the page that waits for it: counted where the work is done, kept in the shared cache.

A hint and nothing more. The page that asks may be answered by another process than the one that works; without the
cache it shows no figures, and the orders are placed all the same.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypedDict

from django.core.cache import cache

from customers.models import User

KEPT_FOR = 120  # seconds, should the process end on the way
EVERY = 500  # lines between two reports
SLOW = 0.25  # seconds: a cache that takes longer is not told again, the orders do not wait for it

Report = Callable[[str, int, int], None]  # step (checking, writing, charging), lines done, lines in all


class Progress(TypedDict):
    step: str
    done: int
    of: int


def unseen(step: str, done: int, of: int) -> None:
    """The report nobody reads."""


@contextmanager
def shown_as(user: User, token: str) -> Iterator[Report]:
    """A report that `progress_of` reads while the work with this user's form goes on, and no longer."""
    heard = True

    def report(step: str, done: int, of: int) -> None:
        nonlocal heard
        if heard:
            began = time.monotonic()
            cache.set(_key(user, token), Progress(step=step, done=done, of=of), KEPT_FOR)
            heard = time.monotonic() - began < SLOW

    try:
        yield report
    finally:
        if heard:
            cache.delete(_key(user, token))


def progress_of(user: User, token: str) -> Progress | None:
    """How far this user's form with this token is; None: not begun, long over, or the cache is away."""
    found: Progress | None = cache.get(_key(user, token))
    return found


def _key(user: User, token: str) -> str:
    return f"mass-order:{user.pk}:{token}"
