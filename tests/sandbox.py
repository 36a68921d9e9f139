"""The sandbox provider as a subprocess on a free port, with a handle for tests, campaigns and benches."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parent.parent
KEY = "sandbox-key"


class WrongControl(Exception):
    """The sandbox did not understand a control call."""


class Sandbox:
    """`with Sandbox(seed=7, faults="hang_after:0.1@add") as sandbox:` options are those of the program.

    Underscores stand for dashes; True is a bare flag, a list several values, None leaves an option out.
    `url` is the API address, `origin` is "host:port" as PROVIDER_ALLOWED_PRIVATE wants it. The program
    ends with this process.
    """

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = {"port": 0, **options}
        keys = options.get("key") or KEY
        self.key: str = keys if isinstance(keys, str) else keys[0]
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait_s: float = 15) -> Sandbox:
        """Start and wait for the ready line. Raises RuntimeError when it does not come."""
        command = [sys.executable, "-m", "providers.sandbox", "--watch-stdin"]
        for name, value in self.options.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                command.append(flag)
            elif isinstance(value, (list, tuple)):
                command += [flag, *map(str, value)]
            elif value is not None and value is not False:
                command += [flag, str(value)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": ""},
        )
        line = _first_line(self.process, wait_s)
        if not line.startswith("sandbox ready "):
            self.kill()
            raise RuntimeError(f"The sandbox did not start: {line!r}")
        self.url = line.removeprefix("sandbox ready ").strip()
        self.options["port"] = int(self.origin.rsplit(":", 1)[1])
        return self

    @property
    def origin(self) -> str:
        return self.url.removeprefix("http://").split("/")[0]

    def __enter__(self) -> Sandbox:
        return self if self.process else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after 5 s."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def restart(self) -> Sandbox:
        """The same options on the same port; with `state` the orders are known again."""
        self.stop()
        return self.start()

    def _end(self, number: int) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    # -- asking and steering -----------------------------------------------------------------------------

    def ask(self, action: str, **params: Any) -> Any:
        """One API request, the answer's JSON."""
        form = {"key": self.key, "action": action, **params}
        return self._json("POST", urlsplit(self.url).path, urlencode(form))

    def control(self, **changes: Any) -> Any:
        """Steer live: faults="…", latency_ms=…, advance=seconds, set_order={…} (docs/sandbox.md)."""
        answer = self._json("POST", "/control", json.dumps(changes))
        if "error" in answer:
            raise WrongControl(answer["error"])
        return answer

    def truth(self, event: str = "") -> list[dict[str, Any]]:
        """What really exists there; `event` "order", "cancel" or "refill" picks."""
        lines = self._json("GET", "/control/truth")
        return [line for line in lines if not event or line["event"] == event]

    def orders(self) -> list[dict[str, Any]]:
        return list(self._json("GET", "/control/orders"))

    def stats(self) -> dict[str, Any]:
        return dict(self._json("GET", "/control/stats"))

    def requests(self) -> list[dict[str, Any]]:
        """The last 5000 requests with their parameters, without the key."""
        return list(self._json("GET", "/control/requests"))

    def _json(self, method: str, path: str, body: str | None = None) -> Any:
        connection = http.client.HTTPConnection(self.origin, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"})
            return json.load(connection.getresponse())
        finally:
            connection.close()


def _first_line(process: subprocess.Popen[bytes], wait_s: float) -> str:
    pipe = process.stdout
    if pipe is None:
        return ""
    deadline, line = time.monotonic() + wait_s, b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not line.endswith(b"\n") and selector.select(max(deadline - time.monotonic(), 0)):
            part = os.read(pipe.fileno(), 4096)
            if not part:
                break
            line += part
    return line.decode("utf-8", "replace")
