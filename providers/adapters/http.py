"""The one door to providers: a single POST on a connection of its own, or a precise account of why not.

No retries, no redirects, no proxies from the environment, no connection used twice; every address is vetted
when it is connected to; the whole call has one deadline and the answer one size limit, also unpacked. What
matters most is told apart exactly: NotSent (no byte of the request left) or Uncertain (some may have).
"""

import logging
import ssl
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
from urllib3.exceptions import HTTPError

from providers.adapters.addresses import Resolver
from providers.adapters.connecting import CURRENT, PinnedAdapter, Post, Session, Target
from providers.adapters.errors import NotSent, ProviderError, Uncertain
from providers.adapters.watchdog import WATCHDOG

# At DEBUG it would log the address with its query, where some operators keep a key.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

MAX_BYTES = 32 * 1024 * 1024
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
        self._targets: dict[str, Target] = {}
        self._session = Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount("https://", PinnedAdapter(lambda: self._context))
        self._session.mount("http://", PinnedAdapter(lambda: self._context))

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context(cafile=certifi.where())

    def post(
        self,
        url: str,
        data: Mapping[str, str] | bytes,
        *,
        headers: Mapping[str, str] | None = None,
        deadline_s: float,
        before_write: Callable[[], None] | None = None,
        cap_bytes: int | None = None,
    ) -> Reply:
        """POST a form (or bytes as they are, with `headers` that say what they are) and return whatever HTTP
        answer comes.

        `deadline_s` covers everything from the look-up of the name to the last byte of the answer.
        `before_write` runs when the connection stands, right before the first byte; what it raises is raised
        here, and nothing was written. Raises NotSent or Uncertain.
        """
        begun = time.monotonic()
        target = self._target(url)
        request = target.request.copy()
        body = data if isinstance(data, bytes) else urlencode(data).encode()
        request.body = body
        request.headers.update(headers or {})
        request.headers["Content-Length"] = str(len(body))
        post = Post(begun + deadline_s, target, before_write, self._resolver)
        CURRENT.post = post
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
            CURRENT.post = None
        # Raised out here: the causes hold the request, and the request holds the key.
        raise failure

    def _exchange(self, request: requests.PreparedRequest, post: Post, cap_bytes: int, begun: float) -> Reply:
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

    def _target(self, url: str) -> Target:
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) > 1000:
                self._targets.clear()
            target = self._targets[url] = self._checked(url)
        return target

    def _checked(self, url: str) -> Target:
        try:
            request = requests.Request("POST", url, headers=_HEADERS).prepare()
            parts = urlsplit(str(request.url))
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except (requests.RequestException, ValueError):
            raise NotSent("The address of this provider is not a web address.", reason="address") from None
        host = (parts.hostname or "").lower()
        if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
            raise NotSent(
                "The address of this provider must begin with https://, and hold no name or password.",
                reason="address",
            )
        shown = f"[{host}]" if ":" in host else host
        private = f"{shown}:{port}" in self._allowed_private
        if parts.scheme == "http" and not private:
            raise NotSent("The address of this provider must begin with https://.", reason="address")
        return Target(request, host, port, private)


def _read(raw: Any, post: Post, cap_bytes: int) -> bytes:
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


def _unpacked(body: bytes, encoding: str, post: Post, cap_bytes: int) -> bytes:
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


def _uncertain(post: Post, reason: str, message: str) -> Uncertain:
    return Uncertain(message, reason=reason, deadline=reason == "deadline", partial=post.partial)


def _translate(error: Exception, post: Post) -> ProviderError:
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
