"""A reviewer works through the queue with the keyboard alone."""

import pytest
from playwright.sync_api import Page, expect

from customers import site_settings
from customers.models import User
from orders.models import Request
from tests import staff_world, world
from tests.browser.conftest import Open, shot, shots


@pytest.fixture
def rita(transactional_db: None) -> User:
    rita = world.reviewer()
    staff_world.signed_in(rita)  # enrols her second factor
    return rita


@pytest.fixture
def waiting(rita: User) -> list[Request]:
    """Six requests, a cancel and a refill in turn, the oldest first."""
    alice, impressions = world.customer(), world.service(world.offer(world.provider()))
    requests = []
    for at in range(6):
        order = world.order(alice, impressions, f"https://example.org/{at}", 1000)
        if at % 2:
            requests.append(staff_world.refill_asked(staff_world.completed(order, start_count=10), 30 - at))
        else:
            requests.append(staff_world.cancel_asked(staff_world.accepted(order, remains=500), 30 - at))
    return requests


def state(request: Request) -> str:
    return Request.objects.values_list("state", flat=True).get(pk=request.pk)


def shows(page: Page, request: Request) -> None:
    expect(page.locator("#pane h2")).to_have_text(f"Order {request.order_id}")
    expect(page.locator("tr.cur")).to_have_attribute("id", f"request-{request.pk}")


def test_the_queue_by_keys(open_page: Open, rita: User, waiting: list[Request]) -> None:
    page = open_page("/staff/review", user=rita)
    shows(page, waiting[0])
    page.keyboard.press("j")
    shows(page, waiting[1])
    page.keyboard.press("k")
    shows(page, waiting[0])

    page.keyboard.press("a")  # approve; the next one follows, and the approval can still be undone
    shows(page, waiting[1])
    assert state(waiting[0]) == "approved"
    expect(page.locator("#undo")).to_contain_text(f"Cancel {waiting[0].order_id}")
    page.get_by_role("button", name="Undo").click()
    shows(page, waiting[0])
    assert state(waiting[0]) == "requested"

    page.keyboard.press(
        "r"
    )  # the cursor is in the note; Esc leaves it, Tab leads to Reject, Ctrl+Enter presses it
    expect(page.get_by_label("Note to customer")).to_be_focused()
    page.keyboard.type("It runs already")
    page.keyboard.press("Escape")
    expect(page.locator("tr.cur a[data-open]")).to_be_focused()
    page.keyboard.press("r")
    page.keyboard.press("Control+Enter")
    shows(page, waiting[1])
    assert (state(waiting[0]), Request.objects.get(pk=waiting[0].pk).note) == ("denied", "It runs already")

    page.keyboard.press("e")
    expect(page.get_by_label("Internal note, customers never see it")).to_be_focused()
    page.keyboard.type("asked them")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#pane")).to_contain_text("asked them")
    shows(page, waiting[1])

    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#many")).to_contain_text("2 selected")
    shot(page, "review-picked")
    page.locator("#many").get_by_role("button", name="Approve").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 requests approved")).to_be_visible()
    assert [state(request) for request in waiting] == ["denied", "approved", "approved"] + ["requested"] * 3

    page.keyboard.press("o")
    page.wait_for_url(f"**/staff/orders/{waiting[3].order_id}")


def test_what_the_provider_refused_and_unclear_refills_are_decided_by_keys(
    open_page: Open, rita: User, waiting: list[Request]
) -> None:
    """They stand on top: a refused cancel, then two refills that the provider may have taken."""
    refused, first, second = waiting[2], waiting[3], waiting[5]
    Request.objects.filter(pk=refused.pk).update(upstream_message="Cannot be canceled now")
    for refill in (first, second):
        staff_world.unclear(refill)
    page = open_page("/staff/review", user=rita)
    shows(page, refused)
    expect(page.locator("#pane")).to_contain_text("Meridian refused it: Cannot be canceled now")
    page.keyboard.press("a")  # asked again
    shows(page, first)
    assert state(refused) == "approved"
    page.keyboard.press("u")  # taken back: on top again, with the words
    shows(page, refused)
    expect(page.locator("#pane")).to_contain_text("Cannot be canceled now")
    page.keyboard.press("r")
    page.keyboard.type("They do not take it back any more")
    page.keyboard.press("Control+Enter")
    shows(page, first)
    assert state(refused) == "denied"

    expect(page.locator("#pane")).to_contain_text("The provider gave no clear answer.")
    page.keyboard.press("a")
    expect(page.get_by_label("Refill id at the provider")).to_be_focused()
    open_page.expects(422, f"/staff/review/{first.pk}/settle")
    page.keyboard.type("88123")
    page.keyboard.press("Enter")  # the provider is asked for it, and does not answer here
    expect(page.get_by_text("The id could not be verified:")).to_be_visible()
    expect(page.get_by_label("Refill id at the provider")).to_be_focused()
    expect(page.get_by_label("Refill id at the provider")).to_have_value("88123")
    assert state(first) == "unknown"
    shots(page, "review-refill-id")
    page.get_by_label("I saw it at the provider myself").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    shows(page, second)
    first.refresh_from_db()
    assert (first.state, first.upstream_id) == ("accepted", "88123")

    page.keyboard.press("r")
    expect(page.get_by_label("Note to customer")).to_be_focused()
    page.keyboard.type("It did not drop")
    page.keyboard.press("Control+Enter")
    shows(page, waiting[0])
    second.refresh_from_db()
    assert (second.state, second.note, second.decided_by) == ("denied", "It did not drop", rita)


def test_a_saved_reply_is_chosen_by_keyboard(open_page: Open, rita: User, waiting: list[Request]) -> None:
    site_settings.change({"reject_replies": ["It runs already", "Nothing is missing"]})
    page = open_page("/staff/review", user=rita)
    shows(page, waiting[0])
    page.keyboard.press("r")
    note = page.get_by_label("Note to customer")
    expect(note).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#pane").get_by_label("Saved replies")).to_be_focused()
    page.keyboard.press("n")  # as in every list: the entry that begins with it
    expect(note).to_be_focused()
    expect(note).to_have_value("Nothing is missing")
    page.keyboard.press("Control+Enter")
    shows(page, waiting[1])
    waiting[0].refresh_from_db()
    assert (waiting[0].state, waiting[0].note) == ("denied", "Nothing is missing")


def test_j_and_k_go_over_the_end_of_a_page(open_page: Open, rita: User, waiting: list[Request]) -> None:
    bob, impressions = world.customer("bob@example.org", "1000"), waiting[0].order.service
    for at in range(96):
        order = staff_world.accepted(world.order(bob, impressions, f"https://example.org/more/{at}"))
        waiting.append(staff_world.cancel_asked(order, 20 - at / 10))
    page = open_page("/staff/review", user=rita)
    shows(page, waiting[0])
    expect(page.locator("#queue")).to_contain_text("1 to 100 of 102")
    page.locator(f"#request-{waiting[99].pk} a[data-open]").focus()
    shows(page, waiting[99])
    page.keyboard.press("j")
    shows(page, waiting[100])
    expect(page.locator("#queue")).to_contain_text("101 to 102 of 102")
    expect(page.locator("tr.cur a[data-open]")).to_be_focused()
    page.keyboard.press("k")
    shows(page, waiting[99])
    expect(page.locator("tr.cur a[data-open]")).to_be_focused()
    page.keyboard.press("a")  # the last of the page: the next one follows, and the page has it
    shows(page, waiting[100])
    assert state(waiting[99]) == "approved"


def test_on_a_phone_each_request_is_a_page_of_its_own(
    open_page: Open, rita: User, waiting: list[Request]
) -> None:
    page = open_page("/staff/review", user=rita, width=390)
    expect(page.locator("#pane")).to_be_hidden()
    page.get_by_role("link", name="Start with the first").click()
    page.wait_for_url(f"**/staff/review/{waiting[0].pk}")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url(f"**/staff/review/{waiting[1].pk}")
    assert state(waiting[0]) == "approved"
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def test_it_works_without_script(open_page: Open, rita: User, waiting: list[Request]) -> None:
    page = open_page("/staff/review", user=rita, script=False)
    page.get_by_role("link", name=str(waiting[2].order_id), exact=True).click()
    page.get_by_label("Note to customer").fill("It runs already")
    page.get_by_role("button", name="Reject").click()
    page.wait_for_url(f"**/staff/review/{waiting[3].pk}")
    assert state(waiting[2]) == "denied"


def test_another_window_shows_a_decision_by_itself(
    open_page: Open, rita: User, waiting: list[Request]
) -> None:
    page = open_page("/staff/review", user=rita)
    Request.objects.filter(pk=waiting[5].pk).update(state="denied")
    page.evaluate("window.htmx.trigger(document.getElementById('queue'), 'live')")
    expect(page.locator(f"#request-{waiting[5].pk}")).to_have_count(0)
    expect(page.locator("tbody tr")).to_have_count(5)
    shows(page, waiting[0])

    page.keyboard.press("j")
    shows(page, waiting[1])
    Request.objects.filter(pk=waiting[1].pk).update(state="denied")
    page.evaluate("window.htmx.trigger(document.getElementById('queue'), 'live')")
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page.locator("#pane h2")).to_have_text(
        f"Order {waiting[1].order_id}"
    )  # nothing else under the keys A and R
    page.keyboard.press("j")  # goes on from there, not from the top
    shows(page, waiting[2])
