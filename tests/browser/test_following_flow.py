"""Following orders in a browser, most of it by keyboard: the list, many at once, one order, the price list, the wallet."""

import re
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from customers import site_settings
from customers.models import DepositRequest, User
from orders.models import Order, Request
from providers.models import Favorite, RateChange, Service
from tests import staff_world, world
from tests.browser.conftest import Open, shots

BANK = {"name": "Bank transfer", "note": "1 to 2 working days", "instructions": "IBAN XX00", "minimum": "10"}


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def views(transactional_db: None) -> Service:
    return world.service(world.offer(world.provider()), rate="10.00")


@pytest.fixture
def orders(alice: User, views: Service) -> list[Order]:
    """Newest last: one that ended, one in delivery, two that wait."""
    links = [f"https://example.org/{n}" for n in range(4)]
    placed = [
        world.order(alice, views, link, 1000, reference=f"Campaign {n}") for n, link in enumerate(links)
    ]
    staff_world.completed(placed[0], start_count=10, remains=0)
    staff_world.accepted(placed[1], remains=400, start_count=5)
    return placed


def test_the_list_by_keys(open_page: Open, alice: User, orders: list[Order]) -> None:
    page = open_page("/services/", user=alice)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/orders/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()

    page.keyboard.press("/")
    expect(page.locator("#jump-top")).to_be_focused()
    page.keyboard.type("example.org/1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/?q=**")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(4)

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    bulk = page.get_by_role("toolbar", name="Bulk actions")
    expect(bulk).to_contain_text("3 selected")
    expect(bulk).to_contain_text("3 can be canceled")
    page.evaluate("window.htmx.trigger(document.getElementById('rows'), 'live')")
    Order.objects.filter(pk=orders[1].pk).update(remains=300)
    page.evaluate("window.htmx.trigger(document.getElementById('rows'), 'live')")
    expect(page.locator(f"#row-{orders[1].pk}")).to_contain_text("300")  # live, and nothing lost:
    expect(bulk).to_contain_text("3 selected")
    expect(page.locator("tr.cur")).to_have_attribute("id", f"row-{orders[1].pk}")
    shots(page, "orders-selected")

    opener = bulk.get_by_role("button", name="Request cancel")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Request cancel for the selected orders?")
    expect(dialog.get_by_role("button", name="Keep orders")).to_be_focused()  # the safe one
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Request cancel").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 of 3 cancels requested.")).to_be_visible()
    assert Request.objects.filter(kind="cancel").count() == 3
    assert set(Order.objects.filter(status="Canceled").values_list("pk", flat=True)) == {
        orders[2].pk,
        orders[3].pk,
    }
    shots(page, "orders")
    world.sane()


def test_columns_and_an_order_of_its_own_page(open_page: Open, alice: User, orders: list[Order]) -> None:
    page = open_page("/orders/", user=alice)
    page.locator("summary").filter(has_text="Columns").press("Enter")
    page.get_by_label("Start count").uncheck()
    page.get_by_label("Your reference").check()
    shots(page, "orders-columns")
    page.get_by_role("button", name="Show").locator("visible=true").click()
    expect(page.get_by_role("columnheader", name="Start count")).to_have_count(0)
    expect(page.locator(f"#row-{orders[0].pk}")).to_contain_text("Campaign 0")
    page.reload()
    expect(page.get_by_role("columnheader", name="Your reference")).to_be_visible()

    for _ in range(4):
        page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/{orders[0].pk}")
    page.get_by_role("link", name="Request refill").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Not now")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Request refill")).to_be_focused()
    page.keyboard.press("Enter")
    open_page.expects(422, f"/orders/{orders[0].pk}/refill")
    dialog.get_by_label("Count now").fill("many")
    dialog.get_by_role("button", name="Request refill").click()
    expect(page.get_by_text("Enter the count as a whole number.").first).to_be_visible()
    page.get_by_label("Count now").fill("800")
    page.get_by_label("What happened").fill("It dropped")
    page.get_by_role("button", name="Request refill").click()
    expect(page.get_by_text("Refill requested").first).to_be_visible()
    asked = Request.objects.get(kind="refill")
    assert (asked.current_count, asked.reason) == (800, "It dropped")
    shots(page, "order-completed")

    User.objects.filter(pk=alice.pk).update(single_keys=False)  # for people who speak to their computer
    page.goto("/orders/")
    page.keyboard.press("j")
    expect(page.locator("tr.cur")).to_have_count(0)
    page.goto(f"/orders/{orders[3].pk}")
    page.get_by_role("link", name="Request cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Request cancel").click()
    expect(page.locator("#order-head .st")).to_have_text("Canceled")
    expect(page.get_by_text("$10.00").first).to_be_visible()
    shots(page, "order-canceled")
    page.get_by_role("link", name="Order again").click()
    expect(page.get_by_label("Link")).to_have_value("https://example.org/3")
    world.sane()


def test_the_price_list_and_the_wallet(open_page: Open, alice: User, views: Service) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    RateChange.objects.filter(service=views).update(at="2026-01-01T00:00Z")
    Service.objects.filter(pk=views.pk).update(rate=Decimal("12.5"))
    page = open_page("/services/", user=alice)
    expect(page.get_by_text("1 up, 0 down")).to_be_visible()
    page.locator(f"#service-{views.pk} summary").press("Enter")
    history = page.locator(f"#service-{views.pk} .past dd")
    expect(history).to_have_text(["$12.50", "$10.00"])
    star = page.get_by_role("button", name=f"Favorite {views.name}")
    star.press("Space")
    expect(star).to_have_attribute("aria-pressed", "true")
    assert Favorite.objects.filter(user=alice, service=views).exists()
    shots(page, "services-open")
    page.get_by_role("link", name="Report this service").click()
    page.get_by_label("What is wrong with it?").fill("Not what it says")
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_text("Reported.")).to_be_visible()
    page.get_by_label("Search services").fill("nothing like it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No services match")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    page.wait_for_url("**/services/")  # loaded: the keys work
    page.keyboard.press("j")
    expect(page.locator("tr.cur")).to_have_attribute("id", f"service-{views.pk}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/new?service={views.pk}")

    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url("**/wallet/")
    page.get_by_role("radio", name="Bank transfer").check()
    open_page.expects(422, "/wallet/")
    page.get_by_label("Amount").fill("5")
    page.get_by_label("Reference").fill("TX 77")
    page.get_by_role("button", name="I have paid").click()
    expect(page.get_by_text("The minimum for this way to pay is $10.00.").first).to_be_visible()
    expect(page.get_by_label("Reference")).to_have_value("TX 77")
    page.get_by_label("Amount").fill("25")
    page.get_by_role("button", name="I have paid").click()
    expect(page.get_by_text("is added to your balance when we see the payment")).to_be_visible()
    expect(page.get_by_text("TX 77").first).to_be_visible()
    assert DepositRequest.objects.get().amount == 25
    shots(page, "wallet")
    with page.expect_download():
        page.get_by_role("link", name="CSV").first.click()
    world.sane()


def test_a_name_that_is_cut_off_is_told_whole_under_the_pointer(open_page: Open, alice: User) -> None:
    long, short = "Sponsored mentions in newsletters about travel, food and photography " * 3, "Short"
    provider = world.provider()
    for number, name in enumerate((long.strip(), short)):
        world.order(alice, world.service(world.offer(provider, str(number), name=name)))
    page = open_page("/orders/", user=alice)
    for name, told in ((long, long.strip()), (short, None)):
        cell = page.locator("tbody .trunc").filter(has_text=name.strip()).first
        cell.hover()
        if told:
            expect(cell).to_have_attribute("title", told)
        else:
            expect(cell).not_to_have_attribute("title", re.compile("."))
