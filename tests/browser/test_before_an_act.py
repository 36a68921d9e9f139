"""Acts on prices that ask before they are done: the question is within reach, and a second press does it."""

import re
from collections.abc import Callable
from decimal import Decimal

from playwright.sync_api import Page, expect

from customers.models import PriceGroup, User
from providers.currency_doubt import doubt_currency
from providers.deciding import accept_changes
from providers.models import (
    BalanceReading,
    CatalogChange,
    Denial,
    MarkupRule,
    Offer,
    Provider,
    Service,
    SpecialRate,
)
from providers.repricing import reprice_provider
from providers.service_editing import change_service
from tests import staff_world, world
from tests.browser.conftest import Open
from tests.browser.looking import Looker
from tests.browser.test_admin_pages import priced


def press(page: Page, name: str, *, of: str = "") -> None:
    """`of`: what the button says to screen readers only."""
    words = re.compile(rf"^{name} ?: {of}$") if of else re.compile(f"^{name}$")
    page.get_by_role("button", name=words).first.click()
    expect(page.locator("#before")).to_be_visible()


def test_what_an_act_would_do_is_within_reach_and_it_is_done_with_a_second_press(
    transactional_db: None, open_page: Open
) -> None:
    service, adam, alice = priced(), world.admin(), world.customer()
    staff_world.signed_in(adam)  # enrols the second factor
    provider = Provider.objects.get()
    for number in range(2, 6):
        offer = world.offer(provider, str(number), name=f"Banners of a rather long name, place {number}")
        world.service(offer)
    world.offer(provider, "9", name="Guided tours", type_raw="Guided Seats", service_type="")
    group = PriceGroup.objects.create(name="Agencies")
    MarkupRule.objects.create(scope="everything", percent=Decimal(30), price_group=group)
    world.order(alice, service)
    change_service(service, {"pinned_rate": Decimal("2.20"), "pinned_reason": "Contract of May"}, by=adam)
    looker = Looker(open_page("/help/", user=adam))
    page = looker.page

    def asks(name: str, path: str, press_it: Callable[[], None]) -> None:
        page.goto(path)
        press_it()
        looker.look(f"before-{name}")

    looker.visit("before-nothing-pinned", f"/manage/services/{service.pk}")

    def a_rate() -> None:
        page.get_by_label("Service number").fill(str(service.pk))
        page.get_by_label("Price", exact=True).fill("1.50")
        press(page, "Save rate")

    prices = f"/manage/prices/customer/{alice.pk}"
    asks("special-rate", prices, a_rate)
    page.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("Saved for new orders")).to_be_visible()
    assert SpecialRate.objects.get(user=alice).rate == Decimal("1.50")

    def a_list() -> None:
        page.get_by_label("Price list").select_option(label="Agencies")
        press(page, "Set price list")

    asks("price-list", f"/staff/customers/{alice.pk}", a_list)
    page.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("The price list is set")).to_be_visible()
    assert User.objects.get(pk=alice.pk).price_group == group

    def a_word() -> None:
        page.get_by_label("What is denied").fill("Banners")
        page.get_by_label("Reason").fill("No banners here")
        press(page, "Deny it")

    asks("deny", "/manage/deny-list", a_word)
    page.locator("#before").get_by_role("button", name="Deny it").click()
    expect(page.get_by_text("is on the list.").first).to_be_visible()
    assert Offer.objects.exclude(on_hold="").count() == 4
    asks("allow", "/manage/deny-list", lambda: press(page, "Remove", of="banners"))
    page.get_by_role("button", name="Take it off").click()
    expect(page.get_by_text("is off the list.").first).to_be_visible()
    assert not Denial.objects.exists()

    asks("unpublish", f"/manage/services/{service.pk}", lambda: press(page, "Unpublish"))
    page.get_by_role("button", name="Take off").click()
    expect(page.get_by_text("1 service is off the list.")).to_be_visible()
    assert not Service.objects.get(pk=service.pk).published

    def some() -> None:
        page.get_by_label("Select all shown").check()
        press(page, "Publish")

    asks("publish", "/manage/services?state=unpublished", some)
    page.get_by_role("button", name="Put on the list").click()
    expect(page.get_by_text("1 service is on sale.")).to_be_visible()

    def a_type() -> None:
        page.get_by_label("What Guided Seats means").select_option(label="Default")
        press(page, "Save", of="Guided Seats")

    asks("type", f"/manage/providers/{provider.pk}", a_type)
    page.get_by_role("button", name="Say so").click()
    expect(page.get_by_text("1 service mapped as Default.")).to_be_visible()

    def a_currency() -> None:
        page.get_by_label("Currency", exact=True).fill("CHF")
        press(page, "Save")

    asks("currency", f"/manage/providers/{provider.pk}/connection", a_currency)
    page.get_by_role("button", name="Save with CHF").click()
    expect(page.get_by_text("Saved. Test the connection to be sure.")).to_be_visible()
    assert set(Service.objects.values_list("off_sale", flat=True)) == {"There is no exchange rate for CHF."}
    looker.assert_nothing_found()


def test_what_an_undo_or_the_end_of_a_provider_would_do_is_asked_too(
    transactional_db: None, open_page: Open
) -> None:
    service, adam, alice = priced(), world.admin(), world.customer()
    staff_world.signed_in(adam)
    provider = Provider.objects.get()
    CatalogChange.objects.create(
        provider=provider, external_id="1", offer=Offer.objects.get(), kind="price", beyond_limits=True,
        before={"rate": "1.00000000"}, after={"rate": "1.50000000"},
    )  # fmt: skip
    accept_changes(provider, by=adam)
    reprice_provider(provider.pk)
    staff_world.accepted(world.order(alice, service))  # one that waits to be sent would be in the way
    looker = Looker(open_page("/help/", user=adam))
    page, home = looker.page, f"/manage/providers/{provider.pk}"

    page.goto("/manage/catalog")
    press(page, "Undo", of="")
    looker.look("before-undo")
    page.locator("#before").get_by_role("button").first.click()
    expect(page.get_by_text("was undone; prices follow.")).to_be_visible()

    BalanceReading.objects.create(provider=provider, amount=5, currency="EUR")
    doubt_currency(provider)
    looker.visit("provider-currency-in-doubt", home)
    expect(page.get_by_text("Its balance came in EUR. Set EUR under Connection")).to_be_visible()
    page.get_by_role("button", name=re.compile("USD")).first.click()
    expect(page.locator("#messages .note.ok")).to_be_visible()

    page.goto(home)
    press(page, "Archive this provider")
    looker.look("before-archive")
    page.locator("#before").get_by_role("button").first.click()
    expect(page.get_by_text("is archived. Nothing is sent to it")).to_be_visible()
    looker.look("provider-archived")
    looker.assert_nothing_found()
