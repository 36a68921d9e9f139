"""A canary: a key goes in by every door of a real gunicorn, and is then looked for in all it left behind."""

import http.client
import json
import socket
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from django.conf import settings
from django.db import connection

from customers.api_keys import create_api_key
from panel.local.places import free_port, port_is_free
from panel.logs import scrub
from tests import world
from tests.conftest import process_environment, running, wait_until

KEY = "hw_" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "line",
    [
        f"GET /api/v2?key={KEY}&action=balance HTTP/1.1",
        f"GET /api/v2?action=balance&k%65y={KEY.replace('_', '%5F')}",
        f'{{"key": "{KEY}", "action": "add"}}',
        f"Idempotency-Key: {KEY}",
        f"api_key={KEY.upper()}",
        KEY,
    ],
)
def test_scrubbing_finds_a_key_wherever_it_stands(line: str) -> None:
    assert KEY[12:30] not in scrub(line).lower()


def test_the_shown_beginning_of_a_key_stays_readable() -> None:
    assert scrub(f"API key {KEY[:11]}… revoked") == f"API key {KEY[:11]}… revoked"


@pytest.mark.django_db(transaction=True)
def test_a_key_is_in_no_log_no_table_and_no_broker(tmp_path: Path) -> None:
    alice = world.customer()
    shop = world.service(world.offer(world.provider()))
    canary = create_api_key(alice)[1]
    port = free_port()
    log = tmp_path / "web.log"
    environment = process_environment(
        PORT=str(port),
        SITE_URL=f"http://127.0.0.1:{port}",
        WEB_WORKERS="1",
        LOG_LEVEL="DEBUG",
        # the most talkative operator there is
        GUNICORN_CMD_ARGS="--access-logfile - --log-level debug --access-logformat"
        " '%(r)s %(q)s %(f)s %({idempotency-key}i)s %({query_string}e)s %({raw_uri}e)s'",
    )
    command = [sys.executable, "-m", "gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"]
    with running(command, environment, log):
        wait_until(lambda: not port_is_free(port), 30, "the web process")
        sent = _send_everywhere(port, canary, shop.pk)
        wait_until(lambda: log.read_text().count("/api/v2") >= sent, 10, "the access log")
    written = log.read_text()
    assert "redacted" in written, "nothing was scrubbed: the test proves nothing"
    assert canary not in written
    assert canary[12:] not in written
    assert _tables_with(canary[12:]) == []
    assert _broker_has(canary[12:]) == []


def _send_everywhere(port: int, key: str, service: int) -> int:
    """Good and bad calls by every door, and a few that make the server itself complain."""
    add = {"key": key, "action": "add", "service": service, "link": "https://e", "quantity": 10}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    calls: list[tuple[str, str, str | None, dict[str, str]]] = [
        ("GET", "/api/v2?" + urlencode(add), None, {}),
        ("GET", f"/api/v2?k%65y={key}&action=balance", None, {"Referer": f"http://x/?key={key}"}),
        ("GET", f"/api/v2/?key={key}&action=nonsense", None, {}),
        ("POST", "/api/v2", urlencode(add), form),
        ("POST", "/api/v2", json.dumps(add), {"Content-Type": "application/json"}),
        ("POST", "/api/v2", json.dumps(add)[:-5], {"Content-Type": "application/json"}),
        ("POST", f"/api/v2?key={key}", "action=status&order=x", form),
        ("POST", "/api/v2", urlencode(add), form | {"Idempotency-Key": "i1", "Host": "wrong.example"}),
        ("PUT", f"/api/v2?key={key}", None, {}),
        ("GET", f"/api/v2/nothing-here?key={key}", None, {}),
    ]
    for method, path, body, headers in calls:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        client.request(method, path, body, headers)
        assert client.getresponse().status < 500, f"{method} {path[:20]}"
        client.close()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.sendall(f"GET /api/v2?key={key} HTTP/9.9\r\nHost: x\r\n\r\n".encode())
        raw.recv(1000)
    return len(calls)


def _tables_with(text: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [row[0] for row in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{text}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def _broker_has(text: str) -> list[str]:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    values = [(name, broker.dump(name)) for name in broker.scan_iter()]
    return [str(name) for name, value in values if text.encode() in name + (value or b"")]
