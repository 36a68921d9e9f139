"""Following orders: one lane per provider asks for up to 100 statuses a call and applies what it hears.

    1. the due orders of the provider, longest waiting first
    2. a sequence number, before the request leaves: an older answer never overwrites a newer one
    3. one call; a batch that fails as a whole is halved to isolate an id that poisons it
    4. project() each answer
    5. unchanged orders: one bulk UPDATE. Changed ones without money: bulk statements.
       An end that moves money: after a second, equal reading; its own transaction (order, then wallet).

Every asked order is touched, so none starves. Missing ids and failed calls are no information.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from orders.models import Order, OrderEvent, Submission
from orders.projecting import Known, Projection, project
from orders.settlement import end_completed, end_partial, end_with_full_refund, lock_order
from orders.slots import slots
from providers import health
from providers.adapters.base import Adapter
from providers.adapters.errors import Misconfigured, ProviderError, Refused, Unavailable
from providers.adapters.results import Observation, Statuses
from providers.alerts import raise_alert
from providers.connecting import adapter_or_none, options_of
from providers.lanes import Holding, hold
from providers.models import Lane, Provider
from providers.throttle import allowed

LEASE_MARGIN_S = 60
MOST_HALVINGS = 12  # calls spent on isolating poison ids in one batch
FIRST_REREAD = timedelta(days=1)  # closed orders are read again after 1, 3, 5 … days, for 30 days


@dataclass
class Tally:
    """One run, as CONTRACT's sync_statuses prints it."""

    provider: int
    calls: int = 0
    checked: int = 0
    changed: int = 0
    errors: int = 0
    error: str = ""


@dataclass
class Followed:
    """One order to ask about, with what project() needs to know."""

    order: Order
    submission: Submission
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        order = self.order
        self.known = Known(
            order.status, order.total, order.start_count, order.remains, order.per_order, bool(order.runs)
        )


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
        slots.take(1, slow=holding.slow) as slot,
    ):
        started, size, after = timezone.now(), min(100, options["batch_size"]), 0
        while slot and not slots.closing.is_set() and holding.renew():
            batch = _due(provider_id, size, started, after if force else None)
            if not batch or not allowed(provider_id, options["rate_per_minute"]):
                break
            after = batch[-1].order.pk
            if not _sync_batch(adapter, batch, tally, holding):
                break
            if timezone.now() - started > timedelta(seconds=budget_s) and not force:
                break
    return tally


def _due(provider_id: int, size: int, now: datetime, after: int | None) -> list[Followed]:
    rows = Submission.objects.filter(provider_id=provider_id, state=Submission.State.ACCEPTED).select_related(
        "order"
    )
    if after is None:
        rows = rows.filter(next_poll_at__lte=now).order_by("next_poll_at")
    else:
        rows = rows.filter(order_id__gt=after, order__status__in=Order.OPEN).order_by("order_id")
    return [Followed(row.order, row) for row in rows[:size]]


# ── one batch ───────────────────────────────────────────────────────────────────────────────────────


def _sync_batch(adapter: Adapter, batch: Sequence[Followed], tally: Tally, holding: Holding) -> bool:
    """Ask about one batch and apply the answers; False when the provider gave no usable answer at all."""
    sequence = _next_sequence()
    answers = _ask(adapter, [_id(row) for row in batch], tally, holding)
    provider_id = batch[0].submission.provider_id
    if answers is None:
        _touch(batch)
        return False
    Provider.objects.filter(pk=provider_id).update(last_status_at=timezone.now())
    tally.checked += len(batch)
    apply_observations(batch, answers, sequence, tally)
    return True


def _ask(
    adapter: Adapter, ids: list[str], tally: Tally, holding: Holding, halvings: list[int] | None = None
) -> Statuses | None:
    """Statuses of all ids; None when the provider is ill. A failing batch is halved to find a poison id."""
    halvings = halvings if halvings is not None else [MOST_HALVINGS]
    tally.calls += 1
    try:
        answer = adapter.statuses(ids)
        holding.answered()
        return answer
    except ProviderError as error:
        tally.errors += 1
        tally.error = error.message
        health.note_error(holding.lane.provider_id, error.message)
        if error.reason == "deadline":
            holding.met_deadline()
        whole_provider = isinstance(error, Unavailable) and error.reason in {
            "deadline",
            "dns",
            "connect",
            "tls",
            "lost",
        }
        whole_provider = whole_provider or isinstance(error, Misconfigured)
        whole_provider = whole_provider or (
            isinstance(error, Refused) and error.kind in {"auth", "rate_limit"}
        )
        if whole_provider or len(ids) == 1 or halvings[0] <= 0:
            return None
    halvings[0] -= 2
    middle = len(ids) // 2
    halves = [_ask(adapter, half, tally, holding, halvings) for half in (ids[:middle], ids[middle:])]
    if halves == [None, None]:
        return None
    usable = [half for half in halves if half is not None]
    return Statuses(
        {key: value for half in usable for key, value in half.found.items()},
        {key: value for half in usable for key, value in half.errors.items()},
    )


def apply_observations(batch: Sequence[Followed], answers: Statuses, sequence: int, tally: Tally) -> None:
    """Apply one batch of answers. Statements do not grow with the batch, but for ends that move money."""
    quiet: list[Followed] = []
    untold: list[Followed] = []
    changed: list[tuple[Followed, Observation, Projection]] = []
    for row in batch:
        seen = answers.found.get(_id(row))
        if seen is None or sequence <= row.submission.observed_seq:
            untold.append(row)
            continue
        projection = project(row.known, seen)
        if seen.word is None:
            _alert_unknown_word(row, seen)
        if projection.ends:
            tally.changed += _end(row, seen, projection, sequence)
        elif _differs(row, seen, projection):
            changed.append((row, seen, projection))
        else:
            quiet.append(row)
    _touch(quiet, sequence)
    _touch(untold)
    tally.changed += _apply_changed(changed, sequence)


def _differs(row: Followed, seen: Observation, to: Projection) -> bool:
    order, submission = row.order, row.submission
    return (
        (order.status, order.start_count, order.remains) != (to.status, to.start_count, to.remains)
        or (bool(to.attention) and order.attention != to.attention)
        or submission.raw_word != seen.raw_word[:40]
        or submission.reported_charge != _charge(seen)
        or bool(submission.seen_status)  # an end that was seen once and is not confirmed
    )


# ── polling times ───────────────────────────────────────────────────────────────────────────────────

# Young orders are asked often, old ones seldom; ±15 % so that they do not march in step. The demo's seconds matter
# to a person who waits; a provider's limits matter after that.
_NEXT_POLL = """
    clock_timestamp() + (0.85 + random() * 0.3) * CASE
        WHEN o.ended_at IS NOT NULL THEN interval '1 day' * (1 + 2 * least(s.polls, 10))
        WHEN clock_timestamp() - o.created_at < interval '2 minutes' THEN interval '3 seconds'
        WHEN clock_timestamp() - o.created_at < interval '15 minutes' THEN interval '15 seconds'
        WHEN clock_timestamp() - o.created_at < interval '2 hours' THEN interval '1 minute'
        WHEN clock_timestamp() - o.created_at < interval '1 day' THEN interval '5 minutes'
        WHEN clock_timestamp() - o.created_at < interval '7 days' THEN interval '30 minutes'
        ELSE interval '2 hours' END
"""


def _touch(rows: Iterable[Followed], sequence: int = 0) -> None:
    """One UPDATE for all that did not change. sequence 0: asked in vain, so `checked_at` stays."""
    ids = [row.order.pk for row in rows]
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_submission s
            SET next_poll_at = CASE WHEN o.ended_at < clock_timestamp() - interval '30 days' THEN NULL ELSE {_NEXT_POLL} END,
                polls = s.polls + 1,
                checked_at = CASE WHEN %(seq)s > 0 THEN clock_timestamp() ELSE s.checked_at END,
                observed_seq = greatest(s.observed_seq, %(seq)s)
            FROM orders_order o WHERE o.id = s.order_id AND s.order_id = ANY(%(ids)s) AND s.state = 'accepted'
            """,
            {"ids": ids, "seq": sequence},
        )


# ── changes without money ───────────────────────────────────────────────────────────────────────────


def _apply_changed(changed: Sequence[tuple[Followed, Observation, Projection]], sequence: int) -> int:
    """Two bulk UPDATEs and one bulk INSERT of events; rows that a newer answer reached first are left alone."""
    if not changed:
        return 0
    values = [
        {
            "id": row.order.pk,
            "from": row.order.status,
            "status": to.status,
            "start": to.start_count,
            "remains": to.remains,
            "attention": to.attention,
            "raw": seen.raw_word[:40],
            "charge": str(charge) if (charge := _charge(seen)) is not None else None,
        }
        for row, seen, to in sorted(changed, key=lambda item: item[0].order.pk)
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK_ORDERS, [[value["id"] for value in values]])
        cursor.execute(_CHANGE_SUBMISSIONS, {"rows": json.dumps(values), "seq": sequence})
        applied = {row[0] for row in cursor.fetchall()}
        cursor.execute(
            _CHANGE_ORDERS, {"rows": json.dumps([value for value in values if value["id"] in applied])}
        )
        moved = {row[0] for row in cursor.fetchall()}
        OrderEvent.objects.bulk_create(_events_of(changed, applied, moved))
    return len(moved)


_ROWS = """
    json_to_recordset(%(rows)s::json)
        AS v(id bigint, "from" text, status text, start bigint, remains bigint, attention text, raw text, charge numeric)
"""
_LOCK_ORDERS = "SELECT id FROM orders_order WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_CHANGE_SUBMISSIONS = f"""
    UPDATE orders_submission s
    SET next_poll_at = {_NEXT_POLL}, polls = s.polls + 1, checked_at = clock_timestamp(), observed_seq = %(seq)s,
        raw_word = v.raw, reported_charge = v.charge, seen_status = '', seen_remains = NULL, seen_at = NULL
    FROM {_ROWS}, orders_order o
    WHERE s.order_id = v.id AND o.id = v.id AND s.state = 'accepted' AND s.observed_seq < %(seq)s
    RETURNING s.order_id
"""
_CHANGE_ORDERS = f"""
    UPDATE orders_order o
    SET status = v.status, status_at = CASE WHEN o.status <> v.status THEN clock_timestamp() ELSE o.status_at END,
        start_count = v.start, remains = v.remains, attention = CASE WHEN v.attention <> '' THEN v.attention ELSE o.attention END
    FROM {_ROWS}
    WHERE o.id = v.id AND o.status = v."from"
      AND (o.status, o.start_count, o.remains, o.attention) IS DISTINCT FROM
          (v.status, v.start, v.remains, CASE WHEN v.attention <> '' THEN v.attention ELSE o.attention END)
    RETURNING o.id
"""


def _events_of(
    changed: Sequence[tuple[Followed, Observation, Projection]], applied: set[int], moved: set[int]
) -> list[OrderEvent]:
    now, events = timezone.now(), []
    for row, seen, to in changed:
        pk = row.order.pk
        if pk in moved and row.order.status != to.status:
            events.append(
                OrderEvent(
                    order_id=pk,
                    at=now,
                    kind="status",
                    actor="provider",
                    before=row.order.status,
                    after=to.status,
                )
            )
        if pk in applied and to.attention and to.attention != row.order.attention:
            events.append(
                OrderEvent(
                    order_id=pk,
                    at=now,
                    kind="note",
                    actor="provider",
                    after=seen.raw_word[:40],
                    why=to.attention,
                    staff_only=True,
                )
            )
    return events


# ── ends ────────────────────────────────────────────────────────────────────────────────────────────


def _end(row: Followed, seen: Observation, to: Projection, sequence: int) -> int:
    """Settle an end once it was seen twice with the same words and numbers; 1 when the order ended now."""
    with transaction.atomic():
        order = lock_order(row.order.pk)
        submission = Submission.objects.select_for_update().get(pk=order.pk)
        if submission.observed_seq >= sequence or order.final:
            return 0
        _remember(submission, seen, sequence)
        if not _confirmed(submission, to):
            return 0
        submission.next_poll_at = timezone.now() + FIRST_REREAD
        submission.polls = 0  # counts the re-reads from here
        submission.save()
        order.start_count = to.start_count
        _settle(order, to)
    return 1


def _settle(order: Order, to: Projection) -> None:
    if to.ends == "completed":
        if to.remains:
            order.attention = f"Completed with {to.remains} remaining"
        end_completed(order, to.remains, "Delivered", "provider")
    elif to.ends == "partial":
        end_partial(
            order,
            to.remains or 0,
            "Ended before the full quantity; the undelivered part was returned",
            "provider",
        )
    else:
        order.remains = to.remains
        end_with_full_refund(
            order, "Canceled by the delivery network; the whole charge was returned", "provider"
        )


def _remember(submission: Submission, seen: Observation, sequence: int) -> None:
    now = timezone.now()
    submission.observed_seq, submission.checked_at = sequence, now
    submission.raw_word, submission.reported_charge = seen.raw_word[:40], _charge(seen)


def _confirmed(submission: Submission, to: Projection) -> bool:
    """True for the second equal reading, STATUS_CONFIRM_SECONDS after the first (0: one is enough; Completed moves
    no money and needs none). Otherwise the reading is kept and asked again when it can confirm."""
    wait_s = 0 if to.ends == "completed" else settings.STATUS_CONFIRM_SECONDS
    now, same = timezone.now(), (submission.seen_status, submission.seen_remains) == (to.status, to.remains)
    if wait_s == 0 or (same and submission.seen_at and now - submission.seen_at >= timedelta(seconds=wait_s)):
        submission.seen_status, submission.seen_remains, submission.seen_at = "", None, None
        return True
    if not same:
        submission.seen_status, submission.seen_remains, submission.seen_at = to.status, to.remains, now
    first_seen = submission.seen_at or now
    submission.next_poll_at = max(now + timedelta(seconds=1), first_seen + timedelta(seconds=wait_s))
    submission.polls = F("polls") + 1
    submission.save()
    return False


def _alert_unknown_word(row: Followed, seen: Observation) -> None:
    word = seen.raw_word.strip().lower()[:40] or "nothing"
    provider_id = row.submission.provider_id
    raise_alert(
        f"word:{provider_id}:{word}",
        f'The provider reports the status "{seen.raw_word[:40]}", which is not known. The orders keep their status.',
        provider_id=provider_id,
        order_number=row.order.pk,
    )


def _charge(seen: Observation) -> Decimal | None:
    """The reported charge as our column holds it (8 decimals); it is evidence only, so an absurd one is dropped."""
    if seen.charge is None or abs(seen.charge) >= Decimal("1e11"):
        return None
    return seen.charge.quantize(Decimal("1e-8"))


def _id(row: Followed) -> str:
    return row.submission.provider_order_id or ""


def _next_sequence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('orders_observation_seq')")
        value: Any = cursor.fetchone()[0]
    return int(value)
