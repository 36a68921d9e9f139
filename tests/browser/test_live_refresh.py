"""The orders list keeps itself fresh: quietly, only while somebody looks, and it says when it cannot. The clock is the test's."""

import pytest
from playwright.sync_api import Page, expect

from customers.models import User
from orders.models import Order
from tests import staff_world, world
from tests.browser.conftest import Open, shots
from tests.conftest import wait_until

EVERY = 15_000  # ms, as templates/orders/rows.html asks
A_WHILE = 5 * 60_000


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(name="Alice Archer")


@pytest.fixture
def orders(alice: User) -> list[Order]:
    service = world.service(world.offer(world.provider()))
    return [staff_world.accepted(world.order(alice, service, f"https://example.org/{n}")) for n in range(3)]


class Live:
    """The list of orders under a clock that this test moves; `asked` holds what it asked the server for."""

    def __init__(self, open_page: Open, alice: User) -> None:
        self.page = open_page("about:blank", user=alice)
        self.page.clock.install()
        self.page.goto("/orders/")
        self.asked: list[str] = []
        self.page.on(
            "request",
            lambda request: self.asked.append(request.url) if "/orders/rows" in request.url else None,
        )
        self.mark = self.page.locator("[data-live-mark]")
        expect(self.mark).to_contain_text("Live")

    def later(self, ms: int = EVERY + 2_000) -> None:
        self.page.clock.run_for(ms)

    def asks(self, ms: int = EVERY + 2_000) -> None:
        """Within this time it asks, and the answer has come."""
        before = len(self.asked)
        with self.page.expect_response(lambda answer: "/orders/rows" in answer.url):
            self.later(ms)
        assert len(self.asked) > before

    def fails(self) -> None:
        with self.page.expect_event("requestfailed", lambda request: "/orders/rows" in request.url):
            self.later()


@pytest.fixture
def live(open_page: Open, alice: User, orders: list[Order]) -> Live:
    return Live(open_page, alice)


def hide(page: Page, hidden: bool) -> None:
    """As when another tab is in front: headless windows never are behind one."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_refresh_keeps_focus_and_selection(live: Live, orders: list[Order]) -> None:
    page, row = live.page, live.page.locator(f"#row-{orders[1].pk}")
    row.get_by_role("checkbox").check()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(row).to_have_attribute("aria-current", "true")
    expect(row.locator("a[data-open]")).to_be_focused()
    Order.objects.filter(pk=orders[1].pk).update(status="Processing")
    live.asks()
    expect(row).to_contain_text("Processing")
    expect(row.locator("a[data-open]")).to_be_focused()
    expect(row).to_have_attribute("aria-current", "true")
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("toolbar", name="Bulk actions")).to_contain_text("1 selected")
    live.asks()  # nothing changed: the server has nothing to send
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(live.mark).to_contain_text("Live")


def test_what_changed_is_told_as_one_sum(live: Live, orders: list[Order]) -> None:
    said = live.page.locator("#say")
    Order.objects.filter(pk__in=[orders[0].pk, orders[2].pk]).update(status="Processing")
    live.asks()
    live.later(1_000)
    expect(said).to_have_text("2 orders updated")
    Order.objects.filter(pk=orders[1].pk).update(remains=7)
    live.asks()
    live.later(1_000)
    expect(said).to_have_text("1 order updated")


def test_what_is_being_read_stays_open_and_a_new_status_is_told(open_page: Open, alice: User) -> None:
    offer = world.offer(world.provider(), service_type="custom comments", minimum=1)
    order = staff_world.accepted(
        world.order(alice, world.service(offer), "https://example.org/a", 2, comments="One\nTwo")
    )
    page = open_page(f"/orders/{order.pk}", user=alice)
    lines = page.locator("#order details").filter(has_text="Two")
    lines.locator("summary").press("Enter")
    expect(lines.get_by_text("Two")).to_be_visible()
    Order.objects.filter(pk=order.pk).update(status="Processing", start_count=77)
    page.evaluate("window.htmx.trigger(document.getElementById('order'), 'live')")
    expect(page.locator("#order")).to_contain_text("77")
    expect(lines).to_have_attribute("open", "")
    expect(lines.locator("summary")).to_be_focused()
    expect(page.locator("#say")).to_have_text(f"Order {order.pk} Processing")


def test_while_it_is_paused_nothing_is_spoken_anew(live: Live, orders: list[Order], open_page: Open) -> None:
    open_page.expects(503, "/orders/rows")
    live.page.route("**/orders/rows?*", lambda route: route.fulfill(status=503, body="no"))
    live.asks()
    live.asks()
    expect(live.mark.get_by_text("Paused, last update")).to_be_visible()
    live.page.evaluate(
        """() => {
            window.rewritten = [];
            const heard = node => !(node.nodeType === 1 ? node : node.parentElement).closest('[aria-hidden]');
            new MutationObserver(all => all.filter(one => heard(one.target)).forEach(one => window.rewritten.push(one.type)))
                .observe(document.querySelector('[data-live-mark]'),
                    { subtree: true, childList: true, characterData: true, attributes: true });
        }"""
    )
    live.later(5_000)
    assert live.page.evaluate("window.rewritten") == []
    live.later(60_000)  # another minute is news
    assert live.page.evaluate("window.rewritten.length") > 0


def test_it_does_not_ask_while_somebody_types_or_a_question_is_open(live: Live, orders: list[Order]) -> None:
    search = live.page.get_by_label("Search orders")
    search.fill("exam")
    live.later(A_WHILE)
    assert live.asked == []
    expect(search).to_have_value("exam")
    search.blur()
    live.asks()
    live.page.keyboard.press("?")
    live.page.wait_for_selector("dialog[open]")
    before = len(live.asked)
    live.later(A_WHILE)
    assert len(live.asked) == before
    live.page.keyboard.press("Escape")
    live.asks()


def test_it_stops_while_the_page_is_hidden_and_asks_at_once_when_it_is_back(
    live: Live, orders: list[Order]
) -> None:
    live.asks()
    hide(live.page, True)
    before = len(live.asked)
    Order.objects.filter(pk=orders[0].pk).update(status="Processing")
    live.later(A_WHILE)
    assert len(live.asked) == before
    hide(live.page, False)
    expect(live.page.locator(f"#row-{orders[0].pk}")).to_contain_text("Processing")
    assert len(live.asked) == before + 1


def test_it_tells_that_there_is_no_connection_and_recovers_by_itself(live: Live, orders: list[Order]) -> None:
    row = live.page.locator(f"#row-{orders[0].pk}")
    live.page.context.set_offline(True)
    live.fails()
    expect(live.mark.get_by_text("Live", exact=False)).to_be_visible()  # once may be chance
    live.fails()
    expect(live.mark).to_contain_text("You are offline.")
    expect(live.mark.get_by_text("Paused, last update")).to_be_visible()
    expect(row).to_contain_text("In progress")  # what was known stays
    shots(live.page, "orders-offline")
    Order.objects.filter(pk=orders[0].pk).update(status="Processing")
    live.page.context.set_offline(False)
    expect(row).to_contain_text("Processing")
    expect(live.mark.get_by_text("Paused, last update")).to_be_hidden()


def test_a_server_that_fails_is_asked_half_as_often_and_by_the_button(
    live: Live, orders: list[Order], open_page: Open
) -> None:
    open_page.expects(503, "/orders/rows")
    live.page.route("**/orders/rows?*", lambda route: route.fulfill(status=503, body="no"))
    live.asks()
    live.asks()
    expect(live.mark.get_by_text("Paused, last update")).to_be_visible()
    expect(live.mark.get_by_text("You are offline.")).to_be_hidden()  # the server's fault, not the line's
    before = len(live.asked)
    live.later(EVERY + 2_000)
    assert len(live.asked) == before
    live.later(EVERY)
    wait_until(lambda: live.page.evaluate("1") and len(live.asked) == before + 1, 5, "the slower question")
    live.page.unroute_all()
    Order.objects.filter(pk=orders[0].pk).update(status="Processing")
    live.mark.get_by_role("button", name="Try again").click()
    expect(live.page.locator(f"#row-{orders[0].pk}")).to_contain_text("Processing")
    expect(live.mark.get_by_text("Paused, last update")).to_be_hidden()


def test_somebody_signed_out_meanwhile_comes_to_the_sign_in_page_and_back(
    live: Live, open_page: Open, orders: list[Order]
) -> None:
    open_page.enter(live.page.context, "")
    live.later()
    live.page.wait_for_url("**/account/login/?next=/orders/")
    expect(live.page.get_by_role("button", name="Sign in")).to_be_visible()
