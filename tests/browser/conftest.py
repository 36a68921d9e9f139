"""Real pages in a real Chromium, on a real web process. Skipped where Chromium is not installed (CI installs it).

Screenshots go to the folder that SHOTS names, or nowhere: they are for looking at, not for git. `.ci/run` keeps them
in var/shots.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from customers.models import User

# Playwright's own event loop makes Django think that a test is async.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parent / "vendor"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # second factor of the staff in these tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield chromium
        chromium.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, live_panel: str) -> Iterator[Open]:
    """`open_page("/orders/", user=alice, width=390, dark=True)`: a page of its own browser profile.

    A console error or an uncaught exception on any page fails the test at its end.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        expected = "422" in message.text or "status of 40" in message.text  # form errors, tested refusals
        # A live part that was asking when its page was left; a request that failed says htmx:sendError as well.
        left = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
        if message.type == "error" and not expected and not left:
            complaints.append(f"{message.text} at {message.location}")

    def open_(
        path: str = "/",
        *,
        user: User | None = None,
        width: int = 1440,
        dark: bool = False,
        script: bool = True,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            base_url=live_panel,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        if user is not None:
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": session_of(user), "url": live_panel}]
            )
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints, complaints


def session_of(user: User) -> str:
    """A session as after signing in; the sign-in form has tests of its own."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


def one_time_code() -> str:
    return one_time_code_of(SECRET)


def one_time_code_of(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(secret, counter))


def shot(page: Page, name: str) -> None:
    """Keep a picture of the whole page where SHOTS says."""
    if folder := os.environ.get("SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        # hiding the caret would put a style into the page, which our policy refuses and reports
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True, caret="initial")


def shots(page: Page, name: str) -> None:
    """The page as it stands, 1440 and 390 px wide."""
    if not os.environ.get("SHOTS"):
        return
    before = page.viewport_size
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        shot(page, f"{name}-{width}")
    if before:
        page.set_viewport_size(before)


def sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/account/login" not in url)
