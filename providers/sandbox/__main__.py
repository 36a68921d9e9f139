"""python -m providers.sandbox: arguments, the parts put together, the loop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from .answers import Desk
from .api import Api
from .book import FIRST_ORDER, Book, number_of
from .catalog import Catalog, demo_rows
from .control import Control
from .faults import Faults, parse, table
from .progress import Clock, Shares
from .server import Server
from .truth import TruthLog, read_lines

DEFAULT_KEY = "sandbox-key"
EPILOG = f"""faults: SPEC is a comma list of  name[=value][*times][:probability][@action]
        for example  hang_after:0.02@add,http500:0.01,drip=0.05@status

{table()}

Links steer single orders: #partial=40 #cancel #slow #fast #stay #pending #complete #fail #word=Foo #late
#norefill #nocancel #poison #fault=NAME. See docs/sandbox.md."""


def _spec(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--port", type=int, default=0, help="port (default 0: a free one, printed)")
    add("--seed", type=int, default=1, help="seed of plans and faults (default 1)")
    add("--latency-ms", type=float, default=0, help="time between the act and its answer (default 0)")
    add("--faults", type=_spec, default="", metavar="SPEC", help="misbehavior, see the table below")
    add(
        "--services",
        type=int,
        default=None,
        metavar="N",
        help="number of services (default: demo catalog)",
    )
    add(
        "--truth-log",
        type=Path,
        default=None,
        metavar="FILE",
        help="append a JSON line per order that exists",
    )
    add("--state", type=Path, default=None, metavar="FILE", help="a truth log that is also read at the start")
    add(
        "--key",
        nargs="+",
        action="extend",
        default=None,
        metavar="KEY",
        help=f"API keys (default {DEFAULT_KEY})",
    )
    add("--currency", default="USD", help="currency of the accounts (default USD)")
    add(
        "--balance",
        type=_amount,
        default=Decimal(100_000),
        help="first balance of each key (default 100000)",
    )
    add("--speed", type=float, default=1.0, help="sandbox seconds per second (default 1: done in 6-20 s)")
    add("--partial-share", type=float, default=0.08, help="share of orders that end Partial (default 0.08)")
    add("--cancel-share", type=float, default=0.04, help="share of orders that end Canceled (default 0.04)")
    add("--request-id", action="store_true", help="honor request_id on add: same key, same order")
    add("--watch-stdin", action="store_true", help="stop when standard input ends, that is, with the parent")


def put_together(options: argparse.Namespace) -> Server:
    files = [path for path in (options.truth_log, options.state) if path is not None]
    earlier = list(read_lines(options.state)) if options.state else []
    first = FIRST_ORDER
    if options.truth_log:  # an order id is never given twice, not even by a book that forgot
        for line in read_lines(options.truth_log):
            if line["event"] in ("order", "child"):
                first = max(first, number_of(line["order"]) + 1)
    book = Book(
        clock=Clock(options.speed),
        truth=TruthLog(files),
        keys=options.key or [DEFAULT_KEY],
        balance=options.balance,
        seed=options.seed,
        shares=Shares(options.partial_share, options.cancel_share),
        first_order=first,
    )
    book.restore(earlier)
    desk = Desk(book, Catalog(demo_rows(options.services)), options.currency, request_ids=options.request_id)
    api = Api(desk, Faults(options.seed, options.faults), options.latency_ms / 1000)
    server = Server(api)
    server.steer = Control(api, server.refuse).handle
    return server


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stop.set()


async def serve(options: argparse.Namespace) -> None:
    server = put_together(options)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start(options.host, options.port)
    if options.watch_stdin:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_input, stop)
    host = f"[{server.host}]" if ":" in server.host else server.host
    print(f"sandbox ready http://{host}:{server.port}/api/v2", flush=True)
    await stop.wait()
    server.stop()
    await asyncio.sleep(0)


def run(options: argparse.Namespace) -> int:
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(options))
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m providers.sandbox",
        description="A misbehaving panel-API-v2 provider for demos, tests and fault campaigns.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
