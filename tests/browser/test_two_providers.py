"""Two providers of different dialects and currencies in a browser: connected, graded, read, put on sale and sold from;
then a price jump, a service that vanishes and an empty list, each seen on the pages doing the right thing."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from playwright.sync_api import Page, expect
from pytest_httpserver import HTTPServer

from customers.enrolling import enrol_totp
from customers.models import User
from orders.models import Order
from orders.status_lane import status_lane
from orders.submission import submit_lane
from providers.models import MarkupRule, Provider, Service
from tests import world
from tests.browser.conftest import SECRET, Open, shot
from tests.browser.test_the_whole_job import place, status
from tests.orders.test_two_dialects import KEY, Enveloped
from tests.providers.shop import service_of
from tests.sandbox import Sandbox


@pytest.fixture
def adam() -> User:
    adam = world.admin()
    enrol_totp(adam, SECRET)
    return adam


def test_two_providers_from_connecting_to_an_empty_list(
    transactional_db: None,
    start_sandbox: Callable[..., Sandbox],
    httpserver: HTTPServer,
    settings: Any,
    adam: User,
    request: Any,
) -> None:
    sandbox, theirs = start_sandbox(speed=0), Enveloped(httpserver)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin, theirs.origin})
    settings.STATUS_CONFIRM_SECONDS = 0
    open_page: Open = request.getfixturevalue("open_page")  # the web process starts with these settings
    page = open_page("/manage/providers", user=adam)
    look = Look(open_page, adam)

    plain = connect(page, "Plain", sandbox.url, sandbox.key, "USD")
    wrapped = connect(page, "Wrapped", theirs.url, KEY, "EUR", proposed="adapter = success_envelopes")
    look(f"/manage/providers/{wrapped.pk}", "provider-new")
    assert (plain.adapter, wrapped.adapter) == ("standard", "success_envelopes")
    page.goto(f"/manage/providers/{wrapped.pk}")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#found")).to_contain_text("The connection works.")
    expect(page.locator("#found")).to_contain_text("€250.00")
    shot(page, "provider-tested-1440")

    page.goto("/manage/markup/add")
    page.get_by_label("Applies to").select_option("everything")
    page.get_by_label("Markup, %").fill("100")
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator("#messages")).to_contain_text("Rule saved.")
    assert MarkupRule.objects.get().percent == 100

    for provider in (plain, wrapped):
        read_list(page, provider)
    expect(page.locator("#messages")).to_contain_text("3 new")
    publish(page, wrapped, "Place 1", "Place 2", "Place 3")
    expect(page.locator("#messages")).to_contain_text("no exchange rate for EUR")
    page.goto("/manage/rates?currency=EUR")
    page.get_by_label("Currency").fill("EUR")
    page.get_by_label("Rate").fill("1.25")
    expect(page.locator("#preview")).to_contain_text("No service on sale is touched")
    page.get_by_role("button", name=re.compile("Set|Save|Add")).first.click()
    publish(page, wrapped, "Place 1", "Place 2", "Place 3")
    expect(page.locator("#messages")).to_contain_text("3 services are on sale.")
    video = next(row for row in sandbox.ask("services") if row["name"].startswith("Video pre-roll"))
    publish(page, plain, video["name"])
    expect(page.locator("#messages")).to_contain_text("1 service is on sale.")
    place_1, views = service_of(wrapped, 1), service_of(plain, video["service"])
    assert (place_1.cost_rate, place_1.rate) == (Decimal("1.00"), Decimal("2.00"))

    sold(open_page, {place_1: 100, views: 1000}, sandbox)
    look(f"/manage/providers/{wrapped.pk}", "provider-selling")

    a_price_jump(page, look, theirs, wrapped)
    a_vanished_service(page, theirs, wrapped)
    an_empty_list(page, look, theirs, wrapped)
    world.sane()


class Look:
    """Pictures of a page at both widths in both colour schemes, where SHOTS asks for pictures."""

    def __init__(self, open_page: Open, user: User) -> None:
        self.open_page, self.user = open_page, user

    def __call__(self, path: str, name: str) -> None:
        if not os.environ.get("SHOTS"):
            return
        for width, dark in ((1440, False), (390, False), (1440, True), (390, True)):
            page = self.open_page(path, user=self.user, width=width, dark=dark)
            shot(page, f"{name}-{width}{'-dark' if dark else ''}")
            page.close()


# ── connecting, reading, publishing ─────────────────────────────────────────────────────────────────


def connect(page: Page, name: str, url: str, key: str, currency: str, proposed: str = "") -> Provider:
    """Fill in the form, test before adding, take what is proposed, add."""
    page.goto("/manage/providers/add")
    page.get_by_label("Name").fill(name)
    page.get_by_label("API address").fill(url)
    page.get_by_label("API key").fill(key)
    page.get_by_label("Currency").fill(currency)
    page.get_by_role("button", name="Test connection").click()
    found = page.locator("#found")
    expect(found).to_contain_text(re.compile("The connection works|Status|Services"))
    if proposed:
        expect(found.get_by_label(proposed)).to_be_checked()
        shot(page, "provider-add-proposal-1440")
    else:
        expect(found).to_contain_text("The connection works.")
    assert not Provider.objects.filter(name=name).exists(), "testing saves nothing"
    page.get_by_role("button", name="Add provider").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    return Provider.objects.get(name=name)


def read_list(page: Page, provider: Provider) -> None:
    page.goto(f"/manage/providers/{provider.pk}")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#messages")).to_contain_text("this page read the catalog itself")


def publish(page: Page, provider: Provider, *names: str) -> None:
    page.goto(f"/manage/providers/{provider.pk}/offers")
    for name in names:
        page.get_by_label(f"Select {name}", exact=True).check()
    page.get_by_role("button", name=re.compile("^Publish selected")).last.click()


# ── selling ─────────────────────────────────────────────────────────────────────────────────────────


def sold(open_page: Open, wanted: dict[Service, int], sandbox: Sandbox) -> None:
    """A customer orders each in the form, the lanes send and follow them, and his page says Completed."""
    alice = world.customer(balance="1000")
    page = open_page("/orders/new", user=alice)
    numbers = [
        place(page, service, f"https://example.org/{service.pk}", quantity)
        for service, quantity in wanted.items()
    ]
    for provider in Provider.objects.all():
        assert submit_lane(provider.pk).accepted == 1
    sandbox.control(advance=600)
    for provider in Provider.objects.all():
        status_lane(provider.pk, force=True)
    for number in numbers:
        page.goto(f"/orders/{number}")
        expect(status(page, "Completed")).to_be_visible()
    assert set(Order.objects.values_list("status", flat=True)) == {"Completed"}


# ── what must not fool the panel ────────────────────────────────────────────────────────────────────


def a_price_jump(page: Page, look: Look, theirs: Enveloped, wrapped: Provider) -> None:
    """Doubled: off sale until an admin has seen the effect and accepts."""
    theirs.rates["1"] = "1.60"
    read_list(page, wrapped)
    changes = page.locator("#changes")
    expect(changes).to_contain_text("+100.0%")
    expect(changes).to_contain_text("1 change would touch 1 service on sale")
    expect(changes).to_contain_text("the profit would have been 0.10 USD higher")
    look(f"/manage/providers/{wrapped.pk}", "provider-price-jump")
    look("/manage/catalog", "catalog-price-jump")
    service = service_of(wrapped, 1)
    page.goto(f"/manage/services/{service.pk}")
    expect(page.get_by_text("The price rose from 0.8 to 1.6").first).to_be_visible()
    look(f"/manage/services/{service.pk}", "service-off-sale")
    page.goto("/manage/catalog")
    changes.get_by_role("checkbox", name="Select Place 1").uncheck()
    expect(changes).to_contain_text("nothing is selected")
    changes.get_by_label("Decision on Place 1").select_option("Accept")
    expect(changes).to_contain_text("1 change would touch 1 service on sale")
    changes.get_by_role("button", name="Only decisions in rows").click()
    expect(page.locator("#messages")).to_contain_text("1 change accepted")
    service.refresh_from_db()
    assert (service.off_sale, service.rate) == ("", Decimal("4.00"))
    page.goto(f"/manage/services/{service.pk}")
    page.get_by_label("Pinned price").fill("1.00")
    expect(page.locator("#preview")).to_contain_text("That is below cost.")
    page.goto(f"/manage/providers/{wrapped.pk}")
    expect(page.get_by_role("button", name="Undo").first).to_be_visible()


def a_vanished_service(page: Page, theirs: Enveloped, wrapped: Provider) -> None:
    """Once missing is not gone; in two lists ten minutes apart it goes off sale."""
    theirs.rates |= {str(number): "1.00" for number in range(10, 40)}
    read_list(page, wrapped)
    del theirs.rates["3"]
    read_list(page, wrapped)
    gone = service_of(wrapped, 3)
    page.goto(f"/manage/services/{gone.pk}")
    expect(page.get_by_text("on sale", exact=False).first).to_be_visible()
    assert gone.off_sale == ""
    read_list(page, wrapped)
    gone.refresh_from_db()
    assert gone.off_sale == "", "two lists a moment apart are one"
    eleven_minutes_pass(wrapped)
    read_list(page, wrapped)
    expect(page.locator("#messages")).to_contain_text("1 applied")
    page.goto("/manage/services?state=off")
    row = page.locator(f"#service-{gone.pk}")
    expect(row).to_contain_text("The provider no longer lists it.")


def eleven_minutes_pass(provider: Provider) -> None:
    """What the web process, whose clock a test does not set, wrote down at the earlier readings is older now."""
    earlier = timedelta(minutes=11)
    provider.offers.filter(missing_since__isnull=False).update(missing_since=F("missing_since") - earlier)
    provider.changes.update(found_at=F("found_at") - earlier)
    Provider.objects.filter(pk=provider.pk).update(last_catalog_at=F("last_catalog_at") - earlier)


def an_empty_list(page: Page, look: Look, theirs: Enveloped, wrapped: Provider) -> None:
    """Nothing is believed, nothing goes off sale, and an admin is told."""
    on_sale = set(Service.objects.filter(published=True, off_sale="").values_list("pk", flat=True))
    theirs.rates.clear()
    read_list(page, wrapped)
    expect(page.locator("#messages")).to_contain_text("empty")
    assert set(Service.objects.filter(published=True, off_sale="").values_list("pk", flat=True)) == on_sale
    page.goto("/manage/alerts")
    expect(page.get_by_role("main")).to_contain_text(re.compile("Wrapped.*empty", re.DOTALL))
    look("/manage/alerts", "alerts-empty-list")
    look("/manage/providers", "providers-list")
