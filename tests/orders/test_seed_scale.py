"""seed_scale: many rows, quickly, and the books are in order."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from customers.models import Transfer
from orders.models import Order
from tests import world

pytestmark = pytest.mark.django_db


def test_it_makes_customers_services_and_orders_with_clean_books() -> None:
    out = StringIO()
    call_command(
        "seed_scale", "--customers", "7", "--services", "30", "--orders", "500", "--biggest", "20", "--json", stdout=out
    )
    assert json.loads(out.getvalue())["orders"] == 500
    assert Order.objects.count() == 500
    assert set(Order.objects.values_list("status", flat=True)) == {"Completed", "Partial", "Canceled"}
    assert Transfer.objects.count() == 7 + 500 + 15
    world.sane()


def test_it_refuses_numbers_that_make_no_sense() -> None:
    with pytest.raises(CommandError, match="At least one"):
        call_command("seed_scale", "--customers", "0", "--services", "1", "--orders", "1")
