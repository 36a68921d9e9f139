"""Downloads leave while they are read, whatever their length; and no cell of them is run by a spreadsheet."""

import csv
import io
import tracemalloc
import uuid
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory

from customers import ledger, wallet
from customers.exporting import csv_download
from customers.models import User
from orders import listing, own_data
from orders.mass_lines import read_lines
from orders.mass_placing import place_all
from orders.models import Order
from panel.compressing import Compression
from providers.models import Service
from tests import world
from tests.panel.access_matrix import walk
from tests.staff_world import signed_in

BATCH, ORDERS = 2, 7


class Selects:
    """How often a table was read while it counts."""

    def __init__(self, table: str) -> None:
        self.table, self.n = f'FROM "{table}"', 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.n += self.table in sql
        return execute(sql, params, many, context)


@pytest.fixture
def alice(db: None, monkeypatch: pytest.MonkeyPatch) -> User:
    for module, name in ((listing, "EXPORTED_AT_ONCE"), (ledger, "EXPORTED_AT_ONCE"), (own_data, "PAGE")):
        monkeypatch.setattr(module, name, BATCH)
    alice = world.customer()
    service = world.service(world.offer(world.provider()))
    for n in range(ORDERS):
        world.order(alice, service, f"https://example.org/{n}")
    return alice


@pytest.mark.parametrize(
    ("address", "table", "lines"),
    [
        ("/orders/export.csv", "orders_order", ORDERS),
        ("/wallet/statement.csv", "customers_transfer", ORDERS + 1),
    ],
)
def test_the_first_rows_are_sent_before_the_rest_is_read(
    alice: User, address: str, table: str, lines: int
) -> None:
    answer = signed_in(alice).get(address)
    counted = Selects(table)
    with connection.execute_wrapper(counted):
        sent = iter(answer.streaming_content)
        next(sent)
        assert counted.n == 0  # the head needs no row
        next(sent)
        assert counted.n == 1
        for _ in range(BATCH - 1):
            next(sent)
        assert counted.n == 1  # nothing is read ahead
        assert len(list(sent)) == lines - BATCH
    assert counted.n == lines // BATCH + 1


def test_ones_own_data_are_read_in_parts_too(alice: User) -> None:
    answer = signed_in(alice).get("/account/data.json")
    counted, sent = Selects("orders_order"), []
    with connection.execute_wrapper(counted):
        for piece in answer.streaming_content:
            sent.append(piece)
            if b"https://example.org/6" in piece or b"https://example.org/0" in piece:
                break
        assert counted.n == 1
        b"".join([*sent, *answer.streaming_content])
    assert counted.n == ORDERS // BATCH + 2  # the last one finds nothing more


def endless(taken: list[int]) -> Iterator[tuple[int, str]]:
    for n in range(200_000):
        if n < 50_000:
            taken.append(n)
        yield n, f"https://example.org/{n * 7919 % 1_000_003:x}"


def test_a_long_file_takes_no_memory_compressed_or_not() -> None:
    def size(request: HttpRequest) -> tuple[int, int]:
        response = Compression(lambda _request: csv_download("long", ("n", "link"), endless([])))(request)
        tracemalloc.start()
        sent = sum(len(piece) for piece in response.streaming_content)  # type: ignore[attr-defined]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return sent, peak

    asked = RequestFactory()
    plain, peak = size(asked.get("/"))
    assert plain > 5_000_000 > 3_000_000 > peak  # the list of the numbers taken is part of it
    packed, peak = size(asked.get("/", headers={"accept-encoding": "gzip"}))
    assert packed < plain / 2 and peak < 3_000_000


def test_compressed_bytes_are_rows_before_all_are_taken() -> None:
    taken: list[int] = []
    request = RequestFactory().get("/", headers={"accept-encoding": "gzip"})
    response = Compression(lambda _request: csv_download("long", ("n", "link"), endless(taken)))(request)
    unpack, text = zlib.decompressobj(31), b""
    for piece in response.streaming_content:  # type: ignore[attr-defined]
        text += unpack.decompress(piece)
        if text.count(b"\n") > 2:
            break
    assert text.startswith(b"n,link\r\n0,https://example.org/0\r\n")
    assert len(taken) < 5_000


@pytest.fixture
def formulas(db: None) -> tuple[User, Service, str]:
    """Whatever a customer, a provider or staff can name begins like a formula."""
    alice = world.customer()
    offer = world.offer(world.provider(name="=1+1"), name="@SUM(A1)", category="+cmd|' /C calc'!A0")
    service = world.service(offer)
    world.order(alice, service, '=HYPERLINK("http://evil")', reference="-2+3")
    wallet.adjust(alice, Decimal(1), "=cmd|' /C calc'!A0", "adam@example.org")
    token = uuid.uuid4()
    place_all(alice, read_lines(f"{service.pk} | @evil | 100"), token=token.hex)
    return alice, service, str(token)


def test_no_cell_of_any_file_is_a_formula(formulas: tuple[User, Service, str]) -> None:
    alice, _service, token = formulas
    customer, admin = signed_in(alice), signed_in(world.admin())
    files = [
        customer.get(address)
        for address in (
            "/orders/export.csv",
            "/wallet/statement.csv",
            "/services/prices.csv",
            f"/orders/mass/{token}.csv",
        )
    ]
    files += [
        admin.post("/manage/reports.csv", {"by": by}) for by in ("day", "service", "provider", "customer")
    ]
    files.append(
        customer.post(
            "/orders/bulk", {"act": "export", "id": list(Order.objects.values_list("pk", flat=True))}
        )
    )
    defused = 0
    for answer in files:
        assert answer.status_code == 200 and answer["Content-Type"].startswith("text/csv"), answer
        for row in csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())):
            for cell in row:
                defused += cell.startswith("'")
                assert cell[:1] not in ("=", "+", "@", "\t", "\r") and (cell[:1] != "-" or is_number(cell)), (
                    row
                )
    assert defused >= 12


def is_number(cell: str) -> bool:
    return cell[1:].replace(".", "", 1).isdigit()


def test_every_csv_of_the_panel_is_asked_about_above() -> None:
    """A new one has to be added to the test above."""
    assert [address.path for address in walk() if address.path.endswith(".csv")] == [
        "/manage/reports.csv",
        "/orders/export.csv",
        "/orders/mass/<token>.csv",
        "/services/prices.csv",
        "/wallet/statement.csv",
    ]
