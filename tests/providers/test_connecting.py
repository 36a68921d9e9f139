"""Adding a provider, testing and changing its connection."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from customers.models import AuditEntry
from providers.adapters import REGISTRY, Option, StandardAdapter
from providers.adapters.errors import Misconfigured
from providers.connecting import (
    InvalidProvider,
    adapter_for,
    add_provider,
    change_connection,
    door,
    options_of,
)
from providers.models import Provider

pytestmark = pytest.mark.django_db
URL = "https://provider.example/api/v2"


def test_a_provider_is_saved_with_its_key_encrypted_and_only_the_options_that_differ() -> None:
    provider = add_provider(
        " Meridian ", URL, "top-secret-key", options={"batch_size": "50", "deadline_s": "45"}
    )
    assert (provider.name, provider.currency, provider.options) == ("Meridian", "USD", {"batch_size": 50})
    stored = Provider.objects.extra(select={"raw": "key"}).values_list("raw", flat=True).get()
    assert "top-secret-key" not in stored
    provider.refresh_from_db()
    assert provider.key == "top-secret-key"
    options = options_of(provider)
    assert (options["batch_size"], options["deadline_s"], options["request_id"]) == (50, 45, False)
    entry = AuditEntry.objects.get(verb="provider.add")
    assert (entry.actor_label, entry.subject) == ("command line", f"provider:{provider.pk}")
    assert "top-secret-key" not in str(entry.details) + entry.summary


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "N" * 81}, "name"),
        ({"name": "12"}, "name"),
        ({"name": "Taken"}, "name"),
        ({"api_url": "provider.example/api/v2"}, "api_url"),
        ({"api_url": "http://provider.example/api/v2"}, "api_url"),
        ({"api_url": "http://127.0.0.1:1/api/v2"}, "api_url"),
        ({"api_url": "https://user:pass@provider.example/"}, "api_url"),
        ({"api_url": "https://provider.example:99999/"}, "api_url"),
        ({"api_url": "ftp://provider.example/"}, "api_url"),
        ({"api_url": ""}, "api_url"),
        ({"key": " "}, "key"),
        ({"adapter": "nonsense"}, "adapter"),
        ({"currency": "DOLLARS"}, "currency"),
        ({"options": {"batch": "1"}}, "options"),
        ({"options": {"batch_size": "101"}}, "options"),
    ],
)
def test_wrong_input_is_named_by_field_and_saves_nothing(values: dict[str, Any], field: str) -> None:
    add_provider("Taken", URL, "key")
    given = {"name": "Meridian", "api_url": URL, "key": "key"} | values
    with pytest.raises(InvalidProvider) as raised:
        add_provider(**given)
    assert list(raised.value.errors) == [field]
    assert raised.value.errors[field].endswith(".")
    assert Provider.objects.count() == 1


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidProvider) as raised:
        add_provider("", "nowhere", "", currency="?", options={"no": "1"})
    assert set(raised.value.errors) == {"name", "api_url", "key", "currency", "options"}


def test_plain_http_is_for_the_exact_addresses_of_the_exception_list(settings: Any) -> None:
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({"127.0.0.1:8900"})
    add_provider("Sandbox", "http://127.0.0.1:8900/api/v2", "key")
    with pytest.raises(InvalidProvider):
        add_provider("Other", "http://127.0.0.1:8901/api/v2", "key")


def test_a_new_address_clears_the_key_unless_a_new_one_comes_with_it() -> None:
    provider = add_provider("Meridian", URL, "first-key")
    change_connection(provider, api_url="https://elsewhere.example/api/v2")
    assert (provider.api_url, provider.key) == ("https://elsewhere.example/api/v2", "")
    with pytest.raises(Misconfigured, match="no key"):
        adapter_for(provider)
    change_connection(provider, api_url=URL, key="second-key")
    assert (provider.api_url, provider.key) == (URL, "second-key")
    assert AuditEntry.objects.filter(verb="provider.connection").count() == 2


def test_the_same_address_and_an_empty_key_change_nothing() -> None:
    provider = add_provider("Meridian", URL, "first-key", options={"batch_size": 50})
    change_connection(provider, api_url=URL, key="", options={"batch_size": "50"})
    assert provider.key == "first-key"
    assert not AuditEntry.objects.filter(verb="provider.connection").exists()


def test_a_wrong_change_changes_nothing_at_all() -> None:
    provider = add_provider("Meridian", URL, "first-key")
    with pytest.raises(InvalidProvider):
        change_connection(provider, api_url="http://insecure.example/", key="second-key")
    provider.refresh_from_db()
    assert (provider.api_url, provider.key) == (URL, "first-key")


def test_one_process_has_one_door() -> None:
    provider = add_provider("Meridian", URL, "key")
    assert adapter_for(provider).door is adapter_for(provider).door is door()


def test_a_provider_worked_by_hand_has_no_api_to_ask() -> None:
    provider = add_provider("By hand", "", "", adapter="manual")
    with pytest.raises(Misconfigured, match="by hand"):
        adapter_for(provider)


def test_a_dialect_brings_its_own_defaults_and_only_what_differs_is_kept() -> None:
    provider = add_provider(
        "Meridian", URL, "key", adapter="media_url", options={"dripfeed_flag": "true", "batch_size": "50"}
    )
    assert provider.options == {"batch_size": 50}
    assert options_of(provider)["dripfeed_flag"] is True
    change_connection(provider, options={"dripfeed_flag": "false", "batch_size": "50"})
    assert provider.options == {"batch_size": 50, "dripfeed_flag": False}
    assert adapter_for(provider).options["dripfeed_flag"] is False


def test_an_option_of_a_dialect_is_unknown_to_the_others_and_goes_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class North(StandardAdapter):
        own_options: ClassVar[Mapping[str, Option]] = {"compass": Option("flag", False, "Where it points.")}

    monkeypatch.setitem(REGISTRY, "north", North)
    with pytest.raises(InvalidProvider, match="no provider option compass"):
        add_provider("Other", URL, "key", options={"compass": "true"})
    provider = add_provider("Meridian", URL, "key", adapter="north", options={"compass": "true"})
    assert provider.options == {"compass": True}
    change_connection(provider, adapter="standard")
    assert provider.options == {}
    assert adapter_for(provider).options["batch_size"] == 100
