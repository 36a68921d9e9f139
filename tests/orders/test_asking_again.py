"""Repeating by key: an unknown attempt is asked again where the provider keeps an idempotency key."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from orders.asking_again import providers_to_ask
from orders.desk import CannotDecide, decide
from orders.models import Order, Submission, SubmissionAttempt
from orders.submission import submit_lane
from orders.sweeping import sweep
from providers.models import Provider, Service
from tests import world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def upstream(
    transactional_db: None, start_sandbox: Callable[..., Sandbox], settings: Any
) -> Iterator[Sandbox]:
    """A provider that honors request_id."""
    sandbox = start_sandbox(speed=0, request_id=True)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
    yield sandbox


@pytest.fixture
def meridian(upstream: Sandbox) -> Provider:
    return world.provider(upstream.url, upstream.key, options={"request_id": True, "rate_per_minute": 0})


def began_earlier(order: Order, by: timedelta) -> None:
    """Evidence cannot be edited, not even by a test; the trigger steps aside for this one statement."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_submissionattempt DISABLE TRIGGER attempt_evidence")
        cursor.execute(
            "UPDATE orders_submissionattempt SET started_at = started_at - make_interval(secs => %s), "
            "asked_again_at = asked_again_at - make_interval(secs => %s) "
            "WHERE submission_id = %s",
            [by.total_seconds(), by.total_seconds(), order.pk],
        )
        cursor.execute("ALTER TABLE orders_submissionattempt ENABLE TRIGGER attempt_evidence")


@pytest.fixture
def doubted(upstream: Sandbox, views: Service, meridian: Provider) -> Order:
    """Inserted upstream, answered with a 500."""
    order = world.order(world.customer(), views)
    upstream.control(faults="http500_after@add")
    assert submit_lane(meridian.pk).unknown == 1
    upstream.control(faults="")
    return order


def test_the_same_attempt_is_settled_by_the_providers_own_id(
    upstream: Sandbox, doubted: Order, meridian: Provider
) -> None:
    began_earlier(doubted, timedelta(minutes=2))
    assert providers_to_ask() == [meridian.pk]
    assert submit_lane(meridian.pk).accepted == 1
    (line,) = upstream.truth("order")
    submission = Submission.objects.get(pk=doubted.pk)
    assert (submission.state, submission.provider_order_id) == ("accepted", line["order"])
    assert [(a.state, a.fence) for a in submission.attempts.all()] == [("accepted", 1)]
    keys = {row["request_id"] for row in upstream.requests() if row["action"] == "add"}
    assert keys == {str(submission.request_key)}
    world.sane()


def test_any_other_answer_leaves_it_unknown_and_the_next_question_comes_later(
    upstream: Sandbox, doubted: Order, meridian: Provider
) -> None:
    began_earlier(doubted, timedelta(minutes=2))
    upstream.control(faults="error=Bad link@add")
    for _ in range(3):
        submit_lane(meridian.pk)
        sweep()
    assert world.state_of(doubted) == "unknown"
    assert len([row for row in upstream.requests() if row["action"] == "add"]) == 2
    doubted.refresh_from_db()
    assert doubted.refunded == 0
    began_earlier(doubted, timedelta(minutes=3))
    assert providers_to_ask() == [meridian.pk]


@pytest.mark.parametrize("age", [timedelta(seconds=10), timedelta(hours=25)])
def test_nothing_is_asked_at_once_nor_after_a_day(doubted: Order, meridian: Provider, age: timedelta) -> None:
    began_earlier(doubted, age)
    assert providers_to_ask() == []


def test_a_provider_without_a_key_is_never_asked_again(
    upstream: Sandbox, doubted: Order, meridian: Provider
) -> None:
    began_earlier(doubted, timedelta(minutes=2))
    Provider.objects.filter(pk=meridian.pk).update(options={"rate_per_minute": 0})
    assert providers_to_ask() == []
    submit_lane(meridian.pk, force=True)
    assert world.state_of(doubted) == "unknown"
    assert len(upstream.truth("order")) == 1


def test_an_attempt_that_went_without_a_key_is_never_asked_about(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    """The option was turned on after the send: a question with a key would be a second order."""
    Provider.objects.filter(pk=meridian.pk).update(options={"rate_per_minute": 0})
    order = world.order(world.customer(), views)
    upstream.control(faults="http500_after@add")
    submit_lane(meridian.pk)
    upstream.control(faults="")
    Provider.objects.filter(pk=meridian.pk).update(options={"request_id": True, "rate_per_minute": 0})
    began_earlier(order, timedelta(minutes=2))
    submit_lane(meridian.pk)
    assert world.state_of(order) == "unknown"
    assert len(upstream.truth("order")) == 1


def test_another_account_is_never_asked_about_an_attempt(
    upstream: Sandbox,
    doubted: Order,
    meridian: Provider,
    start_sandbox: Callable[..., Sandbox],
    settings: Any,
) -> None:
    """The provider's address was changed since: nobody there knows our key."""
    elsewhere = start_sandbox(speed=0, request_id=True)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({upstream.origin, elsewhere.origin})
    Provider.objects.filter(pk=meridian.pk).update(api_url=elsewhere.url)
    began_earlier(doubted, timedelta(minutes=2))
    submit_lane(meridian.pk)
    assert world.state_of(doubted) == "unknown"
    assert elsewhere.truth("order") == []


def test_the_desk_waits_while_the_provider_is_being_asked(
    doubted: Order, meridian: Provider, settings: Any
) -> None:
    settings.UNKNOWN_QUARANTINE_SECONDS = 0
    from orders.asking_again import _take

    began_earlier(doubted, timedelta(minutes=2))
    assert _take(meridian.pk) is not None
    with pytest.raises(CannotDecide, match="being asked again"):
        decide(doubted.pk, "absent_refund", reason="not there", user=None, actor="rita")
    SubmissionAttempt.objects.filter(submission_id=doubted.pk).update(asked_again_at=None)
    assert decide(doubted.pk, "absent_refund", reason="not there", user=None, actor="rita") == "rejected"
    world.sane()
