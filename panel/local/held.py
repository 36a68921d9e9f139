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
    keeper: subprocess.Popen[bytes] | None = None  # if it was this process that started it

    def release(self, wait_seconds: float = 8) -> bool:
        """Let go; wait for the server to end if nobody else holds it. False: it still runs (for somebody)."""
        self.lock.close()
        if is_held(self.home):
            return False
        until = time.monotonic() + wait_seconds
        while keeper_lives(self.home):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        if self.keeper is not None:
            self.keeper.wait(wait_seconds)  # where nobody adopts orphans it would stay in the process list
        return True


def try_lock(path: Path, kind: int) -> bool:
    """Whether the lock could be had just now; it is given back at once."""
    if not path.exists():
        return True
    with path.open("a") as probe:
        try:
            fcntl.flock(probe, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def is_held(home: Path) -> bool:
    """Whether somebody holds the server. (A keeper that is stopping has the lock to itself: not held.)"""
    use = home / "use.lock"
    return not try_lock(use, fcntl.LOCK_EX) and try_lock(use, fcntl.LOCK_SH)


def keeper_lives(home: Path) -> bool:
    return not try_lock(home / "keeper.lock", fcntl.LOCK_SH)


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
                return Hold(home, lock, str(url), keeper)
            if error := state.get("error"):
                lock.close()
                raise Refusal(str(error))
        elif keeper is None or keeper.poll() is not None:
            # left by a keeper that was killed; a living one writes it again
            (home / "state.json").unlink(missing_ok=True)
            keeper = subprocess.Popen(
                [sys.executable, "-m", "panel.local.keeper", kind, str(home), str(log)]
                + (["throwaway"] if throwaway else []),
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        time.sleep(0.02)
    lock.close()
    raise Refusal(f"{kind} did not start within {START_SECONDS:.0f} s; see {log}.")
