"""Reports, audit log, a customer's page with all it holds, erasing, and the read-only view, in a real browser."""

import pytest
from playwright.sync_api import expect

from customers import site_settings
from customers.enrolling import enrol_totp
from customers.managing import Suspension, suspend
from customers.models import PriceGroup, User
from tests import staff_world, world
from tests.browser.conftest import SECRET, Open
from tests.browser.looking import Looker, named


@pytest.fixture
def adam() -> User:
    adam = world.admin()
    enrol_totp(adam, SECRET)
    return adam


@pytest.fixture
def alice(adam: User) -> User:
    return suspended_alice(adam)


def suspended_alice(adam: User) -> User:
    alice = world.customer(name="Alice Archer", balance="500")
    service = world.service(world.offer(world.provider()))
    for n in range(6):
        staff_world.accepted(world.order(alice, service, f"https://example.org/{n}", quantity=20_000))
    suspend(
        alice,
        Suspension(orders=False, api=True, deposits=True),
        "Chargeback",
        note="Write to us about your last payment.",
        by=adam,
    )
    site_settings.change({"admin_adjust_single": "100", "admin_adjust_day": "500"}, by=adam)
    PriceGroup.objects.create(name="Agencies")
    return alice


def office_pages(alice: User) -> list[str]:
    return [
        "/manage/reports", "/manage/reports?by=service", "/manage/reports?by=customer&from=x",
        "/manage/reports?from=2026-01-01", "/manage/audit?actor=adam@example.org&verb=customer.suspend",
        f"/staff/customers/{alice.pk}", f"/staff/customers/{alice.pk}/erase", "/staff/customers?tab=deletion",
    ]  # fmt: skip


def test_nothing_is_out_of_reach(open_page: Open, adam: User, alice: User) -> None:
    open_page.expects(422, "/manage/reports")  # of days that are none
    open_page.expects(403, "/account/2fa/")  # stays closed while looking
    open_page.expects(403, "/account/")  # nothing is saved while looking
    page = open_page("/help/", user=adam)
    looker = Looker(page)
    for name, path in named(office_pages(alice), "back-office-").items():
        looker.visit(name, path)
    page.goto(f"/staff/customers/{alice.pk}")
    page.get_by_role("button", name="Look as the customer").click()
    expect(page.get_by_role("region", name="Read-only view")).to_contain_text("alice@example.org")
    for path in ("/orders/", "/wallet/", "/account/data", "/account/2fa/"):
        looker.visit(f"back-office-looking{path.replace('/', '-')}", path)
    page.goto("/account/")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("You are only looking.")).to_be_visible()
    looker.look("back-office-looking-refused")
    looker.assert_nothing_found()


def test_the_admin_looks_cannot_order_and_stops(open_page: Open, adam: User, alice: User) -> None:
    open_page.expects(403, "/account/")
    page = open_page(f"/staff/customers/{alice.pk}", user=adam)
    page.get_by_role("button", name="Look as the customer").click()
    page.goto("/account/")
    page.get_by_label("Name").first.fill("Somebody else")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("You are only looking. Nothing was changed, sent or charged.")).to_be_visible()
    page.get_by_role("button", name="Stop looking").click()
    expect(page.get_by_text("You are back in your own account.")).to_be_visible()
    expect(page.get_by_role("heading", name="Alice Archer", exact=True)).to_be_visible()
    alice.refresh_from_db()
    assert alice.name == "Alice Archer"
