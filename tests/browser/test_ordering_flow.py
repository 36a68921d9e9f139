"""Ordering in a browser: every shape of the form, a price that moves, many orders at once; by keyboard where it matters."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from customers.models import User
from orders.models import Order
from providers.models import Provider, Service
from tests import world
from tests.browser.conftest import Open, shots
from tests.conftest import wait_until


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def provider(transactional_db: None) -> Provider:
    return world.provider()


def on_sale(provider: Provider, number: str, code: str, name: str, **fields: object) -> Service:
    fields = {"minimum": 1} | fields
    return world.service(world.offer(provider, number, service_type=code, name=name, **fields), rate="10.00")


def choose(page: Page, service: Service) -> None:
    """By keyboard: type the number, take the first with Enter."""
    if page.get_by_role("button", name="Change", exact=True).is_visible():
        page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_label("Service").fill(str(service.pk))
    page.get_by_label("Service").press("Enter")
    expect(page.get_by_label("Service")).to_have_value(f"{service.pk} · {service.name}")
    page.keyboard.press("Tab")


def charged(page: Page, amount: str) -> None:
    expect(page.locator("#quote .bigc")).to_have_text(amount)


def placed(page: Page, n: int = 1) -> Order:
    """The n-th order, once the page says so."""
    wait_until(lambda: Order.objects.count() == n, 10, f"order {n}")
    order = Order.objects.latest("pk")
    expect(page.locator("#messages .note.ok")).to_contain_text(str(order.pk))
    return order


def test_every_shape_of_the_form(open_page: Open, alice: User, provider: Provider) -> None:
    plain = on_sale(provider, "1", "default", "Display impressions", minimum=100)
    package = on_sale(provider, "2", "package", "Press release")
    comments = on_sale(provider, "3", "custom comments", "Captions by people", minimum=2)
    traffic = on_sale(provider, "4", "web traffic", "Referral visits")
    page = open_page("/orders/new", user=alice)

    choose(page, plain)
    page.get_by_label("Link").fill("https://example.org/a")
    page.get_by_label("Quantity").fill("50")
    open_page.expects(422, "/orders/new")
    page.keyboard.press("Control+Enter")  # too few: said beside the field, nothing lost, nothing charged
    expect(page.get_by_text("The minimum for this service is 100").first).to_be_visible()
    expect(page.get_by_label("Link")).to_have_value("https://example.org/a")
    page.get_by_label("Quantity").fill("200")
    page.get_by_role("switch", name="Drip-feed").check()
    page.get_by_label("Runs").fill("3")
    page.get_by_label("Interval").fill("60")
    charged(page, "$6.00")
    shots(page, "new-order-drip")
    page.keyboard.press("Control+Enter")
    order = placed(page)
    assert (order.runs, order.quantity, order.total, order.charge) == (3, 200, 600, Decimal(6))
    expect(page.get_by_label("Link")).to_have_value("")  # ready for the next one
    expect(page.locator("#balance")).to_have_text("$494.00")

    choose(page, package)
    expect(page.get_by_label("Quantity")).to_have_count(0)
    page.get_by_label("Link").fill("https://example.org/b")
    charged(page, "$10.00")
    page.get_by_role("button", name="Place order").click()
    assert placed(page, 2).charge == Decimal(10)

    choose(page, comments)
    page.get_by_label("Link").fill("https://example.org/c")
    page.get_by_label("Comments, one per line").fill("One\n\nTwo\nTwo\n")
    expect(page.get_by_text("3 lines, 1 empty ignored")).to_be_visible()
    page.get_by_role("button", name="Remove duplicates").click()
    expect(page.get_by_text("2 lines")).to_be_visible()
    charged(page, "$0.02")
    shots(page, "new-order-comments")
    page.get_by_role("button", name="Place order").click()
    assert placed(page, 3).total == 2

    choose(page, traffic)
    page.get_by_label("Link").fill("https://example.org/d")
    page.get_by_label("Quantity").fill("1000")
    page.get_by_label("Country").fill("US")
    page.get_by_label("Device").select_option("1")
    expect(page.get_by_label("Search keyword")).to_be_hidden()
    page.get_by_label("Type of traffic").select_option("1")
    page.get_by_label("Search keyword").fill("coffee")
    charged(page, "$10.00")
    Service.objects.filter(pk=traffic.pk).update(rate=Decimal(12))  # the price moves while she looks
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_text("$12.00").first).to_be_visible()
    assert Order.objects.count() == 3
    shots(page, "new-order-price-changed")
    page.get_by_role("button", name="Place order").click()
    assert placed(page, 4).charge == Decimal(12)

    choose(page, traffic)
    page.get_by_label("Link").fill("https://example.org/e")
    page.get_by_label("Quantity").fill("100000")
    expect(page.locator("#quote .note.err")).to_contain_text("is missing")
    shots(page, "new-order-too-expensive")
    world.sane()


def test_words_for_another_service_order_nothing_before_its_charge_was_seen(
    open_page: Open, alice: User, provider: Provider
) -> None:
    plain = on_sale(provider, "1", "default", "Display impressions")
    press = on_sale(provider, "2", "package", "Press release")
    page = open_page("/orders/new", user=alice)
    choose(page, plain)
    page.get_by_label("Link").fill("https://example.org/a")
    page.get_by_label("Quantity").fill("200")
    charged(page, "$2.00")
    box, hint = page.get_by_label("Service"), page.locator("#look-first")

    page.get_by_role("button", name="Change", exact=True).click()
    box.press_sequentially("release")  # its answer is still on its way
    page.keyboard.press("Control+Enter")
    expect(hint).to_be_visible()
    expect(box).to_have_value(f"{press.pk} · {press.name}")
    charged(page, "$10.00")
    assert not Order.objects.exists()
    page.get_by_role("button", name="Place order").click()
    assert placed(page).service == press

    choose(page, plain)
    page.get_by_label("Link").fill("https://example.org/b")
    page.get_by_label("Quantity").fill("300")
    charged(page, "$3.00")
    page.get_by_role("button", name="Change", exact=True).click()
    box.fill("nothing of that name")
    expect(page.locator("#picker-none")).to_be_visible()
    page.get_by_role("button", name="Place order").click()
    expect(hint).to_be_visible()
    expect(box).to_have_value(f"{plain.pk} · {plain.name}")
    assert Order.objects.count() == 1
    page.get_by_role("button", name="Place order").click()
    assert placed(page, 2).service == plain


def test_the_form_without_script(open_page: Open, alice: User, provider: Provider) -> None:
    service = on_sale(provider, "1", "custom comments", "Captions by people")
    page = open_page(f"/orders/new?service={service.pk}", user=alice, script=False)
    page.get_by_label("Link").fill("https://example.org/c")
    page.get_by_label("Comments, one per line").fill("One\nTwo")
    page.get_by_role("button", name="Place order").click()
    if not Order.objects.exists():  # the charge is shown first, then it is placed
        expect(page.get_by_text("$0.02").first).to_be_visible()
        page.get_by_role("button", name="Place order").click()
    assert placed(page).total == 2


def test_many_orders_from_a_file(open_page: Open, alice: User, provider: Provider, tmp_path: Path) -> None:
    service = on_sale(provider, "1", "default", "Display impressions", minimum=10)
    page = open_page("/orders/mass", user=alice)
    lines = tmp_path / "orders.txt"
    lines.write_text(
        f"{service.pk} | https://example.org/1 | 100\n{service.pk} | https://example.org/2 | 1\n"
    )
    page.get_by_label("Or load from a file").set_input_files(lines)
    page.get_by_role("button", name="Check and price").click()
    expect(page.get_by_role("heading", name="2. Check")).to_be_visible()
    expect(page.get_by_text("The minimum for this service is 10").first).to_be_visible()
    shots(page, "mass-checked")
    page.get_by_role("button", name="Place the one good line").click()
    expect(page.get_by_role("heading", name="One order placed")).to_be_visible()
    shots(page, "mass-result")
    with page.expect_download() as download:
        page.get_by_role("link", name="Result CSV").click()
    [row] = csv.DictReader(Path(download.value.path()).read_text().splitlines())
    assert (row["link"], row["charge"]) == ("https://example.org/1", "1.000000")
    page.get_by_label("Mend them").fill(f"{service.pk} | https://example.org/2 | 10")
    page.get_by_role("button", name="Check these lines").click()
    page.get_by_role("button", name="Place one order").click()
    expect(page.get_by_role("heading", name="One order placed")).to_be_visible()
    assert Order.objects.count() == 2
    world.sane()
