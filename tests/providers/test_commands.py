"""The supply side from the command line, with the JSON that scripts rely on."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from customers.models import AuditEntry
from providers.lanes import hold
from providers.models import Lane, MarkupRule, Provider, Service
from tests.providers.shop import KEY, Upstream, connected, service_of

pytestmark = pytest.mark.django_db


def run(*words: str) -> list[dict[str, Any]]:
    """The JSON lines of a command; also those before it ended with an error."""
    output = StringIO()
    try:
        call_command(*words, "--json", stdout=output)
    except CommandError as error:
        error.args = (*error.args, _lines(output))
        raise
    return _lines(output)


def _lines(output: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_from_an_address_to_services_on_sale_in_three_commands(shop: Upstream) -> None:
    shop.list_many(3)
    (added,) = run("add_provider", "Meridian", shop.url, "--key", KEY, "--option", "batch_size=50")
    provider = Provider.objects.get()
    assert added == {"id": provider.pk, "name": "Meridian"}
    (synced,) = run("sync_catalog", "Meridian", "--apply")
    expected = {"new": 3, "changed": 0, "missing": 0, "unchanged": 0, "ignored": 0, "applied": 3, "error": ""}
    assert synced == {"provider": "Meridian"} | expected
    (published,) = run("publish_services", str(provider.pk), "--ids", "1,3", "--markup", "25")
    assert published["published"] == 2
    assert service_of(provider, 3).rate == Decimal("1.25")
    (published,) = run("publish_services", "Meridian", "--all", "--markup", "0")
    assert published["published"] == 3
    (shown,) = run("provider_show", "Meridian")
    assert (shown["state"], shown["offers"], shown["on_sale"], shown["currency"]) == ("active", 3, 3, "USD")
    assert (shown["balance"], shown["last_error"], shown["breaker"]) == (None, "", "closed")
    assert (shown["options"]["batch_size"], shown["options"]["price_rise_limit_percent"]) == (50, 10)
    assert shown["last_sync"]["catalog"].endswith("Z")
    assert KEY not in json.dumps(shown)
    (balance,) = run("sync_balances", "Meridian")
    assert balance == {"provider": "Meridian", "balance": "100.842920", "currency": "USD", "error": ""}


def test_staged_changes_are_accepted_by_the_providers_service_ids(shop: Upstream) -> None:
    shop.list_many(20)
    provider = connected(shop)
    run("sync_catalog", "--apply")
    run("publish_services", "Meridian", "--markup", "25")
    shop.list(1, rate="3")
    shop.list(2, rate="4")
    (synced,) = run("sync_catalog", "Meridian", "--apply")
    assert (synced["changed"], synced["applied"]) == (2, 0)
    assert Service.objects.filter(off_sale="").count() == 18
    (accepted,) = run("catalog_accept", "Meridian", "--ids", "1")
    assert accepted["applied"] == 1
    assert service_of(provider, 1).rate == Decimal("3.75")
    assert not service_of(provider, 2).on_sale
    run("catalog_accept", "Meridian", "--all")
    assert service_of(provider, 2).rate == Decimal(5)
    assert run("catalog_accept", "Meridian")[0]["applied"] == 0


def test_without_a_rule_nothing_is_published_and_the_text_says_why(shop: Upstream) -> None:
    shop.list(1)
    connected(shop)
    run("sync_catalog", "--apply")
    output = StringIO()
    call_command("publish_services", "Meridian", "--all", stdout=output)
    assert "0 services of Meridian" in output.getvalue()
    assert "no markup rule" in output.getvalue()
    assert not MarkupRule.objects.exists()


def test_one_failing_provider_ends_with_exit_code_1_after_all_lines(shop: Upstream) -> None:
    shop.list(1)
    connected(shop, "Bad")
    Provider.objects.update(key="another-key")
    connected(shop, "Good")
    for command in ("sync_catalog", "sync_balances"):
        with pytest.raises(CommandError, match="Bad could not be read") as raised:
            run(command)
        bad, good = raised.value.args[1]
        assert (bad["provider"], good["provider"]) == ("Bad", "Good")
        assert "Invalid API key" in bad["error"]
        assert good["error"] == ""


def test_an_odd_list_is_told_but_the_call_did_not_fail(shop: Upstream) -> None:
    shop.list_many(5)
    connected(shop)
    run("sync_catalog", "--apply")
    shop.drop(1, 2)
    (synced,) = run("sync_catalog", "--apply")
    assert (synced["missing"], synced["applied"]) == (2, 0)
    assert synced["error"]


def test_a_command_waits_for_the_lane_and_says_so_when_it_stays_busy(shop: Upstream) -> None:
    shop.list(1)
    provider = connected(shop, batch_deadline_s=1)
    with hold(provider.pk, Lane.Kind.CATALOG, seconds=60), pytest.raises(CommandError, match="already"):
        run("sync_catalog")
    assert run("sync_catalog")[0]["new"] == 1


def test_a_pause_and_its_end_leave_a_trace(shop: Upstream) -> None:
    provider = connected(shop)
    assert run("provider_pause", "Meridian", "--reason", "Slow today")[0]["state"] == "paused"
    assert run("provider_show", "Meridian")[0]["pause_reason"] == "Slow today"
    assert run("sync_balances")[0]["error"] == ""  # reading goes on
    assert run("provider_resume", "Meridian")[0]["state"] == "active"
    verbs = AuditEntry.objects.filter(subject=f"provider:{provider.pk}").order_by("id")
    assert [entry.verb for entry in verbs] == ["provider.add", "provider.pause", "provider.resume"]


def test_an_exchange_rate_prices_what_waited_for_it(shop: Upstream) -> None:
    shop.list(1)
    provider = connected(shop, currency="EUR")
    run("sync_catalog", "--apply")
    (published,) = run("publish_services", "Meridian", "--markup", "10")
    assert published["published"] == 0
    (rate,) = run("set_rate", "EUR", "1.20", "--date", "2026-01-01")
    assert (rate["currency"], Decimal(rate["rate"]), rate["date"]) == ("EUR", Decimal("1.2"), "2026-01-01")
    run("publish_services", "Meridian", "--markup", "10")
    assert service_of(provider, 1).rate == Decimal("1.32")
    run("set_rate", "EUR", "2", "--date", "2026-01-02")
    assert service_of(provider, 1).rate == Decimal("2.2")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add_provider", "Meridian", "https://x.example/", "--key", "k"], "already"),
        (["add_provider", "New", "http://x.example/", "--key", "k"], "https"),
        (["add_provider", "New", "https://x.example/"], "API key"),
        (["add_provider", "New", "https://x.example/", "--key", "k", "--option", "x"], "name=value"),
        (
            ["add_provider", "New", "https://x.example/", "--key", "k", "--option", "x=1"],
            "no provider option",
        ),
        (["sync_catalog", "Nobody"], "no provider 'Nobody'"),
        (["provider_show", "999999"], "no provider"),
        (["provider_pause", "Meridian", "--reason", " "], "needs a reason"),
        (["catalog_accept", "Meridian", "--ids", "77"], "No change waits"),
        (["publish_services", "Meridian", "--ids", "77"], "has no service 77"),
        (["publish_services", "Meridian", "--markup", "much"], "not a valid markup"),
        (["publish_services", "Meridian", "--markup", "-200"], "percentage"),
        (["set_rate", "USD", "1"], "own currency"),
        (["set_rate", "EUR", "x"], "not a valid rate"),
        (["set_rate", "EUR", "1", "--date", "yesterday"], "not a date"),
    ],
)
def test_wrong_input_is_one_sentence(shop: Upstream, words: list[str], says: str) -> None:
    connected(shop)
    with pytest.raises(CommandError, match=says) as raised:
        run(*words)
    assert len(str(raised.value.args[0]).splitlines()) == 1


def test_a_provider_is_found_by_id_or_exact_name(shop: Upstream) -> None:
    provider = connected(shop, "Meridian 2")
    for text in (str(provider.pk), "Meridian 2"):
        assert run("provider_show", text)[0]["id"] == provider.pk
    for text in ("Meridian", "meridian 2", "-1", str(10**30)):
        with pytest.raises(CommandError):
            run("provider_show", text)
