"""Ordering and the orders list in a browser that runs no script: every step is a form or a link."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from customers.models import User
from orders.models import Order, Request
from providers.models import Provider
from tests import staff_world, world
from tests.browser.conftest import Open, shots
from tests.browser.test_ordering_flow import placed


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def provider(transactional_db: None) -> Provider:
    return world.provider()


def chosen(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).select_option(label=option)
    page.get_by_role("button", name="Show", exact=True).click()


def test_an_order_by_category_with_drip_feed(open_page: Open, alice: User, provider: Provider) -> None:
    world.service(world.offer(provider, "1", name="Banner"), rate="10.00")
    letter = world.service(world.offer(provider, "2", name="Letter", category="Newsletters"), rate="10.00")
    page = open_page("/orders/new", user=alice, script=False)
    page.get_by_label("Link").fill("https://example.org/kept")
    chosen(page, "Category", "Newsletters (1)")
    expect(page.locator("#service option")).to_have_text(["Choose", f"{letter.pk} · Letter"])
    expect(page.get_by_role("button", name="Favorites")).to_be_hidden()  # needs script, so it is not there
    expect(page.get_by_label("Runs")).to_be_hidden()
    chosen(page, "Service", f"{letter.pk} · Letter")
    expect(page.get_by_label("Link")).to_have_value("https://example.org/kept")
    page.get_by_label("Quantity").fill("100")
    page.get_by_role("switch", name="Drip-feed").check()
    page.get_by_label("Runs").fill("3")
    page.get_by_label("Interval").fill("60")
    shots(page, "without-script-new-order")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_text("Check the charge, then place the order.")).to_be_visible()
    expect(page.locator("#quote .bigc")).to_have_text("$3.00")
    assert not Order.objects.exists()
    page.get_by_role("button", name="Place order").click()
    order = placed(page)
    assert (order.service_id, order.runs, order.interval, order.total) == (letter.pk, 3, 60, 300)
    assert order.charge == Decimal(3)
    chosen(page, "Category", "Display (1)")  # the service of the other category is not kept behind its back
    expect(page.locator("#service")).to_have_value("")
    expect(page.locator("#quote .bigc")).to_have_text("–")
    open_page.expects(422, "/orders/new")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_text("Choose a service.")).to_be_visible()
    assert Order.objects.count() == 1
    world.sane()


@pytest.mark.parametrize("width", [1440, 390])
def test_orders_are_picked_and_asked_about(
    open_page: Open, alice: User, provider: Provider, width: int
) -> None:
    service = world.service(world.offer(provider))
    done = staff_world.completed(world.order(alice, service, "https://example.org/done"))
    queued, other = (world.order(alice, service, f"https://example.org/{n}") for n in range(2))
    page = open_page("/orders/", user=alice, script=False, width=width)
    bar = page.get_by_role("toolbar", name="Bulk actions")

    bar.get_by_role("button", name="Request refill").click()
    expect(page.get_by_text("No order is selected. Nothing was asked for.")).to_be_visible()
    page.get_by_role("checkbox", name=f"Select order {done.pk}", exact=True).check()
    shots(page, f"without-script-orders-{width}")
    bar.get_by_role("button", name="Request refill").click()
    expect(page.get_by_text("1 of 1 refill requested.")).to_be_visible()
    assert Request.objects.get().order_id == done.pk

    page.get_by_role("checkbox", name=f"Select order {queued.pk}", exact=True).check()
    bar.get_by_role("button", name="Request cancel").click()
    expect(page.get_by_role("heading", name="Request cancel for the selected orders?")).to_be_visible()
    shots(page, f"without-script-cancel-{width}")
    page.get_by_role("link", name="Keep orders").click()
    assert not Order.objects.filter(status="Canceled").exists()
    page.get_by_role("checkbox", name=f"Select order {queued.pk}", exact=True).check()
    bar.get_by_role("button", name="Request cancel").click()
    page.get_by_role("button", name="Request cancel").click()
    expect(page.get_by_text("1 of 1 cancel requested.")).to_be_visible()
    assert list(Order.objects.filter(status="Canceled")) == [queued]

    page.get_by_role("checkbox", name=f"Select order {other.pk}", exact=True).check()
    with page.expect_download() as download:
        bar.get_by_role("button", name="Export").click()
    [row] = csv.DictReader(Path(download.value.path()).read_text().splitlines())
    assert row["id"] == str(other.pk)
    world.sane()
