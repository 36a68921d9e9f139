"""The dialect lists_with_ids: the contract, and how it asks."""

from providers.adapters import Adapter
from tests.providers.adapter_contract import AdapterContract
from tests.providers.replaying import Replaying


class TestListsWithIds(AdapterContract):
    dialect = "lists_with_ids"

    def test_one_refill_is_asked_for_and_followed_as_many_are(
        self, provider: Replaying, adapter: Adapter
    ) -> None:
        self.recorded(provider, "refill_one")
        adapter.refill(["1"])
        self.recorded(provider, "refill_status_one")
        adapter.refill_statuses(["41"])
        asked = [
            {name: value for name, value in form.items() if name not in ("key", "action")}
            for form in provider.forms
        ]
        assert asked == [{"orders": "1"}, {"refills": "41"}]

    def test_a_word_we_do_not_know_is_no_error(self, provider: Replaying, adapter: Adapter) -> None:
        provider.says('[{"order":1,"status":"Reviewing","remains":"5"}]')
        statuses = adapter.statuses(["1"])
        assert statuses.found["1"].word is None and statuses.found["1"].raw_word == "Reviewing"
        assert statuses.errors == {}
