"""The first step of ./run, ./test and ./manage: a complete .venv, then the real program inside it.

Runs with any Python ≥ 3.11 and nothing installed. A stamp in .venv holds the hash of what was installed, so
that a second start installs nothing; an environment without a stamp is half-made and is made anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = ROOT / "var" / "log" / "install.log"
PROGRAMS = {"run": "panel.local.supervisor", "test": "panel.local.testing", "manage": "panel.local.command"}


def say(text: str, again: bool = False) -> None:
    """Progress, on stderr so that ./manage --json stays clean; on a terminal one line is overwritten."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if again else "\n", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def fingerprint(requirements: list[str]) -> str:
    """Changes with the lists, and with the interpreter behind .venv: a system upgrade may replace it."""
    content = b"".join((ROOT / name).read_bytes() for name in requirements)
    return hashlib.sha256(content + str(PYTHON.resolve()).encode()).hexdigest()


def stamp(requirements: list[str]) -> Path:
    return VENV / f".installed-{requirements[-1]}"


def is_complete(requirements: list[str]) -> bool:
    try:
        return stamp(requirements).read_text() == fingerprint(requirements)
    except FileNotFoundError:
        return False


def make_venv() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    say(f"Making .venv with Python {sys.version.split()[0]}")
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            "The virtual environment could not be made; this Python lacks the venv module: install it"
            f" (for example: apt-get install python3.{sys.version_info[1]}-venv) and try again."
        )


def install(requirements: list[str]) -> None:
    """Install with hashes and without a resolver (the lists are complete); count aloud."""
    wanted = sum(line[0].isalnum() for name in requirements for line in (ROOT / name).open() if line.strip())
    say(f"Installing up to {wanted} packages; this is done once and takes about a minute")
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps",
               "--require-hashes", "--progress-bar", "off"]  # fmt: skip
    for name in requirements:
        command += ["-r", str(ROOT / name)]
    LOG.parent.mkdir(parents=True, exist_ok=True)
    count, errors = 0, []
    with (
        LOG.open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        ) as pip,
    ):
        for line in pip.stdout or ():
            log.write(line)
            if line.startswith("Collecting "):
                count += 1
                if sys.stderr.isatty() or count % 10 == 0:
                    say(f"  {count}: {line.split()[1].split('==')[0]}", again=True)
            elif line.startswith("Installing collected"):
                say("  all fetched; unpacking", again=True)
            elif line.startswith("ERROR"):
                errors.append(line.strip())
    if pip.returncode != 0:
        reason = errors[0] if errors else f"pip ended with code {pip.returncode}"
        sys.exit(
            f"The packages could not be installed ({reason}): check that a package index is reachable"
            f" (pip's own settings apply) and try again; details are in {LOG.relative_to(ROOT)}."
        )
    say("Packages installed")


def ensure(requirements: list[str]) -> None:
    if is_complete(requirements) and PYTHON.exists():
        return
    with (ROOT / "var" / "install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is installing packages; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete(requirements) and PYTHON.exists():
            return
        stamps = list(VENV.glob(".installed-*"))
        works = stamps and subprocess.run(
            [PYTHON, "-m", "pip", "--version"], capture_output=True, check=False
        )
        if not works or works.returncode != 0:
            make_venv()
        # If pip is killed while it unpacks, it takes the half-unpacked package for installed ever after. So no
        # stamp stands while it works, and what has no stamp is made anew.
        for old in stamps:
            old.unlink(missing_ok=True)
        install(requirements)
        stamp(requirements).write_text(fingerprint(requirements))
        stamp(["requirements.txt"]).write_text(fingerprint(["requirements.txt"]))


def main() -> None:
    program, arguments = sys.argv[1], sys.argv[2:]
    requirements = ["requirements.txt"] + (["requirements-dev.txt"] if program == "test" else [])
    try:
        (ROOT / "var").mkdir(exist_ok=True)
        ensure(requirements)
    except PermissionError as error:
        sys.exit(
            f"{error.filename} belongs to another user: give it to yourself (chown) or start as that user."
        )
    except OSError as error:
        sys.exit(f"The start failed at {error.filename}: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit(130)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", PROGRAMS[program], *arguments])


if __name__ == "__main__":
    main()
