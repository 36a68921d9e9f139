"""Sending orders: claim → point of no return → ONE POST → record.

    T1  claim      queued → claimed, up to 100 rows in one commit. A crash here is free: the lease ends and
                   the row is queued again.
    T2  begin      claimed → sending, and the attempt row, in one commit per order, before the first byte
                   leaves. From here on a vanished worker leaves `unknown`, never `queued`.
        POST       one, on a fresh connection, without retries or redirects, within a total deadline that is
                   shorter than the lease. More than 5 s after T2 nothing is sent any more (checked after
                   connecting, right before writing).
    T3  record     orders.recording; repeated while the database is away.

No transaction or row lock is held across HTTP. Workers, `submit_pending` and tests run the same code.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

from django.db import DataError, InterfaceError, OperationalError, connection
from django.db.models.functions import Now

from customers.prepared import rows_of
from orders.asking_again import ask_again
from orders.dispatch import open_dispatch
from orders.heeding import heed_refusal
from orders.holding import hold_for_its_runs
from orders.models import Order, Submission
from orders.recording import OUR_OWN_HALT, Sent, record
from orders.sending import SEND_WITHIN_S, account_of, hash_of, request_for
from orders.slots import slots
from providers import breaker
from providers.adapters.base import Adapter
from providers.adapters.errors import NotSent, ProviderError, Refused, Uncertain
from providers.adapters.results import Accepted, AddRequest
from providers.connecting import adapter_or_none, options_of, read_worked
from providers.lanes import Holding, hold
from providers.metering import metered
from providers.models import Lane, Provider
from providers.throttle import allowed

log = logging.getLogger(__name__)

CLAIM_BATCH = 100
# With so few claims left the next batch is taken, while the threads go on: waiting for the last answer of each batch
# left the connections idle for one latency in seven (50 ms, 16 in flight).
CLAIM_AGAIN_AT = 50
CLAIM_LEASE_S = 60
STRETCH_S = 20  # begin no more claimed orders after this; the rest is given back
LEASE_MARGIN_S = 30
RECORD_FOR_S = 900
QUICK_CALL_S = 2.0


@dataclass
class Tally:
    """What one run of a lane did, as CONTRACT's submit_pending prints it."""

    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    requeued: int = 0

    def count(self, word: str) -> None:
        setattr(self, word, getattr(self, word) + 1)


@dataclass(frozen=True)
class Claim:
    """An order that is ours to send until its lease ends, under this fence."""

    order: Order
    fence: int


@dataclass
class _Run:
    """What the threads of one lane run share."""

    provider: Provider
    options: dict[str, Any]
    adapter: Adapter
    holding: Holding
    permits: threading.Semaphore
    force: bool
    tally: Tally = field(default_factory=Tally)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    enough: threading.Event = field(default_factory=threading.Event)  # begin no more; what was begun goes on
    one_only: threading.Event = field(default_factory=threading.Event)
    work: "queue.SimpleQueue[Claim]" = field(default_factory=queue.SimpleQueue)
    low: threading.Event = field(default_factory=threading.Event)  # few claims are left, or a thread ended
    half_open: bool = False
    tried: set[int] = field(default_factory=set)  # with `force` each order gets one try
    stopped_by: str = ""  # what the answer said after which this run let the provider alone
    call_s: float = math.inf  # how long the last call took

    @property
    def ends(self) -> bool:
        """No order is begun any more: the provider is to be left alone, or this process is stopping."""
        return self.enough.is_set() or self.halted

    @property
    def halted(self) -> bool:
        """Not even what was begun is posted."""
        return self.stop.is_set() or slots.closing.is_set()

    def halt(self, why: str) -> None:
        """Leave the provider alone; the first reason stays."""
        with self.lock:
            self.stopped_by = self.stopped_by or why
        self.stop.set()


def submit_lane(provider_id: int, *, force: bool = False, wait_s: float = 0, budget_s: float = 20) -> Tally:
    """Send what is due for one provider, for about `budget_s` seconds.

    `force` ignores next_at of queued rows, never a pause, a breaker, holds, the fence or leases.
    Raises providers.lanes.LaneBusy when another holds the lane (for longer than wait_s).
    """
    provider = Provider.objects.get(pk=provider_id)
    if not provider.sends_by_itself:
        return Tally()
    options, adapter = options_of(provider), adapter_or_none(provider)
    if adapter is None:
        return Tally()  # its orders wait; the provider's page says what is missing
    hold_s = options["deadline_s"] + LEASE_MARGIN_S + STRETCH_S
    with (
        hold(provider_id, Lane.Kind.SUBMIT, seconds=hold_s, wait_s=wait_s) as holding,
        metered(adapter, provider_id, Lane.Kind.SUBMIT),
    ):
        run = _Run(provider, options, adapter, holding, threading.Semaphore(options["concurrency"]), force)
        until = time.monotonic() + budget_s
        while not run.ends and time.monotonic() < until:
            run.one_only.clear()
            if not _may_send(run) or not (claims := _claims(run)):
                break
            _send_all(run, claims, min(until, time.monotonic() + STRETCH_S))
        if not run.ends:
            run.tally.accepted += ask_again(provider, run.adapter, until=until)
    if run.tally.accepted:
        read_worked(provider_id, "Orders", last_submit_at=Now())
    return run.tally


# ── T1 ──────────────────────────────────────────────────────────────────────────────────────────────

# ARRAY(…): chosen once. As a plain IN (…) a plan may ask it anew for every row that it looks at, each time skipping what is
# locked by then, and so claim more than the limit.
_CLAIM = """
    UPDATE orders_submission
    SET state = 'claimed', state_at = clock_timestamp(), fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => %s)
    WHERE order_id = ANY(ARRAY(
        SELECT order_id FROM orders_submission s
        WHERE provider_id = %s AND state = 'queued' AND (%s OR next_at <= clock_timestamp()) AND order_id <> ALL(%s)
          AND NOT EXISTS (SELECT 1 FROM orders_request r WHERE r.order_id = s.order_id AND r.kind = 'cancel'
                          AND r.state IN ('requested', 'approved', 'claimed', 'sending', 'accepted', 'unknown'))
        ORDER BY next_at, order_id LIMIT %s FOR UPDATE SKIP LOCKED
    ))
    RETURNING order_id, fence
"""


_RELEASE = """
    UPDATE orders_submission s SET state = 'queued', lease_until = NULL
    FROM unnest(%s::bigint[], %s::int[]) AS claim(order_id, fence)
    WHERE s.order_id = claim.order_id AND s.fence = claim.fence AND s.state = 'claimed'
"""


def _claim(provider_id: int, limit: int, *, force: bool, besides: set[int]) -> list[tuple[int, int]]:
    """(order id, fence) of up to `limit` orders that are ours until the lease ends; [] also while dispatch is paused."""
    due = Submission.objects.filter(provider_id=provider_id, state=Submission.State.QUEUED)
    if not due.exists() or not open_dispatch():
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [CLAIM_LEASE_S, provider_id, force, list(besides), limit])
        return sorted(cursor.fetchall())


def _release(order_id: int, fence: int) -> None:
    """Give back a claim that was not used: nothing was sent."""
    _release_all([(order_id, fence)])


def _release_all(claims: list[tuple[int, int]]) -> None:
    """Give back claims, (order id, fence), that are still ours and were not used: nothing was sent."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, [[order_id for order_id, _ in claims], [fence for _, fence in claims]])


# ── the threads of a lane ───────────────────────────────────────────────────────────────────────────


def _may_send(run: _Run) -> bool:
    """Whether the lane is still ours and the provider may be sent orders; marks the run where only one at a time."""
    if not run.holding.renew():
        return False
    permit = breaker.permit(run.provider.pk)
    run.half_open = permit.limit == 1
    if run.half_open or run.holding.slow:
        run.one_only.set()
    return permit.limit != 0


def _claims(run: _Run) -> list[Claim]:
    """The next claims of this lane, with their orders; one only where the provider is tried or was slow."""
    limit = 1 if run.one_only.is_set() else CLAIM_BATCH
    fences = dict(_claim(run.provider.pk, limit, force=run.force, besides=run.tried))
    if run.force:
        run.tried.update(fences)
    orders = Order.objects.select_related("service", "submission__offer").in_bulk(fences)
    claims = [Claim(orders[order_id], fence) for order_id, fence in fences.items()]
    return [claim for claim in claims if not _held_back(claim)]


def _held_back(claim: Claim) -> bool:
    """An order of several runs whose offer has lost drip-feed since it was placed is for a person."""
    if not claim.order.runs or claim.order.submission.offer.dripfeed:
        return False
    _release(claim.order.pk, claim.fence)
    hold_for_its_runs(claim.order.pk)
    return True


def _send_all(run: _Run, claims: list[Claim], until: float) -> None:
    """Send these claims, and those that follow while all goes well, on as many threads as the provider's
    concurrency and the free slots allow; begins none after `until` (monotonic seconds)."""
    for claim in claims:
        run.work.put(claim)
    # Half as many threads again as calls in flight: their database work goes on while others wait for the provider. With
    # a quarter, permits lay idle on a busy machine (136 to 141 orders/s against 176 to 193, 16 in flight, load 10). At a
    # slow provider they would wait for a permit longer than sending may take, and find nothing to gain.
    concurrency = run.options["concurrency"]
    quick = run.call_s < QUICK_CALL_S  # not known before the first answer: the first stretch is one batch
    ahead = concurrency // 2 if quick else 0
    wanted = 1 if run.one_only.is_set() else min(len(claims), concurrency + ahead)
    with slots.take(wanted, slow=run.holding.slow) as count:
        if count == 0:
            run.enough.set()  # other providers hold all slots; beat asks again soon
        jobs: list[Future[None]] = [
            slots.threads.submit(_work, run, until, number) for number in range(count)
        ]
        try:
            if jobs and quick and len(claims) == CLAIM_BATCH:
                _claim_again(run, jobs, until)
        finally:
            wait(jobs)
            _release_rest(run)
    for job in jobs:
        job.result()  # a bug is raised here, after all claims were given back


def _release_rest(run: _Run) -> None:
    """Give back what no thread began. With `force` it had no try yet, so a later stretch may claim it again."""
    rest = []
    while not run.work.empty():
        claim = run.work.get()
        rest.append((claim.order.pk, claim.fence))
    if rest:
        _release_all(rest)
        run.tried.difference_update(order_id for order_id, _ in rest)


def _claim_again(run: _Run, jobs: list[Future[None]], until: float) -> None:
    """Claim more whenever few claims are left, as long as there are any and the provider takes them at full speed.

    For a quick provider only: the threads ahead of its permits would wait too long once it is slow, and are counted
    anew with the next stretch.
    """
    for job in jobs:
        job.add_done_callback(lambda _: run.low.set())
    while True:
        run.low.wait()
        run.low.clear()
        if run.ends or run.one_only.is_set() or run.call_s >= QUICK_CALL_S:
            return
        if time.monotonic() >= until or any(job.done() for job in jobs):
            return
        if run.work.qsize() > CLAIM_AGAIN_AT:
            continue
        if not _may_send(run) or run.one_only.is_set() or not (claims := _claims(run)):
            return
        for claim in claims:
            run.work.put(claim)


def _work(run: _Run, until: float, number: int) -> None:
    try:
        while not run.ends and time.monotonic() < until and not (run.one_only.is_set() and number > 0):
            try:
                claim = run.work.get_nowait()
            except queue.Empty:
                return
            if run.work.qsize() <= CLAIM_AGAIN_AT:
                run.low.set()
            word = _send_one(run, claim)
            if word:
                with run.lock:
                    run.tally.count(word)
    finally:
        connection.close_if_unusable_or_obsolete()


def _send_one(run: _Run, claim: Claim) -> str | None:
    """T2, the POST and T3 of one order; the word for the tally, or None when nothing was begun."""
    order, fence = claim.order, claim.fence
    if not allowed(run.provider.pk, run.options["rate_per_minute"]):
        # The budget of calls is used up. Those who got a call of it are to use it.
        run.enough.set()
        _release(order.pk, fence)
        return None
    request = request_for(order, with_key=run.options["request_id"])
    begun_at = time.clock_gettime(time.CLOCK_BOOTTIME)  # counts on while the machine sleeps
    params_hash = hash_of(request, account_of(run.adapter))
    sent = _begin(order, fence, params_hash, run.options["deadline_s"])
    if sent is None:
        return None
    outcome = _post(run, request, begun_at)
    word = _record_surely(sent, outcome)
    heed_refusal(sent, outcome)
    if isinstance(outcome, Accepted | Refused):
        run.holding.answered()
        if run.half_open:
            breaker.count_clear_answer(run.provider.pk)
    elif isinstance(outcome, NotSent) and outcome.reason not in OUR_OWN_HALT:
        run.holding.met(outcome)  # doubtful answers are the breaker's
    return word


# ── T2 ──────────────────────────────────────────────────────────────────────────────────────────────

_BEGIN = """
    WITH submission AS (
        UPDATE orders_submission s
        SET state = 'sending', state_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
        WHERE order_id = %(order)s AND fence = %(fence)s AND state = 'claimed' AND lease_until > clock_timestamp()
          AND EXISTS (SELECT 1 FROM orders_dispatchswitch WHERE paused_at IS NULL)
          AND NOT EXISTS (SELECT 1 FROM providers_provider p WHERE p.id = s.provider_id AND p.paused_at IS NOT NULL)
        RETURNING order_id, fence, provider_id, offer_id
    )
    INSERT INTO orders_submissionattempt
        (submission_id, fence, provider_id, offer_id, cost, state, reason, message, candidate_id, params_hash, excerpt, started_at)
    SELECT order_id, fence, provider_id, offer_id, %(cost)s, 'sending', '', '', '', %(hash)s, '', clock_timestamp() FROM submission
    RETURNING provider_id
"""


def _begin(order: Order, fence: int, params_hash: str, deadline_s: float) -> Sent | None:
    """The point of no return, committed before the first byte leaves. None: the claim is not ours any more, or
    sending was paused meanwhile; then nothing may be sent."""
    values: dict[str, Any] = {
        "lease": deadline_s + LEASE_MARGIN_S,
        "order": order.pk,
        "fence": fence,
        "cost": order.cost,
        "hash": params_hash,
    }
    rows = rows_of(_BEGIN, values)
    if not rows:
        _release(order.pk, fence)
        return None
    return Sent(order_id=order.pk, fence=fence, provider_id=rows[0][0])


# ── the POST ────────────────────────────────────────────────────────────────────────────────────────


def _post(run: _Run, request: AddRequest, begun_at: float) -> Accepted | ProviderError:
    def still_in_time() -> None:
        if time.clock_gettime(time.CLOCK_BOOTTIME) - begun_at > SEND_WITHIN_S:
            raise NotSent("More than 5 seconds passed before sending; nothing was sent.", reason="too_late")

    # The permit counts calls in flight. Waiting longer for one than sending may take means: not sent.
    if not run.permits.acquire(timeout=SEND_WITHIN_S):
        return NotSent("All connections to this provider were busy; nothing was sent.", reason="busy")
    try:
        if run.halted:
            return NotSent(_why_halted(run), reason="stopped")
        asked_at = time.monotonic()
        outcome = _ask(run, request, still_in_time)
        run.call_s = time.monotonic() - asked_at
        # Before the permit is passed on, so that "stop after the first" holds for those who wait for it.
        _stop_if_bad(run, outcome)
        return outcome
    finally:
        run.permits.release()


def _why_halted(run: _Run) -> str:
    """An order that was begun beside the one that failed is told what failed, not only that something did."""
    if run.stopped_by:
        return f"Nothing was sent; sending stopped when another order met this: {run.stopped_by}"
    return "Nothing was sent; the process that sends is shutting down."


def _ask(run: _Run, request: AddRequest, before_write: Callable[[], None]) -> Accepted | ProviderError:
    try:
        return run.adapter.add(request, before_write=before_write)
    except ProviderError as error:
        return error
    except Exception as error:  # a bug after the point of no return: the order may exist, so it is unknown
        log.exception("add_failed_unexpectedly")
        return Uncertain(
            f"Reading the answer failed inside the panel ({type(error).__name__}).", reason="internal"
        )


def _stop_if_bad(run: _Run, outcome: Accepted | ProviderError) -> None:
    """Breaker, pauses and the slow mark. The outcome is recorded next, whatever fails here."""
    provider_id = run.provider.pk
    try:
        if isinstance(outcome, Uncertain):
            if outcome.deadline:
                run.one_only.set()
                run.holding.met_deadline()
            if breaker.count_ambiguous(provider_id, run.options, outcome.message):
                run.halt(outcome.message)
        elif isinstance(outcome, Refused) and outcome.kind in PAUSES:
            run.halt(outcome.message)
            breaker.pause(provider_id, PAUSES[outcome.kind], outcome.message)
        elif isinstance(outcome, Refused) and outcome.kind == "rate_limit":
            run.halt(outcome.message)
        elif isinstance(outcome, NotSent) and outcome.reason != "too_late":
            run.halt(outcome.message)  # it cannot be reached: the rest of the batch waits as well
    except (OperationalError, InterfaceError):
        connection.close()
        run.halt("The database was away.")


PAUSES = {"auth": Provider.Pause.AUTH, "provider_funds": Provider.Pause.FUNDS}


# ── T3 ──────────────────────────────────────────────────────────────────────────────────────────────


def _record_surely(sent: Sent, outcome: Accepted | ProviderError) -> str:
    """Record, and again while the database is away; the sweeper makes `unknown` of what never gets recorded."""
    give_up, pause = time.monotonic() + RECORD_FOR_S, 0.1
    while True:
        try:
            return record(sent, outcome)
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > give_up:
                raise
            log.warning("outcome_not_recorded_yet", extra={"order": sent.order_id})
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
        except DataError:
            # An answer that our columns cannot hold is no clear answer.
            log.exception("outcome_does_not_fit")
            outcome = Uncertain("The provider's answer could not be stored.", reason="unstorable")
