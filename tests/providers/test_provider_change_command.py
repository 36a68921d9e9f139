"""What one provider is called, warned at and connected by, from the command line: all of it, or nothing."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.models import AuditEntry
from providers.models import ExchangeRate, Provider, Service
from providers.publishing import publish
from tests import world
from tests.providers.command_line import audited, refused, run
from tests.providers.shop import KEY, Upstream, connected, everything_at

pytestmark = pytest.mark.django_db


def row() -> dict[str, Any]:
    return dict(Provider.objects.values().get())


def test_name_note_and_the_balance_to_warn_at(shop: Upstream) -> None:
    adam = world.admin()
    connected(shop)
    words = ["--name", "Meridian West", "--note", "Pays by card", "--low-balance", "50.5"]
    (told,) = run("provider_change", "Meridian", *words, "--by", adam.email)
    assert (told["name"], told["low_balance"]) == ("Meridian West", "50.500000")
    provider = Provider.objects.get()
    assert (provider.note, provider.low_balance) == ("Pays by card", Decimal("50.5"))
    assert audited("provider.change") == [(adam.email, "Meridian: name, note, low balance changed")]
    (told,) = run("provider_change", "Meridian West", "--low-balance", "none")
    assert (told["low_balance"], Provider.objects.get().note) == (None, "Pays by card")


def test_a_key_that_does_not_work_is_tried_and_not_kept(shop: Upstream) -> None:
    connected(shop)
    before = row()
    sentence = refused("provider_change", "Meridian", "--key", "mistyped", "--try-key")
    assert sentence.startswith("The provider was asked with this key, and nothing was saved: ")
    assert row() == before
    run("provider_change", "Meridian", "--key", KEY, "--try-key")
    assert shop.actions == ["balance", "balance"]
    assert "tries a new --key" in refused("provider_change", "Meridian", "--try-key")


def test_another_currency_is_told_first_and_prices_follow_it_at_once(shop: Upstream) -> None:
    everything_at(50)
    shop.list_many(2)
    provider = connected(shop)
    run("sync_catalog", "--apply")
    publish(provider)
    ExchangeRate.objects.create(currency="EUR", rate=Decimal("1.2"), date=timezone.now().date())
    sums, first, _second = run("provider_change", "Meridian", "--currency", "eur", "--dry-run")
    assert (sums["touched"], first["price_now"], first["new_price"]) == (2, "1.50000000", "1.80000000")
    assert row()["currency"] == "USD" and not audited("provider.connection")
    run("provider_change", "Meridian", "--currency", "EUR")
    assert {service.rate for service in Service.objects.all()} == {Decimal("1.80")}
    entry = AuditEntry.objects.get(verb="provider.connection")
    assert entry.details["currency"] == {"before": "USD", "after": "EUR"}
    _sums, first, _second = run("provider_change", "Meridian", "--currency", "CHF", "--dry-run")
    assert first["off_sale"] == "There is no exchange rate for CHF."
    run("provider_change", "Meridian", "--currency", "CHF")
    assert {service.off_sale for service in Service.objects.all()} == {"There is no exchange rate for CHF."}
    assert "nothing else changes a price" in refused("provider_change", "Meridian", "--dry-run")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--low-balance", "-1"], "zero or more"),
        (["--low-balance", "0.0000001"], "at most 6 decimals"),
        (["--low-balance", "much"], "'much' is not a valid balance."),
        (["--option", "batch_size=50", "--name", "17"], "A name of digits only would be taken for an id."),
        (["--note", "Kept?", "--name", "Other"], "There is a provider named Other already."),
        (["--option", "batch_size=0"], "batch_size must be between 1 and 100."),
        (["--option", "batch_size"], "An option is written as name=value."),
        (["--url", "http://elsewhere.example/api"], "must start with https://"),
    ],
)
def test_of_what_is_refused_in_part_nothing_is_written(
    shop: Upstream, words: list[str], sentence: str
) -> None:
    provider = connected(shop)
    world.provider(name="Other")
    before = Provider.objects.filter(pk=provider.pk).values().get(), AuditEntry.objects.count()
    assert sentence in refused("provider_change", "Meridian", *words)
    assert (
        Provider.objects.filter(pk=provider.pk).values().get(),
        AuditEntry.objects.count(),
    ) == before
