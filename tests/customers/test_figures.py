"""How money, rates, counts and spans read. The left column is what is stored."""

from datetime import timedelta
from decimal import Decimal

import pytest

from customers import figures


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("136", "$136.00"),
        ("1234567.891234", "$1,234,567.89"),
        ("-3.0144", "−$3.01"),
        ("0", "$0.00"),
        ("0.10", "$0.10"),
        ("0.05123", "$0.05123"),
        ("0.051", "$0.051"),
        ("-0.004", "−$0.004"),
        ("0.000001", "$0.000001"),
        ("0.099999", "$0.10"),
        ("0.005", "$0.005"),
        ("2.675", "$2.68"),
    ],
)
def test_it_shows_two_decimals_and_more_only_for_small_amounts(stored: str, shown: str) -> None:
    assert figures.money(Decimal(stored)) == shown


def test_it_names_other_currencies_and_leaves_the_sign_out_when_asked() -> None:
    assert figures.money("540", "EUR") == "€540.00"
    assert figures.money("540", "CHF") == "CHF\u00a0540.00"
    assert figures.money("-136", "") == "−136.00"
    assert figures.money(None) == "–"


def test_a_ledger_amount_has_its_sign() -> None:
    assert [figures.signed(amount) for amount in ("300", "-136", "0", None)] == [
        "+300.00",
        "−136.00",
        "0.00",
        "–",
    ]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("6.8", "$6.80"),
        ("480", "$480.00"),
        ("1.92345", "$1.92345"),
        ("0.12000000", "$0.12"),
        ("0.00000123", "$0.00000123"),
        ("0.123456", "$0.12346"),
    ],
)
def test_a_rate_shows_two_to_five_decimals(stored: str, shown: str) -> None:
    assert figures.rate(Decimal(stored)) == shown


def test_counts_have_separators_and_stop_where_counting_costs_too_much() -> None:
    assert [figures.count(n) for n in (0, 1306, -12, None)] == ["0", "1,306", "−12", "–"]
    assert [figures.count_short(n) for n in (10_000, 10_001)] == ["10,000", "10k+"]
    assert figures.percent(Decimal("31.14")) == "31.1%"


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=40), "40 s"),
        (timedelta(minutes=5, seconds=59), "5 min"),
        (timedelta(hours=16, minutes=7), "16 h 7 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=2, hours=3, minutes=50), "2 d 3 h"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_a_span_names_its_two_largest_units(age: timedelta, shown: str) -> None:
    assert figures.span(age) == shown


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36", "Chrome, Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1", "Safari, iPhone"),
        ("curl/8.5", "curl"),
        ("Something else", "Something else"),
    ],
)  # fmt: skip
def test_a_browser_is_named_as_people_know_it(sent: str, shown: str) -> None:
    assert figures.browser_name(sent) == shown
