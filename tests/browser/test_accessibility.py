"""Every page of a customer held against axe-core (WCAG 2.2 AA), light and dark, 390 and 1440 px wide.

One panel and one browser serve all pages. Also: nothing scrolls sideways from 320 px on, nothing complains on the
console, and what a first and a later visit weigh.
"""

import gzip
import uuid
from decimal import Decimal
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from playwright.sync_api import Page

from customers import site_settings
from customers.announcing import announce
from customers.api_keys import create_api_key
from customers.enrolling import enrol_totp
from orders.mass_lines import read_lines
from orders.mass_placing import place_all
from orders.settlement import end_completed, end_partial, lock_order
from providers.models import RateChange, Service
from tests import world
from tests.browser.conftest import AXE, SECRET, Open, shot

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FIRST_VISIT, LATER_PAGE = 140_000, 15_000  # bytes as sent, compressed
BANK = {"name": "Bank transfer", "note": "1 to 2 working days", "instructions": "IBAN XX00", "minimum": "10"}
FOR_ANYBODY = ["/account/login/", "/account/signup/", "/account/password/reset/", "/acceptable-use", "/terms"]


class Scenario:
    """Alice with orders in several states, a payment that waits, a key, a mass order; all of it on real pages."""

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
        create_api_key(self.alice, "Shop")
        for key, agent in (("k" * 32, "Mozilla/5.0 (X11; Linux x86_64) " * 6), ("l" * 32, "curl/8")):
            store = SessionStore(key)
            store.save(must_create=True)
            UserSession.objects.create(user=self.alice, session_key=key, ip="192.0.2.7", user_agent=agent)
        self.lines = (
            f"{shop.pk} | https://example.org/x | 100\n{shop.pk} | https://example.org/x | 1\nnonsense"
        )
        self.pages = [
            "/", "/orders/new", f"/orders/new?service={shop.pk}", f"/orders/new?service={comments.pk}", "/orders/",
            "/orders/?q=nothing-like-it", f"/orders/{orders[1].pk}", f"/orders/{orders[5].pk}",
            f"/orders/{reviewed.pk}",
            f"/orders/{orders[0].pk}/refill", "/orders/mass", f"/orders/mass/{token}", "/services/", "/wallet/",
            "/services/?changed=1", f"/services/{shop.pk}/report",
            "/api", "/account/", "/account/email/", "/account/password/change/", "/account/2fa/",
            "/account/2fa/totp/activate/", "/account/sessions/", "/account/notices", "/account/data", "/help/",
            "/account/terms", "/no-such-page",
        ]  # fmt: skip


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


def test_a_customers_pages_have_no_fault_in_light_and_dark_on_phone_and_desk(
    scenario: Scenario, open_page: Open
) -> None:
    found: list[str] = []
    views = [
        (dark, width, open_page("/help/", user=scenario.alice, width=width, dark=dark))
        for dark, width in ((False, 1440), (True, 390))
    ]
    for _, _, page in views:
        page.emulate_media(reduced_motion="reduce")  # or a color is measured while it fades into the other
    for path in scenario.pages:
        for dark, width, page in views:
            page.goto(path)
            page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true; })")
            where = f"{path} at {width} px, {'dark' if dark else 'light'}"
            found += [f"{where}: {fault}" for fault in faults(page)]
            # The other theme and width of the same page, without asking for it again.
            page.evaluate(
                "theme => document.documentElement.dataset.bsTheme = theme", "light" if dark else "dark"
            )
            shot(page, f"{name_of(path)}-{width}-{'light' if dark else 'dark'}")
            found += [f"{where}, theme turned: {fault}" for fault in faults(page, "color-contrast")]
            if width == 390:
                page.set_viewport_size({"width": 320, "height": 800})
                if (over := wider_than_its_window(page)) > 0:
                    found.append(f"{path} at 320 px scrolls sideways by {over} px")
                page.set_viewport_size({"width": 390, "height": 900})
    assert not found, "\n".join(found)


def test_the_checked_mass_order_and_the_forms_with_errors_have_no_fault(
    scenario: Scenario, open_page: Open
) -> None:
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


def test_pages_for_anybody_have_no_fault(transactional_db: None, open_page: Open) -> None:
    found: list[str] = []
    for dark, width in ((False, 1440), (True, 390)):
        page = open_page(FOR_ANYBODY[0], width=width, dark=dark)
        for path in FOR_ANYBODY:
            page.goto(path)
            shot(page, f"{name_of(path)}-{width}")
            found += [f"{path} at {width} px: {fault}" for fault in faults(page)]
            page.set_viewport_size({"width": 320, "height": 800})
            if wider_than_its_window(page) > 0:
                found.append(f"{path} at 320 px scrolls sideways")
            page.set_viewport_size({"width": width, "height": 900})
    assert not found, "\n".join(found)


def test_a_brand_color_stays_readable(scenario: Scenario, open_page: Open) -> None:
    site_settings.change({"brand_color": "#ffd400", "site_name": "North Pier"})
    found: list[str] = []
    for dark in (False, True):
        page = open_page("/orders/new", user=scenario.alice, dark=dark)
        shot(page, f"brand-{'dark' if dark else 'light'}")
        found += faults(page)
    assert not found, "\n".join(found)


def test_a_first_visit_and_a_later_page_stay_light(scenario: Scenario, open_page: Open) -> None:
    """As sent where files are compressed once (a server's whitenoise or proxy): text gzipped, the font as it is."""
    sizes: dict[str, int] = {}
    page = open_page("/help/", user=scenario.alice)
    fresh = page.context.new_page()

    def weigh(response: Any) -> None:
        body = response.body() if response.ok else b""
        packed = body if response.url.endswith(".woff2") else gzip.compress(body, 9)
        sizes[response.url.partition("?")[0]] = len(packed)

    fresh.on("response", weigh)
    fresh.goto("/orders/", wait_until="networkidle")
    assert sum(sizes.values()) <= FIRST_VISIT, sizes
    for path in ("/", "/orders/", "/orders/new", "/services/", "/wallet/", "/orders/mass"):
        html = page.request.get(path).body()
        assert len(gzip.compress(html, 9)) <= LATER_PAGE, path
