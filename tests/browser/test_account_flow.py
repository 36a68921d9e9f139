"""An account in a browser, from the first visit to its own data; and a page read from right to left."""

import json
import os
import re
from pathlib import Path

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from customers.enrolling import create_customer
from customers.models import ApiKey, User
from orders.settlement import end_partial, lock_order
from tests import staff_world, world
from tests.browser.conftest import Open, one_time_code_of, shot, shots, sign_in
from tests.conftest import wait_until

PASSWORD = world.PASSWORD
# By how much the widest table is wider than the frame that would scroll it.
OVER = """() => Math.max(0, ...[...document.querySelectorAll(".tw")].map(frame => frame.scrollWidth - frame.clientWidth))"""


@pytest.fixture
def slow_hasher(settings: object) -> None:
    """The web process does not know the quick hasher of the tests."""
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[1:]  # type: ignore[attr-defined]


def link_in_the_mail(to: str) -> str:
    """The confirmation link of the newest mail to an address, from the folder where mail stays without a server."""
    folder = Path(os.environ["STATE_DIR"]) / "mail"

    def found() -> str:
        for path in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True):
            text = path.read_text()
            if f"To: {to}" in text and (link := re.search(r"https?://\S+confirm-email/\S+", text)):
                return link[0]
        return ""

    return str(wait_until(found, 15, "the mail"))


def sign_in_with_code(page: Page, email: str, secret: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    code = page.get_by_label("Code", exact=False).first
    used = one_time_code_of(secret)
    code.fill(str(wait_until(lambda: new if (new := one_time_code_of(secret)) else "", 1)) or used)
    page.get_by_role("button", name=re.compile("Sign in|Confirm|Continue|Verify")).first.click()
    page.wait_for_url(lambda url: "/account/login" not in url and "/2fa/" not in url)


def test_a_first_visit(transactional_db: None, open_page: Open) -> None:
    world.service(world.offer(world.provider()))
    page = open_page("/")
    expect(page).to_have_title(re.compile("Sign in"))
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Name").fill("Nora New")
    page.get_by_label("E-mail").fill("nora@example.org")
    page.get_by_label("Password", exact=True).fill("kettle-harbor-plum-42")
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    page.get_by_role("checkbox").check()
    shots(page, "sign-up")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()
    shots(page, "sign-up-check-mail")
    page.goto(link_in_the_mail("nora@example.org"))
    page.get_by_role("button", name="Confirm").click()
    if "/account/login" in page.url:
        sign_in(page, "nora@example.org", "kettle-harbor-plum-42")
    expect(page.get_by_role("heading", name="Your first order")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="Add funds").first).to_have_attribute(
        "href", "/wallet/"
    )
    shots(page, "first-page")
    nora = User.objects.get(email="nora@example.org")
    assert nora.terms_accepted_at is not None and nora.language == "en"
    page.goto("/orders/")
    expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()


def test_an_account_by_its_owner(slow_hasher: None, transactional_db: None, open_page: Open) -> None:
    alice = create_customer("alice@example.org", PASSWORD)
    page = open_page("/account/")
    sign_in(page, alice.email, PASSWORD)
    page.goto("/account/")
    page.get_by_label("Name").fill("Alice Archer")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    shots(page, "account-profile")

    page.get_by_role("link", name="Mails").click()
    page.get_by_role("switch", name="An order was completed").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("switch", name="An order was completed")).to_be_checked()
    shots(page, "account-mails")

    page.get_by_role("link", name="Two-step sign-in").click()
    page.get_by_role("link", name="Set up").click()
    if page.get_by_label("Password", exact=True).is_visible():
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name=re.compile("Confirm|Continue")).click()
    secret = page.locator("#totp-key").inner_text()
    shots(page, "account-two-step")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_text("This code is not right").first).to_be_visible()
    assert page.locator("#totp-key").inner_text() == secret
    page.get_by_label("Code").fill(one_time_code_of(secret))
    page.get_by_role("button", name="Turn on").click()
    page.goto("/account/2fa/recovery-codes/")
    expect(page.locator("#codes")).to_contain_text(re.compile(r"\w{6,}"))
    shots(page, "account-recovery-codes")

    page.goto("/api")
    page.get_by_role("link", name="Create key").first.click()
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Ask to cancel").uncheck()
    page.get_by_role("button", name="Create key").click()
    plain = page.locator("#new-key").inner_text()
    shots(page, "api-new-key")
    page.get_by_role("link", name="Done").click()
    assert plain not in page.content()
    key = ApiKey.objects.get()
    assert key.label == "Shop" and "cancel" not in key.scopes
    page.get_by_role("button", name="Revoke Shop").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.get_by_role("dialog").get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("heading", name="No key yet").first).to_be_visible()

    page.goto("/account/data")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download JSON").click()
    data = json.loads(Path(download.value.path()).read_text())
    assert "alice@example.org" in json.dumps(data) and PASSWORD not in json.dumps(data)

    elsewhere = open_page("/account/login/")
    sign_in_with_code(elsewhere, alice.email, secret)
    page.goto("/account/sessions/")
    shots(page, "account-sessions")
    page.get_by_role("button", name="Sign out everywhere else").click()
    page.wait_for_load_state()
    elsewhere.goto("/wallet/")
    assert "/account/login" in elsewhere.url

    page.goto("/account/password/change/")
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("Password", exact=True).fill("kettle-harbor-plum-42")
    page.get_by_label("The same password again").fill("kettle-harbor-plum-42")
    page.get_by_role("button", name="Change password").click()
    page.wait_for_url("**/account/login/**")
    alice.refresh_from_db()
    assert alice.check_password("kettle-harbor-plum-42")


def test_from_right_to_left(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Arabic has no catalog of ours: the words stay English, the page turns, dates and forms are Django's."""
    pages = stage("ar")
    monkeypatch.setenv("LANGUAGES", "en,ar")
    open_page: Open = request.getfixturevalue("open_page")  # the web process starts with these languages
    alice = User.objects.get()
    wide = open_page("/orders/", user=alice)
    for path in pages:
        wide.goto(path)
        assert wide.evaluate("document.documentElement.dir") == "rtl"
        side, main = wide.locator(".side").bounding_box(), wide.locator("main").bounding_box()
        assert side and main and side["x"] > main["x"] + main["width"] - 1, path
        assert too_wide(wide) <= 0, path
    shots(wide, "right-to-left")
    narrow = open_page("/orders/", user=alice, width=320)
    for path in pages:
        narrow.goto(path)
        assert too_wide(narrow) <= 0, path


def test_german_with_its_long_words(transactional_db: None, open_page: Open) -> None:
    pages = stage("de")
    page = open_page("/orders/", user=User.objects.get(), width=320)
    for path in pages:
        page.goto(path)
        assert page.evaluate("document.documentElement.lang") == "de"
        assert too_wide(page) <= 0, path
        shots(page, f"german-{path.strip('/').replace('/', '-')}")
    page.goto("/orders/")
    expect(page.get_by_role("heading", name="Bestellungen", exact=True)).to_be_visible()
    expect(page.locator("tbody tr").last).to_contain_text("Ausstehend")
    cut = []
    for width in (1440, 1280, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        for path in pages:
            page.goto(path)
            over = page.evaluate(OVER)
            cut += [f"{path} at {width} px: a table is wider than its card by {over} px"] if over > 0 else []
            shot(page, f"german-{path.strip('/').replace('/', '-')}-{width}")
    assert not cut, "\n".join(cut)


def stage(language: str) -> list[str]:
    alice = world.customer(language=language, name="Alice Archer", balance="5000")
    name = "Display impressions on the partner sites of a network, worldwide, by the hour"
    views = world.service(world.offer(world.provider(), name=name), rate="1250")
    order = world.order(alice, views)
    partial, ended, doubt = (world.order(alice, views, f"https://example.org/{n}", 100) for n in range(3))
    with transaction.atomic():
        end_partial(lock_order(partial.pk), 33, "Ended early", "provider")
    staff_world.completed(ended, start_count=1_234_567, remains=0)
    staff_world.refill_asked(ended)
    staff_world.doubtful(doubt)
    return ["/", "/orders/", f"/orders/{order.pk}", f"/orders/new?service={views.pk}", "/services/",
            "/wallet/", "/account/", "/api"]  # fmt: skip


def too_wide(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
