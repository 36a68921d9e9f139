"""New order when the server cannot be asked: it is said, nothing is ordered, nothing typed is lost, and asking again works."""

import re
from decimal import Decimal

import pytest
from django.conf import settings
from playwright.sync_api import Page, Route, expect

from customers.models import User
from orders.models import Order
from providers.models import Service
from tests import world
from tests.browser.conftest import Open, shots
from tests.browser.test_ordering_flow import charged, choose, on_sale, placed


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def service(transactional_db: None) -> Service:
    return on_sale(world.provider(), "1", "default", "Display impressions", minimum=10)


def fails(page: Page, address: str) -> None:
    page.route(address, lambda route: route.fulfill(status=500, body="no"))


def again(page: Page, what: str) -> None:
    """The failure is told; with the address mended, its button asks again, by keyboard."""
    note = page.locator(f"#{what}-failed")
    expect(note).to_be_visible()
    expect(note).to_contain_text("Nothing was ordered, and your entries are kept.")
    page.unroute_all()
    note.get_by_role("button", name="Try again").focus()
    page.keyboard.press("Enter")
    expect(note).to_be_hidden()


def test_a_price_that_cannot_be_checked(open_page: Open, alice: User, service: Service) -> None:
    page = open_page("/orders/new", user=alice)
    choose(page, service)
    page.get_by_label("Link").fill("https://example.org/a")
    page.get_by_label("Quantity").fill("100")
    charged(page, "$1.00")
    open_page.expects(500, "/orders/quote")
    fails(page, "**/orders/quote")
    page.get_by_label("Quantity").fill("200")
    page.keyboard.press("Control+Enter")  # would be sent once the price is known: not after this
    expect(page.get_by_text("The price could not be checked.")).to_be_visible()
    charged(page, "–")  # not the charge of other entries
    expect(page.get_by_text("Balance after")).to_be_hidden()
    shots(page, "new-order-price-failed")
    again(page, "quote")
    charged(page, "$2.00")
    expect(page.get_by_role("button", name="Place order")).to_be_focused()
    expect(page.get_by_label("Link")).to_have_value("https://example.org/a")
    assert not Order.objects.exists()
    page.keyboard.press("Enter")
    assert placed(page).charge == Decimal(2)


def test_without_a_connection_it_asks_again_by_itself(open_page: Open, alice: User, service: Service) -> None:
    page = open_page(f"/orders/new?service={service.pk}", user=alice)
    page.get_by_label("Link").fill("https://example.org/a")
    page.context.set_offline(True)
    page.get_by_label("Quantity").fill("300")
    expect(page.locator("#quote-failed")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#quote-failed")).to_be_hidden()
    charged(page, "$3.00")


def test_a_search_and_the_fields_of_a_service_that_cannot_be_loaded(
    open_page: Open, alice: User, service: Service
) -> None:
    captions = on_sale(service.routes.get().offer.provider, "2", "custom comments", "Captions by people")
    page = open_page(f"/orders/new?service={service.pk}", user=alice)
    page.get_by_label("Link").fill("https://example.org/kept")
    open_page.expects(500, "/orders/services")
    fails(page, "**/orders/services?*")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_text("The list of services could not be loaded.")).to_be_visible()
    shots(page, "new-order-search-failed")
    again(page, "search")
    open_page.expects(500, "/orders/new/details")
    fails(page, "**/orders/new/details")
    page.get_by_role("option", name=re.compile("Captions by people")).click()
    expect(page.get_by_text("The fields of this service could not be loaded.")).to_be_visible()
    shots(page, "new-order-fields-failed")
    again(page, "details")
    page.get_by_label("Comments, one per line").fill("One\nTwo")
    expect(page.get_by_label("Link")).to_have_value("https://example.org/kept")
    charged(page, "$0.02")
    page.get_by_role("button", name="Place order").click()
    assert placed(page).service_id == captions.pk


def test_a_slow_search_shows_that_it_works(open_page: Open, alice: User, service: Service) -> None:
    held: list[Route] = []
    page = open_page("/orders/new", user=alice)
    page.route("**/orders/services?*", lambda route: held.append(route))
    page.get_by_label("Service").fill("display")
    expect(page.get_by_text("Searching services")).to_be_attached()
    expect(page.locator(".svc .skel").first).to_be_visible()
    expect(page.locator("#picker-list")).to_be_hidden()
    shots(page, "new-order-searching")
    held[-1].continue_()
    expect(page.locator("#picker-list li")).to_have_count(1)
    expect(page.locator(".svc .skel").first).to_be_hidden()


def test_somebody_signed_out_meanwhile_is_told_so(open_page: Open, alice: User, service: Service) -> None:
    page = open_page(f"/orders/new?service={service.pk}", user=alice)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)  # it ended; the page still stands
    page.get_by_label("Quantity").fill("300")
    note = page.locator("#quote-failed")
    expect(note).to_contain_text("You are signed out. Nothing was ordered.")
    expect(note.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Quantity")).to_have_value("300")
