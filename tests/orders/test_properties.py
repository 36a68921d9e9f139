"""Laws that hold for any sequence of reports: refunds within the charge, and no dependence on the order of arrival."""

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.ledger_check import check_ledger
from orders.models import Order, Submission
from orders.projecting import Known, project
from orders.syncing import apply_observations, followed
from providers.adapters.results import Observation, Statuses, Word
from providers.models import Service
from providers.pricing import refund_target
from tests import world

on_the_database = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
number = count(1)
observations = st.builds(
    Observation,
    word=st.one_of(st.none(), st.sampled_from(Word)),
    raw_word=st.sampled_from(["x", "Partial", "Frozen"]),
    charge=st.one_of(st.none(), st.decimals(0, 5, places=4)),
    start_count=st.one_of(st.none(), st.integers(0, 10**6)),
    remains=st.one_of(st.none(), st.integers(-10, 1500)),
)
GOING_ON = (Word.PENDING, Word.PROCESSING, Word.IN_PROGRESS)


def report(order: Order, seen: Observation, sequence: int) -> None:
    row = Submission.objects.select_related("order").get(pk=order.pk)
    apply_observations(
        followed(Submission.objects.filter(pk=row.pk)),
        Statuses({row.provider_order_id or "": seen}),
        sequence,
    )


@pytest.fixture
def shop(transactional_db: None, settings: Any) -> Service:
    settings.STATUS_CONFIRM_SECONDS = 0
    return world.service(world.offer(world.provider()), rate="3.33")


def accepted(shop: Service, quantity: int = 1000) -> Order:
    from django.utils import timezone

    alice = shop_customer()
    order = world.order(alice, shop, f"https://example.org/{next(number)}", quantity)
    for state, fields in (
        ("claimed", {"lease_until": timezone.now()}),
        ("sending", {}),
        ("accepted", {"lease_until": None, "provider_order_id": f"p{next(number)}"}),
    ):
        Submission.objects.filter(pk=order.pk).update(state=state, **fields)
    submission = Submission.objects.get(pk=order.pk)
    submission.attempts.create(
        fence=1, provider=submission.provider, offer=submission.offer, cost=order.cost, state="accepted", params_hash=""
    )  # fmt: skip
    return order


def shop_customer() -> Any:
    from customers.models import User

    return User.objects.filter(email="alice@example.org").first() or world.customer(balance="100000")


@on_the_database
@given(reports=st.lists(observations, min_size=1, max_size=6), quantity=st.integers(10, 1400))
def test_refunds_never_exceed_the_charge_nor_what_was_reported(
    shop: Service, reports: list[Observation], quantity: int
) -> None:
    order = accepted(shop, quantity)
    refunded = Decimal(0)
    for sequence, seen in enumerate(reports, 1):
        report(order, seen, sequence)
        order.refresh_from_db()
        assert refunded <= order.refunded <= order.charge
        refunded = order.refunded
    owed = {Decimal(0), order.charge} | {
        refund_target(order.charge, seen.remains, order.total)
        for seen in reports
        if seen.word == Word.PARTIAL and seen.remains is not None and 0 < seen.remains <= order.total
    }
    assert refunded in owed, "only what a report said, or nothing, or all"
    if refunded:
        assert order.status in {"Partial", "Canceled"}
    found = check_ledger()
    assert found.ok, found.broken


@on_the_database
@given(data=st.data())
def test_readings_in_any_order_of_arrival_leave_the_newest(shop: Service, data: st.DataObject) -> None:
    complete = st.builds(
        Observation,
        word=st.sampled_from(GOING_ON),
        raw_word=st.just("x"),
        charge=st.none(),
        start_count=st.integers(0, 10**6),
        remains=st.integers(0, 1000),
    )
    readings = data.draw(st.lists(complete, min_size=2, max_size=6))
    arrival = data.draw(st.permutations(range(len(readings))))
    order = accepted(shop)
    for index in arrival:
        report(order, readings[index], index + 1)
    order.refresh_from_db()
    newest = readings[-1]
    assert (order.status, order.start_count, order.remains) == (
        str(newest.word),
        newest.start_count,
        newest.remains,
    )


knowns = st.builds(
    Known,
    status=st.sampled_from(["Pending", "Processing", "In progress"]),
    total=st.just(1000),
    start_count=st.one_of(st.none(), st.integers(0, 10**6)),
    remains=st.one_of(st.none(), st.integers(0, 1000)),
    per_order=st.booleans(),
    drip_feed=st.booleans(),
)


@given(first=knowns, status=st.sampled_from(["Pending", "Processing", "In progress"]), seen=observations)
def test_what_a_report_means_does_not_depend_on_what_was_shown_before(
    first: Known, status: str, seen: Observation
) -> None:
    """Of an open order: its end and the money of it follow from the report and what was sold, not from the path."""
    second = Known(status, first.total, None, None, first.per_order, first.drip_feed)
    one, two = project(first, seen), project(second, seen)
    assert (one.ends, bool(one.attention), one.late) == (two.ends, bool(two.attention), two.late)
    if one.ends == "partial":
        assert one.remains == two.remains


@given(
    charge=st.decimals("0.000001", "999999", places=6),
    total=st.integers(1, 10**7),
    data=st.data(),
)
def test_the_refund_target_is_within_the_charge_and_grows_with_what_remains(
    charge: Decimal, total: int, data: st.DataObject
) -> None:
    more = data.draw(st.integers(0, total))
    less = data.draw(st.integers(0, more))
    assert 0 <= refund_target(charge, less, total) <= refund_target(charge, more, total) <= charge
    assert refund_target(charge, total, total) == charge
    assert refund_target(charge, 0, total) == 0
