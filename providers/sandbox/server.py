"""HTTP/1.1 by hand over asyncio, so that every byte and every TCP flag is ours to spoil."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, cast
from urllib.parse import parse_qsl

from .api import Api
from .spoil import PAGES, Reply

API_PATHS = frozenset({"/api/v2", "/api/v2/"})
REASONS = {
    200: "OK",
    201: "Created",
    301: "Moved Permanently",
    400: "Bad Request",
    402: "Payment Required",
} | PAGES
MAX_HEAD, MAX_BODY = 64 * 1024, 8 * 1024 * 1024
Steer = Callable[[str, str, bytes], "tuple[int, Any]"]


class Server:
    """Listens, closes and reopens its port. A second, never listening socket keeps the port while closed."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.steer: Steer = lambda method, path, body: (404, {"error": "Not found"})
        self.connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._holder: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
        self.host, self.port, self._family = "127.0.0.1", 0, socket.AF_INET

    async def start(self, host: str, port: int) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._holder = _bound(self._family, host, port)
        self.host, self.port = host, self._holder.getsockname()[1]
        await self._listen()

    async def _listen(self) -> None:
        listener = _bound(self._family, self.host, self.port)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self), sock=listener, backlog=2048)

    def refuse(self, seconds: float) -> None:
        """Close the listener now, and idle connections with it; connects are refused until it reopens."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        loop = asyncio.get_running_loop()
        for sock in listener.sockets:
            loop.remove_reader(sock.fileno())
        self._start(self._close(listener))
        loop.call_later(seconds, lambda: self._start(self._listen()))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, listener: asyncio.Server) -> None:
        # asyncio forgets, open and unread, a connection accepted in the very round that closes its server:
        # the client would wait in vain. So nothing new is accepted, and what was accepted gets its start first.
        for _ in range(3):
            await asyncio.sleep(0)
        listener.close()
        for connection in list(self.connections):
            connection.close_when_idle()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.abort()
        if self._holder is not None:
            self._holder.close()


def _bound(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    sock.setblocking(False)
    return sock


class Connection(asyncio.Protocol):
    """One client. Requests are answered one after the other."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._fresh = True
        self._busy = self._keep = self._counted = False
        self._refuse = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._done()

    def data_received(self, data: bytes) -> None:
        if self._fresh:
            self._fresh = False
            if self._cut_unread(data):
                return
        self._buffer += data
        if not self._busy:
            self._next_request()

    # -- reading -----------------------------------------------------------------------------------------

    def _cut_unread(self, data: bytes) -> bool:
        """Faults at the first bytes. The control endpoint stays reachable."""
        if b"/control" in data[:16]:
            return False
        fault = self._server.api.faults.pick("unread", "", [])
        if fault is None:
            return False
        self.transport.pause_reading()
        self._hang_up(reset=fault.name == "rst_unread")
        return True

    def _next_request(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                self.abort()
            return
        try:
            method, target, headers = _head(bytes(self._buffer[:end]))
            length = int(headers.get("content-length", "0"))
        except (ValueError, IndexError):
            self._keep = False
            self._send(Reply(400, b'{"error":"Incorrect request"}'))
            return
        if length > MAX_BODY or length < 0 or "transfer-encoding" in headers:
            self._keep = False
            self._send(Reply(400, b'{"error":"Incorrect request"}'))
            return
        if len(self._buffer) < end + 4 + length:
            if headers.get("expect", "").lower() == "100-continue" and len(self._buffer) == end + 4:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        self._busy = True
        self._keep = headers.get("connection", "").lower() != "close"
        self._route(method, target, headers, body)

    def _route(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        path, _, query = target.partition("?")
        api = self._server.api
        if path.startswith("/control"):
            status, answer = self._server.steer(method, path, body)
            self._send(Reply(status, json.dumps(answer, ensure_ascii=False).encode()))
        elif path in API_PATHS or path == "/api/v2/moved":
            api.redirects_followed += path == "/api/v2/moved"
            self._counted = True
            api.in_flight += 1
            api.in_flight_peak = max(api.in_flight_peak, api.in_flight)
            self._deliver(api.reply_to(_params(query, headers, body)))
        else:
            self._send(Reply(404, b'{"error":"Not found"}'))

    # -- answering ---------------------------------------------------------------------------------------

    def _deliver(self, reply: Reply) -> None:
        if reply.refuse:
            self._refuse = reply.refuse
        if reply.delay:
            self._later(reply.delay, lambda: self._wire(reply))
        else:
            self._wire(reply)

    def _wire(self, reply: Reply) -> None:
        match reply.how:
            case "send":
                self._send(reply)
            case "rst" | "fin":
                self._hang_up(reset=reply.how == "rst")
            case "hang":
                self._later(reply.seconds, self.transport.close)
            case "cut":
                self.transport.write(_head_of(reply, keep=False) + reply.body[: len(reply.body) // 2])
                self.transport.close()
            case "drip":
                self._keep = False
                self._drip(_head_of(reply, keep=False) + reply.body, 0, reply.seconds)

    def _send(self, reply: Reply) -> None:
        keep = self._keep and not self._refuse
        self.transport.write(_head_of(reply, keep) + reply.body)
        self._finished(keep)

    def _drip(self, data: bytes, at: int, seconds: float) -> None:
        self.transport.write(data[at : at + 1])
        if at + 1 < len(data):
            self._later(seconds, lambda: self._drip(data, at + 1, seconds))
        else:
            self._finished(keep=False)

    def _finished(self, keep: bool) -> None:
        self._done()
        if not keep:
            self.transport.close()
        if self._refuse:
            seconds, self._refuse = self._refuse, 0.0
            self._server.refuse(seconds)
        self._busy = False
        if keep and self._buffer:
            self._next_request()

    def _done(self) -> None:
        if self._counted:
            self._counted = False
            self._server.api.in_flight -= 1

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, act)

    # -- hanging up --------------------------------------------------------------------------------------

    def _hang_up(self, *, reset: bool) -> None:
        if reset:
            self.abort()
        elif self._busy:
            self.transport.close()  # everything was read: the kernel sends a plain FIN
        else:
            self.transport.write_eof()  # unread bytes would turn a close into a reset
            self._later(1, self.transport.close)

    def abort(self) -> None:
        """RST: with linger 0 the kernel drops the connection instead of closing it."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def close_when_idle(self) -> None:
        self._keep = False
        if not self._busy:
            self.transport.close()


def _head(raw: bytes) -> tuple[str, str, dict[str, str]]:
    lines = raw.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, target, headers


def _params(query: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    """Form fields, or a JSON object; the query fills what the body lacks."""
    params = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    text = body.decode("utf-8", "replace")
    if headers.get("content-type", "").startswith("application/json"):
        try:
            values = json.loads(text)
        except ValueError:
            values = {}
        if isinstance(values, dict):
            params.update({name: str(value) for name, value in values.items()})
    else:
        params.update(parse_qsl(text, keep_blank_values=True))
    if "idempotency-key" in headers:
        params.setdefault("request_id", headers["idempotency-key"])
    return params


def _head_of(reply: Reply, keep: bool) -> bytes:
    extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
    return (
        f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Odd')}\r\n"
        f"Content-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n{extra}\r\n"
    ).encode("latin-1")
