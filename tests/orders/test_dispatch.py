"""The switch of sending and its counter: paused without its row, copies that never fall, a restore noticed by whoever
looks first."""

from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from orders import dispatch
from orders.dispatch import RestoreUndecided, is_paused, open_dispatch, resume_dispatch, went_back
from orders.models import DispatchSwitch, Order, Request, Submission
from orders.request_lane import requests_lane
from orders.requests import ask_cancel
from orders.submission import _claim, submit_lane
from orders.sweeping import sweep
from providers.models import Alert, Provider, Route, Service
from tests import world
from tests.orders.test_submission import begin
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def copies() -> tuple[int, int]:
    """The counter's copies in Redis and under STATE_DIR."""
    held = redis.Redis.from_url(settings.REDIS_URL).get(dispatch._name())
    assert isinstance(held, bytes)
    return int(held), int((Path(settings.STATE_DIR) / dispatch._name()).read_text())


def test_each_batch_of_claims_raises_the_counter_and_both_its_copies() -> None:
    assert open_dispatch() and open_dispatch()
    assert DispatchSwitch.objects.get().counter == 2
    assert copies() == (2, 2)


def test_a_late_worker_does_not_lower_a_copy_that_another_raised() -> None:
    """Both committed 7 and 8; the one with 7 copies last. A lowered copy would not notice a backup made between."""
    dispatch._copy(8)
    dispatch._copy(7)
    assert copies() == (8, 8)
    DispatchSwitch.objects.update(counter=7)
    assert not open_dispatch()
    assert went_back()


@pytest.mark.parametrize("kept", ["redis", "file"])
def test_one_copy_is_enough_to_notice_and_the_lost_one_is_written_again(kept: str) -> None:
    dispatch._copy(5)
    if kept == "redis":
        (Path(settings.STATE_DIR) / dispatch._name()).unlink()
    else:
        redis.Redis.from_url(settings.REDIS_URL).delete(dispatch._name())
    DispatchSwitch.objects.update(counter=4)
    assert not open_dispatch()
    assert went_back() and is_paused()
    resume_dispatch("adam", after_restore=True)
    assert copies() == (6, 6)
    assert open_dispatch()


def test_without_its_row_sending_is_paused_and_only_a_decision_brings_it_back(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    """In the middle of a restore there is no row. Nothing is claimed, begun, canceled as unsent or asked for."""
    alice = world.customer(balance="1000")
    first = world.order(alice, views, "https://example.org/1", 100)
    submit_lane(meridian.pk)
    canceled = ask_cancel(first.pk, by="customer")
    second = world.order(alice, views, "https://example.org/2", 100)
    third = world.order(alice, views, "https://example.org/3", 100)
    ((order_id, fence),) = _claim(meridian.pk, 1, force=False, besides=set())
    DispatchSwitch.objects.all().delete()

    assert is_paused() and went_back()
    assert not open_dispatch()
    assert begin(order_id, fence) is None, "claimed before, but not begun any more"
    assert submit_lane(meridian.pk, force=True).accepted == 0
    assert requests_lane(meridian.pk, force=True).sent == 0
    ask_cancel(third.pk, by="customer")
    sweep()
    assert (world.state_of(second), world.state_of(third)) == ("queued", "queued")
    assert Request.objects.get(pk=canceled.pk).state == "approved"
    assert len(upstream.truth("order")) == 1 and upstream.truth("cancel") == []
    third.refresh_from_db()
    assert third.refunded == 0

    with pytest.raises(RestoreUndecided):
        resume_dispatch("adam")
    assert resume_dispatch("adam", after_restore=True) == 2
    assert not is_paused()
    assert {world.state_of(second), world.state_of(third)} == {"unknown"}
    world.sane()


@pytest.fixture
def stuck(upstream: Sandbox, views: Service, meridian: Provider) -> Order:
    """An order that could not be sent for ten minutes, with another route that fits."""
    kite = world.provider(upstream.url, upstream.key, name="Kite")
    offer = world.offer(kite, meridian.offers.get().external_id, minimum=100, maximum=100_000)
    Route.objects.create(service=views, offer=offer, position=1)
    order = world.order(world.customer(), views)
    long_ago = timezone.now() - timedelta(minutes=11)
    Submission.objects.filter(pk=order.pk).update(waits_for="not_sent", queued_since=long_ago)
    return order


def test_what_could_not_be_sent_for_long_takes_another_route(stuck: Order, meridian: Provider) -> None:
    """Without this, the next two would prove nothing."""
    assert sweep().rerouted == 1
    assert Submission.objects.get(pk=stuck.pk).provider_id != meridian.pk
    world.sane()


def test_a_restored_database_gives_no_order_another_route(stuck: Order, meridian: Provider) -> None:
    """It may have been sent by its first route after the backup."""
    DispatchSwitch.objects.update(restored=True, paused_at=timezone.now())
    assert sweep().rerouted == 0
    assert Submission.objects.get(pk=stuck.pk).provider_id == meridian.pk


def test_a_database_that_went_back_unseen_is_noticed_before_any_order_is_moved_or_withdrawn(
    upstream: Sandbox, views: Service, stuck: Order, meridian: Provider
) -> None:
    """Rolled back by a snapshot: only a copy of the counter knows. The sweeper looks at it first, although no lane
    has been opened since."""
    other = world.order(world.bob(), views, "https://example.org/other", 100)
    ((order_id, _fence),) = _claim(meridian.pk, 1, force=False, besides={stuck.pk})
    assert order_id == other.pk
    ask_cancel(other.pk, by="customer")
    Submission.objects.filter(pk=other.pk).update(state="queued", lease_until=None)
    DispatchSwitch.objects.update(counter=0)
    swept = sweep()
    assert (swept.rerouted, swept.withdrawn) == (0, 0)
    assert went_back() and is_paused()
    assert Alert.objects.filter(key="dispatch:restored", closed_at=None).exists()
    assert resume_dispatch("adam", after_restore=True) == 2
    assert {world.state_of(stuck), world.state_of(other)} == {"unknown"}
    assert upstream.truth("order") == []
    world.sane()


def test_a_pause_by_hand_becomes_one_that_needs_a_decision_when_the_database_went_back() -> None:
    assert open_dispatch()
    assert dispatch.pause_dispatch("adam", "lunch")
    DispatchSwitch.objects.update(counter=0)
    sweep()
    with pytest.raises(RestoreUndecided):
        resume_dispatch("adam")
