"""Numbers and ids as providers write them: read where the meaning is certain, nothing where it is not."""

from decimal import Decimal

import pytest

from providers.adapters.reading import decimal_of, id_of, integer_of


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.50", "0.50"), ("$0.50", "0.50"), ("-$5.20", "-5.20"), ("$-5", "-5"), ("US$ 3", "3"), ("5 $", "5"),
        ("1,234.56", "1234.56"), ("1.234,56 €", "1234.56"), ("0,90", "0.90"), ("12.50 EUR", "12.50"), ("eur12", "12"),
        ("1 USDT", "1"), ("3 zł", "3"), ("R$ 2,50", "2.50"), ("Rs. 50", "50"), ("2 руб.", "2"), ("€1.250", "1.250"),
        ("1.0E-5", "0.00001"), (".5", "0.5"), ("USD: 5", "5"),
        ("Rp 12.000", "12000"), ("Rp. 12.500", "12500"), ("12.000 VND", "12000"),
    ],
)  # fmt: skip
def test_a_number_with_or_without_its_currency_is_read(text: str, amount: str) -> None:
    assert decimal_of(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "50%", "50 pct", "10k", "3M", "1.2k", "5b", "12 mln", "1.5mil", "0.005/unit", "0.5 per 1", "0.5 USD per 1000",
        "x2 0.5", "2x0.5", "1-2", "~5", "approx 5", "Unknown", "", "$", "5 of 10", "12:30", "2026-11-21",
    ],
)  # fmt: skip
def test_what_changes_the_meaning_of_a_number_leaves_nothing_to_read(text: str) -> None:
    assert decimal_of(text) is None
    assert integer_of(text) is None


@pytest.mark.parametrize("value", ["", " ", "0", 0, "00", "0.0", "0x0", None, [], {}])
def test_an_id_that_is_zero_or_empty_is_empty(value: object) -> None:
    assert id_of(value) == ""


@pytest.mark.parametrize(
    "value", ["success", "order_placed", "pending_approval", "a-b", True, [1], "-1", "your order is 5"]
)
def test_what_is_no_id_is_none(value: object) -> None:
    assert id_of(value) is None


@pytest.mark.parametrize("value", ["7741", "A12", "ORD-77", "5f3a", "00012", "0x1f", "a.b/c:9", 23501])
def test_an_id_is_kept_as_it_is_written(value: object) -> None:
    assert id_of(value) == str(value)
