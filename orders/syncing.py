"""Applying what a provider said about orders: bulk where nothing or no money moves, one transaction per end.

    1. project() each answer (orders.projecting)
    2. unchanged orders: one bulk UPDATE. Changed and completed ones, where no money moves: bulk statements
    3. an end that moves money: after a second, equal reading; its own transaction (order, then wallet)

The number of statements does not grow with the batch. Missing ids are no information. Asking is
orders.status_lane.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop

from orders.completing import Completion, complete_all
from orders.loss_lock import alert_losses
from orders.models import Order, OrderEvent, Submission
from orders.projecting import Known, Projection, project
from orders.settlement import end_partial, end_with_full_refund, lock_order
from providers.adapters.results import Observation, Statuses
from providers.alerts import raise_alert

if TYPE_CHECKING:
    from django.db.models import QuerySet

FIRST_REREAD = timedelta(days=1)  # closed orders are read again after 1, 3, 5 … days, for 30 days


@dataclass(slots=True)
class Followed:
    """One order to ask about, with what project() needs to know; flat, because a lane reads thousands of them."""

    order_id: int
    provider_id: int
    upstream_id: str
    observed_seq: int
    raw_word: str
    reported_charge: Decimal | None
    seen_status: str
    attention: str
    known: Known


_READ = (
    "order_id", "provider_id", "provider_order_id", "observed_seq", "raw_word", "reported_charge", "seen_status",
    "order__attention", "order__status", "order__total", "order__start_count", "order__remains", "order__per_order",
    "order__runs",
)  # fmt: skip


def followed(rows: "QuerySet[Submission]") -> list[Followed]:
    """The submissions as what following them needs; one query, in its order."""
    return [
        Followed(
            order_id, provider_id, upstream_id or "", seq, word, charge, seen, attention,
            Known(status, total, start_count, remains, per_order, bool(runs)),
        )
        for order_id, provider_id, upstream_id, seq, word, charge, seen, attention,
            status, total, start_count, remains, per_order, runs in rows.values_list(*_READ)
    ]  # fmt: skip


def apply_observations(batch: Sequence[Followed], answers: Statuses, sequence: int) -> int:
    """Apply one batch of answers; returns how many orders changed what the customer sees.

    `sequence` was taken before the request left. Statements do not grow with the batch, but for ends.
    """
    quiet: list[Followed] = []
    untold: list[Followed] = []
    changed: list[_Told] = []
    completed: list[_Told] = []
    with_money: list[_Told] = []
    charges: dict[int, tuple[Decimal, str]] = {}
    unknown_words: dict[str, Followed] = {}
    for row in batch:
        seen = answers.found.get(row.upstream_id)
        if seen is None or sequence <= row.observed_seq:
            untold.append(row)
            continue
        to = project(row.known, seen)
        charge = _charge(seen)
        if charge and charge != row.reported_charge:
            charges[row.order_id] = charge, seen.currency
        if seen.word is None:
            unknown_words.setdefault(seen.raw_word, row)
        if to.ends == "completed":
            completed.append((row, seen, to))
        elif to.ends:
            with_money.append((row, seen, to))
        elif _differs(row, seen, charge, to):
            changed.append((row, seen, to))
        else:
            quiet.append(row)
    for raw_word, row in unknown_words.items():
        _alert_unknown_word(row, raw_word)
    touch(quiet, sequence)
    touch(untold)
    ended = _apply_changed(changed, sequence) + _complete(completed, sequence)
    ended += sum(_end(row, seen, to, sequence) for row, seen, to in with_money)
    alert_losses(charges)
    return ended


_Told = tuple[Followed, Observation, Projection]


def _differs(row: Followed, seen: Observation, charge: Decimal | None, to: Projection) -> bool:
    known = row.known
    return (
        (known.status, known.start_count, known.remains) != (to.status, to.start_count, to.remains)
        or (bool(to.attention) and row.attention != to.attention)
        or row.raw_word != seen.raw_word[:40]
        or row.reported_charge != charge
        or bool(row.seen_status)  # an end that was seen once and is not confirmed
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


def touch(rows: Iterable[Followed], sequence: int = 0) -> None:
    """One UPDATE for all that did not change. sequence 0: asked in vain, so `checked_at` stays."""
    ids = [row.order_id for row in rows]
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


def _apply_changed(changed: Sequence[_Told], sequence: int) -> int:
    """Two bulk UPDATEs and one bulk INSERT of events; rows that a newer answer reached first are left alone."""
    if not changed:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        applied = _change_submissions(cursor, changed, sequence, _CHANGE_SUBMISSIONS)
        cursor.execute(_CHANGE_ORDERS, {"rows": _as_json(changed, applied)})
        moved = {row[0] for row in cursor.fetchall()}
        OrderEvent.objects.bulk_create(_events_of(changed, applied, moved))
    return len(moved)


def _change_submissions(cursor: Any, told: Sequence[_Told], sequence: int, statement: str) -> set[int]:
    """Lock the orders, then note the readings where they are the newest; the ids where they were."""
    cursor.execute(_LOCK_ORDERS, [[row.order_id for row, _, _ in told]])
    cursor.execute(statement, {"rows": _as_json(told), "seq": sequence, "reread": FIRST_REREAD})
    return {row[0] for row in cursor.fetchall()}


def _as_json(told: Sequence[_Told], only: set[int] | None = None) -> str:
    return json.dumps(
        [
            {
                "id": row.order_id,
                "from": row.known.status,
                "status": to.status,
                "start": to.start_count,
                "remains": to.remains,
                "attention": to.attention,
                "raw": seen.raw_word[:40],
                "charge": str(charge) if (charge := _charge(seen)) is not None else None,
            }
            for row, seen, to in told
            if only is None or row.order_id in only
        ]
    )


_ROWS = """
    json_to_recordset(%(rows)s::json)
        AS v(id bigint, "from" text, status text, start bigint, remains bigint, attention text, raw text, charge numeric)
"""
_LOCK_ORDERS = "SELECT id FROM orders_order WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_CHANGE_SUBMISSIONS = f"""
    UPDATE orders_submission s
    SET next_poll_at = {_NEXT_POLL}, polls = s.polls + 1, checked_at = clock_timestamp(), observed_seq = %(seq)s,
        raw_word = v.raw, reported_charge = v.charge, seen_status = '', seen_remains = NULL, seen_at = NULL,
        progress_at = CASE WHEN (o.status, o.start_count, o.remains) IS DISTINCT FROM (v.status, v.start, v.remains)
                           THEN clock_timestamp() ELSE s.progress_at END
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


def _events_of(changed: Sequence[_Told], applied: set[int], moved: set[int]) -> list[OrderEvent]:
    now, events = timezone.now(), []
    for row, seen, to in changed:
        pk, before = row.order_id, row.known.status
        if pk in moved and before != to.status:
            events.append(
                OrderEvent(
                    order_id=pk, at=now, kind="status", actor="provider", before=before, after=to.status
                )
            )
        if pk in applied and to.attention and to.attention != row.attention:
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


# ── ends that move no money ─────────────────────────────────────────────────────────────────────────

_COMPLETE_SUBMISSIONS = f"""
    UPDATE orders_submission s
    SET next_poll_at = clock_timestamp() + %(reread)s, polls = 0, checked_at = clock_timestamp(), observed_seq = %(seq)s,
        raw_word = v.raw, reported_charge = v.charge, seen_status = '', seen_remains = NULL, seen_at = NULL
    FROM {_ROWS}, orders_order o
    WHERE s.order_id = v.id AND o.id = v.id AND o.ended_at IS NULL AND s.state = 'accepted' AND s.observed_seq < %(seq)s
    RETURNING s.order_id
"""


def _complete(completed: Sequence[_Told], sequence: int) -> int:
    """Completed moves no money and needs no second reading, so many end in one transaction."""
    if not completed:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        applied = _change_submissions(cursor, completed, sequence, _COMPLETE_SUBMISSIONS)
        ends = [
            Completion(row.order_id, to.start_count, to.remains, LEFT_OVER % to.remains if to.remains else "")
            for row, _seen, to in completed
            if row.order_id in applied
        ]
        complete_all(ends, "Delivered", "provider")
    return len(applied)


LEFT_OVER = "Completed with %s remaining"


# ── ends that move money ────────────────────────────────────────────────────────────────────────────


def _end(row: Followed, seen: Observation, to: Projection, sequence: int) -> int:
    """Settle an end once it was seen twice with the same words and numbers; 1 when the order ended now."""
    with transaction.atomic():
        order = lock_order(row.order_id)
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
    if to.ends == "partial":
        end_partial(
            order,
            to.remains or 0,
            gettext_noop("Ended before the full quantity; the undelivered part was returned"),
            "provider",
        )
    else:
        order.remains = to.remains
        end_with_full_refund(
            order, gettext_noop("Canceled by the delivery network; the whole charge was returned"), "provider"
        )


def _remember(submission: Submission, seen: Observation, sequence: int) -> None:
    now = timezone.now()
    submission.observed_seq, submission.checked_at = sequence, now
    submission.raw_word, submission.reported_charge = seen.raw_word[:40], _charge(seen)


def _confirmed(submission: Submission, to: Projection) -> bool:
    """True for the second equal reading, STATUS_CONFIRM_SECONDS after the first (0: one is enough). Otherwise the
    reading is kept and asked again when it can confirm."""
    wait_s = settings.STATUS_CONFIRM_SECONDS
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


def _alert_unknown_word(row: Followed, raw_word: str) -> None:
    word = raw_word.strip().lower()[:40] or "nothing"
    raise_alert(
        f"word:{row.provider_id}:{word}",
        f'The provider reports the status "{raw_word[:40]}", which is not known. The orders keep their status.',
        provider_id=row.provider_id,
        order_number=row.order_id,
    )


def _charge(seen: Observation) -> Decimal | None:
    """The reported charge as our column holds it (8 decimals); it is evidence only, so an absurd one is dropped."""
    if seen.charge is None or abs(seen.charge) >= Decimal("1e11"):
        return None
    return seen.charge.quantize(Decimal("1e-8"))
