"""An admin's day on the pages alone, with a running worker: he adds a provider, prices it, credits a customer, handles a
price jump and reads the profit. The figures are computed here from the provider's rates, never from the panel's own sums."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

from playwright.sync_api import Page, expect

from customers import wallet
from customers.enrolling import enrol_totp
from customers.models import User
from orders.models import Order
from providers.models import Provider, Service
from tests import world
from tests.browser.conftest import SECRET, Open, shots, sign_in
from tests.browser.test_the_whole_job import A_WHILE, place, status
from tests.sandbox import Sandbox

EMAIL, PASSWORD = "carla@example.org", "a-Long-pass-of-Carla-1"
VIEWS, IMPRESSIONS = "Video pre-roll views, 15 seconds", "Display impressions, run of network"


def test_an_admins_day_from_an_empty_panel_to_the_days_profit(
    transactional_db: None,
    start_sandbox: Callable[..., Sandbox],
    start_worker: Callable[..., AbstractContextManager[Any]],
    settings: Any,
    request: Any,
) -> None:
    sandbox = start_sandbox(speed=20)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
    settings.STATUS_CONFIRM_SECONDS = 0
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[1:]  # the web process has no quick hasher
    adam = world.admin()
    enrol_totp(adam, SECRET)
    open_page: Open = request.getfixturevalue("open_page")  # the web process starts with these settings
    with start_worker(beat=True, STATUS_CONFIRM_SECONDS="0"):
        page = open_page("/manage/", user=adam)
        connect(page, sandbox)
        price_and_publish(page)
        credit_a_customer(page)

        carla = open_page("/")
        sign_in(carla, EMAIL, PASSWORD)
        views, impressions = (Service.objects.get(name=name) for name in (VIEWS, IMPRESSIONS))
        completed = place(carla, impressions, "https://example.org/one#complete#fast", 1000)
        partial = place(carla, views, "https://example.org/two#partial=50#fast", 200)

        a_price_jump(page, sandbox, views)
        dearer = place(carla, views, "https://example.org/three#complete#fast", 100)
        for number, word in ((completed, "Completed"), (dearer, "Completed"), (partial, "Partial")):
            carla.goto(f"/orders/{number}")
            expect(status(carla, word)).to_be_visible(timeout=A_WHILE)
        carla.goto("/orders/")
        shots(carla, "day-orders-of-the-customer")
        read_the_profit(page)

    assert len(sandbox.truth("order")) == Order.objects.count() == 3
    assert wallet.balance_of(User.objects.get(email=EMAIL)) == Decimal("43.72")  # 50 − 6.28
    world.sane()


def connect(page: Page, sandbox: Sandbox) -> None:
    """From the empty dashboard to a provider whose list and balance a worker has read."""
    expect(page.get_by_text("No provider yet")).to_be_visible()
    page.get_by_role("link", name="Add provider").click()
    page.get_by_label("Name").fill("Harborline")
    page.get_by_label("API address").fill(sandbox.url)
    page.get_by_label("API key").fill("not the key")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#found")).to_contain_text("The provider refuses the key")
    page.get_by_label("API key").fill(sandbox.key)
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#found")).to_contain_text("The connection works.")
    shots(page, "day-connection-tested")
    page.get_by_role("button", name="Add provider").click()
    expect(page.locator("#messages")).to_contain_text("Harborline was added.")
    page.get_by_role("button", name="Read balance").click()
    expect(page.get_by_text("$100,000.00").first).to_be_visible()
    sync(page)
    expect(page.get_by_text("Nothing of it is on sale.")).to_be_visible()
    shots(page, "day-list-read")


def sync(page: Page) -> None:
    """Ask for the list and follow, on the page, how a worker reads it."""
    page.goto(f"/manage/providers/{Provider.objects.get().pk}")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#reading")).to_contain_text("The list was read.", timeout=A_WHILE)
    page.get_by_role("link", name="Show it").click()
    expect(page.get_by_role("heading", name="Harborline", level=1)).to_be_visible()


def price_and_publish(page: Page) -> None:
    """What has no price is refused with the way out; then a rule, and the two services go on sale."""
    page.get_by_role("link", name="Choose what to sell").click()
    page.get_by_label("Search by name or provider ID").wait_for()
    pick(page)
    expect(page.locator("#messages")).to_contain_text("no markup rule applies to it")
    assert not Service.objects.filter(published=True).exists()
    page.get_by_role("link", name="Add rule").click()
    page.get_by_label("Applies to").select_option("everything")
    page.get_by_label("Markup, %").fill("100")
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator("#messages")).to_contain_text("Rule saved.")
    page.goto(f"/manage/providers/{Provider.objects.get().pk}/offers")
    expect(page.get_by_role("link", name="Add rule")).to_have_count(0)
    pick(page)
    expect(page.locator("#messages")).to_contain_text("2 services are on sale.")
    page.get_by_role("link", name=re.compile("^On sale")).click()
    expect(page.get_by_role("row").filter(has_text=VIEWS)).to_contain_text("12.80")
    expect(page.get_by_role("row").filter(has_text=IMPRESSIONS)).to_contain_text("1.80")
    shots(page, "day-on-sale")


def pick(page: Page) -> None:
    for name in (VIEWS, IMPRESSIONS):
        page.get_by_label(f"Select {name}", exact=True).check()
    page.get_by_role("button", name=re.compile("^Publish selected")).last.click()


def credit_a_customer(page: Page) -> None:
    page.goto("/staff/customers")
    page.get_by_role("link", name="New customer").click()
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create customer").click()
    expect(page.locator("#messages")).to_contain_text("can sign in now")
    page.get_by_label("Amount").fill("50")
    page.get_by_label("Reason").first.fill("Bank transfer, reference 4711")
    page.get_by_role("button", name="Book the correction").click()
    expect(page.locator("#messages")).to_contain_text("+50.00 booked as entry")
    expect(page.get_by_role("table", name="Wallet entries")).to_contain_text("Bank transfer, reference 4711")
    shots(page, "day-customer-credited")


def a_price_jump(page: Page, sandbox: Sandbox, views: Service) -> None:
    """The provider doubles its rate: off sale at once, back at the new price when the admin has accepted."""
    sandbox.control(prices={"6": "12.80"})
    sync(page)
    changes = page.locator("#changes")
    expect(changes).to_contain_text("+100.0%")
    expect(changes).to_contain_text("1 change would touch 1 service on sale")
    views.refresh_from_db()
    assert views.off_sale and views.rate == Decimal("12.80")
    shots(page, "day-price-jump")
    changes.get_by_role("button", name=re.compile("^Accept selected")).click()
    expect(page.locator("#messages")).to_contain_text("1 change accepted")
    views.refresh_from_db()
    assert (views.off_sale, views.rate) == ("", Decimal("25.60"))


def read_the_profit(page: Page) -> None:
    """1000 at 0.90, 150 of 200 at 6.40 and 100 at 12.80 per 1000 cost us 0.90 + 0.96 + 1.28; sold at twice that."""
    cost = Decimal("0.90") + Decimal("0.96") + Decimal("1.28")
    assert (cost, 2 * cost) == (Decimal("3.14"), Decimal("6.28"))
    page.goto("/manage/")
    main = page.get_by_role("main")
    for label, figure in (
        ("Revenue", "$6.28"),
        ("Provider cost", "$3.14"),
        ("Profit", "$3.14"),
        ("Margin", "50.0%"),
        ("Orders", "3"),
    ):
        expect(main).to_contain_text(re.compile(rf"{label}\s*{re.escape(figure)}"))
    shots(page, "day-dashboard")

    page.get_by_role("link", name="Reports").first.click()
    for tab, row in (("By service", VIEWS), ("By provider", "Harborline"), ("By customer", EMAIL)):
        page.get_by_role("link", name=tab).click()
        expect(page.get_by_role("row").filter(has_text=row).first).to_be_visible()
        whole = page.get_by_role("row").filter(has_text="All together")
        expect(whole).to_contain_text(re.compile(r"3\s*6\.28\s*3\.14\s*3\.14\s*50\.0"))
    shots(page, "day-report-by-customer")
