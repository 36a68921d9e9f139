"""What a refused order says about its provider: an offer off sale, old limits, a connection that is not set up."""

from typing import Any

import pytest
from django.db import OperationalError
from redis.exceptions import RedisError

from orders import heeding, hints
from orders.submission import submit_lane
from providers.models import Alert, Lane, Provider, Service
from providers.tasks import catalog_after_refusal
from tests import world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    sent: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(hints, "_sent", {})
    monkeypatch.setattr(hints, "_broker_down_until", 0.0)
    monkeypatch.setattr(
        hints.current_app, "send_task", lambda task, args, **options: sent.append((task, args))
    )
    return sent


def refused(upstream: Sandbox, service: Service, provider: Provider, text: str, orders: int = 1) -> None:
    alice = world.customer()
    placed = [world.order(alice, service, f"https://example.org/{n}", 1000) for n in range(orders)]
    upstream.control(faults=f"error={text}@add")
    assert submit_lane(provider.pk).rejected == orders
    for order in placed:
        order.refresh_from_db()
        assert (order.status, order.refunded) == ("Canceled", order.charge)


def test_a_service_that_the_provider_has_disabled_goes_off_sale_with_one_alert(
    upstream: Sandbox, views: Service, meridian: Provider
) -> None:
    refused(upstream, views, meridian, "Service is disabled", orders=3)
    views.refresh_from_db()
    assert (views.on_sale, views.off_sale) == (False, "Refused by the provider: Service is disabled")
    alert = Alert.objects.get(closed_at=None)
    assert (alert.key, alert.count) == (f"refused-service:{views.routes.get().offer_id}", 3)
    world.sane()


def test_a_refused_quantity_has_the_list_read_but_not_again_and_again(
    upstream: Sandbox, views: Service, meridian: Provider, hinted: list[tuple[str, list[int]]]
) -> None:
    refused(upstream, views, meridian, "Quantity less than minimal 5000")
    assert ("providers.tasks.catalog_after_refusal", [meridian.pk]) in hinted
    views.refresh_from_db()
    assert (views.on_sale, Alert.objects.count()) == (True, 0)
    before = _reads(upstream)
    for reads in (1, 1):
        catalog_after_refusal(meridian.pk)
        assert _reads(upstream) == before + reads
    Lane.objects.filter(kind="catalog").update(ran_at="2026-01-01T00:00:00Z")
    catalog_after_refusal(meridian.pk)
    assert _reads(upstream) == before + 2


def _reads(upstream: Sandbox) -> int:
    return len([row for row in upstream.requests() if row["action"] == "services"])


def test_a_dead_broker_makes_no_error_of_it(
    upstream: Sandbox, views: Service, meridian: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_args: Any, **_options: Any) -> None:
        raise RedisError

    monkeypatch.setattr(hints.current_app, "send_task", dead)
    monkeypatch.setattr(hints, "_sent", {})
    refused(upstream, views, meridian, "Quantity less than minimal 5000")
    world.sane()


@pytest.mark.parametrize(
    ("text", "kind"),
    [("Missing required parameter country", "missing_field"), ("Incorrect request", "protocol")],
)
def test_what_is_wrong_with_the_set_up_is_one_alert_for_each_kind(
    upstream: Sandbox, views: Service, meridian: Provider, text: str, kind: str
) -> None:
    refused(upstream, views, meridian, text, orders=2)
    alert = Alert.objects.get(closed_at=None)
    assert (alert.key, alert.count, alert.provider) == (f"refused-{kind}:{meridian.pk}", 2, meridian)
    assert text in alert.text
    views.refresh_from_db()
    assert views.on_sale


def test_a_database_that_fails_in_between_leaves_the_order_settled(
    upstream: Sandbox, views: Service, meridian: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: Any) -> bool:
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(heeding, "hold_refused", away)
        refused(upstream, views, meridian, "Service is disabled")
    views.refresh_from_db()
    assert views.on_sale
    bob = world.bob()
    world.order(bob, views, "https://example.org/next", 1000)
    assert submit_lane(meridian.pk).rejected == 1
    views.refresh_from_db()
    assert not views.on_sale, "the next refusal does it"
