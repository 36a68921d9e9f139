"""Reports, audit log, a customer's page with all it holds, erasing, and the read-only view, in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from customers import site_settings
from customers.enrolling import enrol_totp
from customers.managing import Suspension, suspend
from customers.models import PriceGroup, User
from tests import staff_world, world
from tests.browser.conftest import AXE, SECRET, Open, shot

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def adam() -> User:
    adam = world.admin()
    enrol_totp(adam, SECRET)
    return adam


@pytest.fixture
def alice(adam: User) -> User:
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


def faults(page: Page) -> list[str]:
    page.evaluate(next(Path(AXE).rglob("axe.min.js")).read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", RULES)
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{one['id']} {one['nodes'][0]['html'][:140]}" for one in found["violations"]] + (
        [f"sideways by {over} px"] if over > 0 else []
    )


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_nothing_is_out_of_reach(open_page: Open, adam: User, alice: User, width: int, dark: bool) -> None:
    open_page.expects(422, "/manage/reports")  # of days that are none
    open_page.expects(403, "/account/2fa/")  # stays closed while looking
    page = open_page("/manage/", user=adam, width=width, dark=dark)
    page.emulate_media(reduced_motion="reduce")
    found = []
    for path in (
        "/manage/reports", "/manage/reports?by=service", "/manage/reports?by=customer&from=x",
        "/manage/reports?from=2026-01-01", "/manage/audit?actor=adam@example.org&verb=customer.suspend",
        f"/staff/customers/{alice.pk}", f"/staff/customers/{alice.pk}/erase", "/staff/customers?tab=deletion",
        "/manage/settings",
    ):  # fmt: skip
        page.goto(path)
        page.wait_for_load_state("networkidle")
        shot(page, f"back-office{path.replace('/', '-').replace('?', '-')}-{width}")
        found += [f"{path}: {fault}" for fault in faults(page)]
    page.goto(f"/staff/customers/{alice.pk}")
    page.get_by_role("button", name="Look as the customer").click()
    expect(page.get_by_role("region", name="Read-only view")).to_contain_text("alice@example.org")
    for path in ("/orders/", "/wallet/", "/account/data", "/account/2fa/"):
        page.goto(path)
        shot(page, f"back-office-looking{path.replace('/', '-')}-{width}")
        found += [f"looking, {path}: {fault}" for fault in faults(page)]
    assert not found, "\n".join(found)


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
