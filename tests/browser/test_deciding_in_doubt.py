"""Orders that a provider took or not, nobody knows: the decision desk in a browser, by the keyboard alone.

The provider is the sandbox, which loses its answers: once after writing the order into its book, once before. Two
people look at the same case; what was decided is read from the ledger, the timeline and the customer's page.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from customers import wallet
from customers.models import AuditEntry, Transfer
from orders.models import Order, OrderEvent, Submission
from orders.status_lane import status_lane
from orders.submission import submit_lane
from tests import staff_world, world
from tests.browser.conftest import Open, shots
from tests.browser.looking import faults
from tests.browser.test_the_whole_job import on_sale, status
from tests.sandbox import Sandbox

LOST = {"arrived": "#stay#fault=rst_after", "absent": "#fault=rst_before", "unclear": "#fault=fin_before"}


class Doubts:
    """Three orders of Alice's at 10.00 per 1000, each in doubt since an hour ago, and the people who decide."""

    def __init__(self, sandbox: Sandbox, settings: Any) -> None:
        self.sandbox = sandbox
        provider = world.provider(sandbox.url, sandbox.key)
        service = on_sale(sandbox, provider)
        # The web process does not know the quick hasher of the tests, and one decision asks for the password.
        settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[1:]
        self.alice = world.customer(name="Alice Archer")
        self.rita, self.adam = world.reviewer(), world.admin()
        for person in (self.rita, self.adam):
            staff_world.signed_in(person)  # enrols the second factor
        links = [f"https://example.org/{name}{words}" for name, words in LOST.items()]
        self.arrived, self.absent, self.unclear = (
            world.order(self.alice, service, link, 200) for link in links
        )
        submit_lane(provider.pk)
        self.provider = provider

    def aged(self, order: Order, by: timedelta = timedelta(hours=1)) -> None:
        """As if its answer had been lost that long ago."""
        Submission.objects.filter(pk=order.pk).update(state_at=timezone.now() - by)


@pytest.fixture
def doubts(transactional_db: None, start_sandbox: Callable[..., Sandbox], settings: Any) -> Doubts:
    sandbox = start_sandbox(speed=1)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
    settings.STATUS_CONFIRM_SECONDS = 0
    return Doubts(sandbox, settings)


@pytest.fixture
def open_page_of(doubts: Doubts, request: Any) -> Open:
    """The web process starts after the settings and orders of `doubts`."""
    opened: Open = request.getfixturevalue("open_page")
    return opened


def test_three_doubtful_orders_are_decided_by_two_people(doubts: Doubts, open_page_of: Open) -> None:
    assert {world.state_of(order) for order in (doubts.arrived, doubts.absent, doubts.unclear)} == {"unknown"}
    assert len(doubts.sandbox.orders()) == 1, "only one of the three reached the provider's book"
    assert wallet.balance_of(doubts.alice) == 94
    open_page_of.expects(
        422, f"/staff/unknown/{doubts.arrived.pk}/decide"
    )  # an id that the provider does not know
    customer = open_page_of(f"/orders/{doubts.arrived.pk}", user=doubts.alice)
    expect(customer.get_by_text("You are charged once; nothing is sent twice.").first).to_be_visible()

    staff = open_page_of("/staff/review", user=doubts.rita)
    the_list(staff, doubts)
    waiting_opens_by_itself(staff, doubts)
    it_arrived(staff, customer, doubts)
    it_did_not_arrive(staff, open_page_of, customer, doubts)
    it_cannot_be_found_out(open_page_of, customer, doubts)
    staff.goto("/staff/unknown")
    expect(staff.get_by_role("heading", name="No order is in doubt")).to_be_visible()
    sent = [line["link"] for line in doubts.sandbox.truth("order")]
    assert sent == [doubts.arrived.link], "nothing was sent a second time"
    world.sane()


def the_list(staff: Page, doubts: Doubts) -> None:
    """The keys g v lead there; oldest first, with the money at risk; J and Enter open a case."""
    for age, order in ((3, doubts.arrived), (2, doubts.absent), (1, doubts.unclear)):
        doubts.aged(order, timedelta(minutes=age))
    staff.keyboard.press("g")
    staff.keyboard.press("v")
    staff.wait_for_url("**/staff/unknown")
    expect(staff.get_by_role("main")).to_contain_text("3 orders in doubt, $6.00 at risk.")
    rows = staff.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text(str(doubts.arrived.pk))
    expect(rows.first).to_contain_text("$2.00")
    expect(rows.first).to_contain_text(re.compile("in 1[12] min"))
    shots(staff, "desk-list")
    staff.keyboard.press("j")
    staff.keyboard.press("Enter")
    staff.wait_for_url(f"**/staff/unknown/{doubts.arrived.pk}")


def waiting_opens_by_itself(staff: Page, doubts: Doubts) -> None:
    """Before the last possible late answer nothing can be decided; then the open page lets it."""
    expect(staff.get_by_text("A late answer may still come.")).to_be_visible()
    reach(staff, staff.locator("summary", has_text="It exists there"))
    staff.keyboard.press("Enter")
    expect(staff.get_by_role("button", name="Verify and accept")).to_be_disabled()
    shots(staff, "desk-case-waits")
    left = timedelta(seconds=django_settings.UNKNOWN_QUARANTINE_SECONDS - 3)
    for order in (doubts.arrived, doubts.absent, doubts.unclear):
        doubts.aged(order, left)
    staff.reload()
    # by itself, after some seconds
    expect(staff.get_by_text("A late answer may still come.")).to_have_count(0, timeout=30_000)


def it_arrived(staff: Page, customer: Page, doubts: Doubts) -> None:
    """The evidence; a mistyped id is asked about and refused, the right one makes it an order like any other."""
    order, main = doubts.arrived, staff.get_by_role("main")
    for words in ("no HTTP status", "Money at risk", "Cannot tell", "No other order of this customer"):
        expect(main).to_contain_text(words)
    upstream = str(doubts.sandbox.orders()[0]["order"])
    choose(staff, "It exists there")
    fill(staff, "Order id at the provider", "999999")
    fill(staff, "Reason", "In their list since noon")
    press(staff, "Verify and accept")
    wrong = staff.get_by_role("alert")
    expect(wrong).to_contain_text("Nothing was changed. The provider does not know an order 999999.")
    expect(wrong).to_be_focused()
    assert not (found := faults(staff)), found
    shots(staff, "desk-case-refused")
    assert world.state_of(order) == "unknown"
    fill(staff, "Order id at the provider", upstream)  # the reason is still there
    press(staff, "Verify and accept")
    staff.wait_for_url(f"**/staff/orders/{order.pk}")
    expect(staff.get_by_role("status").filter(has_text="The provider has the order.")).to_be_visible()
    timeline = staff.get_by_role("region", name="Timeline")
    expect(timeline).to_contain_text("In their list since noon")
    expect(timeline).to_contain_text(doubts.rita.email)
    assert Submission.objects.get(pk=order.pk).provider_order_id == upstream
    assert (wallet.balance_of(doubts.alice), returned(order)) == (94, 0)
    doubts.sandbox.control(advance=60)
    status_lane(doubts.provider.pk, force=True)
    customer.goto(f"/orders/{order.pk}")
    expect(status(customer, "In progress")).to_be_visible()
    expect(customer.get_by_text(upstream)).to_have_count(0)


def it_did_not_arrive(staff: Page, open_page_of: Open, customer: Page, doubts: Doubts) -> None:
    """Two people have the case open; the second one is told what the first decided, and changes nothing."""
    order = doubts.absent
    second = open_page_of(f"/staff/unknown/{order.pk}", user=doubts.adam)
    staff.goto("/staff/unknown")
    expect(staff.get_by_role("main")).to_contain_text("2 orders in doubt, $4.00 at risk.")
    staff.keyboard.press("j")
    staff.keyboard.press("Enter")
    staff.wait_for_url(f"**/staff/unknown/{order.pk}")
    choose(staff, "Not there: give the money back")
    fill(staff, "Reason", "Not in their list")
    press(staff, "Return the charge")
    staff.wait_for_url(f"**/staff/orders/{order.pk}")
    expect(staff.get_by_role("status").filter(has_text="the whole charge was returned")).to_be_visible()

    choose(second, "It exists there")
    fill(second, "Order id at the provider", "4711")
    fill(second, "Reason", "I believe it came through")
    press(second, "Verify and accept")
    second.wait_for_url(f"**/staff/orders/{order.pk}")
    expect(
        second.get_by_role("alert").filter(has_text="You were second; you changed nothing.")
    ).to_contain_text(
        "Decided by rita@example.org: the provider does not have it; the whole charge was returned."
    )
    shots(second, "desk-second-person")

    assert (world.state_of(order), wallet.balance_of(doubts.alice), returned(order)) == ("rejected", 96, 2)
    told = OrderEvent.objects.filter(order=order, actor__in=[doubts.rita.email, doubts.adam.email])
    assert {event.actor for event in told} == {doubts.rita.email}
    entry = AuditEntry.objects.get(verb="unknown.decide", subject=f"order:{order.pk}")
    assert entry.details["reason"] == "Not in their list"
    customer.goto(f"/orders/{order.pk}")
    expect(status(customer, "Canceled")).to_be_visible()
    expect(customer.get_by_role("main")).to_contain_text(
        "It was not delivered; the whole charge was returned"
    )
    expect(customer.get_by_text("Not in their list")).to_have_count(0)


def it_cannot_be_found_out(open_page_of: Open, customer: Page, doubts: Doubts) -> None:
    """An admin's loss asks for the password once more, and is carried out after it without typing again."""
    order = doubts.unclear
    page = open_page_of(f"/staff/unknown/{order.pk}", user=doubts.adam)
    choose(page, "Cannot be found out: write off")
    fill(page, "Reason", "Their support does not answer")
    press(page, "Write off")
    page.wait_for_url("**/account/reauthenticate/**")
    assert world.state_of(order) == "unknown"
    fill(page, "Password", world.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/staff/orders/{order.pk}")
    expect(page.get_by_role("status").filter(has_text="at our loss")).to_be_visible()
    assert (world.state_of(order), wallet.balance_of(doubts.alice), returned(order)) == ("written_off", 98, 2)
    loss = Transfer.objects.get(order_number=order.pk, cause__contains="refunded-to")
    assert loss.amount == 2
    customer.goto("/wallet/")
    expect(customer.get_by_text("$98.00").first).to_be_visible()


# ── what a person at the keyboard does ──────────────────────────────────────────────────────────────


def reach(page: Page, wanted: Any) -> None:
    """Tab until it has the focus, which must be seen to be there."""
    for _ in range(80):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} cannot be reached by Tab")


def choose(page: Page, title: str) -> None:
    summary = page.locator("summary", has_text=title)
    reach(page, summary)
    if not summary.evaluate("element => element.parentElement.open"):
        page.keyboard.press("Enter")


def fill(page: Page, label: str, words: str) -> None:
    field = page.locator("details[open] , form").get_by_label(label, exact=True).locator("visible=true").first
    reach(page, field)
    page.keyboard.press("Control+a")
    page.keyboard.type(words)


def press(page: Page, name: str) -> None:
    reach(page, page.get_by_role("button", name=name, exact=True))
    page.keyboard.press("Enter")


def returned(order: Order) -> Decimal:
    """What the ledger gave back for it."""
    rows = Transfer.objects.filter(order_number=order.pk).exclude(cause=f"order:{order.pk}:charge")
    return sum((row.amount for row in rows), Decimal(0))
