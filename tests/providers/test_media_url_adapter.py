"""The dialect media_url: the contract, and the form of its orders."""

import pytest

from providers.adapters import Adapter
from providers.adapters.results import AddRequest, Word
from providers.service_types import Ordered
from tests.providers.adapter_contract import AdapterContract
from tests.providers.replaying import Replaying

LINK = "https://example.com/p/1"


class TestMediaUrl(AdapterContract):
    dialect = "media_url"

    @pytest.mark.parametrize(
        ("service_type", "ordered", "sent"),
        [
            (
                "default",
                Ordered(LINK, 100, 3, 30),
                {"link": LINK, "quantity": "100", "runs": "3", "interval": "30", "dripfeed": "1"},
            ),
            (
                "custom comments",
                Ordered(LINK, 2, fields={"comments": "one\ntwo"}),
                {"link": LINK, "quantity": "2", "comments": "one\ntwo"},
            ),
            (
                "mentions media likers",
                Ordered(LINK, 100, fields={"media": "https://example.com/m"}),
                {"link": LINK, "quantity": "100", "media_url": "https://example.com/m"},
            ),
        ],
    )
    def test_the_form_of_an_order(
        self,
        provider: Replaying,
        adapter: Adapter,
        service_type: str,
        ordered: Ordered,
        sent: dict[str, str],
    ) -> None:
        self.recorded(provider, "add")
        adapter.add(AddRequest("7", service_type, ordered))
        form = provider.forms[0]
        assert {name: form[name] for name in form if name not in ("key", "action", "service")} == sent

    def test_its_own_words(self, provider: Replaying, adapter: Adapter) -> None:
        words = {
            "In Queue": Word.PENDING,
            "Delivered": Word.COMPLETED,
            "Canceled": Word.CANCELED,
            "Gone": None,
        }
        for theirs, ours in words.items():
            provider.says(f'{{"1":{{"status":"{theirs}"}}}}')
            assert adapter.statuses(["1"]).found["1"].word == ours
