"""Fifty mixed requests, decided with the keyboard alone; then each was decided once and the books are in order."""

import pytest
from playwright.sync_api import Page, expect

from customers import site_settings
from customers.models import User
from orders.models import OrderEvent, Request
from tests import staff_world, world
from tests.browser.conftest import Open, shot

MANY = 50


@pytest.fixture
def rita(transactional_db: None) -> User:
    rita = world.reviewer()
    staff_world.signed_in(rita)  # enrols her second factor
    return rita


@pytest.fixture
def waiting(rita: User) -> list[Request]:
    """Cancels and refills in turn, the oldest first."""
    site_settings.change({"reject_replies": ["It runs already"]})
    alice, impressions = world.customer(balance="1000"), world.service(world.offer(world.provider()))
    requests = []
    for at in range(MANY):
        order = world.order(alice, impressions, f"https://example.org/{at}")
        if at % 2:
            requests.append(staff_world.refill_asked(staff_world.completed(order, start_count=10), 60 - at))
        else:
            requests.append(staff_world.cancel_asked(staff_world.accepted(order, remains=500), 60 - at))
    return requests


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Request.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def left(page: Page, count: int) -> None:
    """So many rows stand there, and the page listens to keys."""
    expect(page.locator("#queue tbody tr")).to_have_count(count)
    page.wait_for_load_state("domcontentloaded")


def test_fifty_requests_by_keyboard(open_page: Open, rita: User, waiting: list[Request]) -> None:
    page = open_page("/staff/review", user=rita)
    keys = page.keyboard
    left(page, MANY)

    keys.press("a")  # one approved, and taken back within its ten seconds
    left(page, MANY - 1)
    keys.press("u")
    left(page, MANY)
    assert states() == {"requested": MANY}

    for done in range(1, 6):  # five approved one by one
        keys.press("a")
        left(page, MANY - done)
    for done in range(6, 9):  # three rejected, each with a note
        keys.press("r")
        expect(page.get_by_label("Note to customer")).to_be_focused()
        keys.type("It runs already")
        keys.press("Tab")
        keys.press("Enter")
        left(page, MANY - done)

    keys.press("e")  # a note for colleagues decides nothing
    expect(page.get_by_label("Internal note, customers never see it")).to_be_focused()
    keys.type("asked the provider")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.locator("#pane")).to_contain_text("asked the provider")
    left(page, MANY - 8)

    keys.press("j")  # ten picked as a range, rejected together
    keys.press("x")
    for _row in range(9):
        keys.press("j")
    keys.press("Shift+X")
    expect(page.locator("#many")).to_contain_text("10 selected")
    keys.press("r")
    expect(page.get_by_label("Note to the customers")).to_be_focused()
    keys.type("Nothing is missing")
    shot(page, "review-reject-many")
    keys.press("Tab")
    keys.press("Enter")
    left(page, MANY - 18)

    keys.press("k")  # the rest, from the first row to the last, approved together
    for _row in range(MANY):
        keys.press("k")
    keys.press("x")
    for _row in range(MANY):
        keys.press("j")
    keys.press("Shift+X")
    expect(page.locator("#many")).to_contain_text(f"{MANY - 18} selected")
    keys.press("a")
    expect(page.get_by_text("Nothing waits for a decision")).to_be_visible()

    assert states() == {"approved": MANY - 13, "denied": 13}
    for request in waiting:
        request.refresh_from_db()
        assert request.decided_by == rita
        decisions = OrderEvent.objects.filter(order_id=request.order_id, kind="request", actor=rita.email)
        taken_back = request == waiting[0]
        assert decisions.count() == (3 if taken_back else 1), request.pk
    world.sane()
