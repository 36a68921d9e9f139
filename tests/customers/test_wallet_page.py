"""The wallet page: the balance, the month, and a ledger whose balances follow from its amounts."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from time_machine import travel

from customers import ledger, site_settings, wallet
from customers.exporting import cell
from customers.models import DepositRequest, Transfer, User
from orders import recording, settlement
from orders.models import Order
from orders.settlement import lock_order
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def text_of(page: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode())).replace(" ,", ",")


def entries(page: HttpResponse) -> list[int]:
    return [int(number) for number in re.findall(r'id="entry-(\d+)"', page.content.decode())]


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_a_new_wallet_is_empty_and_explains_itself() -> None:
    page = text_of(signed_in(world.customer("new@example.org", "0")).get("/wallet/"))
    assert "Balance $0.00" in page
    assert "No entries yet" in page
    assert "Deposits are credited by hand by an administrator" in page
    assert "new@example.org" in page
    assert "Statement CSV" not in page


def test_every_kind_of_movement_is_named_with_the_balance_after_it(browser: Client, alice: User) -> None:
    wallet.charge_order(alice, Decimal("36.00"), 41, "customer")
    wallet.refund_order(alice, Decimal("3.01"), Decimal("3.01"), 41, "1,570 undelivered", "system")
    wallet.write_off_order(
        alice, Decimal("1"), Decimal("4.01"), 41, "Could not be verified", "adam@example.org"
    )
    wallet.adjust(alice, Decimal("-5"), "Correction", "adam@example.org")
    page = browser.get("/wallet/")
    words = text_of(page)
    assert "Balance $63.01" in words
    for line in (
        "Adjustment Correction −5.00 63.01",
        "Refund Order 41, Could not be verified +1.00 68.01",
        "Refund Order 41, 1,570 undelivered +3.01 67.01",
        "Order charge Order 41 −36.00 64.00",
        "Funds added Opening balance +100.00 100.00",
    ):
        assert line in words, line
    assert entries(page) == sorted(entries(page), reverse=True)
    assert "adam@example.org" not in words
    assert "Added in" in words and "$100.00" in words
    assert "Spent in" in words and "$36.00" in words
    assert "Returned in" in words and "$4.01" in words


def test_another_customers_money_is_never_shown(browser: Client, alice: User) -> None:
    bob = world.bob()
    wallet.charge_order(bob, Decimal("7.77"), 77, "customer")
    for address in ("/wallet/", "/wallet/?order=77", "/wallet/?type=charge"):
        assert "7.77" not in text_of(browser.get(address))
    assert [row["order"] for row in rows_of(browser.get("/wallet/statement.csv"))] == [""]


def test_the_ledger_is_filtered_by_type_month_and_order(browser: Client, alice: User) -> None:
    charge = wallet.charge_order(alice, Decimal("10"), 5, "customer")
    refund = wallet.refund_order(alice, Decimal("1"), Decimal("1"), 5, "", "system")
    other = wallet.charge_order(alice, Decimal("2"), 6, "customer")
    deposit = entries(browser.get("/wallet/?type=deposit"))
    assert len(deposit) == 1
    assert entries(browser.get("/wallet/?type=charge")) == [other.pk, charge.pk]
    assert entries(browser.get("/wallet/?type=refund")) == [refund.pk]
    assert entries(browser.get("/wallet/?order=5")) == [refund.pk, charge.pk]
    this_month = f"{timezone.localdate():%Y-%m}"
    assert len(entries(browser.get(f"/wallet/?month={this_month}"))) == 4
    assert entries(browser.get("/wallet/?month=2020-01")) == []
    assert "No entries match" in text_of(browser.get("/wallet/?month=2020-01"))
    assert len(entries(browser.get("/wallet/?month=2026-13&type=x&order=x&after=x&size=9"))) == 4
    assert len(entries(browser.get("/wallet/?month=9999-99&order=" + "9" * 30))) == 4


def test_pages_of_the_ledger_follow_each_other_without_gaps(browser: Client, alice: User) -> None:
    for number in range(1, 60):
        wallet.charge_order(alice, Decimal("0.5"), number, "customer")
        if number % 3 == 0:
            wallet.refund_order(alice, Decimal("0.25"), Decimal("0.25"), number, "", "system")
    everything, address = [], "/wallet/"
    pages = []
    while address:
        page = browser.get(address)
        pages.append(entries(page))
        everything += entries(page)
        following = re.search(r'href="([^"]*)" rel="next"', page.content.decode())
        address = "/wallet/" + following[1].replace("&amp;", "&") if following else ""
    assert len(everything) == 1 + 59 + 19
    assert everything == sorted(everything, reverse=True)
    assert [len(page) for page in pages] == [25, 25, 25, 4]
    back = re.search(r'href="([^"]*)" rel="prev"', page.content.decode())
    assert back and entries(browser.get("/wallet/" + back[1])) == pages[-2]


def test_the_running_balance_follows_from_the_amounts(browser: Client, alice: User) -> None:
    for number in range(1, 30):
        wallet.charge_order(alice, Decimal("0.123456"), number, "customer")
    rows = rows_of(browser.get("/wallet/statement.csv"))[::-1]
    balance = Decimal(0)
    for row in rows:
        balance += Decimal(row["amount"])
        assert Decimal(row["balance_after"]) == balance
    assert balance == wallet.balance_of(alice)
    assert rows[0]["type"] == "Funds added" and rows[0]["amount"] == "100.000000"
    assert rows[-1]["amount"] == "-0.123456"


def test_a_note_in_the_statement_is_no_formula(browser: Client, alice: User) -> None:
    wallet.adjust(alice, Decimal("1"), '=HYPERLINK("http://evil")', "adam@example.org")
    assert rows_of(browser.get("/wallet/statement.csv"))[0]["details"].startswith("'=")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1"])
def test_dangerous_cells_are_defused(text: str) -> None:
    assert cell(text) == "'" + text


def test_numbers_and_times_stay_what_they_are() -> None:
    assert cell(Decimal("-1.50")) == "-1.50"
    assert cell(None) == ""
    assert cell("plain") == "plain"
    moment = timezone.now().replace(microsecond=0)
    assert cell(moment.astimezone(timezone.get_fixed_timezone(120))) == moment.isoformat()


def test_what_is_owed_after_a_reversal_is_said(browser: Client, alice: User) -> None:
    wallet.charge_order(alice, Decimal("80"), 1, "customer")
    wallet.reverse_deposit(
        alice, Decimal("50"), "deposit-reversal:1", "Taken back by the bank", "adam@example.org"
    )
    words = text_of(browser.get("/wallet/"))
    assert "You owe $30.00." in words
    assert "Deposit taken back" in words
    assert "Balance $0.00" in words


def test_every_payment_that_waits_is_shown_and_the_last_five_decided(browser: Client, alice: User) -> None:
    def told(n: int, state: str) -> None:
        decided = None if state == "pending" else timezone.now()
        values = {"method": "Bank", "amount": Decimal(n), "state": state, "decided_at": decided}
        DepositRequest.objects.create(user=alice, reference=f"{state}-{n}", **values)

    for n in range(1, 9):
        told(n, "pending")
    for n in range(1, 8):
        told(n, "refused")
    shown = re.findall(r"(?:pending|refused)-\d+", browser.get("/wallet/").content.decode())
    assert shown == [f"refused-{n}" for n in range(7, 2, -1)] + [f"pending-{n}" for n in range(8, 0, -1)]


def test_our_own_reasons_are_read_in_the_readers_language(browser: Client, alice: User) -> None:
    wallet.reverse_deposit(alice, Decimal(130), "test:back", "Chargeback", "adam@example.org")
    wallet.deposit(alice, Decimal(50), "test:more", "Bank, TX 7", "adam@example.org")
    world.order(alice, world.service(world.offer(world.provider())))
    order = Order.objects.get()
    with transaction.atomic():
        settlement.end_with_full_refund(lock_order(order.pk), recording.WHY_REFUSED["link"], "system")
    User.objects.filter(pk=alice.pk).update(language="de")
    page = text_of(browser.get("/wallet/"))
    for english, german in (
        ("Repayment of an earlier reversal", "Rückzahlung einer früheren Rückbuchung"),
        (
            recording.WHY_REFUSED["link"],
            "Der Link wurde nicht angenommen. Der ganze Preis wurde zurückgegeben.",
        ),
    ):
        assert english not in page and german in page
    assert "Bank, TX 7" in page, "what somebody wrote stays"
    assert Transfer.objects.filter(note="Repayment of an earlier reversal").count() == 1


def test_every_month_since_the_first_entry_can_be_chosen(browser: Client, alice: User) -> None:
    def offered(path: str = "/wallet/") -> list[str]:
        select = browser.get(path).content.decode().partition('id="month"')[2].partition("</select>")[0]
        return re.findall(r'<option value="(\d[\d-]*)"', select)

    now = timezone.localdate()
    assert offered() == [f"{now:%Y-%m}"]
    with travel(timezone.now() + timedelta(days=62)):
        client = signed_in(alice)
        months = re.findall(r'<option value="(\d{4}-\d\d)"', client.get("/wallet/").content.decode())
        assert len(months) == 3 and months == sorted(months, reverse=True) and months[-1] == f"{now:%Y-%m}"
        page = client.get(f"/wallet/?month={now:%Y-%m}&type=deposit").content.decode()
        assert f'value="{now:%Y-%m}" selected' in page and len(re.findall('id="entry-', page)) == 1
        assert "No entries match" in text_of(client.get(f"/wallet/?month={months[0]}"))
    assert offered("/wallet/?month=2020-02") == [f"{now:%Y-%m}", "2020-02"]
    with travel(timezone.now() + timedelta(days=3000)):
        months = re.findall(
            r'<option value="(\d{4}-\d\d)"', signed_in(alice).get("/wallet/").content.decode()
        )
        assert len(months) == ledger.MONTHS_SHOWN


def test_the_reference_can_be_copied_with_and_without_ways_to_pay(browser: Client, alice: User) -> None:
    plain = browser.get("/wallet/").content.decode()
    bank = {"name": "Bank", "note": "", "instructions": "IBAN", "minimum": "10"}
    site_settings.change({"deposit_methods": [bank]})
    for page in (plain, browser.get("/wallet/").content.decode()):
        assert page.count(f'<code id="account-name">{alice.email}</code>') == 1
        assert 'data-copy-from="#account-name"' in page


def test_its_queries_do_not_grow_with_the_ledger(browser: Client, alice: User) -> None:
    browser.get("/wallet/")
    with CaptureQueriesContext(connection) as few:
        browser.get("/wallet/")
    for number in range(1, 40):
        wallet.charge_order(alice, Decimal("0.5"), number, "customer")
    with CaptureQueriesContext(connection) as many:
        browser.get("/wallet/")
    assert len(many) == len(few) <= 10


def test_the_month_is_the_readers_month(browser: Client, alice: User) -> None:
    """Sums begin with the reader's own first of the month, not with the server's."""
    User.objects.filter(pk=alice.pk).update(time_zone="Pacific/Kiritimati")
    assert browser.get("/wallet/").status_code == 200
    with timezone.override("Pacific/Kiritimati"):
        from customers.ledger import month_sums

        assert month_sums(wallet.wallet_of(alice)).month.utcoffset() == timedelta(hours=14)
