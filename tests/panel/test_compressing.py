"""What leaves compressed, read as it is on the wire."""

import gzip
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings

from customers.api_keys import create_api_key
from panel.compressing import WORTH_IT
from panel.local.places import free_port, port_is_free
from tests import world
from tests.browser.conftest import session_of
from tests.conftest import ROOT, process_environment, running, wait_until

STYLES = "vendor/bootstrap-5.3.8/bootstrap.min.css"
FONT = "vendor/inter-5.3.0/inter-latin-wght-normal.woff2"


class Wire:
    """One connection to a panel; answers are left as they come."""

    def __init__(self, address: str, session: str = "") -> None:
        self.connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
        self.cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"} if session else {}

    def ask(
        self, path: str, *, method: str = "GET", body: str = "", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        given = {"Accept-Encoding": "gzip"} | self.cookie
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            given["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body=body or None, headers=given)
        answer = self.connection.getresponse()
        return answer, answer.read()


def test_a_page_is_compressed_for_whoever_accepts_it(live_panel: str) -> None:
    wire = Wire(live_panel, session_of(world.customer()))
    answer, packed = wire.ask("/orders/new")
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert int(answer.headers["Content-Length"]) == len(packed) < 15_000
    page = gzip.decompress(packed)
    assert page.rstrip().endswith(b"</html>")
    answer, plain = wire.ask("/orders/new", Accept_Encoding="identity")
    assert answer.headers["Content-Encoding"] is None and plain.rstrip().endswith(b"</html>")
    assert len(packed) < len(plain) / 2


def test_equal_pages_differ_in_length_so_that_it_tells_nothing(live_panel: str) -> None:
    wire = Wire(live_panel)
    assert len({len(wire.ask("/account/login/")[1]) for _ in range(20)}) > 3


def test_of_the_api_only_long_answers_are_compressed(live_panel: str) -> None:
    alice, provider = world.customer(), world.provider()
    for n in range(30):
        world.service(world.offer(provider, str(n)))
    _, key = create_api_key(alice, "Shop")
    wire = Wire(live_panel)

    def ask(action: str) -> tuple[http.client.HTTPResponse, bytes]:
        return wire.ask("/api/v2", method="POST", body=urlencode({"key": key, "action": action}))

    answer, body = ask("balance")
    assert answer.headers["Content-Encoding"] is None and json.loads(body)["balance"]
    answer, body = ask("services")
    assert answer.headers["Content-Encoding"] == "gzip"
    services = gzip.decompress(body)
    assert len(json.loads(services)) == 30 and len(body) < WORTH_IT < len(services)


def test_a_download_is_compressed_while_it_is_read(live_panel: str) -> None:
    alice = world.customer()
    service = world.service(world.offer(world.provider()))
    world.order(alice, service, link="https://example.org/in-the-file")
    answer, body = Wire(live_panel, session_of(alice)).ask("/orders/export.csv")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Length"] is None and answer.headers["Transfer-Encoding"] == "chunked"
    assert b"https://example.org/in-the-file" in gzip.decompress(body)


def test_files_of_the_tree_are_compressed_and_known_again(live_panel: str) -> None:
    wire = Wire(live_panel)
    answer, packed = wire.ask(f"/static/{STYLES}")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == (ROOT / "static" / STYLES).read_bytes()
    again, nothing = wire.ask(f"/static/{STYLES}", If_None_Match=answer.headers["ETag"])
    assert (again.status, nothing) == (304, b"")
    head, nothing = wire.ask(f"/static/{STYLES}", method="HEAD")
    assert (head.status, nothing) == (200, b"")
    part, some = wire.ask(f"/static/{STYLES}", Range="bytes=0-9999")
    assert (part.status, part.headers["Content-Encoding"], len(some)) == (206, None, 10_000)
    font, body = wire.ask(f"/static/{FONT}")  # packed by its own format
    assert font.headers["Content-Encoding"] is None
    assert body == (ROOT / "static" / FONT).read_bytes()


@pytest.fixture
def collected(transactional_db: None, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A web process as in production: its address, and each collected file's name by the one in the tree."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    root = tmp_path / "collected"
    environment = process_environment(
        PORT=str(port), SITE_URL=address, WEB_WORKERS="1", STATIC_ROOT=str(root)
    )
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput"],
        cwd=ROOT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    names: dict[str, str] = json.loads((root / "staticfiles.json").read_text())["paths"]
    command = [sys.executable, "-m", "gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"]
    with running(command, environment, tmp_path / "web.log"):
        wait_until(lambda: not port_is_free(port), 30, "the web process")
        yield address, names


@pytest.mark.slow
def test_collected_files_lie_there_compressed_and_stay_a_year(collected: tuple[str, dict[str, str]]) -> None:
    address, names = collected
    wire = Wire(address)
    _, page = wire.ask("/account/login/")
    for name in (STYLES, "css/panel.css", "vendor/htmx-2.0.11/htmx.min.js", "js/theme.js"):
        at = f"/static/{names[name]}"
        answer, packed = wire.ask(at)
        assert answer.headers["Content-Encoding"] == "gzip", name
        # by its length: the file that collectstatic wrote, nothing packed anew
        assert int(answer.headers["Content-Length"]) == len(packed)
        assert "immutable" in answer.headers["Cache-Control"]
        assert wire.ask(at, Accept_Encoding="identity")[1] == gzip.decompress(packed)
    assert names["css/panel.css"].encode() in gzip.decompress(page)
