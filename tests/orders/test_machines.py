"""Stateful machines against a model, on a real database: the wallet, and the submission of orders.

Hypothesis picks the steps; after each the database has to say what the model says.
"""

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import connection
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from customers import wallet
from orders import desk
from orders.ledger_check import check_ledger
from orders.models import Order, Submission, SubmissionAttempt
from orders.recording import Sent, record
from orders.requests import NotAllowed, ask_cancel
from orders.submission import _claim
from orders.sweeping import sweep
from providers.adapters.errors import NotSent, ProviderError, Refused, Uncertain
from providers.adapters.results import Accepted
from tests import world
from tests.orders.test_submission import begin

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = settings(max_examples=8, stateful_step_count=25, deadline=None)
serial = count(1)
amounts = st.decimals("0.000001", "50", places=6)


class Wallet(RuleBasedStateMachine):
    """Model: a balance, a debt, and per order what was charged and given back."""

    def __init__(self) -> None:
        super().__init__()
        self.user = world.customer(f"wallet{next(serial)}@example.org", "0")
        self.balance, self.owed = Decimal(0), Decimal(0)
        self.orders: dict[int, list[Decimal]] = {}
        self.last_deposit: tuple[str, Decimal] | None = None

    @rule(amount=amounts)
    def deposit(self, amount: Decimal) -> None:
        cause = f"deposit:machine-{next(serial)}"
        wallet.deposit(self.user, amount, cause, "", "test")
        repaid = min(self.owed, amount)
        self.balance, self.owed = self.balance + amount - repaid, self.owed - repaid
        self.last_deposit = (cause, amount)

    @precondition(lambda self: self.last_deposit is not None)
    @rule()
    def repeat_the_deposit(self) -> None:
        assert self.last_deposit is not None
        cause, amount = self.last_deposit
        wallet.deposit(self.user, amount, cause, "", "test")

    @precondition(lambda self: self.last_deposit is not None)
    @rule(more=amounts)
    def repeat_it_with_another_amount(self, more: Decimal) -> None:
        assert self.last_deposit is not None
        with pytest.raises(wallet.CauseConflict):
            wallet.deposit(self.user, self.last_deposit[1] + more, self.last_deposit[0], "", "test")

    @rule(amount=amounts)
    def charge(self, amount: Decimal) -> None:
        number = 10_000_000 + next(serial)
        if amount > self.balance:
            with pytest.raises(wallet.InsufficientFunds):
                wallet.charge_order(self.user, amount, number, "test")
            return
        wallet.charge_order(self.user, amount, number, "test")
        self.balance -= amount
        self.orders[number] = [amount, Decimal(0)]

    @precondition(lambda self: bool(self.orders))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.orders)))
        charged, back = self.orders[number]
        if back == charged:
            return
        target = data.draw(st.decimals(back + Decimal("0.000001"), charged, places=6))
        for _ in range(2):  # the second is a no-op
            wallet.refund_order(self.user, target - back, target, number, "", "test")
        self.balance += target - back
        self.orders[number][1] = target

    @rule(amount=amounts)
    def reverse(self, amount: Decimal) -> None:
        there = min(self.balance, amount)
        owed = wallet.reverse_deposit(self.user, amount, f"reversal:machine-{next(serial)}", "", "test")
        assert owed == amount - there
        self.balance, self.owed = self.balance - there, self.owed + amount - there

    @rule(amount=amounts, up=st.booleans())
    def adjust(self, amount: Decimal, up: bool) -> None:
        if not up and amount > self.balance:
            with pytest.raises(wallet.InsufficientFunds):
                wallet.adjust(self.user, -amount, "", "test")
            return
        wallet.adjust(self.user, amount if up else -amount, "", "test")
        self.balance += amount if up else -amount

    @invariant()
    def the_wallet_holds_what_the_model_says(self) -> None:
        assert wallet.balance_of(self.user) == self.balance
        assert wallet.owed_by(self.user) == self.owed


def test_the_wallet_follows_its_model() -> None:
    run_state_machine_as_test(Wallet, settings=STEPS)
    # The machine's charges have no order behind them; everything else has to be in order.
    broken = {row["invariant"] for row in check_ledger().broken}
    assert broken <= {"charge_of_no_order"}


OUTCOMES: dict[str, ProviderError | None] = {
    "accepted": None,
    "refused": Refused("Bad link", kind="link"),
    "waits": Refused("Not enough funds on balance", kind="provider_funds"),
    "not_sent": NotSent("Connection refused", reason="connect"),
    "uncertain": Uncertain("HTTP 500", reason="http_5xx", http_status=500),
}


class Sending(RuleBasedStateMachine):
    """Model: per order its state, and whether it was ever possibly sent (so that it is never possibly sent twice)."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = world.provider(name=f"Machine {next(serial)}")
        self.shop = world.service(world.offer(self.provider))
        self.alice = world.customer(f"sending{next(serial)}@example.org", "100000")
        self.state: dict[int, str] = {}
        self.claims: dict[int, int] = {}  # order → fence of a claim held by a worker (perhaps an old one)
        self.sent: dict[int, list[Sent]] = {}  # begun, and the answer not recorded yet
        self.canceled: set[int] = set()

    def pick(self, data: st.DataObject, among: Any) -> int:
        return int(data.draw(st.sampled_from(sorted(among))))

    @rule()
    def place(self) -> None:
        order = world.order(self.alice, self.shop, f"https://example.org/machine/{next(serial)}", 100)
        self.state[order.pk] = "queued"

    @rule()
    def claim(self) -> None:
        Submission.objects.filter(provider=self.provider, state="queued").update(next_at="2020-01-01T00:00Z")
        for order_id, fence in _claim(self.provider.pk, 2, force=False, besides=set()):
            assert self.state[order_id] == "queued" and order_id not in self.canceled
            self.state[order_id] = "claimed"
            self.claims[order_id] = fence

    @precondition(lambda self: bool(self.claims))
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        order_id = self.pick(data, self.claims)
        fence = self.claims.pop(order_id)
        sent = begin(order_id, fence)
        current = Submission.objects.get(pk=order_id)
        if sent is None:
            assert self.state[order_id] != "claimed" or current.fence != fence
            return
        assert self.state[order_id] == "claimed"
        assert isinstance(sent, Sent)
        self.state[order_id] = "sending"
        self.sent.setdefault(order_id, []).append(sent)

    @precondition(lambda self: any(self.sent.values()))
    @rule(data=st.data(), word=st.sampled_from(sorted(OUTCOMES)))
    def record(self, data: st.DataObject, word: str) -> None:
        order_id = self.pick(data, (pk for pk, waiting in self.sent.items() if waiting))
        sent = self.sent[order_id].pop(0)
        before = self.state[order_id]
        attempt = SubmissionAttempt.objects.get(submission_id=order_id, fence=sent.fence)
        open_ = before in ("sending", "unknown") and attempt.state in ("sending", "unknown")
        outcome = OUTCOMES[word] or Accepted(f"id{next(serial)}", 200, "{}")
        record(sent, outcome)
        if not open_:
            return  # decided already: evidence
        if word == "accepted":
            self.state[order_id] = "accepted"
        elif word == "uncertain":
            self.state[order_id] = "unknown"
        elif order_id in self.canceled:
            self.state[order_id] = "withdrawn"
        else:
            self.state[order_id] = "rejected" if word == "refused" else "queued"

    @rule()
    def leases_end_and_the_sweeper_comes(self) -> None:
        for state in ("claimed", "sending"):
            Submission.objects.filter(provider=self.provider, state=state).update(
                lease_until="2020-01-01T00:00Z"
            )
        sweep()
        for pk, state in self.state.items():
            if state == "claimed":
                self.state[pk] = "withdrawn" if pk in self.canceled else "queued"
            elif state == "sending":
                self.state[pk] = "unknown"

    @precondition(lambda self: bool(self.state))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order_id = self.pick(data, self.state)
        try:
            ask_cancel(order_id, by="customer")
        except NotAllowed:
            return
        self.canceled.add(order_id)
        if self.state[order_id] == "queued":
            self.state[order_id] = "withdrawn"

    @precondition(lambda self: "unknown" in self.state.values())
    @rule(data=st.data(), choice=st.sampled_from(["absent_refund", "absent_resend", "write_off"]))
    def decide(self, data: st.DataObject, choice: str) -> None:
        order_id = self.pick(data, (pk for pk, state in self.state.items() if state == "unknown"))
        after = desk.decide(order_id, choice, reason="looked", user=None, actor="test")
        resent = "withdrawn" if order_id in self.canceled else "queued"
        expected = {"absent_refund": "rejected", "absent_resend": resent, "write_off": "written_off"}
        assert after == expected[choice]
        self.state[order_id] = after

    @invariant()
    def the_database_says_what_the_model_says(self) -> None:
        found = dict(Submission.objects.filter(pk__in=self.state).values_list("pk", "state"))
        assert found == self.state

    @invariant()
    def no_order_could_exist_twice_upstream(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT submission_id FROM orders_submissionattempt WHERE state IN ('sending', 'accepted', 'unknown')"
                " GROUP BY 1 HAVING count(*) > 1"
            )
            assert cursor.fetchall() == []

    @invariant()
    def money_is_back_exactly_where_nothing_is_delivered(self) -> None:
        for order in Order.objects.filter(pk__in=self.state):
            back = self.state[order.pk] in ("rejected", "withdrawn", "written_off")
            assert order.refunded == (order.charge if back else 0)


def test_sending_follows_its_model(settings: Any) -> None:
    settings.UNKNOWN_QUARANTINE_SECONDS = 0
    run_state_machine_as_test(Sending, settings=STEPS)
    world.sane()
