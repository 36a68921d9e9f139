"""Wiring for every test: the throw-away database, the broker, and a real worker for the few that need one."""

import contextlib
import functools
import gc
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection
from hypothesis import settings as hypothesis_settings

from panel.local.places import free_port, port_is_free
from panel.memory import with_room
from tests import emptying

pytest_plugins = ["tests.fixtures_sandbox"]
# How long one example takes says something about the machine only.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")
ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    if "DATABASE_URL" not in os.environ or "STATE_DIR" not in os.environ:
        pytest.exit("Start the tests with ./test: it brings their database and broker.", returncode=4)
    # Append-only tables refuse TRUNCATE, except on connections that say they are a test's.
    database = settings.DATABASES["default"]
    database["OPTIONS"]["options"] += " -c headwater.allow_truncate=on"
    # pytest-xdist: each process has its own test database already; give it its own broker database too
    number = int((os.environ.get("PYTEST_XDIST_WORKER") or "gw0").removeprefix("gw"))
    url = settings.REDIS_URL.rsplit("/", 1)[0] + f"/{number + 1}"
    settings.REDIS_URL = os.environ["REDIS_URL"] = url
    settings.CACHES["default"]["LOCATION"] = url
    settings.STATE_DIR = settings.STATE_DIR / f"gw{number}"
    settings.STATE_DIR.mkdir(exist_ok=True)
    os.environ["STATE_DIR"] = str(settings.STATE_DIR)
    emptying.install()
    # hashing is meant to be slow; no test is about its speed
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


@pytest.hookimpl(trylast=True)  # after pytest-django, which puts what uses no test database last
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The campaigns begin: they take minutes, and no process can take over the half of one."""
    items.sort(key=lambda item: "tests/faults/" not in item.nodeid)


def pytest_collection_finish() -> None:
    """The collector leaves alone what stays for the whole run, and comes less often: a seventh of all time was its."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def fresh_broker() -> None:
    """No hint, cache entry, rate limit or dispatch counter of an earlier test is left.

    The counter's copies outlive the tables that a test empties, and would look like a restored database.
    """
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    for copy in Path(settings.STATE_DIR).glob("dispatch-counter-*"):
        copy.unlink()


@pytest.fixture
def valkey_url() -> str:
    return str(settings.REDIS_URL)


def wait_until(answer: Callable[[], object], seconds: float = 20, what: str = "the expected state") -> object:
    """Poll until `answer()` is true and return it; fail with `what` after the deadline."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := answer():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds} s")


def process_environment(**more: str) -> dict[str, str]:
    """The environment of a process that shall see this test's database, broker and settings."""
    given = connection.settings_dict
    url = f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
    return dict(os.environ) | {
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        "PROVIDER_ALLOWED_PRIVATE": ",".join(sorted(settings.PROVIDER_ALLOWED_PRIVATE)),
        "STATUS_CONFIRM_SECONDS": str(settings.STATUS_CONFIRM_SECONDS),
        "UNKNOWN_QUARANTINE_SECONDS": str(settings.UNKNOWN_QUARANTINE_SECONDS),
    } | more  # fmt: skip


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own; the whole group is gone afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


Worker = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[bytes]]]


@pytest.fixture
def start_worker(transactional_db: None, tmp_path: Path) -> Worker:
    """`with start_worker() as process:` runs a real Celery worker on this test's database, ready to consume.

    Several may run at once; `beat=True` starts the clock beside it; further words become its environment.
    """
    from customers.models import Heartbeat

    @contextlib.contextmanager
    def start(beat: bool = False, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        name = f"test-{uuid.uuid4().hex[:8]}@localhost"
        celery = [sys.executable, "-m", "celery", "-A", "panel.celery"]
        worker = [*celery, "worker", "-n", name, "-P", "threads", "-c", "8", "-Q", "submit,sync",
                  "--without-gossip", "--without-mingle", "-l", "WARNING"]  # fmt: skip
        clock = [*celery, "beat", "-s", str(tmp_path / f"beat-{name}"), "--pidfile=", "-l", "WARNING"]
        log = tmp_path / f"{name}.log"
        with contextlib.ExitStack() as stack:
            process = stack.enter_context(running(worker, process_environment(**environment), log))
            if beat:
                stack.enter_context(running(clock, process_environment(**environment), log))

            def consumes() -> bool:
                if process.poll() is not None:
                    raise AssertionError(f"the worker ended: {log.read_text()[-2000:]}")
                return Heartbeat.objects.filter(name=name).exists()

            wait_until(consumes, 30, "the worker's heartbeat")
            yield process

    return start


@pytest.fixture
def worker(start_worker: Worker) -> Iterator[subprocess.Popen[bytes]]:
    """One real worker for the length of the test."""
    with start_worker() as process:
        yield process


@pytest.fixture
def live_panel(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """The address of a real gunicorn on this test's database; pages and /api/v2 over real HTTP."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = process_environment(PORT=str(port), SITE_URL=address, WEB_WORKERS="1")
    log = tmp_path / "web.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"]
    with running(command, environment, log) as process:

        def answers() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"the web process ended: {log.read_text()[-2000:]}")
            return not port_is_free(port)

        wait_until(answers, 30, "the web process")
        yield address


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """A test runs where the threads of the panel run: in a frame that has room (panel/memory.py)."""
    names = pyfuncitem._fixtureinfo.argnames
    with_room(functools.partial(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names}))
    return True
