"""./run: the whole panel on one machine, from an empty folder to `ready`, and back to nothing on Ctrl-C.

    ./run [--no-demo] [--reset]

--no-demo   start with an empty panel (asked only on the first start)
--reset     drop this folder's local state (database, mail, logs, secrets) first
PORT=9000   and the other variables of .env.example are read from the environment.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from panel.local.children import Child, ending, stop_all
from panel.local.held import Hold, hold, is_held, keeper_lives
from panel.local.places import (
    KNOWN,
    LOGS,
    ROOT,
    RUN_LOCK,
    RUN_STATE,
    VAR,
    Refusal,
    free_port,
    port_is_free,
    read_json,
    write_json,
)
from panel.local.surroundings import log_file, remember_for_commands, surroundings

READY_SECONDS = 120
STOP_SECONDS = 5.0  # with the servers' own seconds the promise of ten is kept
DEMO_LOGINS = VAR / "demo-logins.txt"
SANDBOX_KEY = "sandbox-key"  # the sandbox's documented default: it guards nothing
KEPT_BY_RESET = {"run.lock", "install.lock"}


def say(text: str) -> None:
    print(text, flush=True)


def take_the_folder() -> IO[str]:
    """The lock that makes this the only ./run here. Refusal: another one runs."""
    VAR.mkdir(exist_ok=True)
    lock = RUN_LOCK.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # ./manage looks at the lock for a moment to see whether we run
        time.sleep(0.2)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Refusal(
                f"Headwater already runs from this folder ({lock.read().strip()}); stop that one first."
            ) from None
    return lock


def web_port(environment: Mapping[str, str]) -> int:
    raw = environment.get("PORT") or "8000"
    if not raw.isdigit() or not 1 <= int(raw) <= 65535:
        raise Refusal(f"PORT is {raw!r}; it must be a number from 1 to 65535.")
    port = int(raw)
    if not port_is_free(port, environment.get("BIND") or "127.0.0.1"):
        raise Refusal(
            f"Port {port} is in use by another program; end that one or choose another: PORT={port + 1} ./run"
        )
    return port


def reset() -> None:
    if os.environ.get("DATABASE_URL"):
        raise Refusal(
            "--reset drops local state only, but DATABASE_URL names a database of your own: unset it first."
        )
    if is_held(VAR / "postgres") or is_held(VAR / "valkey"):
        raise Refusal("A ./manage command is using the local database; wait for its end.")
    while keeper_lives(VAR / "postgres") or keeper_lives(VAR / "valkey"):
        time.sleep(0.05)  # one that is just stopping
    for path in VAR.iterdir():
        if path.name in KEPT_BY_RESET or path.name.startswith("test-"):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    say("Local state dropped")


def decide_what_is_known(demo: bool, port: int) -> bool:
    """Settle demo or empty, and the sandbox's port, on the first start. True: this is the first start."""
    known = read_json(KNOWN)
    first = "demo" not in known
    if first:
        known["demo"] = demo
    if not known.get("sandbox_port"):
        known["sandbox_port"] = free_port(port + 900 if port + 900 < 65536 else 0)
    elif not port_is_free(known["sandbox_port"]):
        raise Refusal(
            f"Port {known['sandbox_port']}, where the demo's provider listens, is in use by another program;"
            " end that one, or start anew with ./run --reset."
        )
    write_json(KNOWN, known)
    return first


def manage(environment: Mapping[str, str], *arguments: str) -> None:
    """A management command in the foreground of the start. Refusal with its last sentence if it fails."""
    with log_file("start").open("ab") as log:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=dict(environment), stdout=log, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            start_new_session=True, check=False,
        )  # fmt: skip
        log.write(done.stderr)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [ending(done.returncode)]
        if words[-1].startswith("Headwater does not start"):
            raise Refusal(words[-1])
        raise Refusal(f"{arguments[0]} failed: {words[-1]} (more in {log_file('start').relative_to(ROOT)})")


def has_command(name: str) -> bool:
    return any(ROOT.glob(f"*/management/commands/{name}.py"))


def processes(environment: Mapping[str, str], sandbox_port: int) -> dict[str, Child]:
    python = sys.executable
    celery = [python, "-m", "celery", "-A", "panel.celery"]
    plan: dict[str, tuple[list[str], str]] = {
        "sandbox": (
            [python, "-m", "providers.sandbox", "--port", str(sandbox_port), "--key", SANDBOX_KEY,
             "--state", str(VAR / "sandbox-truth.jsonl")],
            "SIGKILL",
        ),
        # gunicorn's first process ends its others by itself when asked
        "web": ([python, "-m", "gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"], "SIGTERM"),
        "beat": ([*celery, "beat", "--pidfile=", "-l", "WARNING"], "SIGKILL"),
    }  # fmt: skip
    for number in range(1, int(environment.get("WORKER_PROCESSES") or 1) + 1):
        plan[f"worker{number}"] = (
            [*celery, "worker", "-n", f"worker{number}@%h", "-P", "threads", "-Q", "submit,sync",
             "-c", environment.get("WORKER_THREADS") or "32", "--without-gossip", "--without-mingle",
             "-l", "WARNING"],
            "SIGKILL",
        )  # fmt: skip
    return {
        name: Child(name, command, log_file(name), on_death, environment=environment)
        for name, (command, on_death) in plan.items()
    }


def heard_since(health: dict[str, Any], seconds: float) -> bool:
    """Whether worker and beat were heard within so many seconds: rows of an earlier run prove nothing."""
    return all(min(health[kind]["seconds_ago"].values()) < seconds for kind in ("worker", "beat"))


class Stop(Exception):
    """Ctrl-C or SIGTERM arrived."""


class Supervisor:
    def __init__(self) -> None:
        self.asked = 0
        self.holds: list[Hold] = []
        self.children: dict[str, Child] = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked += 1
        if self.asked == 1:
            raise Stop

    def start(self, lock: IO[str], demo: bool) -> None:
        began = time.monotonic()
        port = web_port(os.environ)
        address = f"http://127.0.0.1:{port}"
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, {address}")
        lock.flush()
        LOGS.mkdir(parents=True, exist_ok=True)
        first = decide_what_is_known(demo, port)
        known = read_json(KNOWN)

        database = self._own("postgres", "PostgreSQL", "DATABASE_URL")
        broker = self._own("valkey", "Valkey", "REDIS_URL")
        environment = surroundings(os.environ, database, broker) | {"PORT": str(port)}
        Path(environment["STATE_DIR"]).mkdir(parents=True, exist_ok=True)  # the caller's need not exist yet
        say("Migrating")
        manage(environment, "migrate", "--noinput")

        self.children = processes(environment, known["sandbox_port"])
        sandbox = f"http://127.0.0.1:{known['sandbox_port']}/api/v2"
        self.children["sandbox"].start()
        if known["demo"] and not known.get("demo_loaded") and has_command("load_demo"):
            say("Loading the demo")
            self._wait_for_port(known["sandbox_port"], "The sandbox provider")
            manage(environment, "load_demo", "--sandbox-url", sandbox, "--sandbox-key", SANDBOX_KEY,
                   "--logins-file", str(DEMO_LOGINS))  # fmt: skip
            write_json(KNOWN, known | {"demo_loaded": True})
        for name, child in self.children.items():
            if name != "sandbox":
                child.start()
        remember_for_commands(environment)
        self._wait_for_health(address)

        say("")
        say(f"Panel             {address}")
        say(f"Sandbox provider  {sandbox}  key {SANDBOX_KEY}")
        say(f"Logs              {LOGS.relative_to(ROOT)}/   mail  {VAR.relative_to(ROOT)}/mail/")
        if known["demo"] and DEMO_LOGINS.exists():
            say("")
            say(DEMO_LOGINS.read_text().rstrip())
        elif first:
            say("Empty panel; first administrator: ./manage create_staff EMAIL --password P --role superuser")
        say("")
        say(f"Started in {time.monotonic() - began:.0f} s; Ctrl-C stops everything")
        say(f"ready {address}")

    def _own(self, kind: str, name: str, variable: str) -> str:
        if url := os.environ.get(variable):
            return url
        say(f"Starting {name}")
        self.holds.append(hold(kind, VAR / kind, log_file(kind)))
        return self.holds[-1].url

    def _wait_for_port(self, port: int, what: str) -> None:
        until = time.monotonic() + 20
        while port_is_free(port):
            if time.monotonic() > until:
                raise Refusal(f"{what} did not start; see {log_file('sandbox').relative_to(ROOT)}.")
            time.sleep(0.05)

    def _wait_for_health(self, address: str) -> None:
        began, last = time.monotonic(), ""
        while (waited := time.monotonic() - began) < READY_SECONDS:
            self.look_after()
            try:
                with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310  # our own
                    if heard_since(json.load(answer), waited):
                        return
            except urllib.error.HTTPError as error:
                last = error.read().decode(errors="replace")[:300]
            except OSError as error:
                last = str(error)
            if all(child.quick_deaths >= 3 for child in self.children.values() if child.name == "web"):
                break
            time.sleep(0.2)
        raise Refusal(f"The panel did not get ready ({last}); see {LOGS.relative_to(ROOT)}/.")

    def look_after(self) -> None:
        for child in self.children.values():
            child.look_after(say)

    def serve(self) -> None:
        trimmed = time.monotonic()
        while True:
            self.look_after()
            if time.monotonic() - trimmed > 60:
                trimmed = time.monotonic()
                for child in self.children.values():
                    child.trim_log()
            time.sleep(0.2)

    def stop(self) -> None:
        self.asked = max(self.asked, 1)  # from here on a signal hurries instead of interrupting
        if self.children:  # a start that was refused must not take the running one's file away
            RUN_STATE.unlink(missing_ok=True)
        stop_all(list(self.children.values()), STOP_SECONDS, hurry=lambda: self.asked > 1)
        for held in self.holds:
            held.lock.close()  # all let go first, so that the servers stop side by side
        for held in self.holds:
            if not held.release(4):
                say(f"The local {held.home.name} still serves a ./manage command and ends with it")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "./run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--no-demo", action="store_true", help="start empty")
    parser.add_argument("--reset", action="store_true", help="drop local state first")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse(sys.argv[1:])
    supervisor = Supervisor()
    try:
        lock = take_the_folder()
        if options.reset:
            reset()
        supervisor.start(lock, demo=not options.no_demo)
        supervisor.serve()
    except Stop:
        say("\nStopping")
    except Refusal as refusal:
        print(refusal, file=sys.stderr, flush=True)
        return 1
    except PermissionError as error:
        print(
            f"{error.filename} belongs to another user: give it to yourself (chown) or start as that user.",
            file=sys.stderr,
        )
        return 1
    finally:
        supervisor.stop()
    say("Stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
