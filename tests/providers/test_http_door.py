"""The HTTP door on real sockets: what may have been sent, when it ends, what it refuses to do."""

import contextlib
import datetime
import gzip
import ipaddress
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.adapters import addresses
from providers.adapters.addresses import is_allowed
from providers.adapters.errors import NotSent, Uncertain
from providers.adapters.http import Door
from providers.adapters.watchdog import WATCHDOG
from tests.providers.replaying import Replaying, http_reply, replaying

FORM = {"key": "SECRET-KEY", "action": "add", "link": "https://example.com/?a=1&b=ü"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def provider() -> Iterator[Replaying]:
    with replaying() as running:
        yield running


def drip(data: bytes, pause: float = 0.05) -> Callable[[socket.socket], None]:
    def handler(connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return handler


def post(provider: Replaying, deadline_s: float = 5, **more: object) -> object:
    return provider.door().post(provider.url, FORM, deadline_s=deadline_s, **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ answers


def test_it_posts_the_form_and_returns_the_answer(provider: Replaying) -> None:
    provider.says('{"order":1}', 201, "text/html")
    reply = provider.door().post(provider.url, FORM, deadline_s=5)
    assert (reply.http_status, reply.body, reply.content_type) == (201, b'{"order":1}', "text/html")
    assert provider.forms == [FORM]


def test_every_post_has_a_connection_of_its_own(provider: Replaying) -> None:
    provider.reply = http_reply("{}").replace(b"Connection: close", b"Connection: keep-alive")
    door = provider.door()
    for _ in range(3):
        door.post(provider.url, FORM, deadline_s=5)
    assert provider.connections == 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_returned_and_not_followed(provider: Replaying, status: int) -> None:
    provider.says("moved", status, Location="https://elsewhere.example/api/v2")
    reply = provider.door().post(provider.url, FORM, deadline_s=5)
    assert (reply.http_status, reply.location) == (status, "https://elsewhere.example/api/v2")
    assert provider.connections == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 429, 500, 503, 999])
def test_any_status_is_an_answer_and_nothing_is_retried(provider: Replaying, status: int) -> None:
    provider.says('{"error":"no"}', status, Retry_After="0")
    assert provider.door().post(provider.url, FORM, deadline_s=5).http_status == status
    assert provider.connections == 1


def test_proxies_of_the_environment_are_ignored(provider: Replaying, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    provider.says("{}")
    assert provider.door().post(provider.url, FORM, deadline_s=5).http_status == 200


def test_cookies_are_not_kept(provider: Replaying) -> None:
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(65536))
                connection.sendall(http_reply("{}", Set_Cookie="session=1"))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    entry = f"127.0.0.1:{listener.getsockname()[1]}"
    door = Door(allowed_private=frozenset({entry}))
    for _ in range(2):
        door.post(f"http://{entry}/", FORM, deadline_s=5)
    listener.close()
    assert b"cookie" not in seen[1].lower()


# ------------------------------------------------------------------------------------------ packing


def test_a_packed_answer_is_unpacked(provider: Replaying) -> None:
    for packed, name in ((gzip.compress(b"[1]"), "gzip"), (zlib.compress(b"[1]"), "deflate")):
        provider.says(packed, Content_Encoding=name)
        assert provider.door().post(provider.url, FORM, deadline_s=5).body == b"[1]"


def test_an_answer_that_only_says_it_is_packed_is_read_as_it_is(provider: Replaying) -> None:
    provider.says('{"order":5}', Content_Encoding="gzip")
    assert provider.door().post(provider.url, FORM, deadline_s=5).body == b'{"order":5}'


def test_a_gzip_bomb_ends_at_the_limit(provider: Replaying) -> None:
    provider.says(gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip")
    with pytest.raises(Uncertain) as doubt:
        post(provider, cap_bytes=1_000_000)
    assert doubt.value.reason == "oversize"


def test_a_bomb_of_many_gzip_members_ends_at_the_limit(provider: Replaying) -> None:
    provider.says(gzip.compress(b"0" * 600_000) * 3, Content_Encoding="gzip")
    with pytest.raises(Uncertain) as doubt:
        post(provider, cap_bytes=1_000_000)
    assert doubt.value.reason == "oversize"


def test_a_packed_answer_cut_off_is_doubtful(provider: Replaying) -> None:
    provider.says(gzip.compress(b'{"order":5}' * 100)[:-20], Content_Encoding="gzip")
    with pytest.raises(Uncertain) as doubt:
        post(provider)
    assert doubt.value.reason == "truncated"


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_above_the_size_limit_is_doubtful(provider: Replaying, announced: bool) -> None:
    body = b"x" * 300_000
    provider.reply = http_reply(body) if announced else HEAD + b"Connection: close\r\n\r\n" + body
    with pytest.raises(Uncertain) as doubt:
        post(provider, cap_bytes=100_000)
    assert doubt.value.reason == "oversize" and len(doubt.value.partial) <= 100_000


# ----------------------------------------------------------------------------------------- deadline

SLOW_ANSWERS: dict[str, Callable[[socket.socket], None]] = {
    "silence": lambda connection: time.sleep(5),
    "dripping status line": drip(b"HTTP/1.1 200 OK" + b" " * 1000),
    "dripping headers": drip(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 1000, 0.02),
    "continue for ever": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.005),
    "dripping body": drip(HEAD + b"Content-Length: 99999\r\n\r\n" + b" " * 1000, 0.02),
    "dripping body of unknown length": drip(HEAD + b"Connection: close\r\n\r\n" + b" " * 1000, 0.02),
    "dripping chunks": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1000, 0.005),
    "never closed": lambda connection: (connection.sendall(HEAD + b'\r\n{"order":7}'), time.sleep(5))[-1],
}


@pytest.mark.parametrize("name", SLOW_ANSWERS)
def test_the_whole_answer_has_one_deadline(provider: Replaying, name: str) -> None:
    provider.does(SLOW_ANSWERS[name])
    begun = time.monotonic()
    with pytest.raises(Uncertain) as doubt:
        post(provider, deadline_s=0.5)
    assert 0.45 <= time.monotonic() - begun < 0.9
    assert doubt.value.deadline and doubt.value.reason == "deadline"


def test_what_had_arrived_by_the_deadline_is_kept_as_evidence(provider: Replaying) -> None:
    provider.does(SLOW_ANSWERS["never closed"])
    with pytest.raises(Uncertain) as doubt:
        post(provider, deadline_s=0.3)
    assert doubt.value.partial == b'{"order":7}'


def test_many_calls_meet_their_own_deadlines(provider: Replaying) -> None:
    provider.does(SLOW_ANSWERS["dripping headers"])
    door = provider.door()
    lateness: list[float] = []

    def call(deadline_s: float) -> None:
        begun = time.monotonic()
        with pytest.raises(Uncertain):
            door.post(provider.url, FORM, deadline_s=deadline_s)
        lateness.append(time.monotonic() - begun - deadline_s)

    threads = [threading.Thread(target=call, args=(0.3 + number * 0.05,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lateness) == 10 and min(lateness) > -0.05 and max(lateness) < 0.4
    assert not WATCHDOG._calls


def test_a_server_that_does_not_read_is_left_at_the_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    entry = f"127.0.0.1:{listener.getsockname()[1]}"
    with listener, pytest.raises(Uncertain) as doubt:
        Door(allowed_private=frozenset({entry})).post(
            f"http://{entry}/", {"comments": "x" * 12_000_000}, deadline_s=3
        )
    assert doubt.value.deadline


def test_no_time_left_means_not_sent(provider: Replaying) -> None:
    with pytest.raises(NotSent) as not_sent:
        post(provider, deadline_s=0)
    assert not_sent.value.reason == "deadline" and provider.connections == 0


def test_a_name_server_that_never_answers_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: release.wait(10) and [])
    begun = time.monotonic()
    with pytest.raises(NotSent):
        Door().post("https://slow.example/api/v2", FORM, deadline_s=0.3)
    release.set()
    assert time.monotonic() - begun < 0.8


# -------------------------------------------------------------------------------- what may have left


def test_a_closed_port_means_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        entry = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(NotSent) as not_sent:
        Door(allowed_private=frozenset({entry})).post(f"http://{entry}/", FORM, deadline_s=5)
    assert not_sent.value.reason == "connect"


def test_an_unknown_name_means_not_sent() -> None:
    with pytest.raises(NotSent) as not_sent:
        Door().post("https://no-such-name.invalid/api/v2", FORM, deadline_s=10)
    assert not_sent.value.reason == "dns"


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


BROKEN_ANSWERS: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "reset": (reset, "lost"),
    "closed": (lambda connection: None, "lost"),
    "half a head": (lambda connection: connection.sendall(b"HTT"), "lost"),
    "no HTTP": (lambda connection: connection.sendall(b"hello\r\n\r\n"), "lost"),
    "cut off": (lambda c: c.sendall(HEAD + b'Content-Length: 50\r\n\r\n{"order":2350'), "truncated"),
    "chunk cut off": (
        lambda c: c.sendall(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"ord\r\n9\r\nx'),
        "truncated",
    ),
}


@pytest.mark.parametrize("name", BROKEN_ANSWERS)
def test_a_broken_answer_is_doubtful(provider: Replaying, name: str) -> None:
    handler, reason = BROKEN_ANSWERS[name]
    provider.does(handler)
    with pytest.raises(Uncertain) as doubt:
        post(provider)
    assert doubt.value.reason == reason and not doubt.value.deadline
    assert provider.connections == 1


class Late(NotSent):
    pass


def test_the_last_check_runs_when_the_connection_stands_and_can_stop_the_request(provider: Replaying) -> None:
    connected: list[int] = []

    def stop() -> None:
        connected.append(1)
        raise Late("too late", reason="too_late")

    with pytest.raises(Late):
        post(provider, before_write=stop)
    deadline = time.monotonic() + 2
    while not provider.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert connected == [1] and provider.connections == 1 and provider.forms == []


@pytest.mark.parametrize("error", [OSError("database away"), ValueError("bug"), KeyError("bug")])
def test_whatever_the_last_check_raises_is_raised_and_nothing_is_sent(
    provider: Replaying, error: Exception
) -> None:
    def stop() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        post(provider, before_write=stop)
    assert raised.value is error and provider.forms == []


def test_the_last_check_does_not_run_without_a_connection() -> None:
    ran: list[int] = []
    with pytest.raises(NotSent):
        Door().post("https://no-such-name.invalid/", FORM, deadline_s=5, before_write=lambda: ran.append(1))
    assert ran == []


def test_errors_hold_no_key(provider: Replaying) -> None:
    provider.does(reset)
    with pytest.raises(Uncertain) as doubt:
        post(provider)
    error = doubt.value
    assert error.__cause__ is None and error.__context__ is None
    assert "SECRET-KEY" not in repr((error.args, vars(error)))


# ---------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3",  # noqa: S104
        "100.64.0.1", "127.0.0.1", "127.9.9.9", "168.63.129.16", "169.254.169.254",
        "172.16.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1",
        "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1",
        "not an address", "",
    ],
)  # fmt: skip
def test_private_and_special_addresses_are_refused(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/api", "https://127.1/api", "https://2130706433/api", "https://0x7f.1/api",
        "https://[::1]/api", "https://[::ffff:127.0.0.1]/api", "https://169.254.169.254/latest/meta-data",
        "https://localhost/api", "https://168.63.129.16/api",
        "http://1.1.1.1/api", "ftp://1.1.1.1/api", "https://user:pass@1.1.1.1/", "https:///api", "nonsense", "",
        "https://1.1.1.1:99999/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_other_addresses_are_not_connected_to(url: str) -> None:
    with pytest.raises(NotSent) as not_sent:
        Door().post(url, FORM, deadline_s=2)
    assert not_sent.value.reason in ("address", "dns")


def test_the_exception_is_for_the_exact_host_and_port(provider: Replaying) -> None:
    provider.says("{}")
    for entry in ("127.0.0.1:1", f"localhost:{provider.port}", "127.0.0.1", f"127.0.0.2:{provider.port}"):
        with pytest.raises(NotSent):
            Door(allowed_private=frozenset({entry})).post(provider.url, FORM, deadline_s=2)
    assert provider.connections == 0


def test_a_name_with_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = [(socket.AF_INET, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(NotSent) as not_sent:
        Door().post("https://rebinding.example/", FORM, deadline_s=2)
    assert not_sent.value.reason == "address"


def test_the_second_address_is_tried_when_the_first_is_dead(
    provider: Replaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = [(socket.AF_INET, 1, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: answer)
    provider.says("{}")
    entry = f"two.example:{provider.port}"
    door = Door(allowed_private=frozenset({entry}))
    assert door.post(f"http://{entry}/", FORM, deadline_s=5).http_status == 200


# ---------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for panel.example, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "panel.example")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("panel.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "panel.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str | None]]]:
    """(port of a TLS provider, the server names that were asked for); any name leads to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(65536)
                    connection.sendall(http_reply('{"order":1}'))
            except OSError:
                continue

    threading.Thread(target=serve, daemon=True).start()
    answer = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: answer)
    yield listener.getsockname()[1], names
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def secure_door(host: str, port: int, certificate: Path | None) -> Door:
    tls = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    return Door(allowed_private=frozenset({f"{host}:{port}"}), tls=tls)


def test_the_name_is_sent_and_verified_while_the_address_is_pinned(
    secure: tuple[int, list[str | None]], certificate: Path
) -> None:
    port, names = secure
    door = secure_door("panel.example", port, certificate)
    for _ in range(2):
        assert door.post(f"https://panel.example:{port}/", FORM, deadline_s=5).body == b'{"order":1}'
    assert names == ["panel.example"] * 2


@pytest.mark.parametrize(("host", "trusted"), [("other.example", True), ("panel.example", False)])
def test_a_wrong_certificate_means_not_sent(
    secure: tuple[int, list[str | None]], certificate: Path, host: str, trusted: bool
) -> None:
    ran: list[int] = []
    door = secure_door(host, secure[0], certificate if trusted else None)
    with pytest.raises(NotSent) as not_sent:
        door.post(f"https://{host}:{secure[0]}/", FORM, deadline_s=5, before_write=lambda: ran.append(1))
    assert not_sent.value.reason == "certificate" and ran == []


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\x40\x00"])
def test_a_handshake_that_does_not_end_means_not_sent(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def serve() -> None:
            connection, _ = listener.accept()
            kept.append(connection)
            with contextlib.suppress(OSError):
                drip(greeting, 0.02)(connection)

        threading.Thread(target=serve, daemon=True).start()
        entry = f"127.0.0.1:{listener.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(NotSent) as not_sent:
            Door(allowed_private=frozenset({entry})).post(f"https://{entry}/", FORM, deadline_s=1.2)
        assert time.monotonic() - begun < 1.6
        assert not_sent.value.reason in ("tls", "deadline")
