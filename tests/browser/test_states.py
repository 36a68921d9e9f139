"""What a page comes to while somebody works with it, held against the bars of looking.py: a question in a dialog, a menu,
rows that are picked, a form that came back, a refresh that paused, and a panel on its first day."""

from decimal import Decimal

import pytest
from playwright.sync_api import Route, expect

from customers import site_settings
from customers.models import User
from orders.models import Order
from providers.models import Service
from tests import staff_world, world
from tests.browser.conftest import Open
from tests.browser.looking import Looker

BANK = {"name": "Bank transfer", "note": "1 to 2 working days", "instructions": "IBAN XX00", "minimum": "10"}
LINK = "https://example.org/a-rather-long-path-of-a-page-nobody-can-read/1"


@pytest.fixture
def alice(transactional_db: None) -> User:
    site_settings.change({"deposit_methods": [BANK], "support_contact": "help@example.org"})
    return world.customer(balance="60", name="Alice Archer")


@pytest.fixture
def shop(alice: User) -> Service:
    return world.service(world.offer(world.provider()), rate="10.00")


@pytest.fixture
def looker(open_page: Open, alice: User) -> Looker:
    return Looker(open_page("/help/", user=alice))


def test_an_order_being_placed(open_page: Open, looker: Looker, alice: User, shop: Service) -> None:
    """Fields to be mended, the list of services open, too little money, the same link again, another price."""
    page = looker.page
    open_page.expects(422, "/orders/new")
    page.goto(f"/orders/new?service={shop.pk}")

    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_role("listbox")).to_be_visible()
    looker.look("new-order-list-open")
    page.goto(f"/orders/new?service={shop.pk}")
    page.get_by_label("Quantity").fill("1")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("main [data-focus]")).to_contain_text("a change:")
    looker.look("new-order-errors")

    page.get_by_label("Link").fill(LINK)
    page.get_by_label("Quantity").fill("100000")
    expect(page.locator("#quote .note.err")).to_contain_text("$940.00 is missing.")
    looker.look("new-order-too-expensive")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("main [data-focus]")).to_contain_text("Add at least $940.00")
    looker.look("new-order-refused")

    world.order(alice, shop, LINK, 100)
    page.get_by_label("Quantity").fill("100")
    page.get_by_role("switch", name="Drip-feed").check()
    page.get_by_label("Runs").fill("2")
    page.get_by_label("Interval").fill("60")
    expect(page.locator("#quote .bigc")).to_have_text("$2.00")
    looker.look("new-order-drip")
    page.get_by_role("button", name="Place order").click()
    again = page.get_by_role("button", name="Place anyway")
    expect(again).to_be_visible()
    looker.look("new-order-same-link")

    Service.objects.filter(pk=shop.pk).update(rate=Decimal(12))
    again.click()
    expect(page.get_by_text("$2.40").first).to_be_visible()
    looker.look("new-order-price-changed")
    assert Order.objects.count() == 1
    looker.assert_nothing_found()


def test_questions_are_asked_in_dialogs(looker: Looker, alice: User, shop: Service) -> None:
    page = looker.page
    ended = staff_world.completed(world.order(alice, shop, LINK + "1", 1000), start_count=10, remains=0)
    pending = world.order(alice, shop, LINK + "2", 1000)
    for order, word in ((ended, "Request refill"), (pending, "Request cancel")):
        page.goto(f"/orders/{order.pk}")
        page.get_by_role("link", name=word).click()
        expect(page.get_by_role("dialog").get_by_role("button", name=word)).to_be_visible()
        looker.look(f"order-{word.replace(' ', '-').lower()}")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    looker.look("keys")
    page.goto("/api")
    page.get_by_role("link", name="Create key").first.click()
    page.get_by_label("Name").fill("Shop")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Copy it now, it is shown only once.")).to_be_visible()
    looker.look("api-key-once")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    looker.look("api-key-revoke")
    looker.assert_nothing_found()


# What the bulk bar's button sends where no script opens a dialog.
ASK_BY_FORM = """number => {
  const form = Object.assign(document.createElement("form"), { method: "post", action: "/orders/bulk" });
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  for (const [name, value] of [["csrfmiddlewaretoken", token], ["act", "ask-cancel"], ["id", number]])
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  document.body.append(form);
  form.submit();
}"""


def test_questions_are_asked_on_pages_of_their_own(
    open_page: Open, looker: Looker, alice: User, shop: Service
) -> None:
    page = looker.page
    ended = staff_world.completed(world.order(alice, shop, LINK + "1", 1000), start_count=10, remains=0)
    pending = world.order(alice, shop, LINK + "2", 1000)
    open_page.expects(422, f"/orders/{ended.pk}/refill")
    page.goto(f"/orders/{ended.pk}/refill")
    page.get_by_label("Count now").fill("many")
    page.get_by_role("button", name="Request refill").click()
    expect(page.get_by_text("Enter the count as a whole number.").first).to_be_visible()
    looker.look("ask-refill-errors")

    page.goto("/orders/")
    with page.expect_navigation():
        page.evaluate(ASK_BY_FORM, str(pending.pk))
    expect(page.get_by_role("heading", name="Request cancel for the selected orders?")).to_be_visible()
    looker.look("orders-cancel-selected")
    looker.assert_nothing_found()


def test_orders_that_are_picked_and_menus_that_are_open(looker: Looker, alice: User, shop: Service) -> None:
    page = looker.page
    placed = [world.order(alice, shop, f"{LINK}{n}", 10) for n in range(26)]
    staff_world.accepted(placed[-1], remains=4)
    page.goto("/orders/?size=25")
    for menu in ("Service", "Date", "Columns"):
        page.locator("main summary").filter(has_text=menu).click()
        looker.look(f"orders-menu-{menu.lower()}")
        page.keyboard.press("Escape")
    page.locator("header summary").click()
    looker.look("menu-theme")
    page.keyboard.press("Escape")

    page.get_by_label("Select all orders on this page").check()
    bulk = page.get_by_role("toolbar", name="Bulk actions")
    expect(bulk).to_contain_text("25 selected")

    def on_cards() -> None:
        bulk.get_by_role("button", name="Clear").click()
        page.get_by_role("button", name="Select", exact=True).click()
        for order in placed[-3:]:
            page.get_by_label(f"Select order {order.pk}").check()

    looker.look("orders-picked", on_cards)
    page.get_by_label("Select all orders on this page").check()
    bulk.get_by_role("button", name="Request cancel").click()
    expect(page.get_by_role("dialog", name="Request cancel for the selected orders?")).to_be_visible()
    looker.look("orders-cancel-many")
    page.get_by_role("dialog").get_by_role("button", name="Request cancel").click()
    expect(page.get_by_text("25 of 25 cancels requested.")).to_be_visible()
    looker.look("orders-cancel-result")
    looker.assert_nothing_found()


def test_the_menu_of_a_phone(looker: Looker, alice: User) -> None:
    """The sidebar lies over the page, and the account's menu over that."""
    page = looker.page
    page.goto("/wallet/")

    def open_it() -> None:
        page.get_by_role("button", name="Open menu").click()
        page.locator("aside summary").click()

    looker.look("menu-of-a-phone", open_it)
    looker.assert_nothing_found()


@pytest.mark.parametrize("path", ["/orders/", "/orders/{order}"])
def test_a_refresh_that_paused(
    open_page: Open, looker: Looker, alice: User, shop: Service, path: str
) -> None:
    page = looker.page
    order = world.order(alice, shop, LINK)
    page.goto(path.format(order=order.pk))
    live = page.locator("[data-live]").first
    away = f"**{(live.get_attribute('hx-get') or '').split('?')[0]}*"
    open_page.expects(503, away.removeprefix("**"))

    def fails(route: Route) -> None:
        route.fulfill(status=503, body="away")

    page.route(away, fails)
    for _ in range(2):
        with page.expect_response(away):
            page.evaluate("window.htmx.trigger(document.querySelector('[data-live]'), 'live')")
    expect(page.get_by_text("Paused, last update").first).to_be_visible()
    looker.look(f"paused-{'order' if 'order}' in path else 'orders'}")
    looker.assert_nothing_found()


def test_money_that_is_announced_and_lines_that_are_checked(
    open_page: Open, looker: Looker, alice: User, shop: Service
) -> None:
    page = looker.page
    open_page.expects(422, "/wallet/")
    page.goto("/wallet/")
    page.get_by_role("button", name="I have paid").click()
    page.get_by_text("fields need a change").wait_for()
    looker.look("wallet-errors")
    page.get_by_role("radio", name="Bank transfer").check()
    page.get_by_label("Amount").fill("25")
    page.get_by_label("Reference").fill("TX 77")
    page.get_by_role("button", name="I have paid").click()
    expect(page.get_by_text("is added to your balance when we see the payment")).to_be_visible()
    looker.look("wallet-announced")

    page.goto("/orders/mass")
    page.get_by_label("Orders, one per line").fill(
        f"{shop.pk} | {LINK} | 100\n{shop.pk} | {LINK} | 1\nnonsense"
    )
    page.get_by_role("button", name="Check and price").click()
    page.get_by_role("heading", name="2. Check").wait_for()
    looker.look("mass-checked")
    page.get_by_role("button", name="Place the one good line").click()
    expect(page.get_by_role("heading", name="One order placed")).to_be_visible()
    looker.look("mass-result")
    looker.assert_nothing_found()


def test_the_first_day_of_a_customer(open_page: Open, transactional_db: None) -> None:
    """Nothing ordered, paid, offered: each page says what comes there, and what to do."""
    looker = Looker(open_page("/help/", user=world.customer("new@example.org", "0")))
    for path in (
        "/",
        "/orders/new",
        "/orders/",
        "/orders/mass",
        "/services/",
        "/wallet/",
        "/api",
        "/account/data",
    ):
        looker.visit(f"first-day{path.replace('/', '-')}", path)
        if path in ("/orders/new", "/services/"):
            expect(looker.page.get_by_text("The price list is empty.")).to_be_visible()
    looker.assert_nothing_found()
