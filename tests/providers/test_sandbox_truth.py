"""The truth log is written before the answer leaves, survives kill -9, and a book can be rebuilt from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import ROOT, Sandbox

Start = Callable[..., Sandbox]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def add(sandbox: Sandbox, link: str = "x#stay", service: int = 6) -> str:
    return str(sandbox.ask("add", service=service, link=link, quantity=100)["order"])


def test_a_line_tells_the_whole_order(start_sandbox: Start, tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    sandbox = start_sandbox(truth_log=log)
    order = sandbox.ask("add", service=6, link="Grüße #stay", quantity=100, request_id="r-1")["order"]
    (line,) = lines_of(log)
    assert datetime.now(UTC) - datetime.fromisoformat(line.pop("at")) < timedelta(seconds=30)
    assert line == {
        "event": "order",
        "key": sandbox.key,
        "link": "Grüße #stay",
        "service": "6",
        "quantity": 100,
        "order": str(order),
        "request_id": "r-1",
        "type": "Default",
        "runs": None,
        "total": 100,
        "charge": "0.64000000",
        "parent": None,
    }


def test_cancels_and_refills_are_logged_each_time_they_are_asked(
    start_sandbox: Start, tmp_path: Path
) -> None:
    log = tmp_path / "truth.jsonl"
    sandbox = start_sandbox(truth_log=log, speed=0)
    canceled, refilled = add(sandbox), add(sandbox, "x#complete")
    sandbox.ask("cancel", orders=canceled)
    sandbox.control(advance=30)
    first, second = (sandbox.ask("refill", order=refilled)["refill"] for _ in range(2))
    assert first != second
    facts = [(line["event"], line["order"], line.get("refill")) for line in lines_of(log)[2:]]
    assert facts == [
        ("cancel", canceled, None),
        ("refill", refilled, first),
        ("refill", refilled, second),
    ]
    assert sandbox.truth() == lines_of(log)


def test_no_answered_order_is_missing_from_the_log_after_kill_9(start_sandbox: Start, tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    sandbox = start_sandbox(truth_log=log)
    answered: list[str] = []

    def order_until_it_dies(number: int) -> None:
        try:
            while True:
                answered.append(add(sandbox, f"{number}-{len(answered)}"))
        except OSError:
            return

    threads = [threading.Thread(target=order_until_it_dies, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(answered) < 50:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    sandbox.kill()
    for thread in threads:
        thread.join(10)
    assert set(answered) <= {line["order"] for line in lines_of(log)}


def test_a_log_is_appended_and_ids_are_never_given_twice(start_sandbox: Start, tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    first = start_sandbox(truth_log=log)
    old = add(first)
    first.kill()
    second = start_sandbox(truth_log=log)
    new = add(second)
    assert [line["order"] for line in lines_of(log)] == [old, new]
    assert old != new
    assert second.ask("status", order=old) == {"error": "Incorrect order ID"}


def test_with_a_state_file_orders_refills_and_balances_survive(start_sandbox: Start, tmp_path: Path) -> None:
    sandbox = start_sandbox(state=tmp_path / "state.jsonl", speed=0, request_id=True)
    form = {"service": 6, "link": "a#complete", "quantity": 100, "request_id": "r-1"}
    done = str(sandbox.ask("add", **form)["order"])
    text = str(sandbox.ask("add", service=6, link="b#fault=order_text#stay", quantity=100)["order"])
    canceled = add(sandbox, "c#pending")
    sandbox.control(advance=30)
    refill = sandbox.ask("refill", order=done)["refill"]
    sandbox.ask("cancel", orders=canceled)
    before = sandbox.ask("balance")

    sandbox.options["speed"] = 100  # what passed before the restart counts at the new speed
    sandbox.restart()
    assert sandbox.ask("status", order=text)["status"] != "Canceled"
    assert sandbox.ask("refill_status", refill=refill)["status"] in ("Pending", "In progress", "Completed")
    assert str(sandbox.ask("add", **form)["order"]) == done
    wait_for_word(sandbox, done, "Completed")
    wait_for_word(sandbox, canceled, "Canceled")
    assert before == {"balance": "99998.08", "currency": "USD"}
    assert sandbox.ask("balance") == {"balance": "99998.72", "currency": "USD"}
    assert add(sandbox) not in (done, text, canceled)
    assert len(sandbox.truth("order")) == 4


def wait_for_word(sandbox: Sandbox, order: str, word: str) -> None:
    deadline = time.monotonic() + 15
    while sandbox.ask("status", order=order)["status"] != word:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_torn_last_line_is_skipped(start_sandbox: Start, tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    sandbox = start_sandbox(state=state)
    order = add(sandbox)
    sandbox.stop()
    with state.open("a", encoding="utf-8") as file:
        file.write('{"event": "order", "at"')
    sandbox.start()
    assert "charge" in sandbox.ask("status", order=order)
    after = add(sandbox)
    sandbox.restart()
    assert "charge" in sandbox.ask("status", order=after)


# -- the program -----------------------------------------------------------------------------------------


def test_the_program_imports_nothing_of_ours_and_needs_nothing_installed(tmp_path: Path) -> None:
    code = (
        "import sys; import providers.sandbox.__main__; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "('providers', 'customers', 'orders', 'panel', 'django') and not m.startswith('providers.sandbox')))"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-S", "-c", code]  # -S: without site-packages
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "['providers']"


def test_help_lists_every_fault() -> None:
    from providers.sandbox.faults import FAULTS

    command = [sys.executable, "-m", "providers.sandbox", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    assert [name for name in FAULTS if f"  {name} " not in text] == []


@pytest.mark.parametrize("option", ["--faults=explode", "--balance=much"])
def test_a_wrong_option_is_one_clear_sentence(option: str) -> None:
    command = [sys.executable, "-m", "providers.sandbox", option]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert option.split("=")[1] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_one_clear_sentence() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "providers.sandbox", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_program_ends_with_its_parent_and_on_sigterm(start_sandbox: Start) -> None:
    sandbox = start_sandbox()
    process = sandbox.process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(5) == 0
    second = start_sandbox()
    assert second.process is not None
    second.process.terminate()
    assert second.process.wait(5) == 0


def test_the_management_command_runs_the_same_program() -> None:
    command = [sys.executable, "manage.py", "sandbox_provider", "--port", "0", "--watch-stdin"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().startswith("sandbox ready http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(10) == 0
