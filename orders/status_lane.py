"""Asking for statuses: one lane per provider, up to 100 ids a call, several calls at once.

    1. the due orders of the provider, longest waiting first, some thousands at a time
    2. a sequence number for each call, before it leaves: an older answer never overwrites a newer one
    3. the calls, side by side; a batch that fails as a whole is halved to isolate an id that poisons it
    4. each answer is applied as it comes (orders.syncing), while the next calls are in flight

Every asked order is touched, so none starves. A failed call is no information.
"""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from orders.models import Order, Submission
from orders.slots import slots
from orders.syncing import Followed, apply_observations, followed, touch
from providers.adapters.base import Adapter
from providers.adapters.errors import Misconfigured, ProviderError, Refused, Unavailable
from providers.adapters.results import Statuses
from providers.connecting import adapter_or_none, options_of, read_failed, read_worked
from providers.lanes import Holding, hold
from providers.metering import metered
from providers.models import Lane, Provider
from providers.throttle import allowed

LEASE_MARGIN_S = 60
MOST_HALVINGS = 12  # calls spent on isolating poison ids in one batch
# Failures of the provider as a whole: halving the batch would only ask an ill provider more often.
ILL = frozenset({"deadline", "dns", "connect", "tls", "lost"})
BATCHES_AT_ONCE = 20  # read from the database together; a slow provider's orders are read call by call
RENEW_EVERY_S = 5.0


@dataclass
class Tally:
    """One run, as sync_statuses prints it."""

    provider: int
    calls: int = 0
    checked: int = 0
    changed: int = 0
    errors: int = 0
    error: str = ""


def status_lane(provider_id: int, *, force: bool = False, wait_s: float = 0, budget_s: float = 20) -> Tally:
    """Ask for what is due at one provider (with `force`: all accepted orders that are not final).

    Raises LaneBusy. A provider that cannot be read is counted in `errors`, never raised.
    """
    provider = Provider.objects.get(pk=provider_id)
    tally = Tally(provider_id)
    if not provider.sends_by_itself:
        return tally
    options, adapter = options_of(provider), adapter_or_none(provider)
    if adapter is None:
        tally.errors, tally.error = 1, "The connection of this provider is not complete."
        return tally
    hold_s = options["batch_deadline_s"] + LEASE_MARGIN_S
    with (
        hold(provider_id, Lane.Kind.STATUS, seconds=hold_s, wait_s=wait_s) as holding,
        metered(adapter, provider_id, Lane.Kind.STATUS),
        slots.take(options["concurrency"], slow=holding.slow) as width,
    ):
        run = _Run(provider_id, adapter, holding, width, options["rate_per_minute"], tally)
        run.until = None if force else time.monotonic() + budget_s
        started, size = timezone.now(), min(100, options["batch_size"])
        rest = _followed_ids(provider_id) if force else []
        while width and run.may_go_on():
            most = size if holding.slow else size * max(width, BATCHES_AT_ONCE)
            if force:
                due, rest = _open_ones(rest[:most]), rest[most:]
            else:
                due = _due(provider_id, most, started)
            if not due and rest:
                continue  # all of these have ended
            if not due:
                break
            if not _follow(run, [due[at : at + size] for at in range(0, len(due), size)]):
                break
    return tally


@dataclass
class _Run:
    """What one run of a lane carries along."""

    provider_id: int
    adapter: Adapter
    holding: Holding
    width: int
    rate_per_minute: int
    tally: Tally
    until: float | None = None  # monotonic; begin no call after it
    renew_at: float = 0

    @property
    def in_flight(self) -> int:
        """How many calls may be open now."""
        return 1 if self.holding.slow else self.width

    def may_go_on(self) -> bool:
        """False: this process stops, the time is over, or the lane was lost to another."""
        now = time.monotonic()
        if slots.closing.is_set() or (self.until is not None and now > self.until):
            return False
        if now < self.renew_at:
            return True
        self.renew_at = now + RENEW_EVERY_S
        return self.holding.renew()


def _due(provider_id: int, most: int, now: datetime) -> list[Followed]:
    rows = Submission.objects.filter(provider_id=provider_id, state=Submission.State.ACCEPTED)
    return followed(rows.filter(next_poll_at__lte=now).order_by("next_poll_at")[:most])


def _followed_ids(provider_id: int) -> list[int]:
    """All orders that have a next question, for a forced run: looked for once in their index (submission_poll), then
    read batch by batch by their key, so that a run's work grows with them and not with batches times them."""
    rows = Submission.objects.filter(
        provider_id=provider_id, state=Submission.State.ACCEPTED, next_poll_at__isnull=False
    )
    return sorted(rows.values_list("order_id", flat=True))


def _open_ones(order_ids: list[int]) -> list[Followed]:
    rows = Submission.objects.filter(pk__in=order_ids, order__status__in=Order.OPEN)
    return followed(rows.order_by("order_id"))


_Calls = dict[Future[tuple[Statuses | None, Tally]], tuple[list[Followed], int]]


def _follow(run: _Run, batches: Sequence[list[Followed]]) -> bool:
    """Ask about the batches and apply the answers, a call's work while others are in flight; False when no more is to
    be asked now: one brought no usable answer at all, the budget of calls is used up, or the lane has to end."""
    waiting, going_on, answered = deque(batches), True, False
    calls: _Calls = {}
    while calls or (waiting and going_on):
        while waiting and going_on and len(calls) < run.in_flight:
            going_on = run.may_go_on() and allowed(run.provider_id, run.rate_per_minute)
            if going_on:
                batch, sequence = waiting.popleft(), _next_sequence()
                ids = [row.upstream_id for row in batch]
                calls[slots.threads.submit(_ask_in_thread, run.adapter, ids, run.holding)] = batch, sequence
        for call in wait(calls, return_when=FIRST_COMPLETED).done:
            batch, sequence = calls.pop(call)
            if _apply(run.tally, batch, sequence, *call.result()):
                answered = True
            else:
                going_on = False
    if answered:
        read_worked(run.provider_id, "Statuses", last_status_at=timezone.now())
    return going_on


def _apply(
    tally: Tally, batch: Sequence[Followed], sequence: int, answers: Statuses | None, counted: Tally
) -> bool:
    """Apply one answer; False when there was none that is of use."""
    tally.calls += counted.calls
    tally.errors += counted.errors
    tally.error = counted.error or tally.error
    if answers is None:
        touch(batch)
        return False
    tally.checked += len(batch)
    tally.changed += apply_observations(batch, answers, sequence)
    return True


def _ask_in_thread(adapter: Adapter, ids: list[str], holding: Holding) -> tuple[Statuses | None, Tally]:
    counted = Tally(holding.lane.provider_id)
    try:
        return _ask(adapter, ids, counted, holding, [MOST_HALVINGS]), counted
    finally:
        connection.close_if_unusable_or_obsolete()


def _ask(
    adapter: Adapter, ids: list[str], counted: Tally, holding: Holding, halvings: list[int]
) -> Statuses | None:
    """Statuses of all ids; None when the provider is ill. A failing batch is halved to find a poison id."""
    counted.calls += 1
    try:
        answer = adapter.statuses(ids)
        holding.answered()
        return answer
    except ProviderError as error:
        counted.errors += 1
        counted.error = error.message
        read_failed(counted.provider, "Statuses", error)
        holding.met(error)
        if error.reason == "deadline":
            holding.met_deadline()
        if _is_ill(error) or len(ids) == 1 or halvings[0] <= 0:
            return None
    halvings[0] -= 2
    middle = len(ids) // 2
    halves = [_ask(adapter, half, counted, holding, halvings) for half in (ids[:middle], ids[middle:])]
    usable = [half for half in halves if half is not None]
    if not usable:
        return None
    return Statuses(
        {key: value for half in usable for key, value in half.found.items()},
        {key: value for half in usable for key, value in half.errors.items()},
    )


def _is_ill(error: ProviderError) -> bool:
    if isinstance(error, Refused):
        return error.kind in {"auth", "rate_limit"}
    return isinstance(error, Misconfigured) or (isinstance(error, Unavailable) and error.reason in ILL)


def _next_sequence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('orders_observation_seq')")
        return int(cursor.fetchone()[0])
