"""project(): what one report means. A table of cases, and laws that hold for any report."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.projecting import Known, project
from providers.adapters.results import Observation, Word

OPEN = Known("In progress", 1000, 50, None, per_order=False)


def seen(
    word: Word | None, remains: int | None = None, charge: str | None = None, start: int | None = None
) -> Observation:
    amount = Decimal(charge) if charge else None
    return Observation(word, str(word or "frozen"), charge=amount, start_count=start, remains=remains)


@pytest.mark.parametrize(
    ("observation", "status", "ends", "remains", "attention"),
    [
        (seen(Word.PENDING), "Pending", "", None, False),
        (seen(Word.IN_PROGRESS, 400, start=7), "In progress", "", 400, False),
        (seen(Word.IN_PROGRESS, -5), "In progress", "", 0, False),
        (seen(Word.IN_PROGRESS, 5000), "In progress", "", None, False),
        (seen(Word.COMPLETED, 0), "Completed", "completed", 0, False),
        (seen(Word.COMPLETED, 3), "Completed", "completed", 3, False),
        (seen(Word.COMPLETED), "Completed", "completed", 0, False),
        (seen(Word.PARTIAL, 157), "Partial", "partial", 157, False),
        (seen(Word.PARTIAL, 1000), "Partial", "partial", 1000, False),
        (seen(Word.PARTIAL, 0), "In progress", "", None, True),
        (seen(Word.PARTIAL, -3), "In progress", "", None, True),
        (seen(Word.PARTIAL, 1001), "In progress", "", None, True),
        (seen(Word.PARTIAL), "In progress", "", None, True),
        (seen(Word.CANCELED), "Canceled", "canceled", None, False),
        (seen(Word.CANCELED, 1000, "0"), "Canceled", "canceled", 1000, False),
        (seen(Word.CANCELED, 400, "0"), "Canceled", "canceled", 400, False),
        (seen(Word.CANCELED, 400, "0.60"), "In progress", "", None, True),
        (seen(None, 400, "0.60"), "In progress", "", None, False),
    ],
)
def test_a_report_means_what_the_table_says(
    observation: Observation, status: str, ends: str, remains: int | None, attention: bool
) -> None:
    to = project(OPEN, observation)
    assert (to.status, to.ends, to.remains, bool(to.attention)) == (status, ends, remains, attention)


def test_partial_of_a_fixed_price_is_for_staff() -> None:
    to = project(Known("In progress", 1, None, None, per_order=True), seen(Word.PARTIAL, 1))
    assert (to.ends, bool(to.attention)) == ("", True)


def test_a_drip_feed_that_ends_without_charge_and_remains_is_for_staff() -> None:
    to = project(
        Known("In progress", 5000, None, None, per_order=False, drip_feed=True), seen(Word.COMPLETED)
    )
    assert (to.status, to.ends, bool(to.attention)) == ("In progress", "", True)


@pytest.mark.parametrize("status", ["Completed", "Partial", "Canceled"])
@pytest.mark.parametrize("word", list(Word))
def test_after_the_end_nothing_moves_and_another_report_is_shown(status: str, word: Word) -> None:
    to = project(Known(status, 1000, 5, 100, per_order=False), seen(word, 100))
    assert (to.status, to.remains, to.ends) == (status, 100, "")
    assert bool(to.attention) == to.late == (str(word) != status)


observations = st.builds(
    Observation,
    word=st.one_of(st.none(), st.sampled_from(list(Word))),
    raw_word=st.text(max_size=10),
    charge=st.one_of(st.none(), st.decimals(-5, 500, places=4)),
    start_count=st.one_of(st.none(), st.integers(-(10**20), 10**20)),
    remains=st.one_of(st.none(), st.integers(-(10**6), 10**7)),
)
knowns = st.builds(
    Known,
    status=st.sampled_from(["Pending", "Processing", "In progress", "Completed", "Partial", "Canceled"]),
    total=st.integers(1, 10**6),
    start_count=st.one_of(st.none(), st.integers(0, 10**6)),
    remains=st.none(),
    per_order=st.booleans(),
    drip_feed=st.booleans(),
)


@given(known=knowns, observation=observations)
def test_it_never_raises_and_only_clear_reports_end_an_order(known: Known, observation: Observation) -> None:
    to = project(known, observation)
    if to.ends:
        assert not known.final
        assert observation.word in {Word.COMPLETED, Word.PARTIAL, Word.CANCELED}
        assert to.status == str(observation.word)
    if to.ends == "partial":
        assert not known.per_order
        assert to.remains is not None
        assert 0 < to.remains <= known.total
    if observation.word is None or known.final:
        assert to.status == known.status
    assert to.remains is None or 0 <= to.remains <= known.total
    assert to.start_count is None or 0 <= to.start_count < 2**63
