"""./run from a folder of its own, as an operator uses it: ready, watched over, stopped without a trace."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from panel.local.places import free_port, read_json
from panel.local.surroundings import VARIABLES
from tests.conftest import ROOT, wait_until

pytestmark = pytest.mark.slow

LEFT_OUT = shutil.ignore_patterns("var", ".venv", ".git", "__pycache__", ".*_cache", ".hypothesis", "tests")


class Panel:
    """A copy of the project in its own folder, with ./run started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder.parent / "output"
        self.environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | {
            "PORT": str(self.port),
            "WORKER_THREADS": "4",
            "UNKNOWN_QUARANTINE_SECONDS": "7",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment | more, capture_output=True, text=True, timeout=90,
            check=False,
        )  # fmt: skip

    def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                ["./run", "--no-demo"], cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        wait_until(self._is_ready, 90, "ready")

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"./run ended: {self.said()}")
        return self.said().rstrip().endswith(f"ready http://127.0.0.1:{self.port}")

    def said(self) -> str:
        return self.output.read_text()

    def processes(self) -> dict[int, str]:
        """Everything that runs from the folder: by its command line, or by where it works."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if not entry.name.isdigit() or int(entry.name) == os.getpid():
                    continue
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                at_home = (entry / "cwd").resolve().is_relative_to(self.folder)
                if line and (str(self.folder) in line or at_home):
                    found[int(entry.name)] = line
        return found

    def child(self, words: str) -> int:
        """The process id of the child of ./run whose command holds `words`; 0 while there is none."""
        assert self.process is not None
        for number, line in self.processes().items():
            with contextlib.suppress(OSError):
                parent = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
                if words in line and parent == self.process.pid:
                    return number
        return 0


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    folder = tmp_path / "a folder"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    made = Panel(folder)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    wait_until(lambda: not made.processes(), 15, "the end of everything")


def test_it_gets_ready_is_watched_over_and_leaves_nothing(panel: Panel) -> None:
    panel.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{panel.port}/healthz") as answer:
        assert json.load(answer)["ok"] is True

    second = panel.call("./run")
    assert second.returncode == 1
    assert "already runs from this folder" in second.stderr

    told = panel.call(
        "./manage", "shell", "-v0", "-c",
        "from django.conf import settings; print(settings.UNKNOWN_QUARANTINE_SECONDS)",
        UNKNOWN_QUARANTINE_SECONDS="",
    )  # fmt: skip
    assert told.stdout.strip() == "7", told.stderr  # what ./run was told holds for commands, too

    killed = panel.child("worker1@")
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    wait_until(lambda: panel.child("worker1@") not in (0, killed), 5, "another worker")
    assert time.monotonic() - began < 5
    assert "worker1 died (signal SIGKILL)" in panel.said()

    assert panel.process is not None
    began = time.monotonic()
    panel.process.terminate()
    assert panel.process.wait(10) == 0
    assert time.monotonic() - began < 10
    assert panel.processes() == {}


def test_a_killed_supervisor_leaves_nothing_and_the_data_stay(panel: Panel) -> None:
    panel.start()
    made = panel.call(
        "./manage", "create_customer", "kept@example.com", "--password", "a-long-passphrase", "--json"
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["email"] == "kept@example.com"
    assert panel.process is not None
    panel.process.kill()
    panel.process.wait()
    wait_until(lambda: not panel.processes(), 15, "the end of everything")

    # ./manage alone starts the database, finds the data and stops it again
    found = panel.call(
        "./manage", "shell", "-v0", "-c",
        "from customers.models import User; print(User.objects.filter(email='kept@example.com').count())",
    )  # fmt: skip
    assert found.stdout.strip() == "1", found.stderr
    assert panel.processes() == {}

    dropped = panel.call("./run", "--reset", DATABASE_URL="postgres://somebody@example.com/else")
    assert dropped.returncode == 1
    assert "DATABASE_URL" in dropped.stderr
    assert read_json(panel.folder / "var" / "secrets.json")


def test_a_busy_port_and_a_wrong_value_are_one_sentence_each(panel: Panel) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", panel.port))
        taken.listen()
        busy = panel.call("./run", "--no-demo")
    assert busy.returncode == 1
    assert busy.stderr.strip() == (
        f"Port {panel.port} is in use by another program; end that one or choose another:"
        f" PORT={panel.port + 1} ./run"
    )
    wrong = panel.call("./run", "--no-demo", STATUS_CONFIRM_SECONDS="soon")
    assert wrong.returncode == 1
    assert wrong.stderr.strip() == (
        "Headwater does not start: STATUS_CONFIRM_SECONDS is 'soon';"
        " it must be a whole number from 0 to 1000000000."
    )
    assert panel.processes() == {}
