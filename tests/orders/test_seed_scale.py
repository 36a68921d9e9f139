"""seed_scale: many rows, quickly, and the books are in order."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import Transfer
from orders.models import Order
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


def test_it_makes_customers_services_and_orders_with_clean_books() -> None:
    out = StringIO()
    call_command(
        "seed_scale",
        "--customers",
        "7",
        "--services",
        "30",
        "--orders",
        "500",
        "--biggest",
        "20",
        "--json",
        stdout=out,
    )
    assert json.loads(out.getvalue())["orders"] == 500
    assert Order.objects.count() == 500
    assert set(Order.objects.values_list("status", flat=True)) == {"Completed", "Partial", "Canceled"}
    assert Transfer.objects.count() == 7 + 500 + 15
    world.sane()
    call_command("seed_scale", "--customers", "0", "--services", "0", "--orders", "100", stdout=out)
    assert Order.objects.values("user").distinct().count() == 7
    assert Transfer.objects.count() == 2 * 7 + 600 + 18
    world.sane()


def test_the_orders_page_costs_as_many_queries_with_many_orders_as_with_few() -> None:
    def asked(orders: int) -> dict[str, int]:
        call_command("seed_scale", "--customers", "1", "--services", "5", "--orders", str(orders))
        user = Order.objects.latest("pk").user
        browser = signed_in(user)
        link = Order.objects.filter(user=user).latest("pk").link
        assert Order.objects.filter(user=user).count() == orders
        browser.get("/orders/")
        costs = {}
        for query in (
            "",
            "?status=Completed",
            "?refill=1",
            "?days=7d",
            "?size=100",
            f"?q={link}",
            "?q=example",
        ):
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(f"/orders/{query}").status_code == 200
            costs[query.replace(link, "link")] = len(queries)
        return costs

    few, many = asked(40), asked(900)
    assert few == many
    assert max(many.values()) <= 12


def test_it_refuses_numbers_that_make_no_sense() -> None:
    with pytest.raises(CommandError, match="At least one"):
        call_command("seed_scale", "--customers", "0", "--services", "1", "--orders", "1")
