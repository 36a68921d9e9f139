"""Asking for statuses: one lane per provider, up to 100 ids a call, several calls at once.

    1. the due orders of the provider, longest waiting first, as many batches as may be asked now
    2. a sequence number, before the requests leave: an older answer never overwrites a newer one
    3. the calls, side by side; a batch that fails as a whole is halved to isolate an id that poisons it
    4. each answer is applied as it comes (orders.syncing)

Every asked order is touched, so none starves. A failed call is no information.
"""

from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from orders.models import Order, Submission
from orders.slots import slots
from orders.syncing import Followed, apply_observations, touch
from providers import health
from providers.adapters.base import Adapter
from providers.adapters.errors import Misconfigured, ProviderError, Refused, Unavailable
from providers.adapters.results import Statuses
from providers.connecting import adapter_or_none, options_of
from providers.lanes import Holding, hold
from providers.metering import metered
from providers.models import Lane, Provider
from providers.throttle import allowed

LEASE_MARGIN_S = 60
MOST_HALVINGS = 12  # calls spent on isolating poison ids in one batch
# Failures of the provider as a whole: halving the batch would only ask an ill provider more often.
ILL = frozenset({"deadline", "dns", "connect", "tls", "lost"})
# What project() and the bulk statements need; links, fields and prices stay in the database.
FOR_FOLLOWING = (
    "state provider_id provider_order_id observed_seq raw_word reported_charge seen_status "
    "order__status order__total order__start_count order__remains order__per_order order__runs order__attention"
).split()


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
        started, size, after = timezone.now(), min(100, options["batch_size"]), 0
        while width and not slots.closing.is_set() and holding.renew():
            calls = 1 if holding.slow else width
            due = _due(provider_id, size * calls, started, after if force else None)
            batches = [due[at : at + size] for at in range(0, len(due), size)]
            batches = [batch for batch in batches if allowed(provider_id, options["rate_per_minute"])]
            if not batches:
                break
            after = batches[-1][-1].order.pk
            if not _ask_side_by_side(adapter, batches, tally, holding):
                break
            if timezone.now() - started > timedelta(seconds=budget_s) and not force:
                break
    return tally


def _due(provider_id: int, most: int, now: datetime, after: int | None) -> list[Followed]:
    rows = Submission.objects.filter(provider_id=provider_id, state=Submission.State.ACCEPTED)
    if after is None:
        rows = rows.filter(next_poll_at__lte=now).order_by("next_poll_at")
    else:
        rows = rows.filter(order_id__gt=after, order__status__in=Order.OPEN).order_by("order_id")
    return [Followed(row.order, row) for row in rows.select_related("order").only(*FOR_FOLLOWING)[:most]]


def _ask_side_by_side(
    adapter: Adapter, batches: Sequence[Sequence[Followed]], tally: Tally, holding: Holding
) -> bool:
    """Ask about the batches and apply the answers; False when one brought no usable answer at all."""
    sequence = _next_sequence()
    calls: dict[Future[tuple[Statuses | None, Tally]], Sequence[Followed]] = {
        slots.threads.submit(_ask_in_thread, adapter, [row.upstream_id for row in batch], holding): batch
        for batch in batches
    }
    all_answered = True
    for call in as_completed(calls):
        batch, (answers, counted) = calls[call], call.result()
        tally.calls += counted.calls
        tally.errors += counted.errors
        tally.error = counted.error or tally.error
        if answers is None:
            all_answered = False
            touch(batch)
        else:
            tally.checked += len(batch)
            tally.changed += apply_observations(batch, answers, sequence)
    if all_answered:
        Provider.objects.filter(pk=tally.provider).update(last_status_at=timezone.now())
    return all_answered


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
        health.note_error(counted.provider, error.message)
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
