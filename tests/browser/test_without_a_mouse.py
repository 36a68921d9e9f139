"""A customer's whole way, from signing up to a key for the API, twice: with the keyboard alone at a desk, and by touch on
a phone. Whatever is reached by Tab has to show that it is focused, and nothing may lie over it."""

import contextlib
import re
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from customers import site_settings, wallet
from customers.models import ApiKey, DepositRequest, User
from orders.models import Order, Request
from providers.models import Service
from tests import staff_world, world
from tests.browser.conftest import Open, shot
from tests.browser.test_account_flow import link_in_the_mail

BANK = {"name": "Bank transfer", "note": "1 to 2 working days", "instructions": "IBAN XX00", "minimum": "10"}
PASSWORD = "kettle-harbor-plum-42"
FAR = 90  # presses of Tab, more than any page here has places to stop
HERE = "element => element === document.activeElement"
# On a page just opened, the content is a link away from the top.
FAR_BELOW = """element => document.activeElement === document.body && !!document.querySelector('.skip')
    && !!element.closest('#main')"""
# Marked by an outline (the line under the field of a combobox counts too), in view, and not behind the bar at the bottom
# or the one at the top. A radio button's mark is on its label.
SHOWS_IT = """element => {
    const seen = element.closest('label, .svc .q') || element, box = seen.getBoundingClientRect();
    const outlined = e => getComputedStyle(e).outlineStyle !== 'none' && parseFloat(getComputedStyle(e).outlineWidth) >= 2;
    if (!outlined(element) && !outlined(seen) && !seen.matches('.svc .q')) return 'shows no focus';
    if (box.top < 0 || box.bottom > innerHeight) return 'is out of view';
    const over = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return over && (seen.contains(over) || over.contains(seen)) ? '' : 'lies under ' + (over && over.className);
}"""
# What a finger can hit: a box with its label; a link in a sentence may be as low as its line (WCAG 2.5.8).
HIGH = """element => getComputedStyle(element).display === 'inline' ? 24
    : Math.max(...[element, ...(element.labels || [])].map(e => e.getBoundingClientRect().height))"""


class Keyboard:
    """Tab, letters, Space and Enter; no pointer at all."""

    width, touch = 1440, False

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, target: Locator) -> None:
        expect(target).to_be_visible()
        if target.evaluate(FAR_BELOW):
            self.page.keyboard.press("Tab")
            expect(self.page.locator(".skip")).to_be_focused()
            self.page.keyboard.press("Enter")
        for _ in range(FAR):
            if target.evaluate(HERE):
                # the mark may come with a transition, and a part above may have been swapped this moment
                shown = f"element => ({SHOWS_IT})(element) === ''"
                with contextlib.suppress(PlaywrightTimeout):
                    self.page.wait_for_function(shown, arg=target.element_handle(), timeout=3000)
                assert not (wrong := target.evaluate(SHOWS_IT)), f"{target} {wrong}"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{target} is not reached by Tab on {self.page.url}")

    def press(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Enter")

    def tick(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Space")

    def write(self, target: Locator, text: str) -> None:
        self.reach(target)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, box: Locator, text: str) -> None:
        self.write(box, text)
        expect(self.page.get_by_role("option", name=re.compile(text))).to_have_count(1)
        self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")

    def go(self, name: str) -> None:
        self.press(
            self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True)
        )


class Touch(Keyboard):
    """Taps, and the letters of the keyboard on the screen. What is tapped is large enough for it."""

    width, touch = 390, True

    def press(self, target: Locator) -> None:
        target.scroll_into_view_if_needed()
        assert (high := target.evaluate(HIGH)) >= 24, f"{target} is {high} px high"
        target.tap()

    tick = press

    def write(self, target: Locator, text: str) -> None:
        target.tap()
        target.fill(text)

    def choose(self, box: Locator, text: str) -> None:
        self.write(box, text)
        self.press(self.page.get_by_role("option", name=re.compile(text)))

    def go(self, name: str) -> None:
        self.press(self.page.get_by_role("button", name="Open menu"))
        super().go(name)


@pytest.fixture
def shop(transactional_db: None) -> Service:
    site_settings.change({"deposit_methods": [BANK]})
    return world.service(world.offer(world.provider(), name="Newsletter placement"), rate="10.00")


@pytest.mark.parametrize("hand_of", [Keyboard, Touch])
def test_from_signing_up_to_a_key(open_page: Open, shop: Service, hand_of: type[Keyboard]) -> None:
    page = open_page("/", width=hand_of.width, touch=hand_of.touch)
    hand = hand_of(page)
    nora = signs_up(hand)
    pays(hand)
    wallet.deposit(nora, Decimal(50), "deposit:nora", "Seen in the bank", "test")
    orders(hand, shop)
    orders_many(hand, shop)
    follows(hand)
    settles_in(hand, nora)
    world.sane()


def named(page: Page, role: str, name: str) -> Locator:
    return page.get_by_role("main").get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]


def picture(hand: Keyboard, name: str) -> None:
    shot(hand.page, f"without-a-mouse-{name}-{hand.width}")


def signs_up(hand: Keyboard) -> User:
    page = hand.page
    hand.press(page.get_by_role("link", name="Create an account"))
    hand.write(page.get_by_label("Name"), "Nora New")
    hand.write(page.get_by_label("E-mail"), "nora@example.org")
    hand.write(page.get_by_label("Password", exact=True), PASSWORD)
    hand.tick(page.get_by_role("checkbox"))
    expect(page.get_by_role("checkbox")).to_be_checked()
    hand.press(page.get_by_role("button", name="Create account"))
    expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()
    page.goto(link_in_the_mail("nora@example.org"))
    hand.press(page.get_by_role("button", name="Confirm"))
    expect(page.get_by_text("You have confirmed nora@example.org.")).to_be_visible()
    hand.write(page.get_by_label("E-mail"), "nora@example.org")
    hand.write(page.get_by_label("Password", exact=True), PASSWORD)
    hand.press(page.get_by_role("button", name="Sign in"))
    expect(page.get_by_role("heading", name="Your first order")).to_be_visible()
    picture(hand, "home")
    return User.objects.get(email="nora@example.org")


def pays(hand: Keyboard) -> None:
    page = hand.page
    hand.press(named(page, "link", "Add funds"))
    page.wait_for_url("**/wallet/**")
    hand.tick(page.get_by_role("radio", name="Bank transfer"))
    expect(page.get_by_role("radio", name="Bank transfer")).to_be_checked()
    hand.press(page.get_by_role("button", name="$50.00"))
    expect(page.get_by_label("Amount")).to_have_value("50")
    hand.write(page.get_by_label("Reference"), "TX 9")
    hand.press(page.get_by_role("button", name="I have paid"))
    expect(page.get_by_text("is added to your balance when we see the payment")).to_be_visible()
    assert DepositRequest.objects.get().amount == 50
    picture(hand, "wallet")


def orders(hand: Keyboard, shop: Service) -> None:
    page = hand.page
    hand.go("New order")
    hand.choose(page.get_by_role("combobox", name="Service"), "Newsletter")
    expect(page.get_by_role("combobox", name="Service")).to_have_value(f"{shop.pk} · {shop.name}")
    hand.write(page.get_by_label("Link"), "https://example.org/1")
    hand.write(page.get_by_label("Quantity"), "1000")
    expect(page.locator("#quote .bigc")).to_have_text("$10.00")
    picture(hand, "new-order")
    hand.press(page.locator("[data-place]"))
    expect(page.locator("#messages .note.ok")).to_be_visible()
    assert Order.objects.get().charge == 10


def orders_many(hand: Keyboard, shop: Service) -> None:
    page = hand.page
    hand.press(page.get_by_role("link", name="Mass order", exact=True))
    hand.write(page.get_by_label("Orders, one per line"), f"{shop.pk} | https://example.org/2 | 100")
    hand.press(page.get_by_role("button", name="Check and price"))
    hand.press(page.get_by_role("button", name="Place one order"))
    expect(page.get_by_role("heading", name="One order placed")).to_be_visible()
    picture(hand, "mass")
    assert Order.objects.count() == 2


def follows(hand: Keyboard) -> None:
    """One is canceled before it began, the other one delivered and asked to be refilled."""
    page = hand.page
    first, second = Order.objects.order_by("pk")
    staff_world.completed(first, start_count=10, remains=0)
    hand.go("Orders")
    hand.press(page.locator(f"#row-{second.pk} a[data-open]"))
    page.wait_for_url(f"**/orders/{second.pk}")
    hand.press(page.get_by_role("link", name="Request cancel"))
    hand.press(page.get_by_role("dialog").get_by_role("button", name="Request cancel"))
    expect(page.locator("#order-head .st")).to_have_text("Canceled")
    hand.go("Orders")
    hand.press(page.locator(f"#row-{first.pk} a[data-open]"))
    page.wait_for_url(f"**/orders/{first.pk}")
    hand.press(page.get_by_role("link", name="Request refill"))
    dialog = page.get_by_role("dialog")
    hand.write(dialog.get_by_label("Count now"), "800")
    hand.write(dialog.get_by_label("What happened"), "It dropped")
    hand.press(dialog.get_by_role("button", name="Request refill"))
    expect(page.get_by_text("Refill requested").first).to_be_visible()
    assert Request.objects.get(kind="refill").current_count == 800
    picture(hand, "order")


def settles_in(hand: Keyboard, nora: User) -> None:
    page = hand.page
    hand.go("Profile and security")
    hand.write(page.get_by_label("Name").first, "Nora Newton")
    hand.press(page.get_by_role("button", name="Save").first)
    expect(page.get_by_text("Saved.")).to_be_visible()
    nora.refresh_from_db()
    assert nora.name == "Nora Newton"
    hand.go("API")
    hand.press(page.get_by_role("link", name="Create key").first)
    hand.write(page.get_by_label("Name").first, "Shop")
    hand.press(page.get_by_role("button", name="Create key"))
    expect(page.get_by_text("Copy it now, it is shown only once.")).to_be_visible()
    assert ApiKey.objects.get().label == "Shop"
    picture(hand, "key")
