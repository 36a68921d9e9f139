"""Reports, the dashboard, what was sold and delivered, the hourly check do not read history: their plans, on 20,000 orders.

As tests/panel/test_hot_statements.py does; but what is read here follows the orders of the last hour or two, which are
not tallied yet, or what changed since the last check.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from customers.models import User
from customers.wallet import wallet_of
from orders import dashboard, reports, wallet_month
from orders.earnings import totals
from orders.ledger_check import check_ledger
from orders.tallying import tally
from providers.models import Provider
from providers.overview import standings
from providers.quality import quality_of
from providers.sending import answering, last_trouble
from providers.simulating import units_sold
from providers.vitals import funds_of
from tests import world
from tests.panel.test_hot_statements import watched

ORDERS = 20_000  # three seconds apart: 16 hours
UNTALLIED = 6_500  # up to 70 minutes of 20 orders, each read up to four times, and some more


@pytest.fixture(scope="module")
def biggest(django_db_setup: None, django_db_blocker: Any) -> Iterator[User]:
    """Who placed a third of the orders. One transaction around all tests of this module; rolled back at its end."""
    with django_db_blocker.unblock():
        outer = transaction.atomic()
        outer.__enter__()
        try:
            world.admin()
            call_command("seed_scale", customers=40, services=60, orders=ORDERS, biggest=33, verbosity=0)
            assert tally().days > 0
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
            yield User.objects.filter(email__startswith="scale-").order_by("pk")[0]
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)


def _reports() -> None:
    over = reports.range_of("", "")
    assert reports.totals_of(over).orders == ORDERS
    assert sum(row.orders for row in reports.days_of(over)) == ORDERS
    for by in ("service", "provider", "customer"):
        assert reports.page_of(by, over, "revenue", most=100, skip=0).rows


def _dashboard() -> None:
    for name in dashboard.PERIODS:
        period = dashboard.period_of(name)
        totals(*period.compared)
        assert sum(slot.placed for slot in dashboard.slots(period)) == totals(period.start, period.end).orders
        dashboard.top_services(period)


def _hourly_check() -> None:
    """Seeded orders end an hour after they were placed, the newest in an hour from now: those changed last."""
    report = check_ledger(timezone.now() + timedelta(minutes=56))
    assert report.ok, report.broken
    assert 0 < report.checked["orders"] < 200


def _sold() -> None:
    """What the preview of a markup rule and of catalog changes ask for: all but the canceled ones, one in a hundred."""
    sold = units_sold()
    assert sum(orders for _units, orders in sold.values()) == ORDERS - ORDERS // 100
    some = sorted(sold)[:7]
    assert units_sold(some) == {service: sold[service] for service in some}


def _quality() -> None:
    """Seeded orders end an hour after they were placed, the last ones in the time to come."""
    whole, services = quality_of(Provider.objects.get(name__startswith="Scale "))
    assert (whole.ended, len(services)) == (ORDERS, 10)
    assert whole.median_seconds == services[0].median_seconds == 3600


def _sending() -> None:
    """Orders are sent when they are placed, three seconds apart."""
    (row,) = (row for row in standings() if row.provider.name.startswith("Scale "))
    assert row.sent == ORDERS  # of 16 hours
    assert last_trouble(row.provider, row.hours) is None
    assert answering(row.provider).orders == 1000
    assert funds_of(row.provider).waiting == 0


ACTS: dict[str, Callable[[User], object]] = {
    "reports": lambda _user: _reports(),
    "dashboard": lambda _user: _dashboard(),
    "a wallet's month": lambda user: wallet_month.month_sums(wallet_of(user)),
    "what was sold in 30 days": lambda _user: _sold(),
    "how a provider delivers": lambda _user: _quality(),
    "the health of providers": lambda _user: _sending(),
    "the hourly check": lambda _user: _hourly_check(),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", list(ACTS))
def test_it_reads_what_is_new_and_not_what_is_old(name: str, biggest: User) -> None:
    with watched() as plans:
        ACTS[name](biggest)
    assert plans
    scanned = [(sorted(plan.scanned), plan.sql) for plan in plans if plan.scanned]
    wide = [(plan.read, plan.sql) for plan in plans if plan.most > UNTALLIED]
    assert not scanned, scanned
    assert not wide, wide
