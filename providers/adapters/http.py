"""The one door to providers: a single POST on a connection of its own, or a precise account of why not.

No retries, no redirects, no proxies from the environment, no connection used twice; every address is vetted
when it is connected to; the whole call has one deadline and the answer one size limit, also unpacked. What
matters most is told apart exactly: NotSent (no byte of the request left) or Uncertain (some may have).
"""

import logging
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode, urlsplit

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from providers.adapters.addresses import Found, NoAddress, Resolver, is_allowed
from providers.adapters.errors import NotSent, ProviderError, Uncertain
from providers.adapters.watchdog import WATCHDOG, Call

# At DEBUG it would log the address with its query, where some operators keep a key.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

MAX_BYTES = 32 * 1024 * 1024
CONNECT_S = 10.0
"""One address gets this long, so that a dead IPv6 route leaves time for IPv4."""
_CHUNK = 65536
_HEADERS = {
    "User-Agent": "Headwater/1",
    "Accept": "application/json, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": "application/x-www-form-urlencoded",
    "Connection": "close",
}


@dataclass(frozen=True)
class Reply:
    """Any HTTP answer, whatever its status. `elapsed` is in seconds."""

    http_status: int
    body: bytes
    content_type: str
    location: str
    elapsed: float


@dataclass(frozen=True)
class _Target:
    """A checked address to post to. `private`: on the list of exceptions, so neither vetted nor forced to
    use TLS."""

    request: requests.PreparedRequest
    host: str
    port: int
    private: bool


class _Post(Call):
    """One call and how far it got. `started` turns true right before the first byte of the request."""

    def __init__(
        self, deadline: float, target: _Target, before_write: Callable[[], None] | None, resolver: Resolver
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


_current = threading.local()


class _Connection(HTTPConnection):
    """Connects as the call says; gathers head and body, and writes them at once when all is ready."""

    _gathered: bytes = b""

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = _current.post.connect()
        return sock

    def send(self, data: Any) -> None:
        self._gathered += data

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself does
        post: _Post = _current.post
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


class _Adapter(HTTPAdapter):
    """Hands out our pools; the trust store is read once, not with every connection."""

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls
        super().__init__(pool_connections=256, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = {"http": _FreshPool, "https": _FreshTlsPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        target = _current.post.target
        scheme = "https" if str(request.url).startswith("https:") else "http"
        tls = {"ssl_context": self._tls(), "cert_reqs": "CERT_REQUIRED"} if scheme == "https" else {}
        return {"scheme": scheme, "host": target.host, "port": target.port}, tls

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context verifies; naming a trust store here would have it read again each time."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: Any) -> None:
        """None: asking would read the whole body, without any limit, before we do."""


class Door:
    """Thread-safe; make one per process. `allowed_private`: exact "host:port" entries that may be private
    and may speak plain http."""

    def __init__(
        self,
        *,
        allowed_private: frozenset[str] = frozenset(),
        max_bytes: int = MAX_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed_private = frozenset(entry.strip().lower() for entry in allowed_private)
        self._max_bytes = max_bytes
        self._given_tls = tls
        self._resolver = Resolver()
        self._targets: dict[str, _Target] = {}
        self._session = _Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount("https://", _Adapter(lambda: self._context))
        self._session.mount("http://", _Adapter(lambda: self._context))

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context(cafile=certifi.where())

    def post(
        self,
        url: str,
        data: Mapping[str, str],
        *,
        deadline_s: float,
        before_write: Callable[[], None] | None = None,
        cap_bytes: int | None = None,
    ) -> Reply:
        """POST a form and return whatever HTTP answer comes.

        `deadline_s` covers everything from the look-up of the name to the last byte of the answer.
        `before_write` runs when the connection stands, right before the first byte; what it raises is raised
        here, and nothing was written. Raises NotSent or Uncertain.
        """
        begun = time.monotonic()
        target = self._target(url)
        request = target.request.copy()
        body = urlencode(data).encode()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        post = _Post(begun + deadline_s, target, before_write, self._resolver)
        _current.post = post
        WATCHDOG.add(post)
        failure: BaseException
        try:
            return self._exchange(request, post, cap_bytes or self._max_bytes, begun)
        except (NotSent, Uncertain) as error:
            failure = error
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            failure = post.objection or _translate(error, post)
        finally:
            WATCHDOG.remove(post)
            _current.post = None
        # Raised out here: the causes hold the request, and the request holds the key.
        raise failure

    def _exchange(
        self, request: requests.PreparedRequest, post: _Post, cap_bytes: int, begun: float
    ) -> Reply:
        post.check()
        response = self._session.send(request, stream=True, allow_redirects=False, proxies={}, timeout=None)
        try:
            body = _read(response.raw, post, cap_bytes)
        finally:
            response.close()
        if post.expired:
            raise _uncertain(post, "deadline", "The provider did not finish its answer in time.")
        headers = response.headers
        return Reply(
            response.status_code,
            _unpacked(body, headers.get("Content-Encoding", ""), post, cap_bytes),
            headers.get("Content-Type", "")[:200],
            headers.get("Location", "")[:500],
            time.monotonic() - begun,
        )

    def _target(self, url: str) -> _Target:
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) > 1000:
                self._targets.clear()
            target = self._targets[url] = self._checked(url)
        return target

    def _checked(self, url: str) -> _Target:
        try:
            request = requests.Request("POST", url, headers=_HEADERS).prepare()
            parts = urlsplit(str(request.url))
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except (requests.RequestException, ValueError):
            raise NotSent("The address of this provider is not a web address.", reason="address") from None
        host = (parts.hostname or "").lower()
        if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
            raise NotSent("The address of this provider is not a plain web address.", reason="address")
        shown = f"[{host}]" if ":" in host else host
        private = f"{shown}:{port}" in self._allowed_private
        if parts.scheme == "http" and not private:
            raise NotSent("The address of this provider must begin with https://.", reason="address")
        return _Target(request, host, port, private)


def _read(raw: Any, post: _Post, cap_bytes: int) -> bytes:
    """The body as sent. A complete answer whose length was announced wrongly is still doubtful."""
    raw.enforce_content_length = False
    received: list[bytes] = []
    size = 0
    try:
        while chunk := raw.read1(_CHUNK, decode_content=False):
            received.append(chunk)
            size += len(chunk)
            if size > cap_bytes:
                raise _uncertain(post, "oversize", "The provider's answer was too large.")
    finally:
        post.partial = b"".join(received)[:cap_bytes]
    if not post.expired and raw.length_remaining:
        raise _uncertain(post, "truncated", "The provider's answer broke off.")
    return post.partial


def _unpacked(body: bytes, encoding: str, post: _Post, cap_bytes: int) -> bytes:
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    unpacked = b""
    rest = body
    while rest:
        try:
            member = zlib.decompressobj(47)
            unpacked += member.decompress(rest, cap_bytes + 1 - len(unpacked))
        except zlib.error:
            return unpacked or body  # not packed at all, or followed by padding
        if len(unpacked) > cap_bytes:
            raise _uncertain(post, "oversize", "The provider's answer was too large.")
        if not member.eof:
            post.partial = unpacked
            raise _uncertain(post, "truncated", "The provider's answer broke off.")
        rest = member.unused_data
    return unpacked


def _uncertain(post: _Post, reason: str, message: str) -> Uncertain:
    return Uncertain(message, reason=reason, deadline=reason == "deadline", partial=post.partial)


def _translate(error: Exception, post: _Post) -> ProviderError:
    if post.started:
        if post.expired or post.remaining() <= 0:
            return _uncertain(post, "deadline", "The provider did not answer in time.")
        if post.partial:
            return _uncertain(post, "truncated", "The provider's answer broke off.")
        return _uncertain(post, "lost", "The connection broke before the provider answered.")
    host = post.target.host
    if post.expired or post.remaining() <= 0:
        return NotSent(f"No connection to {host} was made in time.", reason="deadline")
    if post.stage == "tls":
        if _is_certificate(error):
            return NotSent(f"The certificate of {host} could not be verified.", reason="certificate")
        return NotSent(f"No secure connection to {host} could be made.", reason="tls")
    return NotSent(f"Could not connect to {host}.", reason=post.stage)


def _is_certificate(error: BaseException | None) -> bool:
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        error = inner or getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(error, BaseException):
            return False
        seen += 1
    return False
