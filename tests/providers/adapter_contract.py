"""What every dialect must keep, whatever its providers say.

A dialect's test subclasses AdapterContract and records its provider's real answers to the same thirteen
questions under replies/<dialect>/: a first line `<status> <content type>`, an empty line, the body. The facts
in the answers are the same for all dialects (see the tests); only their clothing differs.
"""

import socket
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from providers.adapters import REGISTRY, Adapter
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Refused, Unavailable, Uncertain
from providers.adapters.results import AddRequest, Balance, RefillWord, Word
from providers.service_types import Ordered
from tests.providers.replaying import Replaying, http_reply, replaying

KEY = "canary/KEY+0123456789"
ORDER = AddRequest("1", "default", Ordered("https://example.com/p/1", 100), "4f1c")


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class AdapterContract:
    dialect: ClassVar[str]
    replies: ClassVar[str] = ""  # another dialect's folder: what does its provider look like to this one?
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def provider(self) -> Iterator[Replaying]:
        with replaying() as running:
            yield running

    @pytest.fixture
    def adapter(self, provider: Replaying) -> Adapter:
        settings = {"deadline_s": 2, "batch_deadline_s": 2, **self.options}
        return REGISTRY[self.dialect](provider.url, KEY, settings, provider.door())

    def recorded(self, provider: Replaying, name: str) -> None:
        text = (
            Path(__file__).parent / "replies" / (self.replies or self.dialect) / f"{name}.http"
        ).read_text()
        head, _, body = text.partition("\n\n")
        status, _, content_type = head.partition(" ")
        provider.says(body, int(status), content_type)

    # ------------------------------------------------------------------------- recorded answers

    def test_services(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "services")
        catalog = adapter.services()
        first, second = catalog.rows
        assert catalog.problems == ()
        assert (first.service_id, first.service_type, second.service_type) == (
            "1",
            "default",
            "custom comments",
        )
        assert (first.rate, first.minimum, first.maximum) == (Decimal("0.90"), 50, 10000)
        assert (first.refill, first.cancel, second.refill, second.cancel) == (True, True, False, False)
        assert first.name == "Directory listing" and first.category == "Listings"

    def test_services_refused(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "services_refused")
        with pytest.raises(Refused) as refused:
            adapter.services()
        assert refused.value.kind == "auth"

    def test_add(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "add")
        assert adapter.add(ORDER).order_id == "23501"
        assert KEY in provider.forms[0].values() and "add" in provider.forms[0].values()

    def test_add_refused(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "add_refused")
        with pytest.raises(Refused) as refused:
            adapter.add(ORDER)
        assert refused.value.kind == "provider_funds"

    def test_status_of_one(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "status_one")
        observation = adapter.statuses(["1"]).found["1"]
        assert (observation.word, observation.remains, observation.start_count) == (Word.PARTIAL, 157, 3572)
        assert (observation.charge, observation.currency) == (Decimal("0.27819"), "USD")

    def test_status_of_many(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "status_many")
        statuses = adapter.statuses(["1", "10", "100", "7"])
        assert {order: seen.word for order, seen in statuses.found.items()} == {
            "1": Word.PARTIAL,
            "100": Word.IN_PROGRESS,
        }
        assert list(statuses.errors) == ["10"]

    def test_refill_of_one(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "refill_one")
        assert [(a.accepted, a.upstream_id) for a in adapter.refill(["1"]).values()] == [(True, "41")]

    def test_refill_refused(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "refill_one_refused")
        answer = adapter.refill(["1"])["1"]
        assert not answer.accepted and answer.message

    def test_refill_of_many(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "refill_many")
        answers = adapter.refill(["1", "3"])
        assert {order: answer.accepted for order, answer in answers.items()} == {"1": True, "3": False}
        assert answers["1"].upstream_id == "41" and answers["3"].kind == "order"

    def test_refill_status_of_one(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "refill_status_one")
        assert adapter.refill_statuses(["41"]).found == {"41": RefillWord.COMPLETED}

    def test_refill_status_of_many(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "refill_status_many")
        statuses = adapter.refill_statuses(["41", "42", "43"])
        assert statuses.found == {"41": RefillWord.COMPLETED, "42": RefillWord.REJECTED}
        assert list(statuses.errors) == ["43"]

    def test_cancel(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "cancel_many")
        answers = adapter.cancel(["9", "2"])
        assert {order: answer.accepted for order, answer in answers.items()} == {"9": False, "2": True}

    def test_balance(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "balance")
        assert adapter.balance() == Balance(Decimal("100.84292"), "USD")

    # ------------------------------------------------------------------------- whatever happens

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"{}",
            b"<html>Just a moment...</html>",
            b'{"order":2350',
            b'"ok"',
            b"\xff\xfe\x00",
        ],
    )
    @pytest.mark.parametrize("status", [200, 302, 500, 503])
    def test_an_answer_without_an_answer_leaves_an_order_in_doubt(
        self, provider: Replaying, adapter: Adapter, body: bytes, status: int
    ) -> None:
        provider.says(body, status, "text/html")
        with pytest.raises(Uncertain):
            adapter.add(ORDER)
        assert provider.connections == 1

    def test_a_broken_connection_leaves_an_order_in_doubt(
        self, provider: Replaying, adapter: Adapter
    ) -> None:
        provider.does(reset)
        with pytest.raises(Uncertain):
            adapter.add(ORDER)
        assert provider.connections == 1

    def test_a_refused_connection_means_not_sent(self, provider: Replaying) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        door = provider.door()
        door._allowed_private |= {url[7:-1]}
        with pytest.raises(NotSent):
            REGISTRY[self.dialect](url, KEY, self.options, door).add(ORDER)

    def test_a_late_check_stops_the_order(self, provider: Replaying, adapter: Adapter) -> None:
        def stop() -> None:
            raise NotSent("Too late.", reason="too_late")

        with pytest.raises(NotSent) as not_sent:
            adapter.add(ORDER, before_write=stop)
        assert not_sent.value.reason == "too_late" and provider.forms == []

    def test_an_id_in_an_answer_that_broke_off_is_kept_for_a_person(
        self, provider: Replaying, adapter: Adapter
    ) -> None:
        provider.reply = http_reply('{"order":77}').replace(b"Content-Length: 12", b"Content-Length: 99")
        with pytest.raises(Uncertain) as doubt:
            adapter.add(ORDER)
        assert doubt.value.candidate_id == "77"

    def test_reads_name_what_is_wrong(self, provider: Replaying, adapter: Adapter) -> None:
        answers = {
            "redirect": ("", 301),
            "challenge": ("<html>Just a moment...</html>", 403),
            "wrong_url": ("<html>Not found</html>", 404),
            "forbidden": ("<html>No</html>", 403),
            "not_json": ("<html>Welcome</html>", 200),
        }
        for reason, (body, status) in answers.items():
            provider.says(body, status, "text/html", Location="https://new.example/api/v2")
            for read in (adapter.services, adapter.balance, lambda: adapter.statuses(["1", "2"])):
                with pytest.raises(Misconfigured) as misconfigured:
                    read()
                assert misconfigured.value.reason == reason
                assert reason != "redirect" or "https://new.example/api/v2" in misconfigured.value.message

    def test_reads_say_when_to_ask_again(self, provider: Replaying, adapter: Adapter) -> None:
        for body, status in (("", 200), ("<html>", 503), ('{"balance":', 200), ('{"error":"x"}', 502)):
            provider.says(body, status)
            for read in (adapter.services, adapter.balance, lambda: adapter.refill_statuses(["1", "2"])):
                with pytest.raises(Unavailable):
                    read()
        provider.does(reset)
        with pytest.raises(Unavailable):
            adapter.balance()

    def test_too_many_requests_is_a_reason_to_slow_down(self, provider: Replaying, adapter: Adapter) -> None:
        for body in ("<html>slow down</html>", '{"message":"Too Many Attempts."}', "{}"):
            provider.says(body, 429)
            with pytest.raises(Refused) as refused:
                adapter.balance()
            assert refused.value.kind == "rate_limit"

    def test_rows_without_ids_say_nothing(self, provider: Replaying, adapter: Adapter) -> None:
        row = '{"charge":"1","start_count":"0","status":"Canceled","remains":"5","currency":"USD"}'
        for body in (f"[{row},{row}]", f"[{row}]", "[]", f'{{"data":[{row}]}}'):
            for ids in (["0", "1"], ["1"]):
                provider.says(body)
                statuses = adapter.statuses(ids)
                assert (statuses.found, statuses.errors) == ({}, {})

    def test_more_ids_than_the_batch_size_are_refused_before_sending(
        self, provider: Replaying, adapter: Adapter
    ) -> None:
        with pytest.raises(ValueError, match="101 ids"):
            adapter.statuses([str(number) for number in range(101)])
        assert provider.connections == 0

    @pytest.mark.parametrize(
        "echo", [KEY, KEY.lower(), "canary%2FKEY%2B0123456789", "canary\\/KEY+0123456789"]
    )
    @pytest.mark.parametrize("status", [200, 403, 500])
    def test_an_echoed_key_reaches_nobody(
        self, provider: Replaying, adapter: Adapter, caplog: pytest.LogCaptureFixture, echo: str, status: int
    ) -> None:
        caplog.set_level(0)
        said: list[str] = []
        acts = (
            adapter.services,
            adapter.balance,
            lambda: adapter.add(ORDER),
            lambda: adapter.statuses(["1", "2"]),
            lambda: adapter.refill(["1"]),
            lambda: adapter.refill_statuses(["1"]),
            lambda: adapter.cancel(["1"]),
        )
        long = "x" * 480
        for body in (
            f'{{"error":"Bad key {echo} given"}}',
            f'{{"error":"{long}{echo}"}}',
            f'{{"order":1,"error":"{long[:290]}{echo}"}}',
            f'{{"order":"{echo}"}}',
            f"<html>{long} {echo}</html>",
            f'[{{"service":1,"name":"{echo}","type":"{echo}","category":"{echo}","rate":"1","min":1,"max":2,'
            f'"desc":"{echo}"}}]',
            f'{{"1":{{"status":"{echo}","remains":"1"}},"refill":"{echo}","cancel":"not {echo}"}}',
        ):
            provider.says(body, status, Location=f"https://new.example/?key={echo}")
            for act in acts:
                try:
                    said.append(repr(act()))
                except ProviderError as error:
                    said.append(repr((error.args, vars(error), error.__cause__, error.__context__)))
        said.append(caplog.text)
        everything = "\n".join(said).lower().replace("\\\\", "\\")
        assert echo.lower() not in everything and KEY.lower()[:16] not in everything
