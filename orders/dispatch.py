"""The kill switch for sending, and the counter that tells a database that went back in time.

The counter is bumped in PostgreSQL before each batch of claims and copied to Redis and to a file under
var/. A copy ahead of the database means: this database is older than what was sent from it. Then sending
pauses and says so, until `resume_dispatch --after-restore` has turned everything in doubt into unknown.
"""

import fcntl
import logging
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from orders.models import DispatchSwitch, OrderEvent, Request, Submission, SubmissionAttempt
from providers.alerts import close_alert, raise_alert
from providers.models import Alert

log = logging.getLogger(__name__)
_REDIS: redis.Redis | None = None
# No fence that was given out after the backup may be given again: its holder may still come with an answer.
FENCES_SKIPPED = 1000
NEEDS_A_DECISION = "Sending is paused: the database was restored or failed over. Decide with resume_dispatch --after-restore."


def is_paused() -> bool:
    """Also while the switch is missing, as in the middle of a restore."""
    return not DispatchSwitch.objects.filter(paused_at=None).exists()


def went_back() -> bool:
    """Whether the database is known to be older than what was sent from it, and nobody has decided yet.

    Then "queued" does not mean that nothing was sent: an order is neither withdrawn nor given another route.
    """
    return not DispatchSwitch.objects.filter(restored=False).exists()


def predates_a_restore(attempt: SubmissionAttempt) -> bool:
    """Whether the attempt was begun before the database last went back. What became of the order after the backup
    is not known here (it may have been sent again), so a late refusal of this attempt proves nothing any more."""
    return DispatchSwitch.objects.filter(restored_at__gte=attempt.started_at).exists()


def pause_dispatch(by: str, reason: str) -> bool:
    """Stop all sending; reading goes on. False when it was paused already."""
    return bool(
        DispatchSwitch.objects.filter(pk=1, paused_at=None).update(
            paused_at=timezone.now(), paused_by=by, reason=reason[:300]
        )
    )


def resume_dispatch(by: str, *, after_restore: bool = False) -> int:
    """Send again. After a restore, everything that is not final becomes unknown first; returns how many.

    Raises RestoreUndecided when the counter says "restored" (or the switch is missing, so that nobody knows) and
    after_restore was not asked for.
    """
    switch = DispatchSwitch.objects.filter(pk=1).first()
    if (switch is None or switch.restored) and not after_restore:
        raise RestoreUndecided(
            "This database was restored from a backup: orders may have been sent since. Use --after-restore."
        )
    if switch is None:
        switch, _created = DispatchSwitch.objects.get_or_create(
            pk=1,
            defaults={"paused_at": timezone.now(), "restored": True, "reason": "The switch was missing."},
        )
    doubted = _doubt_everything_open(by) if after_restore else 0
    counter = max(switch.counter, *_copies()) + 1
    DispatchSwitch.objects.filter(pk=1).update(
        paused_at=None, paused_by="", reason="", restored=False, counter=counter
    )
    _copy(counter)
    close_alert("dispatch:restored", by=by)
    return doubted


class RestoreUndecided(Exception):
    """Sending may not go on before the submissions of a restored database were put in doubt."""


def open_dispatch() -> bool:
    """Before a batch of claims: True if sending is allowed. Bumps the counter and compares its copies."""
    with transaction.atomic():
        switch = DispatchSwitch.objects.select_for_update().filter(pk=1).first()
        if switch is None or switch.paused_at:
            return False
        went_back_now = _pause_if_copies_are_ahead(switch)
        if not went_back_now:
            DispatchSwitch.objects.filter(pk=1).update(counter=F("counter") + 1)
            switch.counter += 1
    if went_back_now:
        _alarm_restored()
        return False
    _copy(switch.counter)
    return True


def notice_a_restore() -> None:
    """Compare the copies without sending anything, so that a database that went back is known before its queued
    orders are withdrawn or given another route. A copy is written after its commit, so it is never ahead otherwise."""
    # Copies first: whatever is committed after they were read only makes the counter larger.
    if not DispatchSwitch.objects.filter(restored=False, counter__lt=max(_copies())).exists():
        return
    with transaction.atomic():
        switch = DispatchSwitch.objects.select_for_update().filter(pk=1).first()
        noticed = switch is not None and not switch.restored and _pause_if_copies_are_ahead(switch)
    if noticed:
        _alarm_restored()


def _pause_if_copies_are_ahead(switch: DispatchSwitch) -> bool:
    """The caller holds the switch's lock."""
    if max(_copies()) <= switch.counter:
        return False
    switch.paused_at, switch.paused_by, switch.restored = timezone.now(), "system", True
    switch.reason = "The database is older than what was sent from it (restored or failed over)."
    switch.save()
    DispatchSwitch.objects.filter(pk=1).update(restored_at=Now())
    return True


def _alarm_restored() -> None:
    raise_alert("dispatch:restored", NEEDS_A_DECISION, level=Alert.Level.CRITICAL)


def _doubt_everything_open(by: str) -> int:
    """Everything not final in the backup may have been sent after it was made: make it unknown, each with its event.

    Approved refills go back to review for the same reason; cancels may be repeated without harm.
    Held orders of providers that staff work by hand are never sent, so they stay.
    """
    open_states = [
        Submission.State.HELD,
        Submission.State.QUEUED,
        Submission.State.CLAIMED,
        Submission.State.SENDING,
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL headwater.after_restore = 'on'")
        ids = list(
            Submission.objects.select_for_update()
            .filter(state__in=open_states)
            .exclude(provider__adapter="manual")
            .values_list("order_id", flat=True)
        )
        Submission.objects.filter(order_id__in=ids, state__in=["held", "claimed"]).update(
            state=Submission.State.QUEUED, lease_until=None
        )
        # An attempt row makes each case one for the desk, and forbids a resend until it is decided.
        cursor.execute(
            """
            INSERT INTO orders_submissionattempt (submission_id, fence, provider_id, offer_id, cost, state, reason, message, candidate_id,
                                                  params_hash, excerpt, started_at, ended_at)
            SELECT s.order_id, s.fence + %s, s.provider_id, s.offer_id, o.cost, 'unknown', 'restored',
                   'The database was restored; the order may have been sent after the backup.', '', '', '', now(), now()
            FROM orders_submission s JOIN orders_order o ON o.id = s.order_id WHERE s.order_id = ANY(%s) AND s.state = 'queued'
            """,
            [FENCES_SKIPPED, ids],
        )
        cursor.execute(
            "UPDATE orders_submissionattempt SET state = 'unknown', reason = 'restored', ended_at = now() WHERE submission_id = ANY(%s) AND state = 'sending'",
            [ids],
        )
        Submission.objects.filter(state=Submission.State.UNKNOWN).update(fence=F("fence") + FENCES_SKIPPED)
        Submission.objects.filter(order_id__in=ids).update(
            state=Submission.State.UNKNOWN,
            state_at=timezone.now(),
            lease_until=None,
            fence=F("fence") + FENCES_SKIPPED,
        )
        OrderEvent.objects.bulk_create(
            OrderEvent(
                order_id=pk,
                kind=OrderEvent.Kind.SUBMISSION,
                actor=by,
                after=Submission.State.UNKNOWN,
                why="The database was restored from a backup",
            )
            for pk in ids
        )
        refills = Request.objects.filter(kind=Request.Kind.REFILL)
        refills.filter(state=Request.State.CLAIMED).update(state=Request.State.APPROVED, lease_until=None)
        refills.filter(state__in=[Request.State.APPROVED, Request.State.SENDING]).update(
            state=Request.State.REQUESTED,
            lease_until=None,
            state_at=timezone.now(),
            internal_note="The database was restored: this refill may have been sent already.",
        )
    return len(ids)


# ── copies ──────────────────────────────────────────────────────────────────────────────────────────


def _copies() -> list[int]:
    """The counter's copies that can be read; [0] where there is none (a missing copy is rewritten)."""
    return [value for value in (_redis_copy(), _file_copy()) if value is not None] or [0]


# A copy never falls: of two workers that copy at once, the one that is late must not undo the other.
_RAISE = "local now = tonumber(redis.call('GET', KEYS[1]) or '0') if tonumber(ARGV[1]) > now then redis.call('SET', KEYS[1], ARGV[1]) end"


def _copy(counter: int) -> None:
    try:
        _redis().eval(_RAISE, 1, _name(), counter)
    except redis.RedisError:
        log.debug("dispatch counter not copied to Redis")
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if counter > (_file_copy() or 0):
                fresh = path.with_suffix(".new")
                fresh.write_text(str(counter))
                fresh.replace(path)
    except OSError:
        log.debug("dispatch counter not copied to var/")


def _redis_copy() -> int | None:
    try:
        value = _redis().get(_name())
    except redis.RedisError:
        return None
    return int(value) if value else None


def _file_copy() -> int | None:
    try:
        return int(_path().read_text())
    except (OSError, ValueError):
        return None


def _path() -> Path:
    return Path(settings.STATE_DIR) / _name()


def _name() -> str:
    """One copy per database name: panels may share a Redis or a folder."""
    return f"dispatch-counter-{connection.settings_dict['NAME']}"


def _redis() -> redis.Redis:
    global _REDIS
    if _REDIS is None:
        _REDIS = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
    return _REDIS
