"""What an admin records as paid in at a provider explains a rise of the balance, and nothing else."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from customers.models import AuditEntry
from orders.balance_witness import unexplained_falls
from providers.balances import read_balance, runway
from providers.models import BalanceReading, Provider, TopUp
from providers.pruning import prune_readings
from providers.top_ups import CannotRecord, match_top_ups, record_top_up, take_back
from tests import staff_world, world
from tests.providers.shop import Upstream, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def meridian() -> Provider:
    return world.provider()


def reading(of: Provider, minutes_ago: float, amount: str, currency: str = "USD") -> BalanceReading:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    return BalanceReading.objects.create(provider=of, at=at, amount=Decimal(amount), currency=currency)


def paid(of: Provider, amount: str, minutes_ago: float = 0, reference: str = "INV-1") -> TopUp:
    return record_top_up(of, Decimal(amount), reference, at=timezone.now() - timedelta(minutes=minutes_ago))


def test_what_was_spent_while_it_came_in_is_seen_by_the_witness(meridian: Provider) -> None:
    reading(meridian, 20, "50")
    reading(meridian, 10, "120")
    assert unexplained_falls() == []  # a rise alone says nothing
    paid(meridian, "100", 15)
    (fall,) = unexplained_falls()
    assert (fall.found, fall.expected) == (Decimal("30"), Decimal("0"))


def test_a_top_up_alone_is_no_drift(meridian: Provider) -> None:
    reading(meridian, 20, "50")
    seen = reading(meridian, 10, "150")
    assert paid(meridian, "100", 15).reading_id == seen.pk
    assert unexplained_falls() == []


@pytest.mark.parametrize(("recorded_first"), [True, False])
def test_it_does_not_matter_whether_the_record_or_the_reading_came_first(
    meridian: Provider, recorded_first: bool
) -> None:
    reading(meridian, 30, "50")
    if recorded_first:
        waiting = paid(meridian, "100", 25)
        assert waiting.reading is None
        assert unexplained_falls() == []
    reading(meridian, 20, "49")  # not credited yet: no false alarm of 100
    seen = reading(meridian, 10, "149")
    if not recorded_first:
        paid(meridian, "100", 25)
    match_top_ups(meridian.pk)
    assert TopUp.objects.get().reading_id == seen.pk
    assert [fall.found for fall in unexplained_falls()] == [Decimal("1")]


def test_a_mistyped_one_and_another_currency_explain_nothing(meridian: Provider) -> None:
    reading(meridian, 30, "50")
    reading(meridian, 20, "150")
    assert paid(meridian, "1000", 25).reading is None
    reading(meridian, 15, "10", "EUR")
    reading(meridian, 10, "110", "EUR")
    TopUp.objects.all().delete()
    assert paid(meridian, "90", 12).reading.currency == "USD"  # type: ignore[union-attr]
    assert unexplained_falls() == []


def test_a_small_refund_before_it_is_not_taken_for_it(meridian: Provider) -> None:
    reading(meridian, 40, "50")
    reading(meridian, 30, "52")  # money back for an undelivered order
    seen = reading(meridian, 10, "150")
    assert paid(meridian, "100", 28).reading_id == seen.pk


def test_two_that_came_in_together_are_both_seen_and_two_apart_each_in_its_own(meridian: Provider) -> None:
    reading(meridian, 60, "0")
    first = reading(meridian, 50, "100")
    second = reading(meridian, 40, "148")
    reading(meridian, 30, "148")
    assert paid(meridian, "50", 55, "a").reading_id == second.pk  # nearest to its amount
    assert paid(meridian, "60", 55, "b").reading_id == first.pk
    assert paid(meridian, "40", 55, "c").reading_id == first.pk
    assert paid(meridian, "40", 55, "d").reading is None  # nothing is left to explain


def test_the_burn_rate_counts_what_was_spent_meanwhile(meridian: Provider) -> None:
    for days, amount in ((6, "100"), (4, "80"), (2, "150"), (0, "130")):
        reading(meridian, days * 1440, amount)
    Provider.objects.filter(pk=meridian.pk).update(balance=130)
    meridian.refresh_from_db()
    before = runway(meridian).daily_spend
    assert before is not None and round(before, 3) == Decimal("6.667")  # 20 + 20 in six days
    paid(meridian, "100", 2.5 * 1440)
    after = runway(meridian)
    assert after.daily_spend is not None and round(after.daily_spend, 3) == Decimal("11.667")  # and 30 more
    assert after.days == Decimal("11.1")


def test_the_next_reading_of_the_balance_finds_it(shop: Upstream) -> None:
    provider = connected(shop)
    reading(provider, 5, "0.5")
    waiting = paid(provider, "100", 1)
    assert waiting.reading is None
    read_balance(provider)  # 100.842920
    waiting.refresh_from_db()
    assert waiting.reading is not None and waiting.reading.amount == Decimal("100.842920")


def test_a_record_is_taken_back_and_what_it_explained_is_free_for_another(meridian: Provider) -> None:
    reading(meridian, 20, "50")
    reading(meridian, 10, "150")
    wrong = paid(meridian, "110", 15, "wrong")
    right = paid(meridian, "100", 15, "right")
    assert right.reading is None
    assert len(unexplained_falls()) == 1
    take_back(wrong)
    right.refresh_from_db()
    assert right.reading is not None
    assert unexplained_falls() == []
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == [
        "provider.top_up", "provider.top_up", "provider.top_up_back",
    ]  # fmt: skip


def test_thinning_out_the_series_keeps_the_reading_it_was_seen_in(meridian: Provider) -> None:
    seen = reading(meridian, 10, "150")
    made = paid(meridian, "100")
    TopUp.objects.filter(pk=made.pk).update(reading=seen)
    BalanceReading.objects.update(at=timezone.now() - timedelta(days=200))
    assert prune_readings() == 0
    TopUp.objects.all().delete()
    assert prune_readings() == 1


@pytest.mark.parametrize(
    ("amount", "reference", "minutes_ago", "field"),
    [
        ("0", "x", 0, "amount"),
        ("-5", "x", 0, "amount"),
        ("0.0000001", "x", 0, "amount"),
        ("5", "  ", 0, "reference"),
        ("5", "x" * 81, 0, "reference"),
        ("5", "x", 8 * 1440, "at"),
        ("5", "x", -60, "at"),
        ("5", "INV-1", 0, "reference"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(
    meridian: Provider, amount: str, reference: str, minutes_ago: float, field: str
) -> None:
    paid(meridian, "1")
    with pytest.raises(CannotRecord) as refused:
        paid(meridian, amount, minutes_ago, reference)
    assert refused.value.field == field
    assert TopUp.objects.count() == 1


def test_it_is_recorded_and_taken_back_on_its_page_by_admins_only(meridian: Provider) -> None:
    def text(page: Any) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))

    where = f"/manage/providers/{meridian.pk}/top-ups"
    admin: Client = staff_world.signed_in(world.admin())
    reading(meridian, 20, "50")
    reading(meridian, 10, "150")
    assert where in admin.get(f"/manage/providers/{meridian.pk}").content.decode()
    done = admin.post(where, {"amount": "100", "reference": "Wire 77", "at": ""}, follow=True)
    assert "Recorded: $100.00. The balance rose by it already." in text(done)
    assert "Wire 77" in text(done) and "adam@example.org" in text(done)
    again = admin.post(where, {"amount": "100", "reference": "Wire 77", "at": ""})
    assert again.status_code == 422 and "recorded already" in text(again)
    made = TopUp.objects.get()
    reviewer = staff_world.signed_in(world.reviewer())
    assert reviewer.post(f"{where}/{made.pk}/remove").status_code == 403
    for _ in range(2):
        page = admin.post(f"{where}/{made.pk}/remove", follow=True)
    assert "gone already" in text(page)
    assert not TopUp.objects.exists()


def test_it_is_recorded_by_command(meridian: Provider) -> None:
    output = StringIO()
    at = (timezone.now() - timedelta(hours=1)).isoformat()
    call_command("top_up", "Meridian", "250.5", "--reference", "INV-9", "--at", at, "--json", stdout=output)
    told = json.loads(output.getvalue())
    assert (told["amount"], told["currency"], told["reference"], told["seen"]) == (
        "250.500000", "USD", "INV-9", False,
    )  # fmt: skip
    for words, says in (
        (["250", "--reference", "INV-9"], "recorded already"),
        (["x", "--reference", "y"], "not a valid amount"),
        (["1", "--reference", "y", "--at", "noon"], "not a time"),
    ):
        with pytest.raises(CommandError, match=says):
            call_command("top_up", "Meridian", *words)
