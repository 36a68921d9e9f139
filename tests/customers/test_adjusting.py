"""The limit of a day holds however many tabs move money at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection

from customers import site_settings, wallet
from customers.adjusting import CannotAdjust, adjust_balance
from tests import world


@pytest.mark.django_db(transaction=True)
def test_corrections_at_the_same_moment_count_one_after_another() -> None:
    site_settings.change({"reviewer_adjust_single": "10", "reviewer_adjust_day": "25"})
    alice, rita = world.customer(), world.reviewer()
    together = threading.Barrier(6)

    def correct(_number: int) -> bool:
        together.wait(timeout=20)
        try:
            adjust_balance(alice, Decimal(10), "Goodwill", by=rita)
        except CannotAdjust:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(correct, range(6)))
    assert sorted(done) == [False] * 4 + [True] * 2
    assert wallet.balance_of(alice) == 120
    world.sane()
