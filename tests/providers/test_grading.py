"""Testing a connection: what is asked, what it says, what it proposes; and the command."""

import json
import socket
import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers import connecting, grading
from providers.adapters import REGISTRY
from providers.connecting import add_provider
from providers.models import Provider
from tests.providers.replaying import Replaying, replaying
from tests.providers.shop import KEY, Upstream, connected
from tests.providers.test_http_door import certificate, secure, secure_door  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db
ROW = {"service": 1, "name": "Placement", "type": "Default", "rate": "1", "min": "1", "max": "9"}


def graded(provider: Provider) -> grading.Found:
    return grading.test_connection(provider)


def at(server: Replaying, settings: Any, **fields: Any) -> Provider:
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({server.entry})
    return Provider(name="New", api_url=server.url, key=KEY, currency="USD", **fields)


def proposed(found: grading.Found) -> dict[str, Any]:
    return {one.option: one.value for one in found.proposals}


def test_it_asks_read_only_questions_and_writes_nothing(shop: Upstream) -> None:
    shop.list_many(3)
    shop.list(4, type="Guided Seats")
    shop.list(5, type="Subscriptions")
    provider = connected(shop)
    with CaptureQueriesContext(
        connection,
    ) as statements:
        found = graded(provider)
    assert len(statements) == 0
    assert shop.actions == ["balance", "services", "status"]
    assert (found.works, found.grade) == (True, "fair")
    assert (str(found.balance), found.currency) == ("100.84292", "USD")
    assert (found.services, found.sellable, found.unknown_types) == (5, 3, ("Guided Seats",))
    assert set(found.seconds) == {"balance", "services", "status"}
    assert dict(found.speaks)["List"] == "a list"
    assert dict(found.speaks)["Types"] == "Default 3, Guided Seats 1 (not known), Subscriptions 1"
    assert dict(found.speaks)["Statuses"] == "each id is answered by itself"
    assert found.proposals == ()


def test_a_provider_without_quirks_is_good(shop: Upstream) -> None:
    shop.list(1)
    found = graded(Provider(name="New", api_url=shop.url, key=KEY, currency="USD"))
    assert (found.grade, found.quirks, found.failures) == ("good", (), ())
    assert not Provider.objects.exists()


def test_an_empty_list_and_another_currency_are_failures(shop: Upstream) -> None:
    shop.balance = {"balance": "1", "currency": "EUR"}
    failures = graded(connected(shop)).failures
    assert failures == (
        "Balance: The provider's account is in EUR, but USD is entered here. Prices would be wrong.",
        "Services: The list is empty. Nothing can be sold from it.",
    )


def test_a_refused_key_ends_the_test_with_one_sentence(shop: Upstream) -> None:
    provider = connected(shop)
    provider.key = "another-key"
    found = graded(provider)
    assert found.grade == "none"
    assert found.failures == (
        "Balance: The provider refuses the key: Invalid API key. Copy the key again from the provider's API page, "
        "and check that this server's address is allowed there.",
    )
    assert found.quirks == ()  # a refusal tells no currency, and need not
    assert shop.actions == ["balance"]


@pytest.mark.parametrize(
    ("body", "status", "headers", "sentence"),
    [
        ("", 301, {"Location": "https://new.example/api/v2"},
         "Balance: The address redirects to https://new.example/api/v2. Enter the final address of the API instead. "
         "Nothing was sent to the other address."),
        ("<html>Just a moment...</html>", 403, {},
         "Balance: The provider answered with HTTP 403 and a bot check meant for browsers. Ask the provider to let "
         "this server in. Until then nothing can be read or ordered."),
        ("<html>Not found</html>", 404, {},
         "Balance: The provider answered with HTTP 404: the address is probably wrong. It usually ends in /api/v2."),
        ("<html>Welcome</html>", 200, {},
         "Balance: The provider answered with HTTP 200 and no JSON: the address is probably wrong. It usually ends in "
         "/api/v2."),
        ("slow down", 429, {},
         "Balance: The provider says that there were too many requests. Wait a few minutes, then "
         "test again; a lower rate_per_minute keeps it from happening."),
    ],
)  # fmt: skip
def test_each_fault_has_its_own_sentence(
    body: str, status: int, headers: dict[str, str], sentence: str, settings: Any
) -> None:
    with replaying() as server:
        server.says(body, status, "text/html", **headers)
        found = graded(at(server, settings))
        assert found.failures == (sentence,)
        assert server.connections == 1


def test_faults_before_a_connection_stands(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        entry = f"127.0.0.1:{listener.getsockname()[1]}"
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({entry})
    gone = Provider(name="New", api_url=f"http://{entry}/api/v2", key=KEY, currency="USD")
    (sentence,) = graded(gone).failures
    assert sentence.startswith("Balance: Could not connect to 127.0.0.1")
    assert sentence.endswith(" The server is down, or a firewall is in between. Nothing was sent.")
    private = Provider(name="New", api_url="https://127.0.0.1:9/api/v2", key=KEY, currency="USD")
    assert "127.0.0.1" in graded(private).failures[0]
    with socket.create_server(("127.0.0.1", 0)) as plain:
        entry = f"127.0.0.1:{plain.getsockname()[1]}"
        thread = threading.Thread(target=_answer_in_plain, args=(plain,))
        thread.start()
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({entry})
        found = graded(Provider(name="New", api_url=f"https://{entry}/api/v2", key=KEY, currency="USD"))
        thread.join()
    assert found.failures == (
        "Balance: No secure connection to 127.0.0.1 could be made. Nothing was sent. "
        "The provider's server has to be put right.",
    )


def _answer_in_plain(listener: socket.socket) -> None:
    connected_to, _address = listener.accept()
    with connected_to:
        connected_to.recv(1)
        connected_to.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_certificate_that_cannot_be_verified(
    secure: tuple[int, list[str | None]],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, _names = secure
    monkeypatch.setattr(connecting, "door", lambda: secure_door("panel.example", port, None))
    found = graded(
        Provider(name="New", api_url=f"https://panel.example:{port}/api/v2", key=KEY, currency="USD")
    )
    assert found.failures == (
        "Balance: The certificate of panel.example could not be verified. Nothing was sent. "
        "The provider has to renew it, or the address is not the provider's.",
    )


def test_no_key_or_no_api_is_said_without_a_call() -> None:
    by_hand = add_provider("By hand", "", "", adapter="manual")
    assert "by hand" in graded(by_hand).failures[0]
    no_key = Provider(name="New", api_url="https://provider.example/api/v2")
    assert "no key" in graded(no_key).failures[0]


def test_wrapping_that_is_survived_is_named(shop: Upstream) -> None:
    shop.answers["services"] = shop.json({"data": [ROW]}, 201)
    shop.answers["services"].content_type = "text/html"
    shop.answers["balance"] = shop.json({"balance": "3"})
    shop.answers["balance"].data = b"\xef\xbb\xbf" + shop.answers["balance"].data
    found = graded(connected(shop))
    assert found.works and found.grade == "fair"
    assert set(found.quirks) == {
        "A byte order mark stands before its answers.",
        "It answers with HTTP 201.",
        "It does not call its answers JSON.",
        "It does not tell the currency of the balance; the one entered here is believed.",
        "It does not tell which services allow refill: none is assumed to.",
        "It does not tell which services allow cancel: none is assumed to.",
    }
    assert dict(found.speaks)["List"] == "wrapped"


def test_another_dialect_is_proposed_where_it_reads_more_of_the_same_answers(shop: Upstream) -> None:
    shop.list(1)
    ids = grading.IMPOSSIBLE
    shop.answers["status"] = shop.json([{"order": order, "status": "Incorrect order ID"} for order in ids])
    found = graded(connected(shop))
    assert proposed(found) == {"adapter": "lists_with_ids"}
    provider = connected(shop, "Listed")
    provider.adapter = "lists_with_ids"
    assert proposed(graded(provider)) == {}


def test_single_statuses_are_proposed_where_several_are_not_answered(shop: Upstream) -> None:
    shop.list(1)
    shop.answers["status"] = shop.json({"error": "Incorrect order ID"})
    found = graded(connected(shop))
    # in the way of each dialect, then singly
    assert shop.actions == ["balance", "services", *["status"] * (len(REGISTRY) + 1)]
    assert dict(found.speaks)["Statuses"] == "only one by one"
    assert proposed(found) == {"batch_size": 1, "single_status": True}
    assert all(one.why for one in found.proposals)


def test_more_time_is_proposed_to_a_slow_provider(shop: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.list(1)
    monkeypatch.setattr(grading._Test, "ask", _slowed(grading._Test.ask, {"services": 40.0, "balance": 2.0}))
    assert proposed(graded(connected(shop))) == {"batch_deadline_s": 160.0}


def _slowed(ask: Any, times: dict[str, float]) -> Any:
    def slow(test: Any, name: str, question: Any, **more: Any) -> Any:
        answer = ask(test, name, question, **more)
        test.seconds[name] = times.get(name, 0.1)
        return answer

    return slow


def test_an_echoed_key_is_in_none_of_it(shop: Upstream) -> None:
    row = {**ROW, "type": f"Type {KEY}", "category": KEY, KEY: "column", "name": KEY}
    shop.answers["services"] = shop.json([row])
    shop.answers["status"] = shop.json({"error": f"Bad {KEY}"})
    assert KEY not in repr(graded(connected(shop)))


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("test_provider", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_it_and_takes_what_is_proposed(shop: Upstream) -> None:
    shop.list(1)
    shop.answers["status"] = shop.json({"error": "Incorrect order ID"})
    provider = connected(shop)
    text = said("Meridian")
    assert "Meridian: works" in text and "Proposed: batch_size=1." in text
    answer = json.loads(said("Meridian", "--json", "--take"))
    assert (answer["works"], answer["services"], answer["balance"]) == (True, 1, "100.84292")
    provider.refresh_from_db()
    assert (provider.options["batch_size"], provider.options["single_status"]) == (1, True)


def test_the_command_fails_with_the_sentences(shop: Upstream) -> None:
    connected(shop)
    out = StringIO()
    with pytest.raises(CommandError, match="list is empty"):
        call_command("test_provider", "Meridian", "--json", stdout=out)
    assert json.loads(out.getvalue())["works"] is False


def test_a_provider_that_knows_no_status_question_does_not_work(shop: Upstream) -> None:
    shop.list_many(3)
    shop.answers["status"] = shop.json({"error": "Invalid action"})
    for options in ({}, {"batch_size": 1}, {"single_status": True}):
        found = graded(connected(shop, f"Of {len(options)} {options}", **options))
        assert (found.works, found.grade) == (False, "none"), options
        (sentence,) = found.failures
        assert sentence.startswith("Status: The provider says: Invalid action.")
        assert "could not be followed" in sentence


def test_an_error_about_statuses_that_nobody_understands_is_a_quirk(shop: Upstream) -> None:
    shop.list_many(3)
    shop.answers["status"] = shop.json({"error": "boom"}, status=500)
    found = graded(connected(shop))
    assert (found.works, found.grade) == (True, "fair")
    assert any("The question about statuses was answered with" in quirk for quirk in found.quirks)
    shop.answers["status"] = shop.json({"error": "Incorrect order ID"})
    known = graded(connected(shop, "Knows that the ids do not exist"))
    assert known.works and not any("answered with" in quirk for quirk in known.quirks)
