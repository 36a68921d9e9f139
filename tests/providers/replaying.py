"""A provider for tests that answers what it is told: a whole HTTP reply, or bytes over time."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from providers.adapters.http import Door

Handler = Callable[[socket.socket], None]


def http_reply(
    body: bytes | str, status: int = 200, content_type: str = "application/json", **more: str
) -> bytes:
    """A complete answer. `more`: further headers, with _ for -."""
    if isinstance(body, str):
        body = body.encode()
    headers = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + body


def read_request(connection: socket.socket) -> dict[str, str]:
    """The form of one POST; {} when the caller hung up before sending it."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return {}
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


@dataclass
class Replaying:
    """`reply`: what the next request gets. `forms`: the requests so far. `connections`: how many were made."""

    port: int
    reply: bytes = b""
    handler: Handler | None = None
    forms: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0

    @property
    def entry(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.entry}/api/v2"

    def door(self, **settings: object) -> Door:
        return Door(allowed_private=frozenset({self.entry}), **settings)  # type: ignore[arg-type]

    def says(
        self, body: bytes | str, status: int = 200, content_type: str = "application/json", **more: str
    ) -> None:
        self.handler, self.reply = None, http_reply(body, status, content_type, **more)

    def does(self, handler: Handler) -> None:
        self.handler = handler

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            form = read_request(connection)
            if not form:
                return
            self.forms.append(form)
            if self.handler:
                self.handler(connection)
            else:
                connection.sendall(self.reply)


@contextlib.contextmanager
def replaying() -> Iterator[Replaying]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    provider = Replaying(listener.getsockname()[1])

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                provider.connections += 1
                threading.Thread(target=provider.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield provider
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
