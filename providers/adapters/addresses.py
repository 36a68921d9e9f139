"""Which network addresses a provider may have, and looking them up within a time limit."""

import ipaddress
import socket
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LookupTimeout

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Found = tuple[tuple[socket.AddressFamily, str], ...]

# Python's is_global passes some of these, in some versions; each is spelled out so that no version matters.
_DENIED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's metadata and DNS address that looks public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_DENIED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID, benchmarking: special purposes only
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address inside
        "3fff::/20",
    )
)
# Outside 2000::/3 and so refused without being named: ::1, ::/96, ::ffff:0:0/96 (IPv4-mapped),
# 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), 100::/64, fc00::/7, fe80::/10, fec0::/10, ff00::/8.


def is_allowed(text: str) -> bool:
    """Whether an address is ordinary public unicast. Scoped addresses (fe80::1%eth0) never are."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _DENIED_V4)
    return (
        address.scope_id is None
        and address in _GLOBAL_UNICAST
        and address.is_global
        and not any(address in network for network in _DENIED_V6)
    )


class NoAddress(Exception):
    """The name has no address, or none in time."""


class Resolver:
    """getaddrinfo with a time limit and a short memory.

    The C library knows no deadline, so each look-up runs in a thread of its own, at most one per name: a
    name server that never answers holds one thread and nobody else. Remembering an address is no weakness:
    what was remembered is vetted again and is the very address connected to.
    """

    def __init__(self, remember_s: float = 20.0) -> None:
        self._remember_s = remember_s
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[float, Found]] = {}
        self._running: dict[tuple[str, int], Future[Found]] = {}

    def look_up(self, host: str, port: int, timeout_s: float) -> Found:
        """(family, address) pairs in the order to try them. Raises NoAddress."""
        literal = _literal(host)
        if literal:
            return literal
        with self._lock:
            known = self._known.get((host, port))
            if known and known[0] > time.monotonic():
                return known[1]
            future = self._running.get((host, port))
            if future is None:
                future = self._running[(host, port)] = Future()
                threading.Thread(target=self._ask, args=(host, port, future), daemon=True).start()
        try:
            return future.result(timeout=max(timeout_s, 0.0))
        except LookupTimeout:
            raise NoAddress(f"{host} could not be looked up in time") from None

    def _ask(self, host: str, port: int, future: "Future[Found]") -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            found = tuple(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in answers))
            problem = None if found else NoAddress(f"{host} has no address")
        except (OSError, UnicodeError):
            found, problem = (), NoAddress(f"{host} has no address")
        with self._lock:
            self._running.pop((host, port), None)
            if found:
                if len(self._known) > 1000:
                    self._known.clear()
                self._known[(host, port)] = (time.monotonic() + self._remember_s, found)
        if problem is None:
            future.set_result(found)
        else:
            future.set_exception(problem)


def _literal(host: str) -> Found:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ()
    return ((socket.AF_INET if address.version == 4 else socket.AF_INET6, str(address)),)
