"""Every reachable state of the submission machine, searched: no double send, no false refund, nothing silent.

Two claims here; three take half a minute (`python -m tests.orders.submission_model`, docs/reliability.md has the figure).
And the same search with one rule left out finds the double, so that finding none means something.
"""

import pytest

from orders.models import Submission
from tests.orders.submission_model import MOVES, Broken, search


@pytest.mark.parametrize("by_key", [False, True], ids=["without a key", "asked again by key"])
def test_no_harm_is_reachable(by_key: bool) -> None:
    found = search(by_key=by_key, claims=2)
    assert found.harm == "", f"{found.harm}: {' · '.join(found.way)}"
    assert found.worlds > 10_000, "the search went far enough to mean something"


@pytest.mark.parametrize(
    ("broken", "harm"),
    [
        (Broken.SWEEPER_REQUEUES, "double"),
        (Broken.RETRY_UNCLEAR, "double"),
        (Broken.NO_FIVE_SECONDS, "double"),
        (Broken.RESTORE_UNPAUSED, "double"),
        (Broken.CANCEL_AFTER_RESTORE, "false refund"),
        (Broken.BELIEVE_OLD_REFUSALS, "false refund"),
        (Broken.FENCES_GIVEN_AGAIN, "false refund"),
    ],
)
def test_with_one_rule_left_out_harm_is_reachable(broken: Broken, harm: str) -> None:
    found = search(broken, only=harm)
    assert harm in found.harm, f"{found.harm or 'nothing'} was found although {broken}"
    print(f"{broken}: {found.harm} by {' · '.join(found.way)}")


def test_a_desk_that_decides_while_the_provider_is_asked_does_harm() -> None:
    assert search(Broken.DESK_ASKS_AND_DECIDES, by_key=True, only="false refund").harm


def test_the_model_moves_as_the_product_does() -> None:
    assert {state: frozenset(to) for state, to in MOVES.items()} == Submission.MOVES
