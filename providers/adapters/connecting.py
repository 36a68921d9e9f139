"""A connection per call: to a vetted address, the request written in one piece, and how far it got.

These are requests' and urllib3's own classes with three steps replaced: how to connect, when to write, and
that nothing is kept for the next call.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

from providers.adapters.addresses import Found, NoAddress, Resolver, is_allowed
from providers.adapters.errors import NotSent
from providers.adapters.watchdog import Call

CONNECT_S = 10.0
"""One address gets this long, so that a dead IPv6 route leaves time for IPv4."""


@dataclass(frozen=True)
class Target:
    """A checked address to post to. `private`: on the list of exceptions, so neither vetted nor forced to
    use TLS."""

    request: requests.PreparedRequest
    host: str
    port: int
    private: bool


class Post(Call):
    """One call and how far it got. `started` turns true right before the first byte of the request."""

    def __init__(
        self, deadline: float, target: Target, before_write: Callable[[], None] | None, resolver: Resolver
    ) -> None:
        super().__init__(deadline)
        self.target = target
        self.before_write = before_write
        self.resolver = resolver
        self.stage = "dns"
        self.started = False
        self.objection: BaseException | None = None
        self.partial = b""

    def connect(self) -> socket.socket:
        failure: OSError | None = None
        for family, address in self._addresses():
            self.check()
            self.stage = "connect"
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.watch(sock)
                sock.settimeout(max(min(self.remaining(), CONNECT_S), 0.001))
                sock.connect((address, self.target.port))
                sock.settimeout(max(self.remaining(), 0.001) + 1)
                self.stage = "tls"
                return sock
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        self.check()
        why = "it did not answer" if isinstance(failure, TimeoutError) else "the connection was refused"
        raise NotSent(f"Could not connect to {self.target.host}: {why}.", reason="connect")

    def _addresses(self) -> Found:
        host = self.target.host
        try:
            found = self.resolver.look_up(host, self.target.port, min(self.remaining(), CONNECT_S))
        except NoAddress as error:
            self.check()
            raise NotSent(f"{error}.", reason="dns") from None
        if not self.target.private and not all(is_allowed(address) for _, address in found):
            raise NotSent(
                f"{host} is at a private or reserved network address, which is not allowed.", reason="address"
            )
        return found

    def write(self, sock: socket.socket, data: bytes) -> None:
        self.stage = "write"
        self.check()
        if self.before_write is not None:
            try:
                self.before_write()
            except BaseException as error:
                self.objection = error
                raise
            self.check()
        self.started = True
        sock.settimeout(max(self.remaining(), 0.001) + 1)
        try:
            sock.sendall(data)
        except BrokenPipeError:
            pass  # it may have answered before it hung up


CURRENT = threading.local()


class _Connection(HTTPConnection):
    """Connects as the call says; gathers head and body, and writes them at once when all is ready."""

    _gathered: bytes = b""

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = CURRENT.post.connect()
        return sock

    def send(self, data: Any) -> None:
        self._gathered += data

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself does
        post: Post = CURRENT.post
        if self.sock is None:
            self.connect()
        gathered, self._gathered = self._gathered, b""
        post.write(self.sock, gathered)
        self.timeout = max(post.remaining(), 0.001) + 1
        return super().getresponse()


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _FreshPool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        return self._new_conn()

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()


class _FreshTlsPool(_FreshPool, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class PinnedAdapter(HTTPAdapter):
    """Hands out our pools; the trust store is read once, not with every connection."""

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls
        super().__init__(pool_connections=256, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = {"http": _FreshPool, "https": _FreshTlsPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        target = CURRENT.post.target
        scheme = "https" if str(request.url).startswith("https:") else "http"
        tls = {"ssl_context": self._tls(), "cert_reqs": "CERT_REQUIRED"} if scheme == "https" else {}
        return {"scheme": scheme, "host": target.host, "port": target.port}, tls

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context verifies; naming a trust store here would have it read again each time."""


class Session(requests.Session):
    def get_redirect_target(self, resp: Any) -> None:
        """None: asking would read the whole body, without any limit, before we do."""
