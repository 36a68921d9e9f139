"""Holding a server: it runs while the hold lives, and the hold ends with the process at the latest."""

import fcntl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from panel.local.places import ROOT, Refusal, read_json

START_SECONDS = 90.0  # a cluster that crashed replays its log; a cold disk unpacks


@dataclass
class Hold:
    """A running server of ours. `url` is how to reach it."""

    home: Path
    lock: IO[str]
    url: str

    def release(self, wait_seconds: float = 8) -> bool:
        """Let go; wait for the server to end if nobody else holds it. False: it still runs (for somebody)."""
        self.lock.close()
        until = time.monotonic() + wait_seconds
        while keeper_lives(self.home):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


def keeper_lives(home: Path) -> bool:
    path = home / "keeper.lock"
    if not path.exists():
        return False
    with path.open("a") as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def hold(kind: str, home: Path, log: Path, throwaway: bool = False) -> Hold:
    """Take hold of the server `kind` that lives in `home`; start it if needed. Refusal: it cannot be had."""
    home.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    lock = (home / "use.lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_SH)  # waits out a keeper that is just stopping
    until = time.monotonic() + START_SECONDS
    keeper: subprocess.Popen[bytes] | None = None
    while time.monotonic() < until:
        state = read_json(home / "state.json")
        if keeper_lives(home):
            if url := state.get("url"):
                return Hold(home, lock, str(url))
            if error := state.get("error"):
                lock.close()
                raise Refusal(str(error))
        elif keeper is None or keeper.poll() is not None:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "panel.local.keeper", kind, str(home), str(log)]
                + (["throwaway"] if throwaway else []),
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        time.sleep(0.02)
    lock.close()
    raise Refusal(f"{kind} did not start within {START_SECONDS:.0f} s; see {log}.")
