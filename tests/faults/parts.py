"""The parts of a campaign. Each places orders of its own, does its harm, waits until what can end has ended, and
is judged by the oracle. A part returns one JSON object: counts, verdict, seconds."""

import contextlib
import http.client
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlencode

from tests.faults import points
from tests.faults.field import OPTIONS, Field, patiently, poll, staffed
from tests.faults.oracle import judge, judge_naive

# While processes are killed the provider is no angel either.
EVERYDAY_FAULTS = (
    "rst_after:0.01@add,http500_after:0.01@add,hang_after:0.005@add,truncated:0.01@add,error:0.02@add,"
    "http500:0.01@add,html:0.01@add,fin_before:0.01@add,missing_ids:0.05@status,http500:0.02@status"
)


ASKING_FAULTS = (
    ",rst_after:0.03@refill,http500_after:0.03@refill,hang_after:0.01@refill,fin_before:0.02@refill,error:0.02@refill"
    ",rst_after:0.03@cancel,http500_after:0.03@cancel,hang_after:0.01@cancel,fin_before:0.02@cancel"
)


def kills(
    field: Field,
    seed: int,
    *,
    orders: int,
    kills: int,
    minutes: float = 60,
    aim: Mapping[str, float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """kill -9 at the named points and at random, of workers, beat and now and then PostgreSQL or Valkey.

    `aim`: weights of points (points.drawn). Aimed at refill and cancel calls, many orders are refilled and canceled,
    and the provider answers those badly too. `more` goes to the workers.
    """
    aim = aim or {}
    asking = any(name.split(".", maxsplit=1)[0] == "ask" for name in aim)
    run, random, begun = f"{more.pop('name', 'kills')}-{seed}", Random(seed), time.monotonic()
    field.sandbox.control(faults=EVERYDAY_FAULTS + (ASKING_FAULTS if asking else ""))
    before, field.hits[:] = field.kills, []
    beat = field.start("beat")
    names: list[str] = []
    pks: list[int] = []
    ends: dict[str, float] = {}
    placed = 0
    servers_killed: Counter[str] = Counter()
    while field.kills - before < kills or placed < orders:
        if time.monotonic() - begun > minutes * 60:
            break
        while len(names) < 2:
            armed = random.random() < 0.85 and field.kills - before < kills
            name, nth = points.drawn(random, aim)
            point: dict[str, Any] = {"point": name, "nth": nth} if armed else {}
            names.append(field.start("worker", **point, **more))
            ends[names[-1]] = time.monotonic() + (
                random.uniform(4.0, 8.0) if armed else random.uniform(1.0, 3.0)
            )
        # Orders come one by one, so that whoever has just started finds some.
        due = orders * (field.kills - before + 4) // max(kills, 1)
        if placed < min(orders, due):
            order = field.place(run, placed, random)
            placed += 1
            pks.append(order.pk)
            # Some are canceled at once, some when they are long with the provider.
            chosen = [
                pk for pk, share in ((order.pk, 0.06), (random.choice(pks), 0.1)) if random.random() < share
            ]
            for pk in chosen:
                ask(pk, "cancel")
        if pks and random.random() < (0.5 if asking else 0.1):
            # Old orders have ended and may be refilled; the youngest may still be stopped.
            if random.random() < 0.5:
                ask(random.choice(pks), "refill")
            else:
                ask(random.choice(pks[-10:]), "cancel")
        time.sleep(0.05)
        if field.kills - before < kills:
            for name in names:
                if field.lives(name) and time.monotonic() > ends[name]:
                    field.kill(name)
            if random.random() < 0.002:
                field.kill(beat)
                beat = field.start("beat")
            if random.random() < 0.0015:
                server = random.choice(["postgres", "valkey"])
                field.kill_server(server)
                servers_killed[server] += 1
                getattr(field, f"start_{server}")()
        names = [name for name in names if field.lives(name)]
    field.sandbox.control(faults="")
    done = field.kills - before
    for name in [*names, beat]:
        field.kill(name, count=False)
    with staffed(field, **more):
        open_ones = field.drain(run, 120)
    return report(field, run, begun, kills=done, points=dict(Counter(field.hits)), servers=dict(servers_killed), open=open_ones, aim=dict(aim))  # fmt: skip


def ask(pk: int, kind: str) -> None:
    """A customer asks for a refill (one for each order) or a cancel, and a reviewer says yes. Not allowed now: nothing."""
    from orders.models import Request
    from orders.requests import AlreadyDecided, NotAllowed, ask_cancel, ask_refill, decide

    def act() -> None:
        if kind == "refill" and Request.objects.filter(order_id=pk, kind="refill").exists():
            return
        request = (ask_cancel if kind == "cancel" else ask_refill)(pk, by="customer")
        if request.state == Request.State.REQUESTED and not request.upstream_message:
            decide(request.pk, approve=True, user=None)

    with contextlib.suppress(NotAllowed, AlreadyDecided):
        patiently(act)


def forgetful(field: Field, seed: int, *, orders: int, kills: int, minutes: float = 60) -> dict[str, Any]:
    """The control of refills under the same harm: what is unclear or lost is asked for again. It must refill twice."""
    aim = {"ask": 20.0}
    return _kills(
        field, seed, orders=orders, kills=kills, minutes=minutes, aim=aim, name="forgetful", forgetful=True
    )


def naive(field: Field, seed: int, *, orders: int, kills: int) -> dict[str, Any]:
    """The control under the same harm: lock held, retry when unclear. It must buy twice."""
    from django.db import connection

    from tests.faults.naive import TABLE

    run, random, begun = f"naive-{seed}", Random(seed), time.monotonic()
    field.sandbox.control(faults=EVERYDAY_FAULTS)
    before = field.kills
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        for number in range(orders):
            shop = field.services[random.randrange(len(field.services))]
            cursor.execute(
                "INSERT INTO naive_order (run, provider_id, service, link, quantity) VALUES (%s, %s, %s, %s, 100)",
                [run, shop.routes.get().offer.provider_id, field.upstream_service, f"https://example.org/{run}/{number}"],
            )  # fmt: skip
    field.sandbox.control(latency_ms=30)
    while field.kills - before < kills:
        name = field.start("naive", run=run)
        time.sleep(random.uniform(0.2, 1.0))
        field.kill(name)
    last = field.start("naive", run=run)

    def done() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM naive_order WHERE run = %s AND state = 'pending'", [run])
            return bool(cursor.fetchone()[0] == 0)

    poll(done, 120, "the end of the naive run")
    field.kill(last, count=False)
    field.sandbox.control(faults="", latency_ms=0)
    return {
        "part": "naive",
        "run": run,
        "kills": field.kills - before,
        "seconds": round(time.monotonic() - begun, 1),
        "verdict": judge_naive(run, field.sandbox.truth("order")),
    }


_kills = kills  # the part, where an argument has its name

LEASE_S = OPTIONS["deadline_s"] + 6  # points.hurry
FREEZES = (("begin.after", 6.0), ("write.before", 6.0), ("write.before", 12.0), ("write.before", 1.0))


def freeze(field: Field, seed: int) -> dict[str, Any]:
    """SIGSTOP between T2 and the write: after 5 s it does not send, after less it does; once, either way."""
    from orders.sweeping import sweep

    run, random, begun = f"freeze-{seed}", Random(seed), time.monotonic()
    frozen: list[tuple[str, float, float, str, int]] = []
    for number, (point, seconds) in enumerate(FREEZES):
        worker = field.start("worker", point=point, nth=1, signal="STOP")
        order = field.place(run, number, random, service=number)
        hint(order.submission.provider_id)
        poll(partial(field.freeze_seen, worker), 30, "the freeze")
        frozen.append((point, seconds, time.monotonic(), worker, order.pk))
    answers = {}
    for point, seconds, since, worker, pk in sorted(frozen, key=lambda row: row[1] + row[2]):
        time.sleep(max(0.0, since + seconds - time.monotonic()))
        was = ""
        if seconds > LEASE_S:  # the sweeper gives it up first; the late answer repairs
            sweep()
            was = f"{state(pk)}, then "
        os.kill(field.alive[worker], signal.SIGCONT)
        attempt = poll(partial(_decided, pk), 20, "the end of the frozen attempt")
        answers[f"{point} {seconds:.0f} s"] = was + f"{attempt.state} {attempt.reason}".strip()
        field.kill(worker, count=False)
    with staffed(field, workers=1):
        field.drain(run, 60, to_the_end=False)
    return report(field, run, begun, freezes=answers)


def redelivery(field: Field, seed: int, *, orders: int = 40) -> dict[str, Any]:
    """Every hint delivered many times, to two workers that acknowledge late, with a visibility timeout of a second;
    two beats; a provider slow enough that tasks outlive the timeout."""
    run, random, begun = f"redelivery-{seed}", Random(seed), time.monotonic()
    field.sandbox.control(latency_ms=300)
    with staffed(field, visibility_timeout=1):
        field.start("beat")
        for number in range(orders):
            order = field.place(run, number, random)
            for _ in range(3):
                hint(order.submission.provider_id)
        open_ones = field.drain(run, 90, to_the_end=False)
        field.sandbox.control(latency_ms=0)
        field.drain(run, 30)
    return report(field, run, begun, open=open_ones)


def redis_away(field: Field, seed: int, *, orders: int = 20) -> dict[str, Any]:
    """Valkey killed: orders are still taken, and `submit_pending` still sends. It comes back empty: workers go on."""
    from django.core.management import call_command

    run, random, begun = f"redis-{seed}", Random(seed), time.monotonic()
    with staffed(field):
        for number in range(orders // 4):
            field.place(run, number, random)
        field.kill_server("valkey")
        slowest = 0.0
        for number in range(orders // 4, orders):
            at = time.monotonic()
            field.place(run, number, random, service=0 if number % 4 == 0 else None)
            slowest = max(slowest, time.monotonic() - at)
        call_command("submit_pending", "Provider 0", stdout=_Nowhere())
        without = patiently(lambda: count(run, "accepted"))
        field.start_valkey()
        open_ones = field.drain(run, 90)
    return report(field, run, begun, open=open_ones, slowest_placing_s=round(slowest, 2), accepted_without_redis=without)  # fmt: skip


def postgres_away(field: Field, seed: int, *, orders: int = 40, times: int = 2) -> dict[str, Any]:
    """PostgreSQL killed (-9) in the middle of sending, started again. What was acknowledged is there."""
    from orders.models import Order

    run, random, begun = f"postgres-{seed}", Random(seed), time.monotonic()
    field.sandbox.control(latency_ms=150)
    acknowledged: list[int] = []
    with staffed(field):
        for time_ in range(times):
            batch = range(time_ * orders, time_ * orders + orders // times)
            acknowledged += [field.place(run, number, random).pk for number in batch]
            time.sleep(random.uniform(0.1, 0.6))
            field.kill_server("postgres")
            time.sleep(random.uniform(0.5, 2.0))
            field.start_postgres()
        field.sandbox.control(latency_ms=0)
        open_ones = field.drain(run, 120)
    kept = patiently(lambda: Order.objects.filter(pk__in=acknowledged).count())
    return report(field, run, begun, open=open_ones, acknowledged=len(acknowledged), kept=kept)


def web_killed(field: Field, seed: int, *, kills: int = 4) -> dict[str, Any]:
    """The web process killed while it places an order by /api/v2, before and after its commit; the client asks again
    with the same request id, as a careful one does."""
    from customers.api_keys import create_api_key
    from orders.models import Order
    from panel.local.places import free_port

    run, begun = f"web-{seed}", time.monotonic()
    user = field.customers[0]
    _, secret = create_api_key(user, "campaign")
    port = free_port()

    def place(number: int) -> dict[str, Any]:
        link = f"https://example.org/{run}/{number}"
        body = urlencode(
            {"key": secret, "action": "add", "service": field.services[0].pk, "link": link, "quantity": 100, "request_id": link}
        )  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(
            "POST",
            "/api/v2",
            body,
            {"Content-Type": "application/x-www-form-urlencoded", "Host": f"127.0.0.1:{port}"},
        )
        return dict(json.load(connection.getresponse()))

    lost_answers = 0
    for number in range(kills):
        web = field.start("web", port=port, point=points.PLACING[number % 2], nth=1, environment={"SITE_URL": f"http://127.0.0.1:{port}"})  # fmt: skip
        poll(lambda: _answers(port), 30, "the web process")
        try:
            place(number)
        except (OSError, http.client.HTTPException):
            lost_answers += 1
        # gunicorn itself lives: its worker was killed, and a new one answers the client's second try.
        first = poll(partial(_tried, partial(place, number)), 30, "the second answer")
        if "order" not in first or place(number) != first:
            raise AssertionError(f"the repeated request was answered {first}")
        field._count_hit(web)
        field.kill(web, count=False)
    with staffed(field):
        open_ones = field.drain(run, 60)
    orders = Order.objects.filter(link__contains=run).count()
    return report(field, run, begun, open=open_ones, lost_answers=lost_answers, placed=orders)


def two_beats(field: Field, seed: int, *, orders: int = 30) -> dict[str, Any]:
    """Two clocks at once, each waking and sweeping."""
    run, random, begun = f"beats-{seed}", Random(seed), time.monotonic()
    with staffed(field):
        field.start("beat")
        for number in range(orders):
            field.place(run, number, random)
        open_ones = field.drain(run, 60)
    return report(field, run, begun, open=open_ones)


# What each fault of the sandbox at `add` may become here. Inserted or not: the answer does not tell.
UNKNOWN, ACCEPTED, REJECTED = {"unknown"}, {"accepted"}, {"rejected"}
EXPECTED: dict[str, set[str]] = {
    "error": REJECTED,
    "rst_before": UNKNOWN,
    "fin_before": UNKNOWN,
    "hang_before": UNKNOWN,
    "http401": UNKNOWN,
    "http403": UNKNOWN,
    "http404": UNKNOWN,
    "http429": UNKNOWN,
    "http500": UNKNOWN,
    "http502": UNKNOWN,
    "http503": UNKNOWN,
    "html": UNKNOWN,
    "empty": UNKNOWN,
    "redirect": UNKNOWN,
    "order_text": ACCEPTED,
    "order_zero": UNKNOWN,
    "order_null": UNKNOWN,
    "order_repeated": UNKNOWN,
    "order_with_error": UNKNOWN,
    "soft_internal": UNKNOWN,
    "rst_after": UNKNOWN,
    "fin_after": UNKNOWN,
    "hang_after": UNKNOWN,
    "http500_after": UNKNOWN,
    "http503_after": UNKNOWN,
    "html_after": UNKNOWN,
    "empty_after": UNKNOWN,
    "drip": UNKNOWN,
    "truncated": UNKNOWN,
    "cut_body": UNKNOWN,
    "bom": ACCEPTED,
    "notice": UNKNOWN | ACCEPTED,
    "list": UNKNOWN,
    "oversize": UNKNOWN,
    "http201": ACCEPTED,
    "text_html": ACCEPTED,
}
STATUS_LIES = (
    "flapping:0.3@status,missing_ids:0.15@status,unknown_word:0.1@status,remains_above:0.1@status,remains_text:0.05@status,"
    "remains_negative:0.05@status,wrong_currency:0.1@status,completed_then_partial:0.2@status,poison_id=23@status,"
    "bare_list:0.05@status,http500:0.05@status"
)


def provider_faults(field: Field, seed: int, *, each: int = 2) -> dict[str, Any]:
    """Every fault at `add`, by the order's own link; cuts before reading; then lies about statuses, seeded."""
    from orders.models import Order, Submission
    from providers.models import Provider

    run, random, begun = f"faults-{seed}", Random(seed), time.monotonic()
    field.sandbox.control(faults=STATUS_LIES)
    placed: dict[int, str] = {}
    with staffed(field):
        for name in EXPECTED:
            for number in range(1 if name.startswith(("hang", "drip", "oversize")) else each):
                if name == "order_repeated":
                    # Nobody else's order may come between, or the id would be one that we cannot know.
                    field.drain(run, 60, to_the_end=False)
                    first = field.place(run, len(placed) * 1000, random, service=0)
                    poll(partial(_is_accepted, first.pk), 30, "an order before")
                order = field.place(run, number, random, marker=f"-{name}#fault={name}", service=0 if name == "order_repeated" else None)  # fmt: skip
                placed[order.pk] = name
                if name == "order_repeated":
                    field.drain(run, 60, to_the_end=False)
        for number in range(each * 6):
            field.place(run, 500 + number, random, marker=random.choice(["", "#partial=40", "#cancel", "#late", "#complete"]))  # fmt: skip
        field.drain(run, 120, to_the_end=False)
        field.sandbox.control(faults="rst_unread:0.5,fin_unread:0.3")
        for number in range(each * 2):
            field.place(run, 700 + number, random)
        field.drain(run, 60, to_the_end=False)
        field.sandbox.control(faults=STATUS_LIES)
        field.drain(run, 20)
        # The last lies end, so that what can end does.
        field.sandbox.control(faults="")
        Submission.objects.filter(order__link__contains=run, state="accepted").update(next_poll_at=begin())
        open_ones = field.drain(run, 45)
    became = dict(Order.objects.filter(pk__in=placed).values_list("pk", "submission__state"))
    unexpected = sorted(
        f"{name}: {became[pk]}" for pk, name in placed.items() if became[pk] not in EXPECTED[name]
    )
    Provider.objects.update(options=OPTIONS, paused_at=None, pause_kind="", breaker="closed")
    return report(field, run, begun, faults=len(EXPECTED), unexpected=unexpected, open=open_ones, fired=field.sandbox.stats()["faults"])  # fmt: skip


def restore_drill(field: Field, seed: int, *, orders: int = 200) -> dict[str, Any]:
    """A backup, then `orders` sends, then the backup restored under running workers: nothing is sent again."""
    from django.core.management import call_command

    from orders.dispatch import resume_dispatch
    from orders.models import DispatchSwitch

    run, random, begun = f"restore-{seed}", Random(seed), time.monotonic()
    file = field.home / f"{run}.backup"
    for number in range(orders):
        field.place(run, number, random)
    call_command("backup", str(file), stdout=_Nowhere())
    with staffed(field):
        field.drain(run, 120, to_the_end=False)
        sent_before = truth_of(field, run)
        call_command("restore", str(file), stdout=_Nowhere())
        paused = DispatchSwitch.objects.filter(paused_at__isnull=False, restored=True).exists()
        time.sleep(8)  # beat, workers and sweeper run on a database that says everything is queued
        while_paused = truth_of(field, run) - sent_before
        doubted = patiently(lambda: resume_dispatch("campaign", after_restore=True))
        time.sleep(8)
        resent = truth_of(field, run) - sent_before
    return report(field, run, begun, sent_before=sent_before, paused=paused, sent_while_paused=while_paused, made_unknown=doubted, resent=resent)  # fmt: skip


def rolled_back(field: Field, seed: int, *, orders: int = 20) -> dict[str, Any]:
    """The database goes back by other means than ours (a snapshot, a late replica): only the counter's copy knows."""
    from orders.dispatch import is_paused, resume_dispatch
    from orders.models import DispatchSwitch

    run, random, begun = f"rollback-{seed}", Random(seed), time.monotonic()
    counter = DispatchSwitch.objects.get().counter
    with staffed(field):
        for number in range(orders):
            field.place(run, number, random)
        field.drain(run, 60, to_the_end=False)
    sent_before = truth_of(field, run)
    # As a snapshot of an hour ago would have it: the counter of then.
    DispatchSwitch.objects.update(counter=counter)
    for number in range(orders, orders + 5):
        field.place(run, number, random)
    with staffed(field):
        poll(lambda: patiently(is_paused), 30, "the pause")
        time.sleep(3)
        sent_while_paused = truth_of(field, run) - sent_before
        doubted = patiently(lambda: resume_dispatch("campaign", after_restore=True))
        time.sleep(3)
    return report(field, run, begun, sent_before=sent_before, sent_while_paused=sent_while_paused, made_unknown=doubted)  # fmt: skip


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "kills": kills,
    "naive": naive,
    "forgetful": forgetful,
    "freeze": freeze,
    "redelivery": redelivery,
    "redis": redis_away,
    "postgres": postgres_away,
    "web": web_killed,
    "beats": two_beats,
    "faults": provider_faults,
    "restore": restore_drill,
    "rollback": rolled_back,
}


# ── small things ────────────────────────────────────────────────────────────────────────────────────


def report(field: Field, run: str, begun: float, **more: Any) -> dict[str, Any]:
    verdict = patiently(lambda: judge(run, field.sandbox.truth(), field.sandbox.orders()))
    return {
        "part": run.split("-")[0],
        "run": run,
        "seconds": round(time.monotonic() - begun, 1),
        **more,
        "verdict": verdict.as_dict(),
    }


def hint(provider_id: int) -> None:
    from orders.tasks import submit_lane

    submit_lane.apply_async(args=[provider_id], expires=60)


def truth_of(field: Field, run: str) -> int:
    return sum(run in line["link"] for line in field.sandbox.truth("order"))


def count(run: str, state_: str) -> int:
    from orders.models import Submission

    return Submission.objects.filter(order__link__contains=run, state=state_).count()


def state(pk: int) -> str:
    from orders.models import Submission

    return str(Submission.objects.values_list("state", flat=True).get(pk=pk))


def _decided(pk: int) -> Any:
    from orders.models import SubmissionAttempt

    first = SubmissionAttempt.objects.filter(submission_id=pk).order_by("id").first()
    return first if first is not None and first.state not in ("sending", "unknown") else None


def _is_accepted(pk: int) -> bool:
    return state(pk) == "accepted"


def begin() -> Any:
    from django.utils import timezone

    return timezone.now()


def _answers(port: int) -> bool:
    from panel.local.places import port_is_free

    return not port_is_free(port)


def _tried(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (OSError, http.client.HTTPException, ValueError):
        time.sleep(0.1)
        return None


class _Nowhere:
    def write(self, text: str) -> None:
        """A command's words are not wanted here."""
