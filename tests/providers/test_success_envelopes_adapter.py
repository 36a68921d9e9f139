"""The dialect success_envelopes: the contract, and how it asks."""

from providers.adapters import Adapter
from tests.providers.adapter_contract import AdapterContract
from tests.providers.replaying import Replaying


class TestSuccessEnvelopes(AdapterContract):
    dialect = "success_envelopes"

    def test_it_asks_by_order_id(self, provider: Replaying, adapter: Adapter) -> None:
        self.recorded(provider, "status_many")
        adapter.statuses(["1", "10", "100", "7"])
        self.recorded(provider, "refill_one")
        adapter.refill(["1"])
        self.recorded(provider, "cancel_many")
        adapter.cancel(["9", "2"])
        asked = [
            {name: value for name, value in form.items() if name not in ("key", "action")}
            for form in provider.forms
        ]
        assert asked == [{"order_ids": "1,10,100,7"}, {"order_id": "1"}, {"order_ids": "9,2"}]

    def test_an_envelope_without_contents_says_nothing(self, provider: Replaying, adapter: Adapter) -> None:
        for body in ('{"status":"success"}', '{"status":"success","data":null}'):
            provider.says(body)
            statuses = adapter.statuses(["1"])
            assert (statuses.found, statuses.errors) == ({}, {})

    def test_a_message_beside_a_status_is_no_error(self, provider: Replaying, adapter: Adapter) -> None:
        for data in (
            '[{"order_id":1,"order_status":"partial","remaining":"5","message":"As agreed"}]',
            '{"1":{"order_status":"partial","remaining":"5","message":"As agreed"}}',
        ):
            provider.says(f'{{"status":"success","data":{data}}}')
            assert adapter.statuses(["1"]).found["1"].remains == 5
