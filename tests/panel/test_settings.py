"""A wrong value stops the start with one sentence that names the variable."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from panel import checks
from tests.conftest import ROOT

BASE = {
    name: os.environ[name]
    for name in ("PATH", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_KEYS", "STATE_DIR")
    if name in os.environ
}


def python(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=BASE | changed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def manage(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    return python("manage.py", *arguments, **changed)


WRONG = [
    ("STATUS_CONFIRM_SECONDS", "soon"),
    ("STATUS_CONFIRM_SECONDS", "-1"),
    ("UNKNOWN_QUARANTINE_SECONDS", "1.5"),
    ("WEB_WORKERS", "0"),
    ("WORKER_THREADS", "1"),
    ("PORT", "70000"),
    ("DEBUG", "maybe"),
    ("API_RATE_LIMITS", "2"),
    ("CURRENCY", "usd"),
    ("SITE_URL", "panel.example.com"),
    ("SITE_URL", "https://example.com/panel"),
    ("DATABASE_URL", "sqlite:///panel.db"),
    ("DATABASE_URL", "postgres://user@host"),
    ("REDIS_URL", "amqp://localhost"),
    ("FIELD_KEYS", "not-a-key"),
    ("PROVIDER_ALLOWED_PRIVATE", "127.0.0.1"),
    ("PROVIDER_ALLOWED_PRIVATE", "http://127.0.0.1:80"),
    ("EMAIL_URL", "mail.example.com"),
    ("EMAIL_URL", "smtp://user:secret-word@mail:port"),
    ("LOG_LEVEL", "LOUD"),
]
# Each start is a process of its own, forked where Python and Django stand ready, so that twenty cost as much as one.
STARTS = """
import json, os, sys
import environ
from panel.startup import read_settings
ended = []
for name, value in json.loads(sys.argv[1]):
    heard, said = os.pipe()
    if (child := os.fork()) == 0:
        os.dup2(said, 2)
        os.environ[name] = value
        read_settings()
        sys.exit(0)
    os.close(said)
    with os.fdopen(heard) as told:
        sentence = told.read()
    ended.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sentence])
print(json.dumps(ended))
"""


def test_it_refuses_a_wrong_value_in_one_sentence() -> None:
    ended = json.loads(python("-c", STARTS, json.dumps([*WRONG, ("PORT", "8000")])).stdout)
    assert ended.pop() == [0, ""]  # a right value starts
    for (name, value), (code, sentence) in zip(WRONG, ended, strict=True):
        assert code == 1, (name, value)
        assert sentence.startswith(f"Headwater does not start: {name} "), (name, value, sentence)
        assert len(sentence.strip().splitlines()) == 1, (name, value, sentence)
        assert "secret-word" not in sentence


def test_a_server_refuses_to_start_unsafe() -> None:
    unsafe = {"SECRET_KEY": "", "FIELD_KEYS": "", "ALLOWED_HOSTS": "*"}
    server = python("-c", "import panel.wsgi", **unsafe)
    assert server.returncode == 1
    checked = manage("check", **unsafe)
    for code in ("panel.E001", "panel.E002", "panel.E004"):
        assert code in server.stderr
        assert code in checked.stderr


@pytest.mark.parametrize("value", ["short", "change-me-change-me-change-me-change-me-change-me-1"])
def test_a_placeholder_is_no_secret_key(settings: Any, value: str) -> None:
    settings.SECRET_KEY = value
    assert [error.id for error in checks.secret_key()] == ["panel.E001"]


def test_empty_values_mean_the_defaults() -> None:
    told = manage(
        "shell", "-v0", "-c",
        "from django.conf import settings as s;"
        "print(s.WEB_WORKERS, s.WORKER_THREADS, s.STATUS_CONFIRM_SECONDS, s.UNKNOWN_QUARANTINE_SECONDS,"
        " s.API_RATE_LIMITS, s.CURRENCY, sorted(s.PROVIDER_ALLOWED_PRIVATE))",
        WEB_WORKERS="", WORKER_THREADS="", STATUS_CONFIRM_SECONDS="", API_RATE_LIMITS="", CURRENCY="",
        PROVIDER_ALLOWED_PRIVATE="",
    )  # fmt: skip
    assert told.stdout.strip() == "2 32 60 900 True USD []", told.stderr


def test_a_panel_behind_https_is_clean_under_the_deployment_checks() -> None:
    done = manage(
        "check", "--deploy", "--fail-level", "WARNING",
        SITE_URL="https://panel.example.com", EMAIL_URL="smtp+tls://u:p@mail.example.com:587", TRUSTED_PROXIES="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


SHOWN = "; from django.conf import settings; print(settings.DATABASES['default']['OPTIONS']['options'])"


@pytest.mark.parametrize("process", ["panel.gunicorn", "panel.wsgi"])
def test_a_page_may_not_hold_its_thread_for_longer_than_15_seconds(process: str) -> None:
    assert "statement_timeout=15000" in python("-c", f"import {process}{SHOWN}").stdout


def test_work_behind_the_pages_may_take_a_minute() -> None:
    assert "statement_timeout=60000" in python("-c", f"import panel.celery{SHOWN}").stdout
