"""Where things lie under var/, and the small files there."""

import json
import os
import secrets
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = ROOT / "var"
LOGS = VAR / "log"
SECRETS = VAR / "secrets.json"
RUN_LOCK = VAR / "run.lock"
RUN_STATE = VAR / "run.json"  # what the running ./run uses; only true while RUN_LOCK is held
KNOWN = VAR / "known.json"  # what a later start has to know: demo or empty, the sandbox's port


class Refusal(Exception):
    """A start that cannot go on; the message is the one sentence that the operator gets."""


def private_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, readable by its owner only: it may hold passwords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The content, or {} where the file is absent or was cut short."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(*wanted: int) -> int:
    """The first wanted port that is free, else one that the system gives. Wanted 0s are skipped."""
    for port in wanted:
        if port and port_is_free(port):
            return port
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_secret() -> str:
    return secrets.token_urlsafe(48)
