"""The whole job in a browser, with a running worker and a provider that delivers: order, follow, refund, cancel, refill."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

from playwright.sync_api import Locator, Page, expect

from customers import wallet
from customers.enrolling import create_customer, create_staff
from orders.models import Order
from providers.models import Provider, Service
from tests import world
from tests.browser.conftest import SECRET, Open, one_time_code, shot
from tests.sandbox import Sandbox

PASSWORD = world.PASSWORD
A_WHILE = 60_000  # ms: workers, clock and provider on a busy machine


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/account/login" not in url)


def place(page: Page, service: Service, link: str, quantity: int) -> int:
    """Place an order through the form, by keyboard words a person would use; its number."""
    page.goto("/orders/new")
    page.get_by_label("Service").fill(str(service.pk))
    page.get_by_label("Service").press("Enter")
    # who does not look is asked to: nothing is ordered before the charge of these entries was shown
    expect(page.get_by_label("Service")).to_have_value(re.compile(rf"^{service.pk} · "))
    page.get_by_label("Link").fill(link)
    page.get_by_label("Quantity").fill(str(quantity))
    expect(page.locator("#quote dd.sum")).to_be_visible()
    page.get_by_role("button", name="Place order").click()
    done = (
        page.get_by_role("status")
        .or_(page.get_by_role("alert"))
        .filter(has_text=re.compile(r"[Oo]rder \d+"))
        .first
    )
    expect(done).to_be_visible()
    number = re.search(r"[Oo]rder (\d+)", done.inner_text())
    assert number
    return int(number[1])


def test_the_whole_job(
    transactional_db: None,
    start_sandbox: Callable[..., Sandbox],
    start_worker: Callable[..., AbstractContextManager[Any]],
    settings: Any,
    request: Any,
) -> None:
    sandbox = start_sandbox(speed=4)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
    settings.STATUS_CONFIRM_SECONDS = 0
    # The web process does not know the quick hasher of the tests.
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[1:]
    open_page: Open = request.getfixturevalue("open_page")  # the web process starts with these settings
    provider = world.provider(sandbox.url, sandbox.key, name="Meridian")
    service = on_sale(sandbox, provider)
    alice = create_customer("alice@example.org", PASSWORD, balance=Decimal(100))
    create_staff("rita@example.org", PASSWORD, "reviewer", totp_secret=SECRET)
    with start_worker(beat=True, STATUS_CONFIRM_SECONDS="0"):
        page = open_page("/")
        sign_in(page, alice.email)

        completed = place(page, service, "https://example.org/one#complete", 200)
        page.goto(f"/orders/{completed}")
        expect(status(page, "Completed")).to_be_visible(timeout=A_WHILE)  # the page follows it by itself
        shot(page, "order-completed-1440")

        partial = place(page, service, "https://example.org/two#partial=50", 200)
        page.goto(f"/orders/{partial}")
        expect(status(page, "Partial")).to_be_visible(timeout=A_WHILE)
        order = Order.objects.get(pk=partial)
        assert (order.charge, order.refunded) == (2, Decimal("0.5"))
        page.goto("/wallet/")
        expect(page.get_by_text(str(partial)).first).to_be_visible()
        expect(page.get_by_text("0.50").first).to_be_visible()
        shot(page, "wallet-1440")

        stays = place(page, service, "https://example.org/three#stay", 200)
        page.goto(f"/orders/{stays}")
        expect(status(page, "In progress")).to_be_visible(timeout=A_WHILE)
        ask(page, "Cancel")
        page.goto(f"/orders/{completed}")
        ask(page, "Refill")

        staff = open_page("/staff/review")
        sign_in(staff, "rita@example.org")
        staff.get_by_label("code", exact=False).first.fill(one_time_code())
        staff.get_by_role("button", name=re.compile("Sign in|Confirm|Continue|Verify")).first.click()
        staff.goto("/staff/review")
        expect(staff.get_by_text(str(stays)).first).to_be_visible()
        shot(staff, "review-1440")
        for _ in range(2):
            staff.goto("/staff/review")
            staff.get_by_role("button", name=re.compile("^Approve")).last.click()
            staff.wait_for_load_state("networkidle")

        page.goto(f"/orders/{stays}")
        expect(status(page, "Canceled|Partial")).to_be_visible(timeout=A_WHILE)
        assert Order.objects.get(pk=stays).refunded > 0
        page.goto(f"/orders/{completed}")
        expect(page.get_by_text(re.compile("[Rr]efill.*(done|complete)", re.I)).first).to_be_visible(
            timeout=A_WHILE
        )
    sent = [line["link"] for line in sandbox.truth("order")]
    assert len(sent) == len(set(sent)) == 3
    assert wallet.balance_of(alice) < 100
    world.sane()


def on_sale(sandbox: Sandbox, provider: Provider) -> Service:
    """The sandbox's video views at 10.00 per 1000."""
    row = next(row for row in sandbox.ask("services") if row["name"].startswith("Video pre-roll"))
    offer = world.offer(provider, str(row["service"]), name=row["name"], minimum=100, maximum=100_000)
    return world.service(offer, rate="10.00")


def status(page: Page, words: str) -> Locator:
    """The status badge of the order's page, showing one of the words."""
    return page.locator(".st").filter(has_text=re.compile(f"^({words})$")).first


def ask(page: Page, what: str) -> None:
    """Ask for a refill or a cancel on the order's page and confirm."""
    name = re.compile(f"request {what}", re.IGNORECASE)
    page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).first.click()
    page.get_by_role("dialog").get_by_role("button", name=name).click()
    expect(page.get_by_text(re.compile(f"{what} requested", re.IGNORECASE)).first).to_be_visible()
