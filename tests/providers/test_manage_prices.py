"""Price lists and a customer's special rates on the admins' pages."""

import re
from decimal import Decimal

import pytest
from django.http import HttpResponse
from django.test import Client

from customers.managing import set_price_group
from customers.models import AuditEntry, PriceGroup, User
from providers.customer_effects import (
    effect_of_copying,
    effect_of_ending,
    effect_of_price_list,
    effect_of_special_rate,
)
from providers.models import MarkupRule, Service, SpecialRate
from providers.rates import CustomerRates
from providers.special_rates import copy_special_rates, reset_special_rates, set_special_rate
from tests import staff_world, world
from tests.providers.command_line import refused, run
from tests.providers.shop import everything_at
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db
LISTS = "/manage/prices"


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


@pytest.fixture
def service() -> Service:
    """Cost 1.00, price 2.00."""
    return world.service(world.offer(world.provider()))


@pytest.fixture
def alice() -> User:
    return world.customer()


def page_of(customer: User) -> str:
    return f"{LISTS}/customer/{customer.pk}"


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_made_renamed_and_deleted_once_nobody_is_on_it(browser: Client, alice: User) -> None:
    browser.post(LISTS, {"name": " Agencies ", "note": "Yearly contract"}, follow=True)
    group = PriceGroup.objects.get()
    assert (group.name, group.note) == ("Agencies", "Yearly contract")
    MarkupRule.objects.create(scope="everything", percent=10, price_group=group)
    alice.price_group = group
    alice.save()
    shown = text_of(browser.get(LISTS))
    assert "Agencies Yearly contract 1 1 Rules" in shown
    assert alice.email in text_of(browser.get(f"{LISTS}/{group.pk}"))
    browser.post(f"{LISTS}/{group.pk}", {"name": "Partners", "note": ""}, follow=True)
    refused = text_of(browser.post(f"{LISTS}/{group.pk}/delete", follow=True))
    assert "1 customer is on the list Partners. Put them on another one first." in refused
    alice.price_group = None
    alice.save()
    assert "The list Partners is gone" in text_of(browser.post(f"{LISTS}/{group.pk}/delete", follow=True))
    assert not PriceGroup.objects.exists() and not MarkupRule.objects.exists()
    verbs = AuditEntry.objects.filter(verb__startswith="price_group").values_list("verb", flat=True)
    assert set(verbs) == {"price_group.add", "price_group.change", "price_group.delete"}


def test_a_name_that_is_taken_is_said_beside_the_field(browser: Client) -> None:
    browser.post(LISTS, {"name": "Agencies"})
    other = PriceGroup.objects.create(name="Partners")
    for address, name in (
        (LISTS, "Agencies"), (LISTS, "Standard"), (f"{LISTS}/{other.pk}", "Agencies"),
    ):  # fmt: skip
        answer = browser.post(address, {"name": name})
        assert answer.status_code == 422
    assert set(PriceGroup.objects.values_list("name", flat=True)) == {"Agencies", "Partners"}


# ── special rates ───────────────────────────────────────────────────────────────────────────────────


def test_a_special_rate_is_set_shown_and_ended(browser: Client, alice: User, service: Service) -> None:
    page = page_of(alice)
    browser.post(
        page, {"act": "set", "service": service.pk, "rate": "1.50", "note": "Since 2024"}, follow=True
    )
    assert CustomerRates(alice).rate(service) == Decimal("1.50")
    shown = text_of(browser.get(page))
    assert "Since 2024" in shown and "1.00 2.00 1.50 1.50" in shown
    assert f"{alice.email} 1" in text_of(browser.get(LISTS))
    part = browser.get(f"{page}?part")
    assert b"<html" not in part.content and "2.00 1.50 1.50" in text_of(part)
    browser.post(page, {"act": "reset", "service": service.pk})
    assert not SpecialRate.objects.exists()
    assert CustomerRates(alice).rate(service) == Decimal("2.00")


def test_a_rate_below_cost_says_that_the_cost_counts(browser: Client, alice: User, service: Service) -> None:
    browser.post(page_of(alice), {"act": "set", "service": service.pk, "rate": "0.50"})
    assert "1.00 set below cost; the cost counts" in text_of(browser.get(page_of(alice)))
    assert CustomerRates(alice).rate(service) == Decimal("1.00")


def test_rates_are_copied_from_another_customer(browser: Client, alice: User, service: Service) -> None:
    bob = world.bob()
    browser.post(page_of(alice), {"act": "set", "service": service.pk, "discount_percent": "10"})
    answer = browser.post(page_of(bob), {"act": "copy", "source": alice.email}, follow=True)
    assert "1 special rate was copied" in text_of(answer)
    assert CustomerRates(bob).rate(service) == Decimal("1.80")
    browser.post(page_of(bob), {"act": "reset"})
    assert not SpecialRate.objects.filter(user=bob).exists()
    assert SpecialRate.objects.filter(user=alice).exists()


def hidden(page: HttpResponse) -> dict[str, str]:
    """What the form that waits for a yes posts."""
    form = page.content.decode().split('id="before"')[1].split("</form>")[0]
    return dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', form))


def test_what_he_would_pay_is_shown_before_a_special_rate_is_set_and_set_on_a_yes(
    browser: Client, alice: User, service: Service
) -> None:
    world.order(alice, service, quantity=2000)
    world.order(world.bob(), service, quantity=50_000)
    page, asked = page_of(alice), {"act": "set", "service": service.pk, "rate": "1.50", "note": "Since 2024"}
    shown = browser.post(page, asked | {"preview": "1"})
    said = text_of(shown)
    assert "What alice@example.org would pay" in said
    assert "Cost $1.00, price $2.00 → $1.50, margin 50.0% → 33.3%. 2,000 ordered in the last 30 days." in said
    assert "The profit on them would have been $1.00 lower." in said, "on his own orders"
    assert 'value="1.50"' in shown.content.decode() and not SpecialRate.objects.exists()
    browser.post(page, hidden(shown))
    assert SpecialRate.objects.get(user=alice).note == "Since 2024"
    assert CustomerRates(alice).rate(service) == Decimal("1.50")
    below = text_of(browser.post(page, asked | {"rate": "0.50", "preview": "1"}))
    assert "The price is below the cost, so the cost is charged." in below and "$1.50 → $1.00" in below
    same = browser.post(page, asked | {"rate": "1.5", "note": "Another note", "preview": "1"})
    assert same.status_code == 302, "no price changes: nothing to ask"
    ending = browser.post(page, {"act": "reset", "preview": "1"})
    assert "price $1.50 → $2.00" in text_of(ending) and SpecialRate.objects.exists()
    browser.post(page, hidden(ending))
    assert not SpecialRate.objects.exists()


def test_what_another_list_or_anothers_rates_would_do_is_shown_first(
    browser: Client, alice: User, service: Service
) -> None:
    everything_at(100)
    group, bob = PriceGroup.objects.create(name="Agencies"), world.bob()
    MarkupRule.objects.create(scope="everything", percent=20, price_group=group)
    second = world.service(world.offer(service.routes.get().offer.provider, "2"), pinned_rate=Decimal(2))
    page = page_of(alice)
    moved = browser.post(page, {"act": "list", "price_group": group.pk, "preview": "1"})
    assert "Cost $1.00, price $2.00 → $1.20, margin 50.0% → 16.7%." in text_of(moved)
    alice.refresh_from_db()
    assert alice.price_group is None
    browser.post(page, hidden(moved))
    alice.refresh_from_db()
    assert alice.price_group == group
    back = browser.post(page, {"act": "list", "price_group": "", "preview": "1"})
    assert "price $1.20 → $2.00" in text_of(back)
    for one, rate in ((service, "1.10"), (second, "1.30")):
        set_special_rate(bob, one, rate=Decimal(rate))
    copying = browser.post(page, {"act": "copy", "source": bob.email, "preview": "1"})
    assert "2 services on sale are touched, 2 would have another price." in text_of(copying)
    browser.post(page, hidden(copying))
    assert [CustomerRates(alice).rate(one) for one in (service, second)] == [Decimal("1.10"), Decimal("1.30")]


@pytest.mark.parametrize("act", ["set", "discount", "copy", "end", "list"])
def test_what_is_foretold_of_a_customers_prices_is_what_he_pays(
    alice: User, service: Service, act: str
) -> None:
    everything_at(100)
    group, bob = PriceGroup.objects.create(name="Agencies"), world.bob()
    MarkupRule.objects.create(scope="everything", percent=20, price_group=group)
    set_special_rate(bob, service, discount_percent=Decimal(30))
    set_special_rate(alice, service, rate=Decimal("1.90"))
    if act == "set":
        effect = effect_of_special_rate(alice, service, rate=Decimal("0.40"))
        set_special_rate(alice, service, rate=Decimal("0.40"))
    elif act == "discount":
        effect = effect_of_special_rate(alice, service, discount_percent=Decimal(10))
        set_special_rate(alice, service, discount_percent=Decimal(10))
    elif act == "copy":
        effect = effect_of_copying(bob, alice)
        copy_special_rates(bob, alice)
    elif act == "end":
        effect = effect_of_ending(alice)
        reset_special_rates(alice)
    else:
        reset_special_rates(alice)
        effect = effect_of_price_list(alice, group)
        set_price_group(alice, group, by=None)
    (row,) = effect.rows
    assert row.new_price != row.price_now
    assert row.new_price == CustomerRates(User.objects.get(pk=alice.pk)).rate(service)


def test_the_commands_say_first_what_he_would_pay(alice: User, service: Service) -> None:
    everything_at(100)
    group = PriceGroup.objects.create(name="Agencies")
    MarkupRule.objects.create(scope="everything", percent=20, price_group=group)
    sums, row = run("price_list", "put", alice.email, "--on", "Agencies", "--dry-run")
    assert (sums["touched"], row["price_now"], row["new_price"]) == (1, "2.00000000", "1.20000000")
    words = ["special_rate", alice.email, "set", "--service", str(service.pk), "--rate", "1.5"]
    assert run(*words, "--dry-run")[1]["new_price"] == "1.50000000"
    assert refused("price_list", "add", "Others", "--dry-run").startswith("--dry-run is for put")
    alice.refresh_from_db()
    assert (alice.price_group, SpecialRate.objects.count()) == (None, 0)
    run(*words)
    assert run("special_rate", alice.email, "reset", "--dry-run")[1]["new_price"] == "2.00000000"
    bob = world.bob()
    copied = run("special_rate", bob.email, "copy", "--from", alice.email, "--dry-run")
    assert copied[1]["new_price"] == "1.50000000"
    assert SpecialRate.objects.filter(user=bob).count() == 0


def test_what_is_no_rate_is_said_beside_the_field_and_nothing_is_saved(
    browser: Client, alice: User, service: Service
) -> None:
    for values, said in (
        ({"service": service.pk}, "either a price or a discount"),
        ({"service": service.pk, "rate": "1", "discount_percent": "5"}, "either a price or a discount"),
        ({"service": service.pk, "discount_percent": "100"}, "less than 100"),
        ({"service": 999_999, "rate": "1"}, "no service with this number"),
        ({"service": "abc", "rate": "1"}, "no service with this number"),
    ):
        answer = browser.post(page_of(alice), {"act": "set"} | values)
        assert (answer.status_code, said in text_of(answer)) == (422, True), said
    copied = browser.post(page_of(alice), {"act": "copy", "source": alice.email})
    assert "cannot be copied to himself" in text_of(copied)
    assert not SpecialRate.objects.exists()


def test_staff_have_no_special_rates_and_reviewers_do_not_see_them(alice: User) -> None:
    rita = world.reviewer()
    assert staff_world.signed_in(rita).get(page_of(alice)).status_code == 403
    admin = staff_world.signed_in(world.admin())
    assert admin.get(page_of(rita)).status_code == 404
    assert page_of(alice) in admin.get(f"/staff/customers/{alice.pk}").content.decode()
    assert (
        page_of(alice) not in staff_world.signed_in(rita).get(f"/staff/customers/{alice.pk}").content.decode()
    )
