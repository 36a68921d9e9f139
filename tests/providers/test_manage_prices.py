"""Price lists and a customer's special rates on the admins' pages."""

from decimal import Decimal

import pytest
from django.test import Client

from customers.models import AuditEntry, PriceGroup, User
from providers.models import MarkupRule, Service, SpecialRate
from providers.rates import CustomerRates
from tests import staff_world, world
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
    assert "1 special rates were copied" in text_of(answer)
    assert CustomerRates(bob).rate(service) == Decimal("1.80")
    browser.post(page_of(bob), {"act": "reset"})
    assert not SpecialRate.objects.filter(user=bob).exists()
    assert SpecialRate.objects.filter(user=alice).exists()


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
