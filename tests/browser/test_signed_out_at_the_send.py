"""A session that ended before the send: after signing in, in the same tab, everything typed is there again."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from customers import site_settings
from customers.models import DepositRequest, User
from orders.models import Order
from providers.models import Service
from tests import world
from tests.browser.conftest import Open, session_of, shots

BACK = "Your entries are back; look at them, then send them again."
BANK = {"name": "Bank transfer", "note": "", "instructions": "IBAN XX00", "minimum": "10"}


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def captions(transactional_db: None) -> Service:
    offer = world.offer(world.provider(), service_type="custom comments", minimum=1)
    return world.service(offer, rate="10.00")


def session_ends(page: Page) -> None:
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)


def signs_in(open_page: Open, page: Page, user: User) -> None:
    """As the page of sign-in does, which has tests of its own: to where it was asked to lead."""
    page.wait_for_url("**/account/login/?next=**")
    open_page.enter(page.context, session_of(user))
    page.goto(parse_qs(urlsplit(page.url).query)["next"][0])


def kept(page: Page) -> object:
    return json.loads(page.evaluate("sessionStorage.getItem('entries')") or "null")


def test_a_new_order_is_placed_once_after_signing_in(open_page: Open, alice: User, captions: Service) -> None:
    page = open_page(f"/orders/new?service={captions.pk}", user=alice)
    page.get_by_label("Link").fill("https://example.org/a")
    page.get_by_label("Comments, one per line").fill("One\nTwo")
    page.get_by_label("Your reference").fill("Spring")
    expect(page.locator("#quote .bigc")).to_have_text("$0.02")
    token = page.locator("[name=token]").input_value()
    session_ends(page)
    page.get_by_role("button", name="Place order").click()
    signs_in(open_page, page, alice)
    expect(page.locator("#messages")).to_contain_text(BACK)
    expect(page.locator("#say")).to_contain_text(BACK)
    expect(page.get_by_label("Link")).to_have_value("https://example.org/a")
    expect(page.get_by_label("Comments, one per line")).to_have_value("One\nTwo")
    expect(page.get_by_text("2 lines", exact=True)).to_be_visible()
    expect(page.get_by_label("Your reference")).to_have_value("Spring")
    assert page.locator("[name=token]").input_value() == token
    expect(page.locator("#quote .bigc")).to_have_text("$0.02")
    shots(page, "entries-back")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("#messages .note.ok")).to_be_visible()
    order = Order.objects.get()
    assert (order.reference, order.total) == ("Spring", 2)
    assert kept(page) is None


def test_five_thousand_pasted_lines_are_there_again(open_page: Open, alice: User, captions: Service) -> None:
    text = "\n".join(f"{captions.pk} | https://example.org/{n} | 10" for n in range(5000))
    page = open_page("/orders/mass", user=alice)
    lines = page.locator("#lines")
    lines.evaluate("(area, text) => { area.value = text; }", text)  # as pasted at once
    session_ends(page)
    page.get_by_role("button", name="Check and price").click()
    signs_in(open_page, page, alice)
    expect(page.get_by_text("5,000 lines")).to_be_visible()
    assert lines.input_value() == text


def test_the_notice_of_a_payment_is_there_again_and_for_nobody_else(
    open_page: Open, alice: User, transactional_db: None
) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    bob = world.bob()
    page = open_page("/wallet/", user=alice)

    def send() -> None:
        page.get_by_role("radio", name="Bank transfer").check()
        page.get_by_label("Amount").fill("25")
        page.get_by_label("Reference").fill("TX 77")
        session_ends(page)
        page.get_by_role("button", name="I have paid").click()

    send()
    signs_in(open_page, page, bob)
    expect(page.get_by_label("Reference")).to_have_value("")
    expect(page.get_by_text(BACK)).to_have_count(0)
    assert kept(page) is None
    session_ends(page)
    page.goto("/wallet/")
    signs_in(open_page, page, alice)
    expect(page.get_by_label("Reference")).to_have_value("")
    send()
    signs_in(open_page, page, alice)
    expect(page.get_by_label("Reference")).to_have_value("TX 77")
    expect(page.get_by_role("radio", name="Bank transfer")).to_be_checked()
    page.get_by_role("button", name="I have paid").click()
    expect(page.get_by_text("is added to your balance when we see the payment")).to_be_visible()
    assert DepositRequest.objects.get().amount == 25
    assert kept(page) is None


def test_signed_in_anew_in_another_tab(open_page: Open, alice: User, captions: Service) -> None:
    page = open_page(f"/orders/new?service={captions.pk}", user=alice)
    page.get_by_label("Link").fill("https://example.org/a")
    page.get_by_label("Comments, one per line").fill("One")
    expect(page.locator("#quote .bigc")).to_have_text("$0.01")
    page.context.clear_cookies(name=settings.CSRF_COOKIE_NAME)
    open_page.expects(403, "/orders/new")
    page.get_by_role("button", name="Place order").click()
    page.get_by_role("link", name="Back to your entries").click()
    expect(page.get_by_label("Comments, one per line")).to_have_value("One")
    expect(page.locator("#messages")).to_contain_text(BACK)
    assert not Order.objects.exists()


def test_an_answer_leaves_nothing_behind(open_page: Open, alice: User, captions: Service) -> None:
    page = open_page(f"/orders/new?service={captions.pk}", user=alice)
    page.get_by_label("Comments, one per line").fill("One")
    expect(page.locator("#quote .bigc")).to_have_text("$0.01")
    open_page.expects(422, "/orders/new")
    page.get_by_role("button", name="Place order").click()  # without a link
    expect(page.get_by_label("Comments, one per line")).to_have_value("One")
    expect(page.locator("[data-focus]")).to_be_focused()
    assert kept(page) is None
    expect(page.get_by_text(BACK)).to_have_count(0)
