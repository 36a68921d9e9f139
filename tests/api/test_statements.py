"""What one call costs the database: a constant number of statements, whatever is asked for."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import PriceGroup, User
from providers.models import Provider, Service
from tests import world
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db


def statements(act: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        act()
    sql = [query["sql"] for query in captured.captured_queries]
    return [line for line in sql if not line.startswith(("SAVEPOINT", "RELEASE SAVEPOINT"))]


def test_an_add_takes_at_most_five_statements(call: Caller, shop: Service) -> None:
    form = {"service": shop.pk, "link": "x", "quantity": 100}
    call("add", **form)  # notes the use of the key, and makes the wallet
    plain = statements(lambda: call("add", **form))
    assert len(plain) <= 5, plain  # key, route, special rate, the rows, the money
    keyed = statements(lambda: call("add", request_id="k", **form))
    assert len(keyed) == len(plain) + 1  # was this request id used before?
    replayed = statements(lambda: call("add", request_id="k", **form))
    assert len(replayed) == 2, replayed


def test_a_price_group_costs_one_more(call: Caller, shop: Service) -> None:
    form = {"service": shop.pk, "link": "x", "quantity": 100}
    call("add", **form)
    plain = statements(lambda: call("add", **form))
    User.objects.update(price_group=PriceGroup.objects.create(name="Agencies"))
    assert len(statements(lambda: call("add", **form))) == len(plain) + 1


def test_100_statuses_cost_as_much_as_one(call: Caller, shop: Service, alice: User) -> None:
    ids = [str(world.order(alice, shop, quantity=10).pk) for _ in range(100)]
    call("balance")
    one = statements(lambda: call("status", order=ids[0]))
    answers: dict[str, Any] = {}
    many = statements(lambda: answers.update(call("status", orders=",".join(ids))))
    assert len(answers) == 100
    assert len(one) == len(many) == 2


def test_100_refill_statuses_and_refused_acts_are_constant(call: Caller, shop: Service, alice: User) -> None:
    ids = ",".join(str(world.order(alice, shop, quantity=10).pk) for _ in range(100))
    call("balance")
    assert len(statements(lambda: call("refill_status", refills=ids))) == 2
    assert len(statements(lambda: call("refill", orders=ids))) == 3  # none is completed: all refused


def test_the_price_list_costs_the_same_for_any_length(call: Caller, meridian: Provider) -> None:
    call("balance")
    world.service(world.offer(meridian, "1"))
    short = statements(lambda: call("services"))
    for number in range(2, 40):
        world.service(world.offer(meridian, str(number), category=f"Category {number}"))
    assert len(call("services")) == 39
    assert len(statements(lambda: call("services"))) == len(short) <= 4
