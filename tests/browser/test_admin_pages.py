"""The admins' pages in a real browser: readable for everybody at every width, and the preview follows the typing."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from customers import site_settings
from customers.enrolling import enrol_totp
from customers.models import DepositRequest, PriceGroup, User
from providers.alerts import raise_alert
from providers.denying import deny, hold_denied
from providers.models import (
    BalanceReading,
    CatalogChange,
    Lane,
    MarkupRule,
    Offer,
    Provider,
    ProviderHour,
    Service,
)
from providers.special_rates import set_special_rate
from providers.telling import plan, tell_due
from tests import staff_world, world
from tests.browser.conftest import SECRET, Open
from tests.browser.looking import look_at, named


@pytest.fixture
def adam() -> User:
    adam = world.admin()
    enrol_totp(adam, SECRET)
    return adam


@pytest.fixture
def service() -> Service:
    return priced()


def priced() -> Service:
    MarkupRule.objects.create(scope="everything", percent=Decimal(100))
    return world.service(world.offer(world.provider()))


@pytest.fixture
def pages(service: Service) -> list[str]:
    return admin_pages(service)


def admin_pages(service: Service) -> list[str]:
    """Every page, with something on it."""
    alice, provider = world.customer(balance="1000"), Provider.objects.get()
    staff_world.accepted(world.order(alice, service, "https://example.org/1"))
    staff_world.doubtful(world.order(alice, service, "https://example.org/2"))
    offer = service.routes.get().offer
    CatalogChange.objects.create(
        provider=provider, external_id="1", offer=offer, kind="price", beyond_limits=True,
        before={"rate": "1.00000000"}, after={"rate": "1.50000000"},
    )  # fmt: skip
    world.offer(provider, "2", name="Not on sale yet")
    DepositRequest.objects.create(user=alice, method="bank", amount=5, reference="REF-1")
    group = PriceGroup.objects.create(name="Agencies", note="Yearly contracts")
    MarkupRule.objects.create(scope="everything", percent=Decimal(60), price_group=group)
    User.objects.filter(pk=alice.pk).update(price_group=group)
    set_special_rate(alice, service, rate=Decimal("0.75"), note="Since 2024")
    deny("word", "casino", "No gambling here")
    deny("category", "betting", "No gambling here", until=timezone.now().date() + timedelta(days=30))
    Offer.objects.filter(external_id="2").update(name="Casino banners")
    hold_denied()
    world.offer(provider, "3", name="Guided tours", type_raw="Guided Seats", service_type="")
    world.offer(provider, "4", name="No type", type_raw="", service_type="")
    vital_signs(provider)
    raise_alert("word:1:x", "A word we do not know", provider_id=provider.pk)
    site_settings.change(
        {"notice_emails": "ops@example.org", "hook_address": "https://10.0.0.1/x", "hook_secret": "s" * 16}
    )
    plan()
    tell_due()
    raise_alert("word:1:y", "Another word, which nobody was told of yet")
    rule = MarkupRule.objects.get(price_group=None)
    return [
        "/manage/", "/manage/?period=30", "/manage/providers", "/manage/providers/add",
        f"/manage/providers/{provider.pk}", f"/manage/providers/{provider.pk}/connection",
        f"/manage/providers/{provider.pk}/offers", "/manage/catalog", "/manage/services",
        f"/manage/services/{service.pk}", "/manage/markup", f"/manage/markup/{rule.pk}", "/manage/markup/add",
        "/manage/rates", "/manage/alerts", "/manage/settings", "/manage/money", "/manage/money/ledger", "/manage/money/check",
        "/manage/team", "/manage/audit", "/manage/prices", f"/manage/prices/{group.pk}",
        f"/manage/prices/customer/{alice.pk}", "/manage/deny-list", f"/manage/providers/{provider.pk}/key",
        f"/manage/services/{service.pk}?offer=display", f"/staff/customers/{alice.pk}",
    ]  # fmt: skip


def vital_signs(provider: Provider) -> None:
    """A day of calls and a week of balances."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for back in range(20):
        ProviderHour.objects.create(
            provider=provider, hour=hour - timedelta(hours=back), kind=Lane.Kind.STATUS,
            calls=60 + back * 7 % 40, errors=back % 4, total_ms=(300 + back * 11) * 60,
        )  # fmt: skip
    for back in range(7):
        BalanceReading.objects.create(
            provider=provider,
            at=timezone.now() - timedelta(days=back),
            amount=40 * (back + 1),
            currency="USD",
        )
    Provider.objects.filter(pk=provider.pk).update(balance=Decimal(40), balance_at=timezone.now())


def test_nothing_is_out_of_reach(open_page: Open, adam: User, pages: list[str]) -> None:
    found = look_at(open_page, adam, named(pages))
    assert not found, "\n".join(found)


def test_the_preview_follows_the_typing_and_saves_nothing(
    open_page: Open, adam: User, service: Service
) -> None:
    rule = MarkupRule.objects.get()
    page = open_page(f"/manage/markup/{rule.pk}", user=adam)
    preview = page.locator("#preview")
    expect(preview).to_contain_text("50.0% → 50.0%")
    page.get_by_label("Markup, %").fill("300")
    expect(preview).to_contain_text("50.0% → 75.0%")
    page.get_by_label("Markup, %").fill("")
    expect(preview).to_contain_text("This field is required.")
    rule.refresh_from_db()
    assert rule.percent == 100
    page.get_by_label("Markup, %").fill("300")
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator("#messages")).to_contain_text("Rule saved.")
    service.refresh_from_db()
    assert service.rate == Decimal("4.00")


def test_sending_is_stopped_in_a_dialog_that_asks_why(open_page: Open, adam: User) -> None:
    page: Page = open_page("/manage/", user=adam)
    page.get_by_role("link", name="Stop sending").click()
    dialog = page.locator("#pause-dispatch")
    expect(dialog.get_by_role("button", name="Go on sending")).to_be_focused()
    dialog.get_by_label("Why").fill("Wrong prices")
    dialog.get_by_role("button", name="Stop sending").click()
    expect(page.get_by_role("heading", name="Sending is stopped")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("#messages")).to_contain_text("Sending goes on.")


def test_the_kill_switch_and_the_rule_work_without_script(
    open_page: Open, adam: User, service: Service
) -> None:
    page = open_page("/manage/markup/add", user=adam, script=False)
    page.get_by_label("Applies to").select_option("category")
    page.get_by_label("Category").select_option(label="Display")
    page.get_by_label("Markup, %").fill("200")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("50.0% → 66.7%")
    page.get_by_role("button", name="Save rule").click()
    assert MarkupRule.objects.filter(scope="category", percent=200).exists()
