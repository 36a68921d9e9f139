"""Keys and buttons that no flow presses: going places, taking back, picking all, refreshing again, and where the focus goes."""

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from customers import site_settings
from customers.enrolling import enrol_totp
from customers.models import User
from orders.models import Order
from providers.models import Service
from tests import staff_world, world
from tests.browser.conftest import SECRET, Open, shot
from tests.conftest import wait_until

BANK = {"name": "Bank transfer", "note": "", "instructions": "IBAN XX00", "minimum": "10"}


@pytest.fixture
def alice(transactional_db: None) -> User:
    return world.customer(balance="500", name="Alice Archer")


@pytest.fixture
def shop(transactional_db: None) -> Service:
    return world.service(world.offer(world.provider()))


def go(page: Page, key: str) -> None:
    page.keyboard.press("g")
    page.keyboard.press(key)


def test_going_places(open_page: Open, alice: User, shop: Service) -> None:
    page = open_page("/wallet/", user=alice)
    for key, address in (("n", "/orders/new"), ("s", "/services/"), ("o", "/orders/"), ("w", "/wallet/")):
        go(page, key)
        page.wait_for_url(f"**{address}")
    go(page, "r")  # nothing of a customer's is there
    go(page, "n")
    page.wait_for_url("**/orders/new")
    page.get_by_label("Link").focus()
    page.keyboard.type("gs")  # in a field letters are letters
    expect(page.get_by_label("Link")).to_have_value("gs")

    rita = world.reviewer()
    enrol_totp(rita, SECRET)
    staff = open_page("/staff/orders", user=rita)
    go(staff, "r")
    staff.wait_for_url("**/staff/review")


def test_removed_duplicates_come_back_with_ctrl_z(open_page: Open, alice: User) -> None:
    offer = world.offer(
        world.provider(), service_type="custom comments", name="Captions by people", minimum=1
    )
    page = open_page(f"/orders/new?service={world.service(offer).pk}", user=alice)
    lines = page.get_by_label("Comments, one per line")
    lines.press_sequentially("One")
    lines.press("Enter")
    lines.press_sequentially("One")
    page.get_by_role("button", name="Remove duplicates").press("Enter")
    expect(lines).to_have_value("One")
    expect(page.get_by_text("1 line", exact=True)).to_be_visible()
    expect(lines).to_be_focused()
    page.keyboard.press("Control+z")
    expect(lines).to_have_value("One\nOne")
    expect(page.get_by_text("2 lines", exact=True)).to_be_visible()


def test_lines_are_loaded_from_a_file(open_page: Open, alice: User) -> None:
    offer = world.offer(
        world.provider(), service_type="custom comments", name="Captions by people", minimum=1
    )
    page = open_page(f"/orders/new?service={world.service(offer).pk}", user=alice)
    lines = page.get_by_label("Comments, one per line")
    lines.fill("Zero")
    one_way = [("a.txt", "\ufeffOne\r\nTwo\r\n".encode(), "Zero\nOne\nTwo", "3 lines")]
    others = [
        ("b.txt", "Three\n".encode("utf-16"), "Zero\nOne\nTwo\nThree", "4 lines"),
        ("c.txt", "Vi\u00e8r".encode("cp1252"), "Zero\nOne\nTwo\nThree\nVi\u00e8r", "5 lines"),
        ("d.txt", b"PK\x00\x01", "Zero\nOne\nTwo\nThree\nVi\u00e8r", "This file is not plain text."),
    ]
    for name, content, stands, said in one_way + others:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Load from .txt").press("Enter")
        chooser.value.set_files({"name": name, "mimeType": "text/plain", "buffer": content})
        expect(page.locator(".hint, .aside, [data-lines-for]").get_by_text(said).first).to_be_visible()
        expect(lines).to_have_value(stands)
    page.get_by_label("Link").fill("https://example.org/a")
    page.get_by_role("button", name="Place order").click()
    placed = page.locator("#messages .note.ok")
    placed.get_by_role("button", name="Close").press("Enter")
    expect(placed).to_have_count(0)
    expect(page.get_by_role("main")).to_be_focused()  # and not nowhere
    assert Order.objects.get().fields["comments"].split() == ["Zero", "One", "Two", "Three", "Vi\u00e8r"]


def test_the_way_back_to_a_service_finds_its_list(open_page: Open, alice: User, shop: Service) -> None:
    offer = world.offer(
        world.provider(name="Other"), service_type="custom comments", name="Captions by people", minimum=1
    )
    captions = world.service(offer)
    page = open_page(f"/orders/new?service={captions.pk}", user=alice)
    lines = page.get_by_label("Comments, one per line")
    lines.fill("One\nTwo")
    for service in (shop, captions):
        page.get_by_role("button", name="Change", exact=True).click()
        page.get_by_label("Service").fill(str(service.pk))
        page.get_by_label("Service").press("Enter")
        expect(page.get_by_label("Service")).to_have_value(f"{service.pk} · {service.name}")
        expect(lines).to_have_count(1 if service == captions else 0)
    expect(lines).to_have_value("One\nTwo")
    expect(page.get_by_text("2 lines", exact=True)).to_be_visible()


def test_up_and_down_the_list_picking_and_letting_go(open_page: Open, alice: User, shop: Service) -> None:
    """J and K stop at the ends; a range goes either way; Esc first closes what is open, then clears what is picked."""
    placed = [world.order(alice, shop, f"https://example.org/{n}", 10) for n in range(4)]
    rows = [f"row-{order.pk}" for order in reversed(placed)]
    page = open_page("/orders/", user=alice)
    present, bulk = page.locator("tr.cur"), page.get_by_role("toolbar", name="Bulk actions")
    for key, at in zip("kjjjjjkK", (0, 1, 2, 3, 3, 3, 2, 1), strict=True):
        page.keyboard.press(key)
        expect(present).to_have_attribute("id", rows[at])
        expect(page.locator(f"#{rows[at]} a[data-open]")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(bulk).to_contain_text("3 selected")
    page.keyboard.press("x")
    expect(bulk).to_contain_text("2 selected")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(bulk).to_contain_text("2 selected")
    page.keyboard.press("Escape")
    expect(bulk).to_be_hidden()
    expect(page.locator("input[data-pick]:checked")).to_have_count(0)
    expect(present).to_have_attribute("id", rows[3])  # still where she was
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/{placed[1].pk}")

    page.goto("/orders/")
    menu = page.locator("main details.menu").first
    menu.locator("summary").press("Enter")
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(menu.locator("summary")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(bulk).to_contain_text("1 selected")
    theme = page.locator("header details.menu")
    theme.locator("summary").press("Enter")
    page.keyboard.press("Escape")
    expect(theme).not_to_have_attribute("open", "")
    expect(bulk).to_contain_text("1 selected")
    page.set_viewport_size({"width": 700, "height": 900})
    page.get_by_role("button", name="Open menu").press("Enter")
    expect(page.locator("#menu")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#menu")).to_be_hidden()
    expect(page.locator("input[data-pick]:checked")).to_have_count(1)


def test_a_choice_by_arrows_is_sent_by_enter_or_when_it_is_left(open_page: Open, alice: User) -> None:
    """Each arrow changes what is chosen; were it sent at once, nobody would get past the next."""
    page = open_page("/wallet/", user=alice)
    kind = page.locator("#type")
    kind.focus()
    kind.press("ArrowDown")
    kind.press("ArrowDown")
    expect(kind).to_have_value("refund")
    assert "type=" not in page.url
    kind.press("Enter")
    page.wait_for_url("**/wallet/?type=refund*")
    kind.focus()
    kind.press("ArrowDown")
    page.keyboard.press("Tab")
    page.wait_for_url("**/wallet/?type=deposit*")
    kind.select_option("charge")  # by pointer: at once
    page.wait_for_url("**/wallet/?type=charge*")


def test_a_download_leaves_the_other_buttons_of_its_form_to_be_pressed(
    open_page: Open, alice: User, shop: Service
) -> None:
    order = world.order(alice, shop)
    page = open_page("/orders/", user=alice)
    page.get_by_label(f"Select order {order.pk}").check()
    with page.expect_download():
        page.get_by_role("button", name="Export").last.click()
    page.get_by_role("button", name="Request cancel").click()
    page.locator("#bulk-cancel").get_by_role("button", name="Request cancel").click()
    wait_until(lambda: Order.objects.get(pk=order.pk).status == "Canceled", 10, "the cancel")


def test_ctrl_enter_sends_what_the_forms_own_button_asks_for(
    open_page: Open, alice: User, shop: Service
) -> None:
    world.order(alice, shop, "https://example.org/a", 10)
    page = open_page("/orders/mass", user=alice)
    lines = page.locator("textarea").first
    lines.fill(f"{shop.pk} | https://example.org/b | 10")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        lines.press("Control+Enter")
    assert 'name="check"' in (sent.value.post_data or "") or "check=1" in (sent.value.post_data or "")
    page.goto("/orders/")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.locator("input[data-pick]").first.press("Control+Enter")
    page.locator("main details.menu summary").first.press("Enter")
    page.get_by_label("Start count").press("Control+Enter")
    expect(page.locator("main details.menu").first).to_have_attribute("open", "")
    assert posts == []


def test_the_reference_keeps_the_focus_on_what_was_pressed(open_page: Open, alice: User) -> None:
    page = open_page("/api/keys/new", user=alice)
    page.get_by_label("Name").fill("Shop")
    page.get_by_role("button", name="Create key").click()
    note = page.locator("[data-focus]")
    expect(note).to_be_focused()
    methods = page.get_by_role("navigation", name="Methods")
    link = methods.get_by_role("link").nth(2)
    link.press("Enter")
    expect(link).to_have_attribute("aria-current", "true")
    expect(link).to_be_focused()
    language = page.get_by_role("group", name="Language").get_by_role("link").nth(1)
    language.press("Enter")
    expect(language).to_have_attribute("aria-current", "true")
    expect(language).to_be_focused()
    expect(page.locator("#new-key")).to_be_visible()


def test_a_result_is_told_on_the_page_that_it_leads_to(open_page: Open, alice: User, shop: Service) -> None:
    order = staff_world.completed(world.order(alice, shop, "https://example.org/a", 10))
    page = open_page(f"/orders/{order.pk}/refill", user=alice)
    page.context.add_init_script(
        """window.heard = [];
        document.addEventListener("DOMContentLoaded", () => new MutationObserver(all => all.forEach(one => {
            if (one.target.closest("[role=status]")) one.addedNodes.forEach(node => window.heard.push(node.textContent));
        })).observe(document.getElementById("messages"), { subtree: true, childList: true }));"""
    )
    page.get_by_role("button", name="Request refill").click()
    page.wait_for_url(f"**/orders/{order.pk}")
    wait_until(lambda: page.evaluate("window.heard.length"), 5, "the words")
    said = f"Refill for order {order.pk} requested."
    assert said in "".join(page.evaluate("window.heard"))
    expect(page.get_by_text(said)).to_be_visible()


@pytest.fixture
def many(alice: User, shop: Service) -> list[int]:
    """One more than a page of 25."""
    placed = [world.order(alice, shop, f"https://example.org/{n}", 10) for n in range(26)]
    return sorted((order.pk for order in placed), reverse=True)


def test_picking_copies_and_takes_all_that_match(open_page: Open, alice: User, many: list[int]) -> None:
    page = open_page("/orders/?size=25", user=alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    bulk = page.get_by_role("toolbar", name="Bulk actions")
    every = bulk.get_by_role("button", name="Select all 26 that match")
    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(bulk).to_contain_text("2 selected")
    expect(every).to_be_hidden()
    copy = bulk.get_by_role("button", name="Copy IDs")
    copy.press("Enter")
    expect(bulk.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{many[0]},{many[1]}"

    page.get_by_label("Select all orders on this page").press("Space")
    expect(bulk).to_contain_text("25 selected")
    every.press("Enter")
    expect(bulk).to_contain_text("26 selected")
    expect(bulk.get_by_role("button", name="Clear")).to_be_focused()
    expect(bulk).to_contain_text("25+ can be canceled")  # the others were not counted here
    expect(every).to_be_hidden()
    expect(bulk.locator("[data-copy-picked]")).to_be_hidden()  # this page knows 25 of the 26 numbers
    shot(page, "orders-all-that-match")
    Order.objects.filter(pk=many[3]).update(remains=7)
    refresh(page)
    expect(page.locator(f"#row-{many[3]}")).to_contain_text("7")
    expect(bulk).to_contain_text("26 selected")  # what the buttons do has not changed, so neither has this
    first = page.get_by_label(f"Select order {many[0]}")
    first.uncheck()
    expect(bulk).to_contain_text("24 selected")
    first.check()
    expect(bulk).to_contain_text("25 selected")
    every.click()
    bulk.get_by_role("button", name="Request cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Request cancel").click()
    expect(page.get_by_text("26 of 26 cancels requested.")).to_be_visible()
    assert set(Order.objects.values_list("status", flat=True)) == {"Canceled"}
    world.sane()


def refresh(page: Page) -> None:
    page.evaluate("window.htmx.trigger(document.getElementById('rows'), 'live')")


def test_live_refresh_pauses_and_is_tried_again(open_page: Open, alice: User, shop: Service) -> None:
    order = world.order(alice, shop)
    page = open_page("/orders/", user=alice)
    mark = page.locator("[data-live-mark]")
    expect(mark.get_by_text("Live", exact=False)).to_be_visible()
    open_page.expects(503, "/orders/rows")
    away = "**/orders/rows*"

    def fails(route: Route) -> None:
        route.fulfill(status=503, body="away")

    page.route(away, fails)
    refreshed(page, 503)
    expect(mark).to_contain_text("Live")  # once may happen
    refreshed(page, 503)
    paused = mark.get_by_text("Paused, last update")
    expect(paused).to_be_visible()
    expect(page.locator(f"#row-{order.pk}")).to_be_visible()  # the old rows stay
    again = mark.get_by_role("button", name="Try again")
    with page.expect_response(away) as answer:
        again.press("Enter")
    assert answer.value.status == 503
    expect(paused).to_be_visible()
    shot(page, "orders-live-paused")
    page.unroute(away, fails)
    Order.objects.filter(pk=order.pk).update(remains=7)
    again.press("Enter")
    expect(paused).to_be_hidden()
    expect(page.locator(f"#row-{order.pk}")).to_contain_text("7")


def refreshed(page: Page, status: int) -> None:
    with page.expect_response("**/orders/rows*") as answer:
        refresh(page)
    assert answer.value.status == status


def test_after_a_failing_send_the_focus_is_on_what_is_wrong(
    open_page: Open, alice: User, shop: Service
) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    page = open_page(f"/orders/new?service={shop.pk}", user=alice)
    wrong = {"Present password": "wrong", "Password": "x", "The same password again": "y"}
    forms: dict[str, tuple[str, dict[str, str], bool]] = {
        "/orders/new": ("Place order", {}, True),
        "/wallet/": ("I have paid", {}, True),
        "/account/password/change/": ("Change password", wrong, False),  # not a page of ours: it answers 200
    }
    for path, (send, typed, refused) in forms.items():
        if not page.url.split("?")[0].endswith(path):
            page.goto(path)
        for label, value in typed.items():
            page.get_by_label(label, exact=True).fill(value)
        if refused:
            open_page.expects(422, path)
        page.get_by_role("button", name=send).press("Enter")
        summary = page.locator("main [data-focus]")
        expect(summary).to_be_focused()
        expect(summary).to_contain_text("a change:")
        first = summary.get_by_role("link").first
        page.keyboard.press("Tab")
        expect(first).to_be_focused()
        page.keyboard.press("Enter")  # leads to the field
        expect(field_of(page, first)).to_be_in_viewport()


def field_of(page: Page, link: Locator) -> Locator:
    return page.locator(link.get_attribute("href") or "")
