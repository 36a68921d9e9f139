"""The short tier of the fault campaigns: every part once, with small counts. `./test --campaign` is the long one.

The campaigns run in a process of their own on servers of their own (fsync on); here they are asked for and judged.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.oracle import FAILURES

ROOT = Path(__file__).resolve().parent.parent.parent
SEED = 7
Part = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def part() -> Iterator[Part]:
    """`part("kills", orders=50)` runs one part and gives its result."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults", "--serve", "--seed", str(SEED)],
        cwd=ROOT, env=dict(os.environ) | {"PYTHONPATH": str(ROOT)}, text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    lines, words = process.stdout, process.stdin
    if lines.readline().strip() != "ready":
        process.kill()
        raise AssertionError(f"the campaign did not start: {process.stderr.read()[-3000:]}")

    def run(name: str, **more: Any) -> dict[str, Any]:
        print(json.dumps({"part": name} | more), file=words, flush=True)
        answer: dict[str, Any] = json.loads(lines.readline())
        assert "error" not in answer, answer["trace"]
        return answer

    yield run
    words.close()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def no_harm(result: dict[str, Any]) -> None:
    """Nothing twice, nothing lost, nothing silent, no false refund, no drift, nothing stuck; so with refills."""
    verdict = result["verdict"]
    found = {name: verdict[name] for name in FAILURES}
    assert not any(found.values()), (result, found)


def test_the_naive_control_buys_twice_under_the_same_harm(part: Part) -> None:
    """Without this, a zero below would mean nothing."""
    verdict = part("naive", orders=120, kills=6)["verdict"]
    assert verdict["orders"] == 120
    assert verdict["doubles"] > 0


def test_workers_killed_at_every_named_point_and_at_random_do_no_harm(part: Part) -> None:
    result = part("kills", orders=130, kills=25, minutes=3)
    no_harm(result)
    assert result["kills"] >= 25
    assert result["verdict"]["orders"] >= 130
    assert len(result["points"]) > 4, "the kills were not only random ones"


def test_a_worker_frozen_after_the_point_of_no_return_does_not_send_after_five_seconds(part: Part) -> None:
    result = part("freeze")
    no_harm(result)
    assert result["freezes"] == {
        "begin.after 6 s": "not_accepted not_sent",
        "write.before 6 s": "not_accepted not_sent",
        "write.before 1 s": "accepted",
        "write.before 12 s": "unknown, then not_accepted not_sent",
    }
    assert result["verdict"]["upstream"] == result["verdict"]["orders"]


def test_hints_delivered_many_times_send_each_order_once(part: Part) -> None:
    result = part("redelivery", orders=30)
    no_harm(result)
    assert result["verdict"]["upstream"] == 30


def test_without_redis_orders_are_taken_and_later_sent(part: Part) -> None:
    result = part("redis", orders=20)
    no_harm(result)
    assert result["verdict"]["states"] == {"accepted": 20}
    assert result["slowest_placing_s"] < 2.0
    assert result["accepted_without_redis"] >= 1, "sent in the foreground while Redis was away"


def test_a_killed_database_forgets_nothing_that_was_acknowledged(part: Part) -> None:
    result = part("postgres", orders=20, times=1)
    no_harm(result)
    assert result["kept"] == result["acknowledged"] == 20


def test_a_web_process_killed_while_placing_leaves_one_order_or_none(part: Part) -> None:
    result = part("web", kills=2)
    no_harm(result)
    assert result["lost_answers"] == 2, "both clients lost their answer"
    assert result["placed"] == result["verdict"]["upstream"] == 2


def test_two_clocks_at_once_send_each_order_once(part: Part) -> None:
    result = part("beats", orders=20)
    no_harm(result)
    assert result["verdict"]["upstream"] == 20


def test_every_fault_of_a_provider_becomes_what_its_answer_proves(part: Part) -> None:
    result = part("faults", each=1)
    no_harm(result)
    assert result["unexpected"] == []
    assert result["verdict"]["unknown"] >= 25, "every ambiguous answer is listed as unknown"


def test_a_backup_restored_after_the_sends_sends_nothing_again(part: Part) -> None:
    result = part("restore", orders=60)
    no_harm(result)
    assert result["sent_before"] == 60
    assert (result["paused"], result["sent_while_paused"], result["resent"]) == (True, 0, 0)
    assert result["made_unknown"] >= 60


def test_a_database_that_went_back_in_time_is_noticed_by_the_counters_copy(part: Part) -> None:
    result = part("rollback", orders=10)
    no_harm(result)
    assert result["sent_while_paused"] == 0
