"""The raw back office: superusers look, nobody changes anything there, secrets are not shown."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from customers.api_keys import create_api_key
from customers.enrolling import create_staff
from customers.models import ApiKey, User
from orders.models import Order
from providers.models import Provider
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(create_staff("sue@example.org", world.PASSWORD, "superuser"))


def test_every_list_opens_and_offers_no_way_to_add(browser: Client) -> None:
    world.order(world.customer(), world.service(world.offer(world.provider())))
    assert (
        browser.get("/admin/").status_code == 200
    )  # loads the addresses, which close what others registered
    for model in list(admin.site._registry):
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        assert browser.get(reverse(f"admin:{name}_changelist")).status_code == 200, name
        assert browser.get(reverse(f"admin:{name}_add")).status_code == 403, name


def test_a_row_opens_without_a_field_to_change_and_a_post_changes_nothing(browser: Client) -> None:
    order = world.order(world.customer(), world.service(world.offer(world.provider())))
    page = reverse("admin:orders_order_change", args=[order.pk])
    html = browser.get(page).content.decode()
    assert 'name="charge"' not in html and 'name="_save"' not in html
    assert browser.post(page, {"status": "Completed"}).status_code == 403
    assert (
        browser.post(reverse("admin:orders_order_delete", args=[order.pk]), {"post": "yes"}).status_code
        == 403
    )
    assert Order.objects.get(pk=order.pk).status == "Pending"


def test_keys_hashes_and_passwords_are_not_shown(browser: Client) -> None:
    provider = world.provider(key="very-secret-provider-key")
    alice = world.customer()
    create_api_key(alice)
    api_key = ApiKey.objects.get()
    for name, row, secret in (
        ("providers_provider", provider, "very-secret-provider-key"),
        ("customers_user", alice, User.objects.get(pk=alice.pk).password),
        ("customers_apikey", api_key, api_key.digest),
    ):
        html = browser.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()
        assert secret not in html, name
    assert Provider.objects.get().key == "very-secret-provider-key"


def test_an_admin_is_no_superuser() -> None:
    adam = world.admin()
    adam.is_staff = True
    adam.save()
    assert staff_world.signed_in(adam).get("/admin/").status_code != 200
