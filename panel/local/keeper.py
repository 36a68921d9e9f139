"""Keeps one server running for as long as somebody holds it, and not a moment longer.

    python -m panel.local.keeper postgres|valkey HOME LOG [throwaway]

Whoever needs the server takes a shared lock on HOME/use.lock (held.py) and starts a keeper if none lives. The
keeper tries for the exclusive lock; once it gets it, nobody is left, however they ended: it stops the server
and goes. So ./run, several ./manage and their kill -9 all come out right without a count that could be wrong.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from panel.local import postgres, valkey
from panel.local.places import Refusal, write_json

Server = postgres.Cluster | valkey.Server
KINDS: dict[str, type[Server]] = {"postgres": postgres.Cluster, "valkey": valkey.Server}
POLL_SECONDS = 0.2
STOP_SECONDS = 3.0


def lock(file: IO[str], seconds: float) -> bool:
    """Try for the exclusive lock for so long."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], polite: str) -> None:
    """Ask, ask sternly, end. PostgreSQL's SIGQUIT loses nothing either; the next start replays its log."""
    for word in (polite, "SIGQUIT", "SIGKILL"):
        if process.poll() is None:
            process.send_signal(signal.Signals[word])
            try:
                process.wait(STOP_SECONDS if word != "SIGQUIT" else 1)
            except subprocess.TimeoutExpired:
                continue


def say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} keeper: {text}", flush=True)


def keep(kind: str, home: Path, throwaway: bool, use: IO[str]) -> None:
    state = home / "state.json"
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process: subprocess.Popen[bytes] | None = None
    server: Server | None = None
    try:
        server = KINDS[kind](home, throwaway)
        server.prepare()
        process = server.start(sys.stdout.fileno())
        server.wait_until_ready(process)
        while not ending and not lock(use, 0):
            if process.poll() is not None:
                say(f"{kind} ended with code {process.returncode}; starting it again")
                time.sleep(0.5)
                process = server.start(sys.stdout.fileno())
                server.wait_until_ready(process)
                state.unlink(missing_ok=True)
            if not state.exists():
                write_json(state, {"url": server.url, "keeper": os.getpid(), "pid": process.pid})
            time.sleep(POLL_SECONDS)
    except Refusal as refusal:
        write_json(state, {"error": str(refusal), "keeper": os.getpid()})
        say(str(refusal))
        lock(use, 5)  # let those who wait read the sentence before it is taken away
    finally:
        if process is not None and server is not None:
            stop(process, server.death_signal)
        state.unlink(missing_ok=True)


def main() -> None:
    kind, home, log_file, *rest = sys.argv[1:]
    home_path = Path(home)
    home_path.mkdir(parents=True, exist_ok=True)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    with (home_path / "keeper.lock").open("a") as alive, (home_path / "use.lock").open("a") as use:
        if not lock(alive, 1):
            return  # another keeper was quicker
        keep(kind, home_path, bool(rest), use)
        if rest:
            shutil.rmtree(home_path, ignore_errors=True)
        # in this order: whoever waits for use.lock must find no keeper
        fcntl.flock(alive, fcntl.LOCK_UN)
        fcntl.flock(use, fcntl.LOCK_UN)


if __name__ == "__main__":
    main()
