"""A customer on a phone, by touch: a service, an order, what became of it, a payment announced."""

import re

import pytest
from playwright.sync_api import Page, expect

from customers import site_settings
from customers.models import DepositRequest, User
from orders.models import Order
from providers.models import Service
from tests import staff_world, world
from tests.browser.conftest import Open, shot

BANK = {"name": "Bank transfer", "note": "1 to 2 working days", "instructions": "IBAN XX00", "minimum": "10"}
TOUCH = 44  # px, the least side of what a thumb must hit, for the buttons that a flow depends on


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def shop(transactional_db: None) -> Service:
    provider = world.provider()
    world.service(world.offer(provider, "2", name="Newsletter placement"))
    return world.service(world.offer(provider), rate="10.00")


def through_the_menu(page: Page, name: str) -> None:
    page.get_by_role("button", name="Open menu").tap()
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).tap()


def stays_in_view(page: Page, selector: str) -> None:
    """Fixed at the bottom of the window, wherever the page is scrolled to, and large enough for a thumb."""
    box, window = page.locator(selector).bounding_box(), page.viewport_size
    assert box and window
    assert box["y"] + box["height"] <= window["height"] and box["x"] + box["width"] <= window["width"]
    assert box["height"] >= TOUCH


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_an_order_from_the_price_list_to_its_end(open_page: Open, alice: User, shop: Service) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    page = open_page("/", user=alice, width=390, touch=True)
    through_the_menu(page, "Services")
    page.wait_for_url("**/services/")
    card = page.locator(f"#service-{shop.pk}")
    card.locator("summary").tap()
    expect(card.get_by_text("Price history")).to_be_visible()
    card.get_by_role("link", name=f"Order {shop.name}").tap()
    page.wait_for_url(f"**/orders/new?service={shop.pk}")
    fits(page)

    # another service by touch in the list, and back to the first
    page.get_by_role("button", name="Change", exact=True).tap()
    page.get_by_role("option", name=re.compile("Newsletter placement")).tap()
    expect(page.get_by_role("combobox", name="Service")).to_have_value(re.compile("Newsletter placement"))
    page.get_by_role("button", name="Change", exact=True).tap()
    page.get_by_role("option", name=re.compile(shop.name)).tap()
    expect(page.get_by_role("combobox", name="Service")).to_have_value(f"{shop.pk} · {shop.name}")
    page.get_by_label("Link").fill("https://example.org/phone")
    page.get_by_label("Quantity").fill("1000")
    expect(page.locator("#bar-charge")).to_have_text("$10.00")
    for top in (0, 10_000):
        page.evaluate("top => window.scrollTo(0, top)", top)
        stays_in_view(page, "[data-place]")
    expect(page.get_by_text("Undelivered quantity is returned to your balance.")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="Acceptable use")).to_be_visible()
    shot(page, "phone-new-order")
    page.locator("[data-place]").tap()
    expect(page.locator("#messages .note.ok")).to_be_visible()
    order = Order.objects.get()
    assert (order.link, order.charge) == ("https://example.org/phone", 10)

    page.locator("#messages").get_by_role("link", name="View order").tap()
    page.wait_for_url(f"**/orders/{order.pk}")
    expect(page.locator("#order-head .st")).to_have_text("Pending")
    staff_world.accepted(order, remains=400, start_count=5)
    page.evaluate("window.htmx.trigger(document.querySelector('[data-live]'), 'live')")
    expect(page.locator("#order-head .st")).to_have_text("In progress")
    expect(page.get_by_role("region", name="Delivery")).to_contain_text(re.compile(r"600\s*of 1,000"))
    fits(page)
    shot(page, "phone-order")

    world.order(alice, shop, "https://example.org/other")
    through_the_menu(page, "Orders")
    page.wait_for_url("**/orders/")
    page.locator("summary").filter(has_text="Service").tap()
    page.get_by_label("Service number").fill(str(shop.pk))
    page.get_by_role("button", name="Show").locator("visible=true").tap()
    page.wait_for_url("**service=**")
    page.get_by_role("link", name="In progress").first.tap()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_label(f"Select order {order.pk}")).to_be_hidden()
    page.get_by_role("button", name="Select", exact=True).tap()
    page.get_by_label(f"Select order {order.pk}").tap()
    bulk = page.get_by_role("toolbar", name="Bulk actions")
    expect(bulk).to_contain_text("1 selected")
    expect(bulk.get_by_text("that match")).to_have_count(0)  # there are no others
    fits(page)
    shot(page, "phone-orders-picked")
    bulk.get_by_role("button", name="Request cancel").tap()
    page.get_by_role("dialog").get_by_role("button", name="Request cancel").tap()
    expect(page.get_by_text("1 of 1 cancel requested.")).to_be_visible()

    page.get_by_role("link", name=re.compile("open wallet")).tap()
    page.wait_for_url("**/wallet/")
    page.get_by_role("radio", name="Bank transfer").tap()
    page.get_by_role("button", name="$50.00").tap()
    expect(page.get_by_label("Amount")).to_have_value("50")
    page.get_by_label("Reference").fill("TX 9")
    page.get_by_role("button", name="I have paid").tap()
    expect(page.get_by_text("is added to your balance when we see the payment")).to_be_visible()
    assert DepositRequest.objects.get().amount == 50
    fits(page)
    shot(page, "phone-wallet")
    world.sane()


def test_the_wallet_shows_the_balance_after_each_entry(open_page: Open, alice: User, shop: Service) -> None:
    order = world.order(alice, shop, quantity=1000)
    page = open_page("/wallet/", user=alice, width=390, touch=True)
    link = page.get_by_role("link", name=str(order.pk), exact=True)
    entry = page.locator("tr[id^=entry-]", has=link)
    expect(entry.locator("td[data-l='Balance after']")).to_be_visible()
    expect(entry.locator("td[data-l='Balance after']")).to_have_text("490.00")
    fits(page)
    shot(page, "wallet-phone")


def test_the_tab_that_one_is_on_is_in_sight(open_page: Open, alice: User) -> None:
    page = open_page("/account/data", user=alice, width=390, touch=True)
    here = page.get_by_role("navigation", name="Profile and security").get_by_role("link", name="Your data")
    expect(here).to_have_attribute("aria-current", "page")
    expect(here).to_be_in_viewport(ratio=0.9)  # its lower edge lies on the line
    assert page.evaluate("window.scrollY") == 0
    shot(page, "phone-account-tabs")
