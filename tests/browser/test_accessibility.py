"""Every page of a customer or stranger (customer_pages.py) held against axe-core (WCAG 2.2 AA), light and dark, 390 and 1440 px wide.

One panel and one browser serve all pages. Also: nothing scrolls sideways from 320 px on, and nothing complains on the
console.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from playwright.sync_api import Page

from customers import site_settings
from customers.announcing import announce
from customers.api_keys import create_api_key
from customers.enrolling import enrol_totp
from customers.models import DepositRequest, User
from orders.mass_lines import read_lines
from orders.mass_placing import place_all
from orders.settlement import end_completed, end_partial, lock_order
from providers.models import RateChange, Service
from tests import world
from tests.browser.conftest import AXE, SECRET, Open, one_time_code, shot
from tests.browser.customer_pages import ALICE, HALFWAY, MIA, NOBODY, VISITS

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
BANK = {"name": "Bank transfer", "note": "1 to 2 working days", "instructions": "IBAN XX00", "minimum": "10"}


class Scenario:
    """Alice with orders in several states, a payment that waits, a key, a mass order; Mia with a second step; all of
    it on real pages. `made` fills the addresses of customer_pages, `sessions` says whose browser a page is in.
    """

    def __init__(self) -> None:
        site_settings.change(
            {"deposit_methods": [BANK, {**BANK, "name": "Card"}], "support_contact": "help@example.org"}
        )
        self.alice = world.customer(name="Alice Archer", balance="60")
        provider = world.provider()
        shop = world.service(world.offer(provider))
        comments = world.service(
            world.offer(
                provider, "2", service_type="custom comments", name="Captions by people", dripfeed=False
            )
        )
        RateChange.objects.filter(service=shop).update(at="2026-01-01T00:00Z")
        Service.objects.filter(pk=shop.pk).update(rate=Decimal("1.75"))
        links = [f"https://example.org/a-rather-long-path-of-a-page/{n}" for n in range(6)]
        orders = [world.order(self.alice, shop, link=link) for link in links]
        with transaction.atomic():
            end_completed(lock_order(orders[0].pk), 0, "Delivered", "provider")
            end_partial(lock_order(orders[1].pk), 250, "Ended early", "provider")
        token = uuid.uuid4()
        place_all(self.alice, read_lines(f"{shop.pk}|https://example.org/m|100"), token=token.hex)
        site_settings.change({"review_above": "0.01"})
        reviewed = world.order(self.alice, shop, link="https://example.org/reviewed")
        site_settings.change({"review_above": ""})
        announce(self.alice, site_settings.load().deposit_methods[0], Decimal("25"), "TX 1")
        key, _ = create_api_key(self.alice, "Shop")
        for session, agent in (("k" * 32, "Mozilla/5.0 (X11; Linux x86_64) " * 6), ("l" * 32, "curl/8")):
            store = SessionStore(session)
            store.save(must_create=True)
            UserSession.objects.create(user=self.alice, session_key=session, ip="192.0.2.7", user_agent=agent)
        self.lines = (
            f"{shop.pk} | https://example.org/x | 100\n{shop.pk} | https://example.org/x | 1\nnonsense"
        )
        nora = User.objects.create_user("nora@example.org", world.PASSWORD)
        unconfirmed = EmailAddress.objects.create(user=nora, email=nora.email, primary=True, verified=False)
        self.made = {
            "shop": shop.pk, "comments": comments.pk, "token": token, "key": key.pk, "reviewed": reviewed.pk,
            "ended": orders[0].pk, "partial": orders[1].pk, "pending": orders[5].pk,
            "confirmation": EmailConfirmationHMAC.create(unconfirmed).key,
            "uid": user_pk_to_url_str(self.alice),
        }  # fmt: skip
        mia = world.customer("mia@example.org", name="Mia Meyer")
        enrol_totp(mia, SECRET)
        RecoveryCodes.activate(mia)
        self.sessions = {
            ALICE: signed_in_by_password(self.alice),
            HALFWAY: signed_in_by_password(mia),
            MIA: signed_in_by_password(mia, one_time_code()),
            NOBODY: "",
        }
        self.alice.refresh_from_db()  # a link to a new password dies with the next sign-in
        self.made["reset"] = f"{self.made['uid']}-{default_token_generator.make_token(self.alice)}"


def signed_in_by_password(user: User, code: str = "") -> str:
    """A session as the sign-in forms make it: it knows how and when its owner showed who he is."""
    client = Client()
    client.post("/account/login/", {"login": user.email, "password": world.PASSWORD})
    if code:
        assert client.post("/account/2fa/authenticate/", {"code": code}).status_code == 302
    if "_auth_user_id" in client.session:
        client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@dataclass
class Eye:
    """One window in one theme that all pages are looked at in, and what was found."""

    open_page: Open
    page: Page
    width: int
    dark: bool
    found: list[str]

    def enter(self, session: str) -> None:
        self.open_page.enter(self.page.context, session)

    def look(self, name: str) -> None:
        """The page as it stands by all rules; on the desk also the contrast in the other theme, on the phone also 320 px."""
        page, where = self.page, f"{name} at {self.width} px, {'dark' if self.dark else 'light'}"
        page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true; })")
        self.found += [f"{where}: {fault}" for fault in faults(page)]
        self._turn()
        shot(page, f"{name_of(name)}-{self.width}-{'light' if self.dark else 'dark'}")
        if self.width != 390:
            self.found += [f"{where}, theme turned: {fault}" for fault in faults(page, "color-contrast")]
        self._turn()
        if self.width == 390:
            page.set_viewport_size({"width": 320, "height": 800})
            if (over := wider_than_its_window(page)) > 0:
                self.found.append(f"{name} at 320 px scrolls sideways by {over} px")
            page.set_viewport_size({"width": 390, "height": 900})

    def _turn(self) -> None:
        """The other theme of the same page, without asking for it again."""
        self.page.evaluate(
            "() => { const set = document.documentElement.dataset;"
            " set.bsTheme = set.bsTheme === 'dark' ? 'light' : 'dark'; }"
        )


def two_eyes(open_page: Open, path: str = "/help/", user: User | None = None) -> list[Eye]:
    """Light at a desk, dark on a phone."""
    found: list[str] = []
    eyes = []
    for dark, width in ((False, 1440), (True, 390)):
        page = open_page(path, user=user, width=width, dark=dark)
        page.emulate_media(reduced_motion="reduce")  # or a color is measured while it fades into the other
        eyes.append(Eye(open_page, page, width, dark, found))
    return eyes


def faults(page: Page, rule: str = "") -> list[str]:
    """What axe finds (by one rule, or by all of RULES), as `rule: first place`."""
    if not page.evaluate("!!window.axe"):
        page.evaluate((next(AXE.glob("axe-core-*")) / "axe.min.js").read_text())
    only = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": RULES}
    found: dict[str, Any] = page.evaluate(
        "only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", only
    )
    return [
        f"{fault['id']}: {fault['nodes'][0]['target']} {fault['nodes'][0]['html'][:150]}"
        for fault in found["violations"]
    ]


def wider_than_its_window(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def name_of(path: str) -> str:
    return path.strip("/").replace("/", "-").replace("?", "-") or "start"


@pytest.fixture
def scenario(transactional_db: None) -> Scenario:
    return Scenario()


def test_every_page_of_a_customer_or_stranger_has_no_fault(scenario: Scenario, open_page: Open) -> None:
    open_page.expects(404, "/no-such-page")
    open_page.expects(404, "/account/no-such-page")
    eyes = two_eyes(open_page, "/terms")
    present = NOBODY
    for visit in VISITS:
        path = visit.address.format(**scenario.made)
        for eye in eyes:
            if visit.who != present:
                eye.enter(scenario.sessions[visit.who])
            answer = eye.page.goto(path)
            assert answer and answer.status == visit.status, f"{path}: {answer and answer.status}"
            shown = urlsplit(eye.page.url).path
            assert shown == urlsplit(visit.lands.format(**scenario.made) or path).path, (
                f"{path} led to {shown}"
            )
            eye.look(f"{visit.who}{path}".replace(str(scenario.made["reset"]), "key"))
        present = visit.who
    assert not eyes[0].found, "\n".join(eyes[0].found)


def test_the_checked_mass_order_and_the_forms_with_errors_have_no_fault(
    scenario: Scenario, open_page: Open
) -> None:
    open_page.expects(422, "/wallet/")
    found: list[str] = []
    for dark, width in ((False, 1440), (True, 390)):
        page = open_page("/orders/mass", user=scenario.alice, width=width, dark=dark)
        page.get_by_label("Orders, one per line").fill(scenario.lines)
        page.get_by_role("button", name="Check and price").click()
        page.get_by_role("heading", name="2. Check").wait_for()
        shot(page, f"mass-checked-{width}")
        found += [f"mass order, checked, at {width} px: {fault}" for fault in faults(page)]
        page.goto("/wallet/")
        page.get_by_role("button", name="I have paid").click()
        page.get_by_text("fields need a change").wait_for()
        found += [f"wallet with errors at {width} px: {fault}" for fault in faults(page)]
        page.set_viewport_size({"width": 320, "height": 800})
        assert wider_than_its_window(page) <= 0
    assert not found, "\n".join(found)


def test_the_settings_of_the_site_have_no_fault(transactional_db: None, open_page: Open) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    adam = world.admin()
    enrol_totp(adam, SECRET)
    found: list[str] = []
    for dark, width in ((False, 1440), (True, 390)):
        page = open_page("/manage/settings", user=adam, width=width, dark=dark)
        shot(page, f"settings-{width}")
        found += [f"settings at {width} px: {fault}" for fault in faults(page)]
        page.set_viewport_size({"width": 320, "height": 800})
        assert wider_than_its_window(page) <= 0
    assert not found, "\n".join(found)


def test_a_page_that_refuses_has_no_fault(scenario: Scenario, open_page: Open) -> None:
    """What a customer or stranger meets when something is wrong: with him, with us, or with neither."""
    eyes = two_eyes(open_page, "/terms")
    for eye in eyes:
        eye.enter(scenario.sessions[ALICE])
    meet(eyes, 403, "/manage/")
    with out_of_order(DepositRequest):
        meet(eyes, 500, "/wallet/")
    for eye in eyes:
        eye.enter("")
    meet(eyes, 400, "/account/login/?" + "&" * settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    open_page.expects(403, "/account/login/")
    open_page.expects(429, "/account/login/")
    AccessAttempt.objects.create(
        username="locked@example.org",
        ip_address="127.0.0.1",
        failures_since_start=settings.AXES_FAILURE_LIMIT,
    )
    for eye in eyes:
        for heading, forget in (("This page is out of date", True), ("Too many attempts", False)):
            eye.page.goto("/account/login/")
            eye.page.get_by_label("E-mail").fill("locked@example.org")
            eye.page.get_by_label("Password", exact=True).fill(world.PASSWORD)
            if forget:
                eye.page.context.clear_cookies()
            eye.page.get_by_role("button", name="Sign in").click()
            eye.page.get_by_role("heading", name=heading).wait_for()
            eye.look(heading)
    site_settings.change({"signup_open": False})
    meet(eyes, 200, "/account/signup/", "New accounts are closed")
    site_settings.change({"maintenance": True, "maintenance_note": "New machines until 14:00."})
    meet(eyes, 503, "/orders/new", "Back in a few minutes")
    assert not eyes[0].found, "\n".join(eyes[0].found)


def meet(eyes: list[Eye], status: int, path: str, heading: str = "") -> None:
    if status >= 400:
        eyes[0].open_page.expects(status, urlsplit(path).path)
    for eye in eyes:
        answer = eye.page.goto(path)
        assert answer and answer.status == status, f"{path}: {answer and answer.status}"
        if heading:
            eye.page.get_by_role("heading", name=heading).wait_for()
        eye.look(f"{status} {path[:20]}")


@contextmanager
def out_of_order(model: type[Model]) -> Iterator[None]:
    """A fault on our side: one table is not there."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{table}" RENAME TO "{table}_gone"')
        try:
            yield
        finally:
            cursor.execute(f'ALTER TABLE "{table}_gone" RENAME TO "{table}"')


def test_a_brand_color_stays_readable(scenario: Scenario, open_page: Open) -> None:
    site_settings.change({"brand_color": "#ffd400", "site_name": "North Pier"})
    found: list[str] = []
    for dark in (False, True):
        page = open_page("/orders/new", user=scenario.alice, dark=dark)
        shot(page, f"brand-{'dark' if dark else 'light'}")
        found += faults(page)
    assert not found, "\n".join(found)
