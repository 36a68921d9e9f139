"""The panel's processes under ./run: on a leash, started again when they die, stopped as whole groups."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from panel.local import leash
from panel.local.places import ROOT

# A process that dies at once again and again is started again more slowly, but always within five seconds.
PAUSES = (0.0, 1.0, 2.0, 4.0)
SETTLED_SECONDS = 20
LARGEST_LOG = 50 * 1024 * 1024


@dataclass
class Child:
    """One process with its group and its log file. `on_death` is the signal that it gets if we are killed."""

    name: str
    command: list[str]
    log: Path
    on_death: str = "SIGKILL"
    process: subprocess.Popen[bytes] | None = None
    quick_deaths: int = 0
    started: float = 0.0
    again_at: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-I", leash.__file__, self.on_death, "same", *self.command],
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.started = time.monotonic()

    def look_after(self, say: Callable[[str], None]) -> None:
        """Start it again if it died, after a short pause if it dies often."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        if not self.again_at:
            self.signal(signal.SIGKILL)  # what it left behind in its group
            self.quick_deaths = self.quick_deaths + 1 if now - self.started < SETTLED_SECONDS else 0
            pause = PAUSES[min(self.quick_deaths, len(PAUSES) - 1)]
            self.again_at = now + pause
            say(f"{self.name} died ({ending(self.process.returncode)}); starting it again, see {self.log}")
        if now >= self.again_at:
            self.again_at = 0.0
            self.start()

    def signal(self, number: int) -> None:
        """To the whole group; a group that is gone is fine."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    def group_lives(self) -> bool:
        if self.process is None:
            return False
        self.process.poll()  # reaps it, so that a dead leader is not taken for a living group
        try:
            os.killpg(self.process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def trim_log(self) -> None:
        """Keep one earlier part. The process writes in append mode, so the file may be emptied under it."""
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.with_suffix(".log.1").write_bytes(self.log.read_bytes())
            os.truncate(self.log, 0)


def ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def stop_all(children: list[Child], seconds: float, hurry: Callable[[], bool]) -> None:
    """Ask every group to end, wait so long (or until `hurry`), then kill what is left."""
    for child in children:
        child.signal(signal.SIGTERM)
    until = time.monotonic() + seconds
    while any(child.group_lives() for child in children):
        if time.monotonic() > until or hurry():
            for child in children:
                child.signal(signal.SIGKILL)
            until = time.monotonic() + 1
            if hurry():
                break
        time.sleep(0.05)
    for child in children:
        child.signal(signal.SIGKILL)
        if child.process is not None:
            child.process.wait()
