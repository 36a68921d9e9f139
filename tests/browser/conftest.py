"""Real pages in a real Chromium, on a real web process. Skipped where Chromium is not installed (CI installs it).

Screenshots go to the folder that SHOTS names, or nowhere: they are for looking at, not for git. `.ci/run` keeps them
in var/shots.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

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
PATIENCE_MS = 15_000  # for what a page does by itself; two busy cores may need long
expect.set_options(timeout=PATIENCE_MS)
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


# What the console says of an answer that is an error: the browser's own words, and htmx's.
FAILED = re.compile(r"status of (\d{3})|Response Status Error Code (\d{3}) from ([^\s,]+)")


@dataclass
class Open:
    """`open_page("/orders/", user=alice, width=390, dark=True)`: a page of its own browser profile.

    A console error or an uncaught exception on any page fails the test at its end. `expects` names the failures
    that a test brings about; one that does not come fails the test too.
    """

    browser: Browser
    address: str
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: dict[tuple[int, str], int] = field(default_factory=dict)  # how often each came
    cut: bool = False  # a test took the connection away

    def __call__(
        self,
        path: str = "/",
        *,
        user: User | None = None,
        width: int = 1440,
        dark: bool = False,
        script: bool = True,
        touch: bool = False,
    ) -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            has_touch=touch,
            is_mobile=touch,
            base_url=self.address,
        )
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        if user is not None:
            self.enter(context, session_of(user))
        page = context.new_page()
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(path)
        return page

    def enter(self, context: BrowserContext, session: str) -> None:
        """Whose session the pages of this profile have from now on; "" for nobody's."""
        context.clear_cookies()
        if session:
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.address}]
            )

    def expects(self, status: int, path: str) -> None:
        """This test makes this address (`*` stands for anything) answer with this error, at least once."""
        self.expected.setdefault((status, path), 0)

    def _listen(self, message: ConsoleMessage) -> None:
        # A live part that was asking when its page was left; a request that failed says htmx:sendError as well.
        left = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
        offline = "ERR_INTERNET_DISCONNECTED" in message.text  # only where a test takes the connection away
        self.cut = self.cut or offline
        if message.type != "error" or left or offline:
            return
        if failed := FAILED.search(message.text):
            status = int(failed[1] or failed[2])
            path = urlsplit(failed[3] or message.location["url"]).path
            known = [(code, like) for code, like in self.expected if code == status and fnmatch(path, like)]
            for one in known:
                self.expected[one] += 1
            if known:
                return
        self.complaints.append(f"{message.text} at {message.location}")

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        missing = [
            f"{path} did not answer {code}" for (code, path), came in self.expected.items() if not came
        ]
        if self.cut:  # said before or after the browser's own words
            self.complaints = [said for said in self.complaints if not said.startswith("htmx:sendError")]
        assert not self.complaints + missing, self.complaints + missing


@pytest.fixture
def open_page(browser: Browser, live_panel: str) -> Iterator[Open]:
    opener = Open(browser, live_panel)
    yield opener
    opener.close()


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
