"""On a provider's page: taking what the test proposes, mapping types, replacing the key, and how it does."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import AuditEntry
from orders.models import Order, Submission, SubmissionAttempt
from providers import breaker
from providers.adapters import REGISTRY
from providers.catalog import sync_catalog
from providers.manage_forms import SPEAKS
from providers.models import BalanceReading, ExchangeRate, Lane, Offer, Provider, ProviderHour, Service
from providers.publishing import publish
from tests import staff_world, world
from tests.providers.shop import KEY, Upstream, connected, everything_at
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


def page_of(browser: Client, provider: Provider) -> str:
    return text_of(browser.get(f"/manage/providers/{provider.pk}"))


# ── proposals ───────────────────────────────────────────────────────────────────────────────────────


def test_what_the_test_proposes_is_taken_with_one_button(browser: Client, shop: Upstream) -> None:
    shop.list(1)
    shop.answers["status"] = shop.json({"error": "Incorrect order ID"})
    provider = connected(shop)
    part = browser.post(f"/manage/providers/{provider.pk}/test", headers={"HX-Request": "true"})
    shown = re.findall(r'name="take" value="([^"]+)"', part.content.decode())
    assert shown == ["batch_size=1", "single_status=True"]
    answer = browser.post(f"/manage/providers/{provider.pk}/take", {"take": shown}, follow=True)
    assert "Set: batch_size = 1, single_status = True." in text_of(answer)
    provider.refresh_from_db()
    assert provider.options == {"batch_size": 1, "single_status": True}
    assert AuditEntry.objects.filter(verb="provider.connection").exists()
    again = browser.post(f"/manage/providers/{provider.pk}/test", headers={"HX-Request": "true"})
    assert 'name="take"' not in again.content.decode()


def test_a_dialect_is_taken_and_what_only_the_earlier_one_knew_is_left_behind(
    browser: Client, shop: Upstream
) -> None:
    provider = connected(shop, batch_size=50)
    browser.post(f"/manage/providers/{provider.pk}/take", {"take": ["adapter=lists_with_ids"]})
    provider.refresh_from_db()
    assert (provider.adapter, provider.options) == ("lists_with_ids", {"batch_size": 50})


def test_taking_options_keeps_the_others_and_refuses_what_is_none(browser: Client, shop: Upstream) -> None:
    provider = connected(shop, concurrency=3)
    take = f"/manage/providers/{provider.pk}/take"
    browser.post(take, {"take": ["batch_size=1", "single_status=True"]}, follow=True)
    provider.refresh_from_db()
    assert provider.options == {"concurrency": 3, "batch_size": 1, "single_status": True}
    for wrong in ("batch_size=many", "colour=blue", "adapter=none", "batch_size"):
        answer = browser.post(take, {"take": [wrong]}, follow=True)
        assert "Test the connection again" not in text_of(answer)
    assert "Nothing was selected." in text_of(browser.post(take, follow=True))
    provider.refresh_from_db()
    assert provider.options == {"concurrency": 3, "batch_size": 1, "single_status": True}


def test_proposals_ticked_before_adding_are_set_with_the_new_provider(
    browser: Client, shop: Upstream
) -> None:
    values = {"name": "Plain", "adapter": "standard", "api_url": shop.url, "key": KEY, "currency": "USD"}
    browser.post("/manage/providers/add", values | {"take": ["batch_size=1"]})
    provider = Provider.objects.get()
    assert (provider.adapter, provider.options) == ("standard", {"batch_size": 1})


# ── types ───────────────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_type_is_mapped_on_the_page(browser: Client, shop: Upstream) -> None:
    shop.list(1, type="Guided Seats")
    shop.list(2, type="")
    shop.list(3, type="")
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    shown = page_of(browser, provider)
    assert "Types that we do not know" in shown and "Guided Seats not mapped" in shown
    types = f"/manage/providers/{provider.pk}/types"
    answer = browser.post(types, {"word": "Guided Seats", "type": "package"}, follow=True)
    assert "1 service mapped as Package." in text_of(answer)
    browser.post(types, {"word": "", "type": "default", "ids": "2"})
    known = dict(Offer.objects.values_list("external_id", "service_type"))
    assert known == {"1": "package", "2": "default", "3": ""}
    refused = text_of(browser.post(types, {"word": "", "type": "default"}, follow=True))
    assert "name the ones that are meant" in refused
    assert AuditEntry.objects.filter(verb="provider.map_type").count() == 2


def test_what_a_type_would_bring_on_sale_is_shown_first_and_mapped_on_a_yes(
    browser: Client, shop: Upstream
) -> None:
    everything_at(50)
    shop.list(1, type="Guided Seats")
    shop.list(2, type="Guided Seats")
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    types = f"/manage/providers/{provider.pk}/types"
    shown = text_of(
        browser.post(types, {"word": "Guided Seats", "type": "default", "ids": "", "preview": "1"})
    )
    assert "“Guided Seats” means: Default" in shown
    assert "2 services of theirs get the type." in shown and "Placement 1 1 1.00 1.50 33.3%" in shown
    assert set(Offer.objects.values_list("service_type", flat=True)) == {""}
    browser.post(types, {"word": "Guided Seats", "type": "default", "ids": ""})
    publish(provider)
    shown = text_of(browser.post(types, {"word": "Guided Seats", "type": "", "ids": "1", "preview": "1"}))
    assert "It would be off sale: The provider" in shown and "type of it cannot be sold." in shown


def test_another_currency_is_shown_by_its_prices_and_saved_on_a_yes(browser: Client, shop: Upstream) -> None:
    everything_at(50)
    shop.list(1)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    ExchangeRate.objects.create(currency="EUR", rate=Decimal("1.2"), date=timezone.now().date())
    page = f"/manage/providers/{provider.pk}/connection"
    values = {
        "name": provider.name, "adapter": provider.adapter, "api_url": provider.api_url, "key": "",
        "currency": "EUR", "preview": "1", "note": "Typed already",
    }  # fmt: skip
    shown = browser.post(page, values)
    assert "Count its rates in EUR?" in text_of(shown)
    assert "Cost $1.00 → $1.20, price $1.50 → $1.80, margin 33.3%." in text_of(shown)
    assert "Typed already" in shown.content.decode(), "nothing is lost"
    provider.refresh_from_db()
    assert (provider.currency, Service.objects.get().rate) == ("USD", Decimal("1.50"))
    assert "Enter the key again" in text_of(browser.post(page, values | {"key": "rotated"}))
    assert "Count its rates in CHF?" in text_of(
        browser.post(page, values | {"currency": "CHF", "sure": "EUR"})
    )
    browser.post(page, values | {"sure": "EUR"})
    provider.refresh_from_db()
    assert (provider.currency, provider.note) == ("EUR", "Typed already")
    assert Service.objects.get().rate == Decimal("1.80")


def test_a_provider_with_known_types_only_shows_no_mapping(browser: Client, shop: Upstream) -> None:
    shop.list(1)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    assert "Types that we do not know" not in page_of(browser, provider)


# ── the key ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_key_is_tried_before_it_is_kept(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    Provider.objects.filter(pk=provider.pk).update(key="an earlier key")
    page = f"/manage/providers/{provider.pk}/key"
    refused = browser.post(page, {"key": "mistyped-key"})
    assert refused.status_code == 422
    assert "nothing was saved" in text_of(refused) and "mistyped-key" not in refused.content.decode()
    assert Provider.objects.get().key == "an earlier key"
    kept = browser.post(page, {"key": KEY}, follow=True)
    assert "The key was replaced and works; the balance is $100.84." in text_of(kept)
    assert Provider.objects.get().key == KEY
    assert "add" not in shop.actions
    assert KEY not in str(list(AuditEntry.objects.values())) + kept.content.decode()


def test_an_admin_may_keep_a_key_that_could_not_be_tried(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    shop.answers["balance"] = shop.json({"error": "Down for the night"}, 503)
    answer = browser.post(
        f"/manage/providers/{provider.pk}/key", {"key": "for-tomorrow", "anyway": "on"}, follow=True
    )
    assert "replaced without a test that worked" in text_of(answer)
    assert Provider.objects.get().key == "for-tomorrow"


# ── how it does ─────────────────────────────────────────────────────────────────────────────────────


def test_calls_errors_and_answer_times_show_by_hour_and_by_kind(browser: Client) -> None:
    provider = world.provider()
    assert "No call in the last 24 hours" in page_of(browser, provider)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    ProviderHour.objects.create(
        provider=provider, hour=hour, kind=Lane.Kind.STATUS, calls=40, errors=10, deadlines=2, total_ms=6000
    )
    ProviderHour.objects.create(
        provider=provider, hour=hour - timedelta(hours=2), kind=Lane.Kind.SUBMIT, calls=5, total_ms=1000
    )
    shown = page_of(browser, provider)
    assert "Reading statuses 40 10 2 200" in shown
    assert "Sending orders 5 0 0 200" in shown
    local = timezone.localtime(hour)
    assert f"{local:%H:%M} 40 10 2 200" in shown
    html = browser.get(f"/manage/providers/{provider.pk}").content.decode()
    assert "Calls of the last 24 hours: 45, of them 10 with errors" in html


def test_waiting_orders_that_the_balance_does_not_cover_are_told_with_the_runway(browser: Client) -> None:
    provider = world.provider(balance=Decimal("1.50"))
    service, alice = world.service(world.offer(provider)), world.customer()
    for _ in range(3):
        world.order(alice, service)
    for days in range(5):
        BalanceReading.objects.create(
            provider=provider, at=timezone.now() - timedelta(days=days), amount=Decimal("1.50") + days, currency="USD"
        )  # fmt: skip
    shown = page_of(browser, provider)
    assert "3 orders wait to be sent at a cost of 3.00; the balance is 1.50 too small for that." in shown
    assert "Orders at risk 3" in shown
    assert "Lasts for 1.5 days" in shown
    assert "Balance, 14 days, USD" in shown


def test_quality_shows_nothing_below_five_orders_and_the_figures_above(browser: Client) -> None:
    provider = world.provider()
    service, alice = world.service(world.offer(provider)), world.customer(balance="1000")
    for number in range(4):
        order = staff_world.completed(world.order(alice, service, f"https://example.org/{number}"))
        Order.objects.filter(pk=order.pk).update(ended_at=order.created_at + timedelta(hours=2))
    assert "All services 4 – – –" in page_of(browser, provider)
    for number in range(4, 6):
        order = staff_world.completed(world.order(alice, service, f"https://example.org/{number}"))
        Order.objects.filter(pk=order.pk).update(ended_at=order.created_at + timedelta(hours=2))
    shown = page_of(browser, provider)
    assert "All services 6 2 h 0.0% 0.0%" in shown
    assert f"{service.name} 6 2 h 0.0% 0.0%" in shown


def test_the_page_says_why_the_latest_order_was_not_taken_until_one_is(browser: Client) -> None:
    provider = world.provider()
    service, alice = world.service(world.offer(provider)), world.customer()
    order = world.order(alice, service)
    staff_world.doubtful(order)
    assert "An order was not taken" in page_of(browser, provider)
    assert SubmissionAttempt.objects.get().message in page_of(browser, provider)
    staff_world.accepted(world.order(alice, service, "https://example.org/2"))
    assert "An order was not taken" not in page_of(browser, provider)


def test_a_provider_that_takes_no_order_is_a_problem_though_it_can_be_read(browser: Client) -> None:
    provider = world.provider()
    service, alice = world.service(world.offer(provider)), world.customer()
    for number in range(2):
        staff_world.doubtful(world.order(alice, service, f"https://example.org/{number}"))
    assert "Orders fail" not in page_of(browser, provider)
    staff_world.doubtful(world.order(alice, service, "https://example.org/3"))
    shown = page_of(browser, provider)
    assert "Orders fail" in shown
    assert "Meridian does not take orders: 3 of 3 of the last two hours failed." in shown
    assert shown.count("An order was not taken") == 1


def test_the_pause_tells_what_it_means_for_what_waits(browser: Client) -> None:
    provider = world.provider()
    service, alice = world.service(world.offer(provider)), world.customer()
    world.order(alice, service)
    browser.post(f"/manage/providers/{provider.pk}/pause", {"note": "Maintenance tonight"})
    shown = page_of(browser, provider)
    assert "Meridian is paused: Maintenance tonight" in shown
    assert "1 order waits in the queue and is sent when it is back. Nothing is lost." in shown
    assert Submission.objects.get().state == "queued"
    browser.post(f"/manage/providers/{provider.pk}/resume")
    assert "is paused" not in page_of(browser, provider)
    breaker.pause(provider.pk, Provider.Pause.FUNDS, "Not enough funds")
    assert "ends by itself at the first balance reading that covers the next order" in page_of(
        browser, provider
    )


def test_a_list_that_was_not_believed_is_the_providers_problem(browser: Client, shop: Upstream) -> None:
    shop.list(1)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    shop.drop(1)
    sync_catalog(provider, apply=True)
    for page in (f"/manage/providers/{provider.pk}", "/manage/providers"):
        shown = text_of(browser.get(page))
        assert "List to check" in shown
        assert "Meridian: The list is empty; nothing was changed. Its earlier list goes on to count" in shown
    shop.list(1)
    sync_catalog(provider, apply=True)
    assert "List to check" not in page_of(browser, provider)


def test_the_test_of_a_connection_names_the_types_that_it_cannot_sell(
    browser: Client, shop: Upstream
) -> None:
    shop.list(1, type="Guided Seats")
    provider = connected(shop)
    part = browser.post(f"/manage/providers/{provider.pk}/test", headers={"HX-Request": "true"})
    assert "Types without a mapping Guided Seats" in text_of(part)


# ── words ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_dialect_is_offered_with_a_name_and_what_it_is(browser: Client) -> None:
    page = text_of(browser.get("/manage/providers/add"))
    for name in REGISTRY:
        assert name in SPEAKS and ": " in str(SPEAKS[name]) and str(SPEAKS[name]) in page


def test_selected_offers_are_published_from_above_the_list_too(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    shop.list_many(3)
    sync_catalog(provider, apply=True)
    page = browser.get(f"/manage/providers/{provider.pk}/offers").content.decode()
    bar, below = page.split("<table", 1)
    assert "bulk-on" in bar and "Publish selected" in bar and "Publish selected" in below
