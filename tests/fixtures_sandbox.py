"""Fixtures around the sandbox provider; loaded by `pytest_plugins = ["tests.fixtures_sandbox"]`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes with any options; all are stopped after the test.

    Orders without a marker end Completed unless the test asks for shares; truth logs lie in tmp_path.
    """
    started: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        log = tmp_path / f"truth-{len(started)}.jsonl"
        settings = {"partial_share": 0, "cancel_share": 0, "truth_log": log, **options}
        sandbox = Sandbox(**settings).start()
        started.append(sandbox)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.stop()


@pytest.fixture
def sandbox(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """An honest, quick provider: orders are done within two seconds, or at once with #fast."""
    return start_sandbox(speed=10)


@pytest.fixture
def frozen_sandbox(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """An honest provider whose clock stands still: `control(advance=30)` lets 30 seconds pass."""
    return start_sandbox(speed=0)
