"""How often a key may call: per action, told with 429 and Retry-After, and never a fault without Redis."""

from typing import Any

import pytest
from django.test import override_settings

from orders.api import limits
from tests import world
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    from limits import RateLimitItemPerMinute
    from limits.storage import MemoryStorage
    from limits.strategies import SlidingWindowCounterRateLimiter

    monkeypatch.setattr(limits, "_ITEMS", {name: RateLimitItemPerMinute(3) for name in limits.PER_MINUTE})
    monkeypatch.setattr(limits, "_shared", None)
    monkeypatch.setattr(limits, "_own", SlidingWindowCounterRateLimiter(MemoryStorage()))
    monkeypatch.setattr(limits, "_away_until", 0.0)


def use_up(call: Caller) -> Any:
    for _ in range(3):
        assert call.post({"action": "balance"}).status_code == 200
    return call.post({"action": "balance"})


def test_beyond_the_limit_is_429_with_the_seconds_to_wait(call: Caller) -> None:
    response = use_up(call)
    assert response.status_code == 429
    assert response.json() == {"error": "Rate limit exceeded"}
    assert 1 <= int(response["Retry-After"]) <= 60


def test_each_action_and_each_key_has_its_own(call: Caller, key_of: Any) -> None:
    use_up(call)
    assert call("services") == []
    assert "balance" in Caller(key_of(world.bob()))("balance")


def test_it_can_be_turned_off_for_benches(call: Caller) -> None:
    with override_settings(API_RATE_LIMITS=False):
        assert use_up(call).status_code == 200


def test_without_redis_each_process_counts_for_itself(call: Caller) -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        response = use_up(call)
    assert response.status_code == 429


def test_unknown_actions_are_counted_too(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from limits import RateLimitItemPerMinute

    monkeypatch.setattr(limits, "_OTHER", RateLimitItemPerMinute(2))
    answers = [call.post({"action": f"nonsense{n}"}).status_code for n in range(3)]
    assert answers == [200, 200, 429]


def test_a_headwater_at_its_default_pace_is_never_too_fast() -> None:
    """Another panel's lanes make at most rate_per_minute calls of all actions together."""
    from providers.adapters.options import read_options

    pace = read_options({})["rate_per_minute"]
    assert limits.PER_MINUTE["add"] >= pace
    assert limits.PER_MINUTE["status"] >= pace
