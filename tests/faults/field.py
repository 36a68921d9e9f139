"""The ground a campaign runs on: PostgreSQL with fsync on, Valkey, the sandbox and the nursery, all of its own,
and the small world that is on sale. Everything can be killed and started again."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from panel.local import postgres, valkey
from panel.local.places import ROOT, VAR, Refusal, new_secret
from panel.local.surroundings import VARIABLES
from tests.sandbox import Sandbox

PROVIDERS = 6
T = TypeVar("T")
# What a campaign sets on each provider: short deadlines, no breaker (its own tests are elsewhere: it would only
# keep orders from being sent), a rate limit so that Redis is asked.
OPTIONS = {
    "deadline_s": 3,
    "batch_deadline_s": 5,
    "concurrency": 4,
    "ambiguous_limit": 1000,
    "rate_per_minute": 100_000,
}


class Field:
    """`with Field(seed) as field:` afterwards Django is set up on the field's own database."""

    def __init__(self, seed: int) -> None:
        self.seed, self.home = seed, VAR / f"campaign-{os.getpid()}"
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.alive: dict[str, int] = {}  # name → pid
        self.kills = 0
        self.hits: list[str] = []
        self._number = 0
        self._marks: dict[str, Path] = {}

    def __enter__(self) -> "Field":
        try:
            return self._set_up()
        except BaseException:
            self.__exit__()  # nothing of a start that failed is left
            raise

    def _set_up(self) -> "Field":
        (self.home / "state").mkdir(parents=True)
        self.cluster = postgres.Cluster(self.home / "postgres")  # not a throw-away one: fsync stays on
        self.broker = valkey.Server(self.home / "valkey")
        self.cluster.prepare()
        self.broker.prepare()
        self.start_postgres()
        self.start_valkey()
        keys = [f"key-{number}" for number in range(PROVIDERS)]
        self.sandbox = Sandbox(seed=self.seed, key=keys, speed=8, truth_log=self.home / "truth.jsonl", partial_share=0.1,
                               cancel_share=0.06, balance=100_000_000).start()  # fmt: skip
        for name in VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(
            DATABASE_URL=self.cluster.url,
            REDIS_URL=self.broker.url,
            SECRET_KEY=new_secret(),
            FIELD_KEYS=base64.urlsafe_b64encode(os.urandom(32)).decode(),
            STATE_DIR=str(self.home / "state"),
            DJANGO_SETTINGS_MODULE="panel.settings",
            LOG_LEVEL="ERROR",
            STATUS_CONFIRM_SECONDS="1",
            UNKNOWN_QUARANTINE_SECONDS="0",
            API_RATE_LIMITS="off",
            WORKER_THREADS="8",
            PROVIDER_ALLOWED_PRIVATE=self.sandbox.origin,
            PYTHONPATH=str(ROOT),
        )
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
        self._build_world(keys)
        self.nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.nursery.stdout is None or self.nursery.stdout.readline().strip() != "ready":
            raise RuntimeError("the nursery did not start")
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.alive):
            self.kill(name, count=False)
        if hasattr(self, "nursery"):
            self.nursery.kill()
            self.nursery.wait()
        if hasattr(self, "sandbox"):
            self.sandbox.stop()
        for process in self.servers.values():
            process.send_signal(signal.SIGQUIT)
        for process in self.servers.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    # ── servers ─────────────────────────────────────────────────────────────────────────────────────

    def start_postgres(self) -> None:
        """Start; after a kill -9 the dead cluster's shared memory may need a moment to go."""
        until = time.monotonic() + 60
        while True:
            log = os.open(self.home / "postgres.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            process = self.cluster.start(log)
            os.close(log)
            try:
                self.cluster.wait_until_ready(process)
                self.servers["postgres"] = process
                return
            except Refusal:
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)

    def start_valkey(self) -> None:
        log = os.open(self.home / "valkey.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        process = self.broker.start(log)
        os.close(log)
        self.broker.wait_until_ready(process)
        self.servers["valkey"] = process

    def kill_server(self, name: str) -> None:
        """kill -9. Valkey keeps nothing on disk, so it comes back empty; PostgreSQL replays its log."""
        process = self.servers.pop(name)
        process.kill()
        process.wait()
        self.kills += 1

    # ── processes of the panel ──────────────────────────────────────────────────────────────────────

    def start(self, role: str, name: str = "", **more: Any) -> str:
        """Fork a worker, beat, web or naive sender; `point` and `nth` arm a kill point. Returns its name."""
        self._number += 1
        name = name or f"{role}{self._number}"
        mark = self.home / f"mark-{self._number}"
        wanted = {"role": role, "name": name, "log": str(self.home / f"{role}.log"), "mark": str(mark)} | more
        if self.nursery.stdin is None or self.nursery.stdout is None:
            raise RuntimeError("the nursery has no pipes")
        print(json.dumps(wanted), file=self.nursery.stdin, flush=True)
        self.alive[name] = int(self.nursery.stdout.readline())
        self._marks[name] = mark
        return name

    def lives(self, name: str) -> bool:
        """Whether it still runs. One that died at its point is counted as a kill, once."""
        pid = self.alive.get(name)
        if pid is None:
            return False
        if Path(f"/proc/{pid}").exists():
            return True
        del self.alive[name]
        self._count_hit(name)
        return False

    def _count_hit(self, name: str) -> None:
        mark = self._marks.pop(name, None)
        if mark is not None and mark.exists():
            self.kills += 1
            self.hits.append(mark.read_text().split()[0])

    def kill(self, name: str, *, count: bool = True) -> None:
        """kill -9 of the process and all that it started."""
        if not self.lives(name):
            return
        pid = self.alive.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        poll(lambda: not Path(f"/proc/{pid}").exists(), 10, f"the end of {name}")
        if count:
            self.kills += 1
            self.hits.append("random")

    def freeze_seen(self, name: str) -> bool:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.alive[name]}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
        return False

    def mark_of(self, name: str) -> bool:
        return self._marks[name].exists()

    # ── orders ──────────────────────────────────────────────────────────────────────────────────────

    def _build_world(self, keys: list[str]) -> None:
        from customers.models import User
        from providers.models import Service
        from tests import world

        row = next(row for row in self.sandbox.ask("services") if row["name"].startswith("Video pre-roll"))
        self.upstream_service = str(row["service"])
        self.services: list[Service] = []
        for number, key in enumerate(keys):
            provider = world.provider(self.sandbox.url, key, name=f"Provider {number}", options=OPTIONS)
            limits = {"minimum": int(row["min"]), "maximum": int(row["max"]), "rate": Decimal(row["rate"])}
            offer = world.offer(provider, self.upstream_service, **limits)
            self.services.append(world.service(offer, rate="10.00", name=f"Service {number}"))
        self.customers: list[User] = [
            world.customer(f"customer{number}@example.org", "10000000") for number in range(3)
        ]

    def place(
        self, run: str, number: int, random: Random, marker: str = "", service: int | None = None
    ) -> Any:
        """One order as a customer's request would place it; its link names it."""
        from tests import world

        shop = (
            self.services[service]
            if service is not None
            else self.services[random.randrange(len(self.services))]
        )
        link = f"https://example.org/{run}/{number}{marker}"
        return patiently(
            lambda: world.order(
                self.customers[random.randrange(len(self.customers))],
                shop,
                link,
                random.randrange(1, 20) * 100,
                request_id=link,
            )
        )

    def drain(self, run: str, seconds: float, *, to_the_end: bool = True) -> int:
        """Wait until nothing of the run is on its way to the provider, refills and cancels included, and (to_the_end)
        all that was accepted ended. Returns how many are still open when the time is up."""
        from django.db.models import Q
        from django.db.models.functions import Now

        from orders.models import Order, Request

        on_its_way = Q(submission__state__in=["queued", "claimed", "sending"])
        following = Q(submission__state="accepted", ended_at=None)
        until, open_ones = time.monotonic() + seconds, -1
        while time.monotonic() < until:
            query = Order.objects.filter(link__contains=run).filter(
                on_its_way | following if to_the_end else on_its_way
            )
            # A cancel of an order in doubt waits for the desk, and is not on its way.
            asked = Request.objects.filter(
                order__link__contains=run,
                state__in=["approved", "claimed", "sending"],
                order__submission__state="accepted",
            )
            # The pause before an unclear cancel is asked again is long; here it is over at once.
            patiently(lambda: asked.filter(state="approved").update(next_at=Now()))  # noqa: B023
            open_ones = patiently(query.count) + patiently(asked.count)
            if open_ones == 0:
                break
            time.sleep(0.3)
        return open_ones


def poll(answer: Callable[[], Any], seconds: float, what: str) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := answer():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")


def patiently(act: Callable[[], T], seconds: float = 60) -> T:
    """Do something in the database, again while it is away. Only for what may be repeated."""
    from django.db import InterfaceError, OperationalError, connection

    until = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@contextlib.contextmanager
def staffed(field: Field, workers: int = 2, **more: Any) -> Iterator[list[str]]:
    """Workers and a beat for the length of a part; whatever of them still lives is ended afterwards."""
    names = [field.start("worker", **more) for _ in range(workers)] + [field.start("beat")]
    try:
        yield names
    finally:
        for name in list(field.alive):
            field.kill(name, count=False)
