"""Testing an address from the command line before it is added: told what it speaks, nothing saved but the audit."""

import pytest

from customers.models import AuditEntry
from providers.models import Provider
from tests import world
from tests.providers.command_line import audited, refused, run
from tests.providers.shop import KEY, Upstream, connected

pytestmark = pytest.mark.django_db


def test_an_address_is_tried_and_nothing_is_added(shop: Upstream) -> None:
    shop.list_many(3)
    adam = world.admin()
    (found,) = run("test_provider", "--url", shop.url, "--key", KEY, "--by", adam.email)
    assert (found["works"], found["services"], found["sellable"]) == (True, 3, 3)
    assert "add" not in shop.actions
    assert not Provider.objects.exists()
    assert audited("provider.test") == [(adam.email, "Connection of This provider tested: works")]
    entry = AuditEntry.objects.get(verb="provider.test")
    assert (entry.subject, KEY in str(entry.details)) == ("provider:new", False)


def test_a_wrong_key_has_its_sentence_and_exit_code(shop: Upstream) -> None:
    assert "key" in refused("test_provider", "--url", shop.url, "--key", "mistyped")
    assert not Provider.objects.exists()


def test_a_provider_that_is_there_is_audited_under_its_own_name(shop: Upstream) -> None:
    shop.list(1)
    provider = connected(shop)
    run("test_provider", "Meridian")
    entry = AuditEntry.objects.get(verb="provider.test")
    assert (entry.subject, entry.summary) == (
        f"provider:{provider.pk}",
        "Connection of Meridian tested: works",
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Name a provider, or an address with --url and --key."),
        (["--url", "https://north.example/api/v2"], "An address is tried with its --key alone"),
        (["Meridian", "--url", "https://north.example/api/v2", "--key", "k"], "An address is tried"),
        (["--url", "https://north.example/api/v2", "--key", "k", "--adapter", "odd"], "no adapter 'odd'"),
    ],
)
def test_what_is_not_clear_is_refused(words: list[str], sentence: str) -> None:
    assert sentence in refused("test_provider", *words)
    assert not AuditEntry.objects.exists()
