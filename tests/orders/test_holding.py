"""Orders that were not sent yet: held, let go on, rejected with the charge back."""

import pytest

from orders.holding import NotUnsent, hold, reject, release
from orders.models import DispatchSwitch, OrderEvent, Submission
from orders.submission import _claim, submit_lane
from providers.models import Provider, Service
from tests import world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_held_order_waits_until_it_is_released(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    order = world.order(world.customer(), views)
    hold(order.pk, why="Looks odd", actor="rita")
    assert submit_lane(meridian.pk).accepted == 0
    release(order.pk, why="It is fine", actor="rita")
    assert submit_lane(meridian.pk).accepted == 1
    moves = OrderEvent.objects.filter(order=order, actor="rita").values_list("before", "after")
    assert list(moves) == [("queued", "held"), ("held", "queued")]


def test_a_rejected_order_gives_the_whole_charge_back_once(views: Service) -> None:
    order = world.order(world.customer(), views)
    hold(order.pk, why="Looks odd", actor="rita")
    reject(order.pk, why="This cannot be delivered. The whole charge was returned.", actor="rita")
    with pytest.raises(NotUnsent):
        reject(order.pk, why="Again", actor="rita")
    order.refresh_from_db()
    assert (world.state_of(order), order.status, order.refunded) == ("rejected", "Canceled", order.charge)
    world.sane()


def test_an_order_that_a_worker_has_is_left_alone(views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    assert _claim(meridian.pk, 1, force=False, besides=set())
    for act in (hold, release, reject):
        with pytest.raises(NotUnsent, match="claimed"):
            act(order.pk, why="x", actor="rita")
    assert Submission.objects.get(pk=order.pk).state == "claimed"


def test_in_a_restored_database_nothing_is_rejected_as_unsent(views: Service) -> None:
    order = world.order(world.customer(), views)
    DispatchSwitch.objects.update(restored=True)
    with pytest.raises(NotUnsent, match="restored"):
        reject(order.pk, why="x", actor="rita")
    order.refresh_from_db()
    assert order.refunded == 0


def test_in_a_restored_database_nothing_is_released_to_be_sent_again(views: Service) -> None:
    order = world.order(world.customer(), views)
    hold(order.pk, why="x", actor="rita")
    DispatchSwitch.objects.update(restored=True)
    with pytest.raises(NotUnsent, match="restored"):
        release(order.pk, why="x", actor="rita")
    assert world.state_of(order) == "held"
    DispatchSwitch.objects.update(restored=False)
    release(order.pk, why="x", actor="rita")
    assert world.state_of(order) == "queued"
