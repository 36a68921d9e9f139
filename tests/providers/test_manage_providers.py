"""The admins' pages about providers: adding, testing, reading, pausing, changing, archiving."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import AuditEntry, Heartbeat, User
from orders.models import Submission
from orders.placing import NotOnSale, find_service
from providers.catalog import sync_catalog
from providers.models import BalanceReading, CatalogChange, Lane, Offer, Provider, Route
from providers.overview import standings
from providers.publishing import publish
from providers.repricing import reprice
from providers.supply_effects import effect_of_archiving
from tests import staff_world, world
from tests.conftest import Worker, wait_until
from tests.providers.shop import KEY, Upstream, connected, everything_at, service_of
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam() -> User:
    return world.admin()


@pytest.fixture
def browser(adam: User) -> Client:
    return staff_world.signed_in(adam)


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def form(**values: Any) -> dict[str, Any]:
    return {"name": "Meridian", "adapter": "standard", "api_url": "", "key": KEY, "currency": "USD"} | values


def test_an_admin_adds_a_provider_and_the_key_is_never_shown_again(browser: Client, shop: Upstream) -> None:
    answer = browser.post("/manage/providers/add", form(api_url=shop.url))
    provider = Provider.objects.get()
    assert answer.headers["Location"] == f"/manage/providers/{provider.pk}"
    for page in (
        f"/manage/providers/{provider.pk}",
        f"/manage/providers/{provider.pk}/connection",
        "/manage/audit",
    ):
        assert KEY not in browser.get(page).content.decode()
    assert AuditEntry.objects.filter(verb="provider.add", actor__email="adam@example.org").exists()


def test_a_wrong_address_is_said_beside_its_field_and_nothing_is_saved(browser: Client) -> None:
    answer = browser.post("/manage/providers/add", form(api_url="http://provider.example/api/v2"))
    assert answer.status_code == 422
    assert "must start with https://" in text_of(answer)
    assert not Provider.objects.exists()
    assert KEY not in answer.content.decode(), "a password field is not filled in again"


def test_testing_before_adding_asks_really_saves_nothing_and_orders_nothing(
    browser: Client, shop: Upstream
) -> None:
    shop.list_many(3)
    answer = browser.post("/manage/providers/test", form(api_url=shop.url), headers={"HX-Request": "true"})
    assert "The connection works." in text_of(answer)
    assert "3, 3 can be sold" in text_of(answer)
    assert {"balance", "services"} <= set(shop.actions)
    assert "add" not in shop.actions
    assert not Provider.objects.exists()
    wrong = browser.post("/manage/providers/test", form(api_url=shop.url, key="another"))
    assert "The connection works." not in text_of(wrong)
    assert "Balance:" in text_of(wrong)
    assert KEY not in str(list(AuditEntry.objects.values()))


def test_the_test_button_of_a_saved_provider_answers_in_place_or_on_the_page(
    browser: Client, shop: Upstream
) -> None:
    shop.list_many(2)
    provider = connected(shop)
    part = browser.post(f"/manage/providers/{provider.pk}/test", headers={"HX-Request": "true"})
    assert "The connection works." in text_of(part)
    assert b"<html" not in part.content
    whole = browser.post(f"/manage/providers/{provider.pk}/test")
    assert "The connection works." in text_of(whole)
    assert b"<html" in whole.content


def test_a_new_address_clears_the_key_and_says_so(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    values = form(api_url="https://elsewhere.example/api/v2", key="")
    answer = browser.post(f"/manage/providers/{provider.pk}/connection", values, follow=True)
    assert "the key was cleared" in text_of(answer)
    provider.refresh_from_db()
    assert (provider.api_url, provider.key) == ("https://elsewhere.example/api/v2", "")


def test_an_empty_key_keeps_the_one_that_is_there_and_a_new_one_replaces_it(
    browser: Client, shop: Upstream
) -> None:
    provider = connected(shop)
    browser.post(f"/manage/providers/{provider.pk}/connection", form(api_url=shop.url, key=""))
    provider.refresh_from_db()
    assert provider.key == KEY
    browser.post(f"/manage/providers/{provider.pk}/connection", form(api_url=shop.url, key="rotated"))
    provider.refresh_from_db()
    assert provider.key == "rotated"
    assert "rotated" not in str(list(AuditEntry.objects.values()))


def test_options_show_their_meaning_and_only_what_differs_is_kept(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    page = browser.get(f"/manage/providers/{provider.pk}/connection")
    assert "Order ids in one status call. Default: 100." in text_of(page)
    shown = {
        match[0]: match[1]
        for match in re.findall(r'name="(option-\w+)" value="([^"]*)"', page.content.decode())
    }
    values = form(api_url=shop.url, key="") | shown | {
        "option-batch_size": "25",
        "option-edge_refusal_is_rejection": "on",
        "option-status_words": "done=Completed\nqueued=Pending",
        "option-order_ids": "any",
        "option-line_ending": "lf",
    }  # fmt: skip
    browser.post(f"/manage/providers/{provider.pk}/connection", values)
    provider.refresh_from_db()
    assert provider.options == {
        "batch_size": 25,
        "edge_refusal_is_rejection": True,
        "status_words": {"done": "Completed", "queued": "Pending"},
    }
    wrong = browser.post(
        f"/manage/providers/{provider.pk}/connection", values | {"option-batch_size": "1000"}
    )
    assert wrong.status_code == 422
    assert "batch_size must be between 1 and 100" in text_of(wrong)


def test_the_balance_is_read_now(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    answer = browser.post(f"/manage/providers/{provider.pk}/balance", follow=True)
    assert "The balance is $100.84." in text_of(answer)
    assert BalanceReading.objects.get().amount == Decimal("100.842920")
    assert AuditEntry.objects.filter(verb="provider.balance").exists()


def test_without_a_worker_the_page_reads_the_list_itself_and_says_so(browser: Client, shop: Upstream) -> None:
    shop.list_many(4)
    provider = connected(shop)
    answer = browser.post(f"/manage/providers/{provider.pk}/sync", follow=True)
    assert "No worker is running, so this page read the catalog itself. 4 new" in text_of(answer)
    assert Offer.objects.count() == 4


def test_with_a_worker_the_page_follows_the_reading_to_its_end(
    transactional_db: None, start_sandbox: Any, start_worker: Worker, settings: Any
) -> None:
    sandbox: Sandbox = start_sandbox(latency_ms=300)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
    provider = world.provider(sandbox.url, sandbox.key)
    browser = staff_world.signed_in(world.admin())
    with start_worker():
        answer = browser.post(f"/manage/providers/{provider.pk}/sync")
        asked = answer.headers["Location"].partition("?")[2]
        assert asked.startswith("asked=")
        part = f"/manage/providers/{provider.pk}/reading?{asked}"
        seen = []

        def over() -> bool:
            seen.append(browser.get(part).content.decode())
            return "The list was read." in seen[-1]

        wait_until(over, 20, "the reading's end on the page")
    assert "data-live" not in seen[-1], "it stops asking"
    assert all("data-live" in page for page in seen[:-1])
    assert Offer.objects.exists()


def test_a_reading_that_nobody_takes_up_is_called_lost(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    long_ago = (timezone.now() - timedelta(minutes=2)).timestamp()
    page = browser.get(f"/manage/providers/{provider.pk}/reading?asked={long_ago}")
    assert "No worker took this up." in text_of(page)
    Heartbeat.objects.create(name="w1", kind="worker", at=timezone.now())
    waits = browser.get(f"/manage/providers/{provider.pk}/reading?asked={timezone.now().timestamp()}")
    assert "A worker was asked" in text_of(waits)
    Lane.objects.create(
        provider=provider, kind="catalog", holder="0b6e2fb4-6a4a-4b0e-9d7f-2b1f3f1f7b11",
        lease_until=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    reads = browser.get(f"/manage/providers/{provider.pk}/reading?asked={timezone.now().timestamp()}")
    assert "Reading the list now." in text_of(reads)


def test_pausing_needs_a_reason_and_resuming_sends_again(browser: Client, shop: Upstream) -> None:
    provider = connected(shop)
    answer = browser.post(f"/manage/providers/{provider.pk}/pause", {"note": "  "}, follow=True)
    assert "A pause needs a reason." in text_of(answer)
    browser.post(f"/manage/providers/{provider.pk}/pause", {"note": "slow support"})
    page = text_of(browser.get("/manage/providers"))
    assert "Meridian is paused: slow support" in page
    provider.refresh_from_db()
    assert provider.state == "paused"
    browser.post(f"/manage/providers/{provider.pk}/resume")
    provider.refresh_from_db()
    assert provider.state == "active"
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"provider.pause", "provider.resume"} <= verbs


def test_archiving_takes_its_services_off_sale_and_bringing_back_undoes_it(browser: Client) -> None:
    provider = world.provider()
    service = world.service(world.offer(provider))
    everything_at(100)
    browser.post(f"/manage/providers/{provider.pk}/archive")
    service.refresh_from_db()
    assert service.off_sale == "Its provider is archived."
    browser.get("/manage/providers")  # reads the message about the archiving
    assert "Meridian" not in text_of(browser.get("/manage/providers"))
    assert "Meridian" in text_of(browser.get("/manage/providers?archived=1"))
    browser.post(f"/manage/providers/{provider.pk}/bring-back")
    service.refresh_from_db()
    assert service.off_sale == "Its provider's list has to be read before it is sold again."


def test_archiving_asks_first_and_shows_prices_by_the_next_route(browser: Client) -> None:
    everything_at(100)
    north, south = world.provider(name="North"), world.provider(name="South")
    alone = world.service(world.offer(north))
    both = world.service(world.offer(north, "2"))
    Route.objects.create(service=both, offer=world.offer(south, "7", rate=Decimal(3)), position=1)
    reprice()
    page = f"/manage/providers/{north.pk}"
    assert "Archive this provider" in text_of(browser.get(page))
    asked = text_of(browser.post(f"{page}/archive", {"preview": "1"}))
    assert "Archive North?" in asked
    assert "1 service goes off sale. 1 service goes to its next route." in asked
    assert "Its provider is archived." in asked
    north.refresh_from_db()
    assert north.archived_at is None, "asking archives nothing"
    foreseen = {row.service_id: row for row in effect_of_archiving(north).rows}
    assert (foreseen[both.pk].price_now, foreseen[both.pk].new_price) == (2, 6)
    browser.post(f"{page}/archive")
    for service in (alone, both):
        service.refresh_from_db()
        row = foreseen[service.pk]
        assert (service.rate, service.cost_rate, service.off_sale) == (row.new_price, row.cost, row.off_sale)


def test_what_is_brought_back_is_not_sold_before_its_list_was_read(browser: Client, shop: Upstream) -> None:
    everything_at(50)
    shop.list_many(20)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    browser.post(f"/manage/providers/{provider.pk}/archive")
    shop.list(1, rate="1.05")  # it became dearer meanwhile
    said = text_of(browser.post(f"/manage/providers/{provider.pk}/bring-back", follow=True))
    assert "Nothing of it is sold before its list was read" in said
    service = service_of(provider, 1)
    with pytest.raises(NotOnSale):
        find_service(service.pk)
    provider.refresh_from_db()
    shop.answers["services"] = shop.json([])
    sync_catalog(provider, apply=True)
    assert not service_of(provider, 1).on_sale, "an empty list was not read"
    del shop.answers["services"]
    sync_catalog(provider, apply=True)
    provider.refresh_from_db()
    assert provider.stopped == ""
    assert find_service(service.pk)[0].rate == Decimal("1.575")


def test_a_provider_with_orders_that_wait_to_be_sent_is_not_archived(browser: Client) -> None:
    provider = world.provider()
    service = world.service(world.offer(provider))
    order = world.order(world.customer(), service)
    answer = browser.post(f"/manage/providers/{provider.pk}/archive", follow=True)
    assert "1 order still waits to be sent" in text_of(answer)
    provider.refresh_from_db()
    assert provider.archived_at is None
    staff_world.accepted(order)
    browser.post(f"/manage/providers/{provider.pk}/archive")
    provider.refresh_from_db()
    assert provider.archived_at is not None, "an accepted order is followed to its end all the same"
    assert Submission.objects.get().state == "accepted"


def test_the_list_shows_what_the_rows_say_problems_first(browser: Client) -> None:
    now = timezone.now()
    calm, low = world.provider(name="Calm"), world.provider(name="Zenith")
    for hours, amount in ((96, 500), (48, 300), (0, 100)):
        BalanceReading.objects.create(
            provider=low, at=now - timedelta(hours=hours), amount=amount, currency="USD"
        )
    Provider.objects.filter(pk=low.pk).update(balance=100, balance_at=now)
    service = world.service(world.offer(calm))
    alice = world.customer()
    staff_world.accepted(world.order(alice, service, "https://example.org/1"))
    staff_world.doubtful(world.order(alice, service, "https://example.org/2"))
    rows = standings()
    assert [row.provider.name for row in rows] == ["Zenith", "Calm"]
    assert (rows[0].runway.daily_spend, rows[0].runway.days) == (Decimal(100), Decimal("1.0"))
    assert rows[0].runway_tone == "neg"
    assert (rows[1].open_orders, rows[1].unknown, rows[1].published, rows[1].offers) == (2, 1, 1, 1)
    assert (rows[1].sent, rows[1].failed, rows[1].error_percent) == (2, 1, Decimal("50.0"))
    page = text_of(browser.get("/manage/providers"))
    assert "Zenith has 1.0 days of balance left." in page
    assert "50.0%" in page


@pytest.mark.parametrize("path", ["/manage/providers", "/manage/"])
def test_the_number_of_queries_does_not_depend_on_the_number_of_providers(browser: Client, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(path).status_code == 200
        return len(captured)

    alice = world.customer(balance="1000")
    _one_more("First", alice)
    browser.get(path)
    few = queries()
    for number in range(5):
        _one_more(f"More {number}", alice)
    assert queries() == few
    assert few <= 40


def _one_more(name: str, alice: User) -> None:
    provider = world.provider(name=name)
    service = world.service(world.offer(provider))
    staff_world.accepted(world.order(alice, service, f"https://example.org/{name}"))
    staff_world.doubtful(world.order(alice, service, f"https://example.org/{name}/2"))
    BalanceReading.objects.create(provider=provider, amount=5, currency="USD")
    CatalogChange.objects.create(provider=provider, external_id="77", kind="new", after={"name": "New"})
