"""`--by EMAIL`: the audit log names whoever is meant in place of the command line, in every command of the supply."""

import pytest

from customers.models import AuditEntry, User
from providers.models import Denial, Offer, Provider, Service
from tests import world
from tests.providers.command_line import refused, run
from tests.providers.shop import KEY, Upstream, connected, everything_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam() -> User:
    return world.admin()


def entries_of(adam: User) -> list[str]:
    """The verbs that the audit has of him; nothing else was written meanwhile."""
    entries = AuditEntry.objects.order_by("id")
    assert all(entry.actor == adam and entry.actor_label == adam.email for entry in entries)
    return [entry.verb for entry in entries]


def test_from_adding_a_provider_to_selling_its_services(shop: Upstream, adam: User) -> None:
    shop.list(1)
    shop.list(2, type="Guided Seats")
    by = ("--by", adam.email.upper())
    run("add_provider", "Meridian", shop.url, "--key", KEY, *by)
    run("sync_catalog", "--apply")
    run("map_type", "Meridian", "Guided Seats", "Package", *by)
    run("publish_services", "Meridian", "--markup", "25", *by)
    run("provider_pause", "Meridian", "--reason", "Slow today", *by)
    run("provider_resume", "Meridian", *by)
    run("provider_change", "Meridian", "--option", "batch_size=50", "--archive", *by)
    assert set(entries_of(adam)) >= {
        "provider.add", "provider.map_type", "services.publish", "provider.pause", "provider.resume",
        "provider.connection", "provider.archive",
    }  # fmt: skip


def test_prices_of_one_customer_rates_and_what_may_not_be_sold(shop: Upstream, adam: User) -> None:
    alice = world.customer()
    sold = world.service(world.offer(world.provider()), rate="2.00")
    by = ("--by", adam.email)
    run("special_rate", alice.email, "set", "--service", str(sold.pk), "--rate", "1.50", *by)
    run("special_rate", alice.email, "reset", *by)
    run("set_rate", "EUR", "1.2", *by)
    run("top_up", "Meridian", "100", "--reference", "INV-1", *by)
    run("deny_list", "add", "word", "lottery", "--reason", "not our business", *by)
    run("deny_list", "remove", str(Denial.objects.get().pk), *by)
    verbs = entries_of(adam)
    assert verbs[:4] == ["special_rate.set", "special_rate.reset", "exchange_rate.set", "provider.top_up"]
    assert len(verbs) == 6


def test_what_staff_deliver_themselves(adam: User) -> None:
    by = ("--by", adam.email)
    run("add_provider", "House", "--adapter", "manual", *by)
    run("manual_service", "House", "add", "--name", "Proofreading", "--price", "5", *by)
    number = Offer.objects.get().external_id
    run("manual_service", "House", "change", number, "--maximum", "500", "--price", "6", *by)
    run("manual_service", "House", "stop", number, *by)
    assert len(entries_of(adam)) >= 4


@pytest.mark.parametrize(
    "words",
    [
        ["provider_pause", "Meridian", "--reason", "x"],
        ["publish_services", "Meridian"],
        ["set_rate", "EUR", "1"],
        ["special_rate", "adam@example.org", "reset"],
        ["catalog_accept", "Meridian"],
        ["provider_change", "Meridian", "--note", "x"],
    ],
)
def test_a_role_that_may_not_do_it_on_the_page_is_not_named_for_it(
    shop: Upstream, adam: User, words: list[str]
) -> None:
    shop.list(1)
    everything_at(20)
    provider = connected(shop)
    run("sync_catalog", "--apply")
    rita, before = world.reviewer(), AuditEntry.objects.count()
    assert refused(*words, "--by", rita.email) == f"{rita.email} may not do this: Admin, Superuser only."
    alice = world.customer()
    assert "may not do this" in refused(*words, "--by", alice.email)
    User.objects.filter(pk=adam.pk).update(is_active=False)
    assert "may not do this" in refused(*words, "--by", adam.email)
    assert AuditEntry.objects.count() == before
    assert Provider.objects.get(pk=provider.pk).state == "active"
    assert not Service.objects.exists()
