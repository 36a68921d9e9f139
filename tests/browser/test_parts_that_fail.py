"""A part of a page that does not come is told: a link leads to its page, anything else says in place what was done."""

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from customers.models import User
from orders.models import Order
from providers.models import Favorite, Service
from tests import staff_world, world
from tests.browser.conftest import Open, shots
from tests.browser.looking import bring_axe, faults


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def service(transactional_db: None) -> Service:
    return world.service(world.offer(world.provider()))


@pytest.fixture
def order(alice: User, service: Service) -> Order:
    return staff_world.completed(world.order(alice, service), start_count=10)


def told(page: Page, words: str) -> Locator:
    """The note, which a screen reader hears as well."""
    note = page.locator(".note.err").filter(has_text=words)
    expect(note).to_be_visible()
    expect(page.locator("#say")).to_contain_text(words)
    return note


def test_a_question_that_the_server_fails_to_answer_opens_as_its_page(
    open_page: Open, alice: User, order: Order
) -> None:
    page = open_page("/orders/", user=alice)
    where = f"/orders/{order.pk}/refill"
    open_page.expects(500, where)

    def only_the_part(route: Route) -> None:
        if route.request.headers.get("hx-request"):
            route.fulfill(status=500, body="no")
        else:
            route.continue_()

    page.route(f"**{where}**", only_the_part)
    page.get_by_role("link", name=f"Refill {order.pk}").click()
    page.wait_for_url(f"**{where}?next=**")
    expect(page.get_by_role("button", name="Request refill")).to_be_visible()


def test_a_question_without_a_connection_is_told_under_its_row(
    open_page: Open, alice: User, order: Order
) -> None:
    page = open_page("/orders/", user=alice)
    page.context.set_offline(True)
    page.get_by_role("link", name=f"Refill {order.pk}").click()
    note = told(page, "No answer came. Nothing was done.")
    expect(page.locator(f"#row-{order.pk} + tr").locator(".note")).to_be_visible()
    shots(page, "part-away")
    page.context.set_offline(False)
    page.get_by_role("link", name=f"Refill {order.pk}").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(note).to_have_count(0)


def test_a_stale_button_shows_the_order_and_no_dialog(open_page: Open, alice: User, order: Order) -> None:
    page = open_page("/orders/", user=alice)
    staff_world.refill_asked(order)  # in another tab
    page.get_by_role("link", name=f"Refill {order.pk}").click()
    page.wait_for_url(f"**/orders/{order.pk}")
    expect(page.get_by_text(f"A refill for order {order.pk} is already open.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_star_says_whether_it_is_known_what_became_of_it(
    open_page: Open, alice: User, service: Service
) -> None:
    page = open_page("/services/", user=alice)
    bring_axe(page.context)
    where = f"/services/{service.pk}/favorite"
    star = page.get_by_role("button", name=f"Favorite {service.name}")
    open_page.expects(500, where)
    page.route(f"**{where}", lambda route: route.fulfill(status=500, body="no"))
    star.press("Enter")
    note = told(page, "It may have been done or not: look at the page before you try again.")
    expect(star).to_be_focused()
    expect(note.get_by_role("link", name="Load the page again")).to_be_visible()
    shots(page, "star-unknown")
    assert faults(page) == []
    open_page.expects(403, where)
    page.unroute_all()
    page.route(f"**{where}", lambda route: route.fulfill(status=403, body="no"))
    star.press("Enter")
    refused = told(page, "That did not work. Nothing was done.")
    expect(note).to_have_count(0)  # one note of one act
    refused.get_by_role("button", name="Close").press("Enter")
    expect(page.locator(f"#service-{service.pk} + tr")).to_have_count(0)
    expect(star).to_be_focused()
    page.unroute_all()
    star.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    assert Favorite.objects.filter(user=alice, service=service).exists()


def test_a_page_of_the_reference_that_fails_is_opened_as_a_page(open_page: Open, alice: User) -> None:
    page = open_page("/api", user=alice)
    open_page.expects(500, "/api")

    def only_the_part(route: Route) -> None:
        if route.request.headers.get("hx-request"):
            route.fulfill(status=500, body="no")
        else:
            route.continue_()

    page.route("**/api?**", only_the_part)
    page.get_by_role("navigation", name="Methods").get_by_role("link").nth(2).click()
    page.wait_for_url("**/api?show=*#reference")
    expect(page.locator("#reference")).to_be_visible()
