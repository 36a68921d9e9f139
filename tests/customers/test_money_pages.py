"""Payments, ledger and the check of the books on the admins' pages."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers import wallet
from customers.manage_views import money
from customers.models import AuditEntry, DepositRequest, Transfer, User
from customers.reversing import reverse_payment
from orders.ledger_watch import check_and_tell, last_check
from providers.models import Alert
from tests import staff_world, world
from tests.customers.test_team import just_confirmed, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


def announced(user: User, reference: str = "REF-1", amount: str = "25") -> DepositRequest:
    return DepositRequest.objects.create(
        user=user, method="bank transfer", amount=Decimal(amount), reference=reference
    )


def test_a_payment_is_credited_once_however_often_it_is_pressed(browser: Client) -> None:
    alice = world.customer(balance="0")
    asked = announced(alice)
    address = f"/manage/money/{asked.pk}/decide"
    answer = browser.post(address, {"decision": "credit"}, follow=True)
    assert "$25.00 credited to alice@example.org." in text_of(answer)
    second = staff_world.signed_in(world.admin("ann@example.org"))
    for _time in range(2):
        told = text_of(second.post(address, {"decision": "credit"}, follow=True))
        assert "adam@example.org credited these $25.00 already" in told and "nothing was moved again" in told
        assert "$25.00 credited to alice@example.org." not in told
    assert wallet.balance_of(alice) == 25
    assert Transfer.objects.get().cause == f"deposit:{asked.pk}"
    assert AuditEntry.objects.filter(verb="deposit.credit").count() == 1
    world.sane()


def test_a_refusal_needs_a_note_moves_nothing_and_cannot_be_credited_after(browser: Client) -> None:
    alice = world.customer(balance="0")
    asked = announced(alice)
    empty = browser.post(f"/manage/money/{asked.pk}/decide", {"decision": "refuse", "note": " "}, follow=True)
    assert "A refusal needs a note" in text_of(empty)
    browser.post(f"/manage/money/{asked.pk}/decide", {"decision": "refuse", "note": "No such transfer came"})
    late = browser.post(f"/manage/money/{asked.pk}/decide", {"decision": "credit"}, follow=True)
    assert "This payment was refused by adam@example.org; nothing was credited." in text_of(late)
    asked.refresh_from_db()
    assert (asked.state, asked.note) == ("refused", "No such transfer came")
    assert wallet.balance_of(alice) == 0


def test_a_second_refusal_says_who_was_first_and_that_its_note_was_not_kept(browser: Client) -> None:
    asked = announced(world.customer(balance="0"))
    address = f"/manage/money/{asked.pk}/decide"
    browser.post(address, {"decision": "refuse", "note": "No such transfer came"})
    second = staff_world.signed_in(world.admin("ann@example.org"))
    told = text_of(second.post(address, {"decision": "refuse", "note": "A fake receipt"}, follow=True))
    assert "adam@example.org refused this payment already" in told
    assert "the customer reads “No such transfer came”, and your note was not kept" in told
    assert "reads your note" not in told
    asked.refresh_from_db()
    assert (asked.note, asked.decided_by) == (
        "No such transfer came",
        User.objects.get(email="adam@example.org"),
    )
    assert AuditEntry.objects.filter(verb="deposit.refuse").count() == 1


def test_crediting_what_was_taken_back_says_so(browser: Client) -> None:
    alice = world.customer(balance="0")
    asked = announced(alice)
    address = f"/manage/money/{asked.pk}/decide"
    browser.post(address, {"decision": "credit"})
    reverse_payment(asked.pk, "Charged back")
    told = text_of(browser.post(address, {"decision": "credit"}, follow=True))
    assert "nothing was moved again. The payment was taken back" in told
    assert wallet.balance_of(alice) == 0


def test_a_reference_that_was_credited_already_is_refused_with_a_sentence(browser: Client) -> None:
    alice = world.customer(balance="0")
    payment = {"email": "alice@example.org", "method": "bank transfer", "amount": "40", "reference": "REF-9"}
    just_confirmed(browser)
    answer = browser.post("/manage/money", payment, follow=True)
    assert "$40.00 credited to alice@example.org." in text_of(answer)
    again = browser.post("/manage/money", payment)
    assert again.status_code == 422
    assert "This payment reference was already used for this method." in text_of(again)
    assert wallet.balance_of(alice) == 40
    world.sane()


def test_recording_a_payment_asks_for_the_password_again_and_keeps_what_was_typed(browser: Client) -> None:
    alice = world.customer(balance="0")
    payment = {"email": "alice@example.org", "method": "Cash", "amount": "40", "reference": "REF-9"}
    asks = browser.post("/manage/money", payment)
    assert asks["Location"].startswith("/account/reauthenticate/")
    assert not DepositRequest.objects.exists() and wallet.balance_of(alice) == 0
    answer = browser.post(asks["Location"], {"password": world.PASSWORD}, follow=True)
    assert "$40.00 credited to alice@example.org." in text_of(answer)
    asked = DepositRequest.objects.get()
    assert (asked.reference, asked.method, asked.amount) == ("REF-9", "Cash", 40)
    assert wallet.balance_of(alice) == 40
    world.sane()


def test_a_payment_of_nobody_or_nothing_is_said_beside_its_field(browser: Client) -> None:
    wrong = {"email": "nobody@example.org", "method": "card", "amount": "0", "reference": "x"}
    answer = browser.post("/manage/money", wrong)
    assert answer.status_code == 422
    assert "There is no customer with this e-mail." in text_of(answer)
    assert not Transfer.objects.exists()


def test_payments_are_found_by_customer_and_by_words_and_a_decision_leads_back(browser: Client) -> None:
    alice, bob = world.customer(balance="0"), world.bob()
    mine, other = announced(alice, "REF-A"), announced(bob, "REF-B", "40")
    refused = announced(alice, "REF-C")
    browser.post(f"/manage/money/{refused.pk}/decide", {"decision": "refuse", "note": "Nothing came"})
    for query in (f"customer={alice.pk}", "q=alice%40example", "q=ref-a", f"q=%23{mine.pk}"):
        page = text_of(browser.get(f"/manage/money?{query}"))
        assert "REF-A" in page, query
        assert "REF-B" not in page, query
        assert "$25.00 announced in all" in page, query
    of_alice = text_of(browser.get(f"/manage/money?customer={alice.pk}"))
    assert "Nothing came" in of_alice and "alice@example.org" in of_alice
    nothing = text_of(browser.get("/manage/money?q=nowhere"))
    assert "No payment that waits matches" in nothing and "None of them matches." in nothing
    decided = browser.post(
        f"/manage/money/{mine.pk}/decide", {"decision": "credit", "q": "ref", "customer": alice.pk}
    )
    assert decided["Location"] == f"/manage/money?q=ref&customer={alice.pk}"
    other.refresh_from_db()
    assert other.state == "pending"


def test_decided_payments_of_a_search_go_on_by_key(browser: Client) -> None:
    alice = world.customer(balance="0")
    for number in range(60):
        announced(alice, f"REF-{number:02}")
    DepositRequest.objects.update(state="refused", note="No")
    first = browser.get("/manage/money?q=REF-")
    assert len(first.context["decided"]) == 50
    rest = browser.get(f"/manage/money?q=REF-&after={first.context['older']}")
    assert {row.reference for row in rest.context["decided"]} == {f"REF-{number:02}" for number in range(10)}
    assert f"after={first.context['older']}" in first.content.decode()


def test_the_ledger_is_found_by_order_customer_kind_and_cause(browser: Client) -> None:
    alice, bob = world.customer(), world.bob()
    service = world.service(world.offer(world.provider()))
    order = world.order(alice, service)
    by_order = text_of(browser.get(f"/manage/money/ledger?q={order.pk}"))
    assert f"order:{order.pk}:charge" in by_order
    of_bob = text_of(browser.get("/manage/money/ledger?q=bob@example.org"))
    assert f"deposit:world-{bob.pk}" in of_bob and f"deposit:world-{alice.pk}" not in of_bob
    charges = text_of(browser.get("/manage/money/ledger?kind=charge"))
    assert f"order:{order.pk}:charge" in charges and "deposit:world" not in charges
    assert f"deposit:world-{alice.pk}" in text_of(
        browser.get(f"/manage/money/ledger?q=deposit:world-{alice.pk}")
    )


def test_pages_of_a_kind_hold_each_of_its_transfers_once_whichever_way_one_turns_them(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrections leave and enter the same account: two parts of the ledger, on one page in the order of their numbers."""
    monkeypatch.setattr(money, "PAGE", 3)
    alice = world.customer(balance="100")
    for _number in range(4):
        wallet.adjust(alice, Decimal(1), "up", "test")
        wallet.adjust(alice, Decimal(-1), "down", "test")
    adjustments = Transfer.objects.filter(Q(source=3) | Q(target=3)).order_by("-pk")
    wanted = list(adjustments.values_list("pk", flat=True))
    assert len(wanted) == 8

    def page(**asked: Any) -> tuple[list[int], Any]:
        answer = browser.get("/manage/money/ledger", {"kind": "adjust", **asked})
        return [row.pk for row in answer.context["rows"]], answer.context

    first, told = page()
    second, told_2 = page(after=told["after"])
    third, told_3 = page(after=told_2["after"])
    assert [first, second, third] == [wanted[:3], wanted[3:6], wanted[6:]]
    assert told["before"] is None and told_3["after"] is None
    back, told_back = page(before=told_3["before"])
    assert back == second and told_back["before"] == second[0]
    assert page(before=told_back["before"])[0] == first


@pytest.mark.parametrize("path", ["/manage/money", "/manage/money?q=example.org", "/manage/money/ledger"])
def test_the_number_of_queries_does_not_grow_with_the_rows(browser: Client, path: str) -> None:
    alice = world.customer(balance="100")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(path).status_code == 200
        return len(captured)

    announced(alice)
    browser.get(path)
    few = queries()
    for number in range(10):
        announced(alice, f"MORE-{number}")
        wallet.adjust(alice, Decimal(1), "again", "test")
    assert queries() == few


def test_the_check_runs_now_and_its_result_stays_on_the_page(browser: Client) -> None:
    assert "Not checked yet" in text_of(browser.get("/manage/money/check"))
    world.order(world.customer(), world.service(world.offer(world.provider())))
    answer = browser.post("/manage/money/check", follow=True)
    assert "The books are in order." in text_of(answer)
    assert AuditEntry.objects.filter(verb="ledger.check").exists()


def test_drift_is_shown_with_its_row_and_opens_an_alert_until_all_is_clean(browser: Client) -> None:
    alice = world.customer()
    wallet_row = wallet.wallet_of(alice)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE customers_account SET balance = balance + 1 WHERE id = %s", [wallet_row.pk])
    page = text_of(browser.post("/manage/money/check", follow=True))
    assert "does not add up" in page
    assert "A wallet&#x27;s balance is the sum of its transfers" in page
    assert Alert.objects.get(key="drift:ledger", closed_at=None)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE customers_account SET balance = balance - 1 WHERE id = %s", [wallet_row.pk])
    check_and_tell()
    assert not Alert.objects.filter(key="drift:ledger", closed_at=None).exists()
    kept: Any = last_check()
    assert kept[1]["ok"] is True
