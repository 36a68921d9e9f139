"""A bench's provider: answers `status` for any ids after a fixed time, as a process of its own.

    python -m benches.slow_provider LATENCY_MS

It keeps nothing: every order is in progress with the same remains, which POST /remains/<n> sets. So it costs the
machine little beside what is measured. Its first line is "ready <port>"; it ends when its standard input does.
"""

import asyncio
import sys
import threading
from urllib.parse import parse_qs


class _Answers:
    def __init__(self, latency_s: float) -> None:
        self.latency_s, self.remains = latency_s, 1000

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = next(int(line[15:]) for line in lines if line.lower().startswith("content-length:"))
        form = parse_qs((await reader.readexactly(length)).decode())
        if lines[0].startswith("POST /remains/"):
            self.remains = int(lines[0].split()[1].rsplit("/", 1)[1])
            body = "{}"
        else:
            await asyncio.sleep(self.latency_s)
            entry = f'{{"charge": "0.5", "start_count": "100", "status": "In progress", "remains": "{self.remains}", "currency": "USD"}}'
            body = "{" + ", ".join(f'"{key}": {entry}' for key in form["orders"][0].split(",")) + "}"
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        writer.write(answer.encode())
        await writer.drain()
        writer.close()


async def _main() -> None:
    answers = _Answers(int(sys.argv[1]) / 1000)
    server = await asyncio.start_server(answers.serve, "127.0.0.1", 0, backlog=512)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    threading.Thread(
        target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True
    ).start()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(_main())
