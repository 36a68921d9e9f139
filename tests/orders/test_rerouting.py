"""Another route: for the order that met a refusal, and for those that wait behind it, where one fits."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import rerouting
from orders.models import Order, OrderEvent, Submission, SubmissionAttempt
from orders.rerouting import reroute_waiting
from orders.routing import other_route, take_route
from orders.submission import submit_lane
from orders.sweeping import sweep
from providers import breaker
from providers.models import Offer, Provider, Route, Service
from providers.pausing import pause_by_hand
from tests import world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)
LONG = timedelta(minutes=11)


@pytest.fixture
def north() -> Provider:
    return world.provider(name="North")


@pytest.fixture
def shop(north: Provider) -> Service:
    """On sale at 2.00, by North for 1.00."""
    return world.service(world.offer(north))


@pytest.fixture
def south(shop: Service) -> Provider:
    """A second provider that delivers the same for 1.50."""
    provider = world.provider(name="South")
    behind(shop, world.offer(provider, rate=Decimal("1.50")))
    return provider


def behind(service: Service, offer: Offer) -> Route:
    return Route.objects.create(service=service, offer=offer, position=service.routes.count())


def queue_of(provider: Provider) -> int:
    return Submission.objects.filter(provider=provider, state="queued").count()


def waiting(service: Service, number: int, quantity: int = 1000) -> list[Order]:
    alice = world.customer(f"alice{Order.objects.count()}@example.org", balance="1000")
    return [world.order(alice, service, f"https://example.org/{n}", quantity) for n in range(number)]


def waited_long(**values: Any) -> None:
    Submission.objects.filter(state="queued").update(queued_since=timezone.now() - LONG, **values)


def pause_itself(provider: Provider, kind: str = "funds") -> None:
    breaker.pause(provider.pk, kind, "Refused.")


# ── the order that met the refusal ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("refusal", "kind", "pauses"),
    [
        ("Incorrect service ID", "service", ""),
        ("Quantity less than minimal 5000", "quantity", ""),
        ("Not enough funds on balance", "provider_funds", "funds"),
        ("Invalid API key", "auth", "auth"),
    ],
)
def test_a_refusal_that_is_the_providers_own_fails_over_at_the_other_routes_cost(
    upstream: Sandbox, views: Service, meridian: Provider, refusal: str, kind: str, pauses: str
) -> None:
    order = world.order(world.customer(), views)
    kite = world.provider(upstream.url, upstream.key, name="Kite")
    there = behind(views, world.offer(kite, meridian.offers.get().external_id, rate="7.00", minimum=100))
    upstream.control(faults=f"error={refusal}*1@add")
    assert submit_lane(meridian.pk).requeued == 1
    attempt = SubmissionAttempt.objects.get(submission=order.pk)
    assert (attempt.state, attempt.reason, attempt.provider) == ("not_accepted", kind, meridian)
    meridian.refresh_from_db()
    assert meridian.pause_kind == pauses
    submission = Submission.objects.get(pk=order.pk)
    assert (submission.state, submission.route, submission.offer) == ("queued", there, there.offer)
    assert submit_lane(kite.pk).accepted == 1
    order.refresh_from_db()
    assert (order.cost, order.refunded) == (7, 0)
    assert len(upstream.truth("order")) == 1
    world.sane()


def test_a_refused_link_is_bad_everywhere(upstream: Sandbox, views: Service, meridian: Provider) -> None:
    order = world.order(world.customer(), views)
    kite = world.provider(upstream.url, upstream.key, name="Kite")
    behind(views, world.offer(kite, meridian.offers.get().external_id, minimum=100))
    upstream.control(faults="error=Incorrect link*1@add")
    assert submit_lane(meridian.pk).rejected == 1
    order.refresh_from_db()
    assert order.refunded == order.charge
    world.sane()


# ── which route fits ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "differs",
    [
        {"service_type": "package"},
        {"service_type": ""},
        {"minimum": 1001},
        {"maximum": 999},
        {"refill": False},
        {"cancel": False},
        {"rate": Decimal("2.01")},
        {"on_hold": "The price rose."},
        {"gone_at": timezone.now(), "missing_since": timezone.now()},
    ],
    ids=lambda differs: next(iter(differs)),
)
def test_a_route_that_does_not_keep_what_was_sold_is_not_taken(
    shop: Service, north: Provider, south: Provider, differs: dict[str, Any]
) -> None:
    (order,) = waiting(shop, 1)
    submission = Submission.objects.get(pk=order.pk)
    fits = other_route(order, submission)
    assert fits is not None and fits.offer.provider == south, "but for what differs it is taken"
    Offer.objects.filter(provider=south).update(**differs)
    assert other_route(order, submission) is None
    pause_itself(north)
    assert (sweep().rerouted, queue_of(north)) == (0, 1)


def test_an_order_of_several_runs_goes_to_an_offer_that_takes_runs_or_to_staff(
    shop: Service, north: Provider, south: Provider
) -> None:
    """One that ignores `runs` would deliver the quantity once and say that it completed what was paid five times."""
    alice = world.customer(balance="1000")
    once = world.order(alice, shop, "https://example.org/once", 100)
    order = world.order(alice, shop, "https://example.org/runs", 100, runs=5, interval=60)
    submission = Submission.objects.get(pk=order.pk)
    fits = other_route(order, submission)
    assert fits is not None and fits.offer.provider == south
    Offer.objects.filter(provider=south).update(dripfeed=False)
    assert other_route(order, submission) is None
    pause_itself(north)
    assert (sweep().rerouted, queue_of(north), queue_of(south)) == (1, 1, 1)
    assert Submission.objects.get(pk=once.pk).provider == south, (
        "one that was not bought in runs is not kept back"
    )
    team = world.provider(name="Our team", adapter="manual")
    behind(shop, world.offer(team, rate=Decimal("0.50"), dripfeed=False))
    assert (sweep().rerouted, queue_of(north)) == (1, 0)
    assert Submission.objects.get(pk=order.pk).provider == team, "they see how many runs were paid for"
    world.sane()


def test_orders_of_several_runs_that_no_other_offer_takes_are_not_looked_at_one_by_one(
    shop: Service, north: Provider, south: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    Offer.objects.filter(provider=south).update(dripfeed=False)
    alice = world.customer(balance="1000")
    for number in range(2):
        world.order(alice, shop, f"https://example.org/runs{number}", 100, runs=5, interval=60)
    pause_itself(north)
    monkeypatch.setattr(rerouting, "_move", lambda *_: pytest.fail("there is nowhere to move it to"))
    assert reroute_waiting() == 0


def test_a_refusal_does_not_send_several_runs_to_an_offer_that_takes_none(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    Offer.objects.filter(provider=meridian).update(dripfeed=True)
    Service.objects.filter(pk=views.pk).update(dripfeed=True)
    order = world.order(world.customer(balance="1000"), views, runs=2, interval=60)
    kite = world.provider(upstream.url, upstream.key, name="Kite")
    behind(
        views,
        world.offer(kite, meridian.offers.get().external_id, rate="7.00", minimum=100, dripfeed=False),
    )
    upstream.control(faults="error=Not enough funds on balance*1@add")
    assert submit_lane(meridian.pk).requeued == 1
    assert Submission.objects.get(pk=order.pk).provider == meridian
    assert upstream.truth("order") == []
    world.sane()


def test_a_cost_that_equals_the_charge_is_within_it_and_abilities_that_were_not_sold_are_not_asked_for(
    north: Provider,
) -> None:
    service = world.service(world.offer(north, refill=False, cancel=False))
    there = behind(
        service, world.offer(world.provider(name="South"), rate=Decimal(2), refill=False, cancel=False)
    )
    (order,) = waiting(service, 1)
    assert other_route(order, Submission.objects.get(pk=order.pk)) == there


@pytest.mark.parametrize(
    "differs",
    [
        {"archived_at": timezone.now()},
        {"paused_at": timezone.now(), "pause_kind": "manual"},
        {"paused_at": timezone.now(), "pause_kind": "funds"},
        {"breaker": "open"},
        {"breaker": "half_open"},
        {"currency": "XTS"},
    ],
    ids=["archived", "paused by hand", "paused for funds", "breaker open", "breaker half open", "no rate"],
)
def test_a_provider_that_cannot_take_it_now_is_not_asked(
    shop: Service, north: Provider, south: Provider, differs: dict[str, Any]
) -> None:
    (order,) = waiting(shop, 1)
    Provider.objects.filter(pk=south.pk).update(**differs)
    assert other_route(order, Submission.objects.get(pk=order.pk)) is None


@pytest.mark.parametrize("state", ["sending", "accepted", "unknown", "absent"])
def test_an_order_that_was_ever_in_doubt_never_takes_another_route_by_itself(
    shop: Service, north: Provider, south: Provider, state: str
) -> None:
    (order,) = waiting(shop, 1)
    SubmissionAttempt.objects.create(
        submission_id=order.pk, fence=1, provider=north, offer=north.offers.get(), cost=1, state=state, params_hash="x"
    )  # fmt: skip
    pause_itself(north)
    assert other_route(order, Submission.objects.get(pk=order.pk)) is None
    assert (sweep().rerouted, queue_of(north)) == (0, 1)


def test_a_route_that_refused_it_is_not_tried_again(shop: Service, north: Provider, south: Provider) -> None:
    (order,) = waiting(shop, 1)
    SubmissionAttempt.objects.create(
        submission_id=order.pk, fence=1, provider=south, offer=south.offers.get(), cost=1, state="not_accepted",
        params_hash="x",
    )  # fmt: skip
    assert other_route(order, Submission.objects.get(pk=order.pk)) is None


# ── those that wait behind it ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "says"), [("funds", "balance at the first provider"), ("auth", "not accept our key")]
)
def test_what_waits_at_a_provider_that_was_paused_by_itself_moves_with_the_next_sweep(
    shop: Service, north: Provider, south: Provider, kind: str, says: str
) -> None:
    orders = waiting(shop, 3)
    assert sweep().rerouted == 0
    pause_itself(north, kind)
    assert sweep().rerouted == 3
    assert (queue_of(north), queue_of(south)) == (0, 3)
    for order in orders:
        order.refresh_from_db()
        assert (order.cost, order.charge) == (Decimal("1.50"), Decimal(2))
        event = OrderEvent.objects.get(order=order, kind="submission")
        assert (event.before, event.after, event.staff_only) == ("North", "South", True)
        assert event.why.startswith("Sent to another provider") and says in event.why
    assert sweep().rerouted == 0, "there they wait"
    world.sane()


def test_orders_that_come_while_it_is_paused_move_too(
    shop: Service, north: Provider, south: Provider
) -> None:
    pause_itself(north)
    waiting(shop, 2)
    assert (sweep().rerouted, queue_of(south)) == (2, 2)


def test_a_pause_by_hand_moves_nobody_whatever_else_is_wrong(
    shop: Service, north: Provider, south: Provider
) -> None:
    waiting(shop, 2)
    waited_long(waits_for="not_sent")
    Provider.objects.filter(pk=north.pk).update(breaker="open", breaker_until=timezone.now())
    pause_itself(north)
    pause_by_hand(north, "We pay them on Monday")
    assert (sweep().rerouted, queue_of(north)) == (0, 2)


@pytest.mark.parametrize("state", ["open", "half_open"])
def test_behind_an_open_breaker_they_move_after_ten_minutes(
    shop: Service, north: Provider, south: Provider, state: str
) -> None:
    waiting(shop, 2)
    Provider.objects.filter(pk=north.pk).update(breaker=state, breaker_until=timezone.now() + LONG)
    assert sweep().rerouted == 0
    Submission.objects.filter(pk=Order.objects.earliest("pk").pk).update(queued_since=timezone.now() - LONG)
    assert (sweep().rerouted, queue_of(north), queue_of(south)) == (1, 1, 1)


def test_at_a_provider_that_is_well_only_what_was_tried_for_long_moves(
    shop: Service, north: Provider, south: Provider
) -> None:
    tried, not_tried = waiting(shop, 2)
    waited_long()
    Submission.objects.filter(pk=tried.pk).update(waits_for="not_sent")
    assert sweep().rerouted == 1
    assert Submission.objects.get(pk=tried.pk).provider == south
    assert Submission.objects.get(pk=not_tried.pk).provider == north


def test_a_route_by_hand_makes_them_wait_for_staff(shop: Service, north: Provider) -> None:
    by_hand = world.provider(name="Our team", adapter="manual")
    behind(shop, world.offer(by_hand, rate=Decimal("0.50")))
    (order,) = waiting(shop, 1)
    pause_itself(north)
    assert sweep().rerouted == 1
    submission = Submission.objects.get(pk=order.pk)
    assert (submission.state, submission.provider) == ("held", by_hand)


@pytest.mark.parametrize("state", ["claimed", "sending", "held", "withdrawn"])
def test_what_is_not_queued_any_more_when_it_would_be_moved_stays_where_it_is(
    shop: Service, north: Provider, south: Provider, state: str
) -> None:
    """As a worker may have claimed it between the look and the move."""
    (order,) = waiting(shop, 1)
    seen = Submission.objects.select_related("provider").get(pk=order.pk)
    route = other_route(order, seen)
    assert route is not None
    lease = timezone.now() if state in ("claimed", "sending") else None
    for step in ("claimed", "sending") if state == "sending" else (state,):
        Submission.objects.filter(pk=order.pk).update(state=step, lease_until=lease)
    assert take_route(order, seen, route, "too late") is False
    order.refresh_from_db()
    after = Submission.objects.get(pk=order.pk)
    assert (after.state, after.provider, order.cost) == (state, north, 1)
    assert not OrderEvent.objects.filter(order=order, kind="submission").exists()


def test_they_are_sent_once_by_the_other_route(upstream: Sandbox, views: Service, meridian: Provider) -> None:
    Provider.objects.filter(pk=meridian.pk).update(
        options={"concurrency": 1}
    )  # nobody is on his way beside the first
    orders = waiting(views, 5, 100)
    kite = world.provider(upstream.url, upstream.key, name="Kite")
    behind(views, world.offer(kite, meridian.offers.get().external_id, rate="7.00", minimum=100))
    upstream.control(faults="error=Not enough funds on balance*1@add")
    submit_lane(meridian.pk)
    assert queue_of(meridian) == 4, "the one that met the refusal moved at once"
    assert sweep().rerouted == 4
    assert submit_lane(kite.pk).accepted == 5
    assert sorted(line["link"] for line in upstream.truth("order")) == sorted(order.link for order in orders)
    world.sane()


# ── many of them ────────────────────────────────────────────────────────────────────────────────────


def test_those_without_another_route_hide_nobody_behind_them(
    shop: Service, north: Provider, south: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerouting, "LOOKED_AT", 4)
    monkeypatch.setattr(rerouting, "MOVED", 2)
    alone = world.service(world.offer(north, "2"))
    waiting(alone, 10)
    waiting(shop, 5)
    pause_itself(north)
    moved = [reroute_waiting() for _ in range(6)]
    assert moved == [0, 0, 2, 2, 1, 0], "two windows without any, then as many as a pass may move"
    waiting(shop, 1)
    Submission.objects.filter(pk=Order.objects.latest("pk").pk).update(next_at=timezone.now() - LONG)
    assert sum(reroute_waiting() for _ in range(4)) == 1, "after the last it begins with the first"
    assert (queue_of(north), queue_of(south)) == (10, 6)


def test_orders_that_are_due_at_the_same_moment_are_looked_at_once_each(
    shop: Service, north: Provider, south: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerouting, "LOOKED_AT", 3)
    alone = world.service(world.offer(north, "2"))
    waiting(alone, 7)
    waiting(shop, 2)
    Submission.objects.update(next_at=timezone.now())
    pause_itself(north)
    assert [reroute_waiting() for _ in range(3)] == [0, 0, 2]


def test_a_look_costs_the_same_however_many_wait(shop: Service, north: Provider) -> None:
    counts = []
    for number in (3, 30):
        waiting(shop, number)
        pause_itself(north)
        with CaptureQueriesContext(connection) as queries:
            assert reroute_waiting() == 0
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 6


def test_the_look_at_the_queue_is_a_range_of_its_index(
    shop: Service, north: Provider, south: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerouting, "LOOKED_AT", 5)
    waiting(shop, 8)
    place = Submission.objects.order_by("next_at").values_list("next_at", "pk")[1]
    window, edge = rerouting._window(north.pk, place)
    assert (
        list(window.values_list("pk", flat=True))
        == sorted(Submission.objects.values_list("pk", flat=True))[2:7]
    )
    assert edge is not None
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SET enable_bitmapscan = off")
        cursor.execute("SET enable_sort = off")  # of a handful of rows it may be the cheapest
        try:
            plan = window.explain()
        finally:
            cursor.execute("RESET enable_sort")
            cursor.execute("RESET enable_seqscan")
            cursor.execute("RESET enable_bitmapscan")
    assert "submission_due" in plan and "next_at >=" in plan.partition("Index Cond")[2].partition("\n")[0]
    assert "Sort" not in plan
