"""./test: pytest on a database and a broker of its own, which are gone afterwards.

`./test --campaign …` is the long tier of the fault campaigns instead (tests/faults, docs/reliability.md).

Runs beside ./run and beside other ./test: everything lies in a folder named after this process.
"""

import base64
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from panel.local.held import hold
from panel.local.places import ROOT, VAR, Refusal, new_secret
from panel.local.surroundings import VARIABLES


def sweep_old_folders() -> None:
    """Folders of test runs that were killed. Their servers ended with them; keepers see to that."""
    for folder in VAR.glob("test-*"):
        number = folder.name.removeprefix("test-")
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def test_environment(database: str, broker: str, home: Path) -> dict[str, str]:
    # what a developer exported for ./run must not change what the tests see
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | {
        "DATABASE_URL": database,
        "REDIS_URL": broker,
        "SECRET_KEY": new_secret(),
        "FIELD_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "STATE_DIR": str(home / "state"),
        "DJANGO_SETTINGS_MODULE": "panel.settings",
        "LOG_LEVEL": "WARNING",
    }


def side_by_side(arguments: list[str]) -> list[str]:
    """The whole suite runs in two processes, each on a database of its own; named tests run in one. A process that has
    nothing left takes over half of what the other has: tests in a browser take a hundred times as long as others."""
    names_tests = any((ROOT / argument.split("::")[0]).exists() for argument in arguments)
    has_own_way = any(argument.startswith(("-n", "--pdb", "--co", "--version")) for argument in arguments)
    return (
        [] if names_tests or has_own_way or (os.cpu_count() or 1) < 2 else ["-n", "2", "--dist", "worksteal"]
    )


def main() -> int:
    if "--campaign" in sys.argv[1:]:
        return subprocess.call([sys.executable, "-m", "tests.faults", *sys.argv[1:]], cwd=ROOT)
    sweep_old_folders()
    home = VAR / f"test-{os.getpid()}"
    # pytest gets Ctrl-C from the terminal itself; SIGTERM is passed on; this process only has to clean up
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    holds = []
    try:
        (home / "state").mkdir(parents=True)
        holds += [
            hold(kind, home / kind, home / f"{kind}.log", throwaway=True) for kind in ("postgres", "valkey")
        ]
        pytest = subprocess.Popen(
            [sys.executable, "-m", "pytest", *side_by_side(sys.argv[1:]), *sys.argv[1:]],
            cwd=ROOT,
            env=test_environment(holds[0].url, holds[1].url, home),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        signal.signal(signal.SIGTERM, lambda *_: pytest.send_signal(signal.SIGINT))
        return pytest.wait()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    finally:
        for held in holds:
            held.release()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
