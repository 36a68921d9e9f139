"""The sweeper and every lease run by the database's clock: a worker whose own clock is wrong neither shortens the lease
of another nor keeps what a vanished one left behind."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.db.models.functions import Now

from orders import request_lane
from orders.models import Order, Request, Submission
from orders.request_lane import requests_lane
from orders.requests import ask_cancel, ask_refill, decide
from orders.submission import _claim, submit_lane
from orders.sweeping import sweep
from providers.lanes import LaneBusy, hold
from providers.models import Lane, Provider, Service
from tests import world
from tests.orders.test_submission import begin
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["an hour fast", "an hour slow"])
def wrong_clock(request: pytest.FixtureRequest) -> Iterator[None]:
    """This process's clock is wrong; the database's is right."""
    by = HOUR if request.param == "an hour fast" else -HOUR
    with time_machine.travel(datetime.now(UTC) + by):
        yield


def seconds_left(table: str, key: int) -> float:
    """How long a lease still runs, as the database sees it."""
    column = "order_id" if table == "orders_submission" else "id"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM {table} WHERE {column} = %s",
            [key],
        )
        return float(cursor.fetchone()[0])


@pytest.mark.usefixtures("wrong_clock")
def test_the_leases_of_a_claim_and_of_a_send_are_not_swept_before_their_time(
    views: Service, meridian: Provider
) -> None:
    alice = world.customer()
    claimed, sending = (world.order(alice, views, f"https://example.org/{n}", 100) for n in range(2))
    fences = dict(_claim(meridian.pk, 10, force=True, besides=set()))
    assert begin(sending.pk, fences[sending.pk]) is not None
    swept = sweep()
    assert (swept.released, swept.unknown) == (0, 0)
    assert 50 < seconds_left("orders_submission", claimed.pk) <= 60
    assert 65 < seconds_left("orders_submission", sending.pk) <= 75  # deadline 45 + margin 30


@pytest.mark.usefixtures("wrong_clock")
def test_leases_that_ended_are_swept_whatever_this_clock_says(views: Service, meridian: Provider) -> None:
    alice = world.customer()
    claimed, sending = (world.order(alice, views, f"https://example.org/{n}", 100) for n in range(2))
    fences = dict(_claim(meridian.pk, 10, force=True, besides=set()))
    begin(sending.pk, fences[sending.pk])
    Submission.objects.update(lease_until=Now() - timedelta(seconds=1))
    swept = sweep()
    assert (swept.released, swept.unknown) == (1, 1)
    assert (world.state_of(claimed), world.state_of(sending)) == ("queued", "unknown")


@pytest.mark.usefixtures("wrong_clock")
def test_a_held_lane_is_nobody_elses_before_its_lease_ended(meridian: Provider) -> None:
    with hold(meridian.pk, Lane.Kind.SUBMIT, seconds=60) as holding:
        assert 15 < seconds_left("providers_lane", holding.lane.pk) <= 20
        with pytest.raises(LaneBusy), hold(meridian.pk, Lane.Kind.SUBMIT, seconds=60):
            pass
        Lane.objects.update(lease_until=Now() - timedelta(seconds=1))
        with hold(meridian.pk, Lane.Kind.SUBMIT, seconds=60):
            assert not holding.renew(), "whoever lost the lane is told"


@pytest.fixture
def asked(upstream: Sandbox, views: Service, meridian: Provider) -> dict[str, Request]:
    """An approved refill and an approved cancel of orders that the provider has."""
    alice, rita = world.customer(), world.reviewer()
    orders = [world.order(alice, views, f"https://example.org/{n}", 100) for n in range(2)]
    submit_lane(meridian.pk)
    Order.objects.filter(pk=orders[0].pk).update(status="Completed", ended_at=Now())
    refill = ask_refill(orders[0].pk, by="customer")
    decide(refill.pk, approve=True, user=rita)
    return {"refill": refill, "cancel": ask_cancel(orders[1].pk, by="customer")}


@pytest.mark.parametrize("kind", ["refill", "cancel"])
def test_a_refill_or_cancel_claimed_by_a_slow_clock_keeps_its_whole_lease(
    asked: dict[str, Request], meridian: Provider, kind: str
) -> None:
    """Swept early, a refill that is on its way would be called unknown, and might be asked for twice."""
    options = {"batch_deadline_s": 60, "batch_size": 100}
    with time_machine.travel(datetime.now(UTC) - HOUR):
        (claimed,) = request_lane._claim(meridian.pk, kind, options, set())
    assert claimed.pk == asked[kind].pk
    assert sweep().requests == 0
    assert 110 < seconds_left("orders_request", claimed.pk) <= 120
    Request.objects.filter(pk=claimed.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert sweep().requests == 1
    asked[kind].refresh_from_db()
    assert asked[kind].state == ("unknown" if kind == "refill" else "approved")


def test_a_vanished_refill_is_never_sent_again_by_itself_and_a_vanished_cancel_is(
    upstream: Sandbox, asked: dict[str, Request], meridian: Provider
) -> None:
    options = {"batch_deadline_s": 60, "batch_size": 100}
    for kind in ("refill", "cancel"):
        assert request_lane._claim(meridian.pk, kind, options, set())
    Request.objects.filter(state="sending").update(lease_until=Now() - timedelta(seconds=1))
    assert sweep().requests == 2
    requests_lane(meridian.pk, force=True)
    for request in asked.values():
        request.refresh_from_db()
    assert (asked["refill"].state, asked["cancel"].state) == ("unknown", "accepted")
    assert (len(upstream.truth("refill")), len(upstream.truth("cancel"))) == (0, 1)
