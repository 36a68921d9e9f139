"""Every page of a customer or stranger (customer_pages.py) held against the bars of looking.py; what is found on pages in
the midst of something is in test_states.py.

One panel and one window serve all pages, and nothing complains on the console.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
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
from tests.browser.conftest import SECRET, Open, one_time_code
from tests.browser.customer_pages import ALICE, HALFWAY, MIA, NOBODY, VISITS
from tests.browser.looking import Looker

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


def name_of(path: str) -> str:
    return path.strip("/").replace("/", "-").replace("?", "-") or "start"


@pytest.fixture
def scenario(transactional_db: None) -> Scenario:
    return Scenario()


def test_every_page_of_a_customer_or_stranger_has_no_fault(scenario: Scenario, open_page: Open) -> None:
    open_page.expects(404, "/no-such-page")
    open_page.expects(404, "/account/no-such-page")
    looker = Looker(open_page("/terms"))
    present = NOBODY
    for visit in VISITS:
        path = visit.address.format(**scenario.made)
        if visit.who != present:
            open_page.enter(looker.page.context, scenario.sessions[visit.who])
        present = visit.who
        answer = looker.visit(name_of(f"{visit.who}{path}".replace(str(scenario.made["reset"]), "key")), path)
        assert answer and answer.status == visit.status, f"{path}: {answer and answer.status}"
        shown = urlsplit(looker.page.url).path
        assert shown == urlsplit(visit.lands.format(**scenario.made) or path).path, f"{path} led to {shown}"
    looker.assert_nothing_found()


def test_the_settings_of_the_site_have_no_fault(transactional_db: None, open_page: Open) -> None:
    site_settings.change({"deposit_methods": [BANK]})
    adam = world.admin()
    enrol_totp(adam, SECRET)
    looker = Looker(open_page("/terms", user=adam))
    looker.visit("settings", "/manage/settings")
    looker.assert_nothing_found()


def test_a_page_that_refuses_has_no_fault(scenario: Scenario, open_page: Open) -> None:
    """What a customer or stranger meets when something is wrong: with him, with us, or with neither."""
    looker = Looker(open_page("/terms"))
    page = looker.page
    open_page.enter(page.context, scenario.sessions[ALICE])

    def meet(status: int, path: str, heading: str = "") -> None:
        if status >= 400:
            open_page.expects(status, urlsplit(path).path)
        answer = looker.visit(name_of(f"{status} {path[:20]}"), path)
        assert answer and answer.status == status, f"{path}: {answer and answer.status}"
        if heading:
            page.get_by_role("heading", name=heading).wait_for()

    meet(403, "/manage/")
    with out_of_order(DepositRequest):
        meet(500, "/wallet/")
    open_page.enter(page.context, "")
    meet(400, "/account/login/?" + "&" * settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    open_page.expects(403, "/account/login/")
    open_page.expects(429, "/account/login/")
    AccessAttempt.objects.create(
        username="locked@example.org",
        ip_address="127.0.0.1",
        failures_since_start=settings.AXES_FAILURE_LIMIT,
    )
    for heading, forget in (("This page is out of date", True), ("Too many attempts", False)):
        page.goto("/account/login/")
        page.get_by_label("E-mail").fill("locked@example.org")
        page.get_by_label("Password", exact=True).fill(world.PASSWORD)
        if forget:
            page.context.clear_cookies()
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name=heading).wait_for()
        looker.look(heading)
    site_settings.change({"signup_open": False})
    meet(200, "/account/signup/", "New accounts are closed")
    site_settings.change({"maintenance": True, "maintenance_note": "New machines until 14:00."})
    meet(503, "/orders/new", "Back in a few minutes")
    looker.assert_nothing_found()


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
    looker = Looker(open_page("/terms", user=scenario.alice))
    looker.visit("brand", "/orders/new")
    looker.assert_nothing_found()
