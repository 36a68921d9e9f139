"""A client of /api/v2 that costs next to nothing: benches/api_orders.py runs it as a process of its own.

Clients and server share this machine's cores, so whatever a client spends is taken from the server. This one keeps its
connections open, has its requests ready before it begins, waits for all sockets in one thread, and reads of an answer what
it must: the whole head and as many bytes as Content-Length says. It imports nothing of ours.

    from stdin   {"port", "seconds", "clients", "bodies": [texts], "accepted": text}
                 client n sends body n, n + clients, …, each once; its first is not counted; `{turn}` in a body is a number that grows from request to request
    to stdout    {"times": [seconds of each accepted answer], "refused": [the first others], "others": how many}
"""

import json
import selectors
import socket
import sys
import time
from itertools import count
from typing import Any

HEAD = (
    "POST /api/v2 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: {length}\r\n\r\n"
)


class Client:
    """One connection with one request in flight."""

    def __init__(self, port: int, requests: list[tuple[bytes, ...]], turns: "count[int]") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests, self.turns, self.turn = requests, turns, 0
        self.begun, self.read = 0.0, b""

    def ask(self) -> None:
        before, turn, after = self.requests[self.turn % len(self.requests)]
        self.turn += 1
        self.read, self.begun = b"", time.perf_counter()
        self.socket.sendall(b"%b%09d%b" % (before, next(self.turns), after) if turn else before)

    def answer(self) -> bytes | None:
        """The body, or None while it is not all there. ConnectionError: the server hung up."""
        part = self.socket.recv(262_144)
        if not part:
            raise ConnectionError("The server closed the connection.")
        self.read += part
        head, gap, body = self.read.partition(b"\r\n\r\n")
        if not gap:
            return None
        name = head.lower().index(b"content-length:") + len(b"content-length:")
        return body if len(body) >= int(head[name:].split(b"\r\n", 1)[0]) else None


def requests_of(port: int, bodies: list[str]) -> list[tuple[bytes, ...]]:
    """Each request cut around the place of its number; without one, the whole request and nothing."""
    made = []
    for body in bodies:
        length = len(body.replace("{turn}", "0" * 9))
        whole = HEAD.format(port=port, length=length) + body
        made.append(tuple(part.encode() for part in whole.partition("{turn}")))
    return made


def run(port: int, seconds: float, clients: int, bodies: list[str], accepted: str) -> dict[str, Any]:
    requests, turns = requests_of(port, bodies), count()
    times: list[float] = []
    refused: list[str] = []
    others, wanted = 0, accepted.encode()
    waiting = selectors.DefaultSelector()
    for number in range(clients):
        mine = requests[number % len(requests) :: clients] or requests
        client = Client(port, mine, turns)
        # One after the other, as clients come: of a burst one process may take all connections, and half of the machine rests.
        client.ask()
        while client.answer() is None:
            pass
        waiting.register(client.socket, selectors.EVENT_READ, client)
    until = time.perf_counter() + seconds
    for key in waiting.get_map().values():
        key.data.ask()
    while waiting.get_map():
        answered = waiting.select(60)
        if not answered:
            raise TimeoutError("The server answers nothing any more.")
        for key, _events in answered:
            client = key.data
            body = client.answer()
            if body is None:
                continue
            now = time.perf_counter()
            if body.startswith(wanted):
                times.append(now - client.begun)
            else:
                others += 1
                refused += [body.decode(errors="replace")[:80]] * (len(refused) < 5)
            if now < until:
                client.ask()
            else:
                waiting.unregister(client.socket)
                client.socket.close()
    return {"times": times, "refused": refused, "others": others}


if __name__ == "__main__":
    json.dump(run(**json.load(sys.stdin)), sys.stdout)
