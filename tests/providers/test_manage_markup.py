"""Markup rules and exchange rates on the page: what the preview says is what saving does, and it saves nothing."""

import re
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from customers.models import AuditEntry, PriceGroup
from providers.models import Alert, ExchangeRate, MarkupRule, Service
from providers.rate_setting import begin_dated_rates, set_rate
from providers.rate_undoing import CannotUndoRate, last_rate_change, undo_rate
from providers.repricing import reprice
from tests import staff_world, world
from tests.providers.shop import everything_at
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


@pytest.fixture
def service() -> Service:
    everything_at(25)
    return world.service(world.offer(world.provider()), rate="1.25")


def rule(**values: Any) -> dict[str, Any]:
    return {"scope": "everything", "percent": "25", "rounding": "none", "enabled": "on"} | values


def test_the_preview_computes_on_the_server_and_saves_nothing(browser: Client, service: Service) -> None:
    answer = browser.post(
        "/manage/markup/preview", rule(scope="category", category=service.category_id, percent="50")
    )
    page = text_of(answer)
    assert "20.0% → 33.3%" in page
    assert "+20.0%" in page and "1.50" in page
    assert MarkupRule.objects.count() == 1
    service.refresh_from_db()
    assert service.rate == Decimal("1.25")


def test_saving_does_what_the_preview_said(browser: Client, service: Service) -> None:
    values = rule(
        scope="category",
        category=service.category_id,
        percent="34",
        minimum="1.50",
        rounding="up",
        places="1",
    )
    assert "1.50" in text_of(browser.post("/manage/markup/preview", values))
    answer = browser.post("/manage/markup/add", values, follow=True)
    assert "Rule saved. 1 service has another price now" in text_of(answer)
    service.refresh_from_db()
    assert service.rate == Decimal("1.50")
    assert AuditEntry.objects.get(verb="markup.add").details["percent"] == "34"


def test_an_unsaved_change_of_a_rule_is_previewed_against_the_saved_one(
    browser: Client, service: Service
) -> None:
    saved = MarkupRule.objects.get()
    page = text_of(browser.post("/manage/markup/preview", rule(rule=saved.pk, percent="100")))
    assert "20.0% → 50.0%" in page
    without_script = browser.post(f"/manage/markup/{saved.pk}", rule(percent="100", preview="1"))
    assert "20.0% → 50.0%" in text_of(without_script)
    saved.refresh_from_db()
    assert saved.percent == 25
    browser.post(f"/manage/markup/{saved.pk}", rule(percent="100"))
    service.refresh_from_db()
    assert service.rate == Decimal("2.00")


def test_what_cannot_be_a_rule_is_said_beside_its_field(browser: Client, service: Service) -> None:
    for values, sentence in (
        (rule(scope="category"), "Choose what the rule applies to."),
        (rule(scope="service", service="999999"), "There is no service with this number."),
        (rule(percent="lots"), "Enter a number."),
        (rule(percent="-200"), "greater than or equal to -100"),
    ):
        answer = browser.post("/manage/markup/add", values)
        assert answer.status_code == 422
        assert sentence in text_of(answer)
        assert browser.post("/manage/markup/preview", values).status_code == 200
    assert MarkupRule.objects.count() == 1


def test_one_service_has_one_rule(browser: Client, service: Service) -> None:
    browser.post("/manage/markup/add", rule(scope="service", service=service.pk, percent="60"))
    service.refresh_from_db()
    assert service.rate == Decimal("1.60")
    again = browser.post("/manage/markup/add", rule(scope="service", service=service.pk, percent="70"))
    assert again.status_code == 422
    assert "There is a rule for this service already" in text_of(again)


def test_deleting_the_last_rule_takes_what_it_priced_off_sale(browser: Client, service: Service) -> None:
    saved = MarkupRule.objects.get()
    browser.post(f"/manage/markup/{saved.pk}/delete")
    service.refresh_from_db()
    assert service.off_sale == "No markup rule applies to it."
    assert AuditEntry.objects.filter(verb="markup.delete", subject=f"markuprule:{saved.pk}").exists()


def test_the_dialog_that_deletes_a_rule_says_what_that_does(browser: Client, service: Service) -> None:
    world.order(world.customer(), service, quantity=2000)
    saved = MarkupRule.objects.get()
    alone = text_of(browser.get(f"/manage/markup/{saved.pk}"))
    assert "1 would go off sale, because no rule is left for it." in alone
    narrow = MarkupRule.objects.create(scope="category", category=service.category, percent=75)
    reprice()
    told = text_of(browser.get(f"/manage/markup/{narrow.pk}"))
    assert "1 published service follows it or would: 1 would have another price." in told
    # 2,000 at 1.25 instead of 1.75
    assert "the profit would have been $1.00 lower" in told
    assert MarkupRule.objects.count() == 2, "asking deletes nothing"


def latest(browser: Client) -> str:
    """The number of the change that the page offers to undo, or ""."""
    found = re.search(r'name="change" value="(\d+)"', browser.get("/manage/markup").content.decode())
    return found[1] if found else ""


def undone(browser: Client, change: str) -> str:
    return text_of(browser.post("/manage/markup/undo", {"change": change}, follow=True))


def test_the_latest_change_is_undone_after_the_page_said_what_that_does(
    browser: Client, service: Service
) -> None:
    saved = MarkupRule.objects.get()
    assert latest(browser) == "", "a rule that came otherwise is not undone here"
    world.order(world.customer(), service, quantity=2000)
    browser.post(f"/manage/markup/{saved.pk}", rule(percent="75", note="Winter"), follow=True)
    service.refresh_from_db()
    assert service.rate == Decimal("1.75")
    shown = text_of(browser.get("/manage/markup"))
    assert "Latest change: Markup rule changed: all services: 75%, adam@example.org" in shown
    # 2,000 at 1.25 instead of 1.75
    assert (
        "If it is taken back: 1 published service follows it or would: 1 would have another price." in shown
    )
    assert "the profit would have been $1.00 lower" in shown
    assert "Undone. 1 service has another price now" in undone(browser, latest(browser))
    service.refresh_from_db()
    saved.refresh_from_db()
    assert (service.rate, saved.percent, saved.note) == (Decimal("1.25"), 25, "")


def test_an_added_rule_is_taken_away_and_a_deleted_one_comes_back(browser: Client, service: Service) -> None:
    browser.post("/manage/markup/add", rule(scope="category", category=service.category_id, percent="60"))
    added = MarkupRule.objects.get(scope="category")
    browser.post(f"/manage/markup/{added.pk}/delete", follow=True)
    undone(browser, latest(browser))
    again = MarkupRule.objects.get(scope="category")
    assert (again.percent, again.category_id, again.enabled) == (60, service.category_id, True)
    service.refresh_from_db()
    assert service.rate == Decimal("1.60")
    undone(browser, latest(browser))
    assert not MarkupRule.objects.filter(scope="category").exists()
    service.refresh_from_db()
    assert service.rate == Decimal("1.25")


def test_an_older_change_is_not_undone(browser: Client, service: Service) -> None:
    saved = MarkupRule.objects.get()
    browser.post(f"/manage/markup/{saved.pk}", rule(percent="50"), follow=True)
    first = latest(browser)
    browser.post(f"/manage/markup/{saved.pk}", rule(percent="60"), follow=True)
    assert "The rules were changed again since" in undone(browser, first)
    service.refresh_from_db()
    assert service.rate == Decimal("1.60")


def test_undoing_in_a_price_list_leaves_the_standard_one_alone(browser: Client, service: Service) -> None:
    group = PriceGroup.objects.create(name="Agencies")
    browser.post("/manage/markup/add", rule(percent="5", price_group=group.pk))
    assert latest(browser) == ""
    change = AuditEntry.objects.get(verb="markup.add").pk
    answer = browser.post("/manage/markup/undo", {"change": change})
    assert answer.headers["Location"] == f"/manage/markup?list={group.pk}"
    assert list(MarkupRule.objects.values_list("price_group", flat=True)) == [None]


def test_the_list_counts_what_each_rule_prices_in_the_order_of_matching(
    browser: Client, service: Service
) -> None:
    MarkupRule.objects.create(scope="category", category=service.category, percent=30)
    other = world.offer(service.routes.get().offer.provider, "2", category="Elsewhere", name="Other")
    world.service(other)
    page = text_of(browser.get("/manage/markup"))
    narrow, wide = page.index("Display A category 30% 1"), page.index("All services Everything else 25% 1")
    assert narrow < wide


def test_a_price_list_of_its_own_leaves_the_standard_prices_alone(browser: Client, service: Service) -> None:
    group = PriceGroup.objects.create(name="Agencies")
    answer = browser.post("/manage/markup/add", rule(percent="5", price_group=group.pk))
    assert answer.headers["Location"] == f"/manage/markup?list={group.pk}"
    service.refresh_from_db()
    assert service.rate == Decimal("1.25")
    assert "5%" in text_of(browser.get(f"/manage/markup?list={group.pk}"))


# ── exchange rates ──────────────────────────────────────────────────────────────────────────────────


def test_a_missing_exchange_rate_is_asked_for_and_setting_it_prices_the_services(browser: Client) -> None:
    everything_at(0)
    offer = world.offer(world.provider(name="Kite", currency="EUR"))
    service = world.service(offer)
    assert "There is no rate for EUR. The services of Kite cannot be priced." in text_of(
        browser.get("/manage/rates")
    )
    browser.post("/manage/rates", {"currency": "eur", "rate": "1.10"})
    service.refresh_from_db()
    assert (service.cost_rate, service.rate) == (Decimal("1.10"), Decimal("1.10"))
    assert ExchangeRate.objects.get().currency == "EUR"
    assert AuditEntry.objects.filter(verb="exchange_rate.set").exists()
    wrong = browser.post("/manage/rates", {"currency": "USD", "rate": "2"})
    assert wrong.status_code == 422
    assert "its rate is 1" in text_of(wrong)


@pytest.fixture
def kite() -> Service:
    """Costs 1 EUR, sold at 25 % on cost; 1 EUR is 1.10 since the first of the month before last."""
    everything_at(25)
    set_rate("EUR", Decimal("1.10"), date(2026, 1, 1))
    return world.service(world.offer(world.provider(name="Kite", currency="EUR")), rate="1.375")


def test_what_a_rate_would_do_is_shown_before_it_is_saved(browser: Client, kite: Service) -> None:
    reprice()
    world.order(world.customer(), kite, quantity=2000)
    pinned = world.service(
        world.offer(kite.routes.get().offer.provider, "2", name="Pinned"), pinned_rate=Decimal("1.50")
    )
    reprice()
    asked = {"currency": "eur", "rate": "2"}
    shown = text_of(browser.post("/manage/rates/preview", asked))
    assert "2 services on sale are touched, 1 would have another price. 1 would be off sale." in shown
    # 1.10 to 2.00 and 1.375 to 2.50: each thousand earns 0.50 instead of 0.275; the pinned one loses
    assert "1.10 2.00 1.375 2.50 +81.8%" in shown and "+$0.45" in shown
    assert "Below cost 1 service" in shown and "Rise over 20% 1 service" in shown
    without_script = browser.post("/manage/rates", asked | {"preview": "1"})
    assert (without_script.status_code, "1.10 2.00 1.375 2.50" in text_of(without_script)) == (200, True)
    assert ExchangeRate.objects.count() == 1, "asking saves nothing"
    later = (timezone.now().date() + timedelta(days=9)).isoformat()
    assert text_of(browser.post("/manage/rates/preview", asked | {"date": later})).startswith(" From ")
    old = text_of(browser.post("/manage/rates/preview", asked | {"date": "2025-12-31"}))
    assert "0 would have another price" in old, "a newer rate counts"
    assert "its rate is 1" in text_of(browser.post("/manage/rates/preview", {"currency": "USD", "rate": "2"}))
    browser.post("/manage/rates", asked)
    kite.refresh_from_db()
    pinned.refresh_from_db()
    assert (kite.cost_rate, kite.rate, bool(pinned.off_sale)) == (Decimal(2), Decimal("2.5"), True)


def taken_back(browser: Client) -> str:
    found = re.search(r'name="change" value="(\d+)"', browser.get("/manage/rates").content.decode())
    assert found
    return text_of(browser.post("/manage/rates/undo", {"change": found[1]}, follow=True))


def test_the_last_rate_is_taken_back_dated_audited_and_again(browser: Client, kite: Service) -> None:
    browser.post("/manage/rates", {"currency": "EUR", "rate": "2"})
    shown = text_of(browser.get("/manage/rates"))
    assert "Latest change: 1 EUR is 2 USD from" in shown
    assert "If it is taken back: 1 service on sale is touched, 1 gets another price" in shown
    said = taken_back(browser)
    today = timezone.now().date()
    assert f"Undone. 1 EUR is 1.1 again from {today} on." in said
    kite.refresh_from_db()
    assert (kite.cost_rate, kite.rate) == (Decimal("1.10"), Decimal("1.375"))
    assert dict(ExchangeRate.objects.values_list("date", "rate")) == {
        date(2026, 1, 1): Decimal("1.10"), today: Decimal("1.10"),
    }  # fmt: skip
    assert AuditEntry.objects.filter(verb="exchange_rate.set").count() == 3
    taken_back(browser)
    kite.refresh_from_db()
    assert kite.cost_rate == Decimal(2)


def test_a_rate_that_was_in_force_for_days_ends_today_and_its_days_stay(kite: Service) -> None:
    today = timezone.now().date()
    set_rate("EUR", Decimal(2), today - timedelta(days=3))
    change = last_rate_change()
    assert change is not None
    undo_rate(change)
    assert ExchangeRate.objects.get(date=today).rate == Decimal("1.10")
    assert ExchangeRate.objects.get(date=today - timedelta(days=3)).rate == Decimal(2)
    kite.refresh_from_db()
    assert kite.cost_rate == Decimal("1.10")


def test_a_day_that_has_not_come_or_was_overtaken_and_a_first_rate_are_put_back_as_they_were(
    kite: Service,
) -> None:
    for day in (timezone.now().date() + timedelta(days=3), date(2025, 12, 1)):
        set_rate("EUR", Decimal(2), day)
        change = last_rate_change()
        assert change is not None
        undo_rate(change)
        assert [rate.date for rate in ExchangeRate.objects.all()] == [date(2026, 1, 1)]
        with pytest.raises(CannotUndoRate, match="changed again since"):
            undo_rate(change)
    set_rate("XTS", Decimal(3))
    first = last_rate_change()
    assert first is not None
    undo_rate(first)
    assert not ExchangeRate.objects.filter(currency="XTS").exists()
    removed = last_rate_change()
    assert removed is not None and removed.verb == "exchange_rate.remove"
    undo_rate(removed)
    assert ExchangeRate.objects.get(currency="XTS").rate == Decimal(3)


def test_prices_follow_a_rate_that_was_set_ahead_once_its_day_has_begun(kite: Service) -> None:
    today = timezone.now().date()
    set_rate("EUR", Decimal(2), today + timedelta(days=1))
    assert begin_dated_rates() == []
    kite.refresh_from_db()
    assert kite.cost_rate == Decimal("1.10")
    ExchangeRate.objects.filter(rate=2).update(date=today, set_at=timezone.now() - timedelta(days=2))
    assert begin_dated_rates() == ["EUR"]
    kite.refresh_from_db()
    assert (kite.cost_rate, kite.rate) == (Decimal(2), Decimal("2.5"))
    assert begin_dated_rates() == [], "once"
    assert AuditEntry.objects.get(verb="exchange_rate.begun").actor_label == "the clock"


def test_the_command_foretells_a_rate(kite: Service) -> None:
    output = StringIO()
    call_command("set_rate", "EUR", "2", "--dry-run", stdout=output)
    assert "1 service on sale is touched, 1 gets another price" in output.getvalue()
    assert ExchangeRate.objects.count() == 1


# ── alerts ──────────────────────────────────────────────────────────────────────────────────────────


def test_alerts_stand_by_money_at_risk_and_are_closed_by_name(browser: Client) -> None:
    small = Alert.objects.create(key="a", text="Small matter", at_risk=1)
    Alert.objects.create(key="b", text="Large matter", at_risk=100)
    page = text_of(browser.get("/manage/alerts"))
    assert page.index("Large matter") < page.index("Small matter")
    browser.post(f"/manage/alerts/{small.pk}/close")
    small.refresh_from_db()
    assert small.closed_by == "adam@example.org"
    assert "Small matter" in text_of(browser.get("/manage/alerts?state=closed"))
