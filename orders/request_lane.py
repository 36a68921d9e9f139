"""Sending approved refills and cancels upstream, and following refills.

The same order of steps as for orders: claim, commit "sending", one call, record. A cancel is harmless to
repeat, so an unclear answer is asked again with back-off. A refill is not: an unclear answer makes it
unknown, for the review queue. `cancel: 1` moves no money; the status does, later.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from orders.dispatch import is_paused
from orders.models import OrderEvent, Request, Submission
from orders.sending import SEND_WITHIN_S
from orders.slots import slots
from providers.adapters.base import Adapter
from providers.adapters.errors import NotSent, ProviderError, Refused
from providers.adapters.results import RefillWord, RequestAnswer
from providers.connecting import adapter_or_none, options_of, read_failed, read_worked
from providers.lanes import Holding, hold
from providers.metering import metered
from providers.models import Lane, Provider
from providers.throttle import allowed

LEASE_MARGIN_S = 60
REQUESTS, REFILLS = "Requests", "Refills"  # how an error of theirs begins on the provider's page
INCOMPLETE = "The connection of this provider is not complete."
# Refusals about our key or pace, not about the request: it waits.
WAITS = frozenset({"auth", "rate_limit", "provider_funds"})


@dataclass
class Tally:
    provider: int
    sent: int = 0
    accepted: int = 0
    refused: int = 0
    unclear: int = 0
    changed: int = 0
    error: str = ""


def requests_lane(provider_id: int, *, force: bool = False, wait_s: float = 0) -> Tally:
    """Send what is approved and due at one provider (`force`: all that is approved, once). Raises LaneBusy; provider errors are in the tally."""
    provider, tally = Provider.objects.get(pk=provider_id), Tally(provider_id)
    if not provider.sends_by_itself:
        return tally
    options, adapter = options_of(provider), adapter_or_none(provider)
    if adapter is None:
        return Tally(provider_id, error=INCOMPLETE)
    hold_s = options["batch_deadline_s"] + LEASE_MARGIN_S
    with (
        hold(provider_id, Lane.Kind.REQUESTS, seconds=hold_s, wait_s=wait_s) as holding,
        metered(adapter, provider_id, Lane.Kind.REQUESTS),
        slots.take(1, slow=holding.slow) as slot,
    ):
        done = set[int]()
        for kind in (Request.Kind.CANCEL, Request.Kind.REFILL):
            while (
                slot
                and not slots.closing.is_set()
                and holding.renew()
                and not is_paused()
                and allowed(provider_id, options["rate_per_minute"])
            ):
                begun_at = time.clock_gettime(time.CLOCK_BOOTTIME)
                batch = _claim(provider_id, kind, options, done if force else None)
                if not batch or not _send(adapter, holding, kind, batch, begun_at, tally):
                    break
                done.update(request.pk for request in batch)
    _forget_earlier_error(provider, REQUESTS, tally)
    return tally


def _claim(provider_id: int, kind: str, options: dict[str, Any], besides: set[int] | None) -> list[Request]:
    """approved → sending, committed before the call leaves; only for orders the provider accepted.

    `besides` not None: whatever their next_at, but not these (they had their turn in this run).
    """
    now = timezone.now()
    due = Request.objects.filter(
        kind=kind,
        state=Request.State.APPROVED,
        order__submission__provider_id=provider_id,
        order__submission__state=Submission.State.ACCEPTED,
    )
    due = due.filter(next_at__lte=now) if besides is None else due.exclude(pk__in=besides)
    lease = Now() + timedelta(seconds=options["batch_deadline_s"] + LEASE_MARGIN_S)  # the sweeper's clock
    with transaction.atomic():
        locked = due.select_for_update(skip_locked=True, of=("self",)).select_related("order__submission")
        batch = list(locked.order_by("next_at")[: min(100, options["batch_size"])])
        claimed = Request.objects.filter(pk__in=[request.pk for request in batch])
        claimed.update(state=Request.State.CLAIMED, fence=F("fence") + 1, lease_until=lease)
        claimed.update(state=Request.State.SENDING, state_at=now)
    return batch


def _send(
    adapter: Adapter, holding: Holding, kind: str, batch: Sequence[Request], begun_at: float, tally: Tally
) -> bool:
    """One call for the batch; False when it is no use to go on with this provider now.

    `begun_at` (CLOCK_BOOTTIME) is from before the claim. A process that was frozen since may have lost it, and a
    person may have decided meanwhile: then nothing is sent. From the first byte on the call's deadline is within the
    lease.
    """

    def still_in_time() -> None:
        if time.clock_gettime(time.CLOCK_BOOTTIME) - begun_at > SEND_WITHIN_S:
            raise NotSent("More than 5 seconds passed before asking; nothing was sent.", reason="too_late")

    by_upstream = {request.order.submission.provider_order_id or "": request for request in batch}
    tally.sent += len(batch)
    try:
        ask = adapter.cancel if kind == Request.Kind.CANCEL else adapter.refill
        answers = holding.asked(lambda: ask(list(by_upstream), before_write=still_in_time))
    except ProviderError as error:
        tally.error = error.message
        read_failed(tally.provider, REQUESTS, error)
        _whole_call_failed(kind, batch, error, tally)
        return False
    for upstream_id, request in by_upstream.items():
        _record(kind, request, answers, upstream_id, tally)
    return True


def _record(
    kind: str, request: Request, answers: Mapping[str, RequestAnswer], upstream_order_id: str, tally: Tally
) -> None:
    answer = answers.get(upstream_order_id)
    if answer is None:
        _unclear(kind, request, "The provider's answer does not mention this order.", tally)
    elif answer.accepted:
        tally.accepted += 1
        now = timezone.now()
        _move(
            request,
            Request.State.ACCEPTED,
            "The provider took the request",
            upstream_id=answer.upstream_id[:100],
            next_poll_at=now if kind == Request.Kind.REFILL and answer.upstream_id else None,
        )
        # A cancel shows in the order's status, so that is asked soon.
        Submission.objects.filter(order_id=request.order_id, next_poll_at__isnull=False).update(
            next_poll_at=now
        )
    elif answer.kind in WAITS:
        _again(request, answer.message)
    else:
        tally.refused += 1
        _move(
            request,
            Request.State.REQUESTED,
            f"Refused by the provider: {answer.message}",
            upstream_message=answer.message[:500],
            decided_by=None,
        )


def _whole_call_failed(kind: str, batch: Sequence[Request], error: ProviderError, tally: Tally) -> None:
    for request in batch:
        if isinstance(error, NotSent) or (isinstance(error, Refused) and error.kind in WAITS):
            _again(request, error.message)
        elif isinstance(error, Refused):
            tally.refused += 1
            _move(
                request,
                Request.State.REQUESTED,
                f"Refused by the provider: {error.message}",
                upstream_message=error.message[:500],
                decided_by=None,
            )
        else:
            _unclear(kind, request, error.message, tally)


def _unclear(kind: str, request: Request, message: str, tally: Tally) -> None:
    tally.unclear += 1
    if kind == Request.Kind.CANCEL:
        _again(request, message)
    else:
        _move(request, Request.State.UNKNOWN, f"No clear answer: {message}", upstream_message=message[:500])


def _again(request: Request, message: str) -> None:
    """Back to approved, later each time (15 s doubling to 30 min)."""
    wait = timedelta(seconds=min(1800, 15 * 2 ** min(request.tries, 7)))
    Request.objects.filter(pk=request.pk, state=Request.State.SENDING, fence=request.fence + 1).update(
        state=Request.State.APPROVED,
        lease_until=None,
        tries=F("tries") + 1,
        next_at=timezone.now() + wait,
        upstream_message=message[:500],
    )


def _move(request: Request, state: str, why: str, **fields: object) -> None:
    """sending → state, if the claim is still ours, with its event."""
    with transaction.atomic():
        won = Request.objects.filter(
            pk=request.pk, state=Request.State.SENDING, fence=request.fence + 1
        ).update(state=state, state_at=timezone.now(), lease_until=None, **fields)
        if won:
            OrderEvent.objects.create(
                order_id=request.order_id,
                kind=OrderEvent.Kind.REQUEST,
                actor="provider",
                before=f"{request.kind} sending",
                after=f"{request.kind} {state}",
                why=why[:500],
                staff_only=state != Request.State.ACCEPTED,
            )


# ── following refills ───────────────────────────────────────────────────────────────────────────────


def refills_lane(provider_id: int, *, force: bool = False, wait_s: float = 0) -> Tally:
    """Ask what became of accepted refills. Raises LaneBusy; provider errors are in the tally."""
    provider, tally = Provider.objects.get(pk=provider_id), Tally(provider_id)
    if not provider.sends_by_itself:
        return tally
    options, adapter = options_of(provider), adapter_or_none(provider)
    if adapter is None:
        return Tally(provider_id, error=INCOMPLETE)
    hold_s = options["batch_deadline_s"] + LEASE_MARGIN_S
    with (
        hold(provider_id, Lane.Kind.REFILLS, seconds=hold_s, wait_s=wait_s) as holding,
        metered(adapter, provider_id, Lane.Kind.REFILLS),
        slots.take(1, slow=holding.slow) as slot,
    ):
        after, started = 0, timezone.now()
        while (
            slot
            and not slots.closing.is_set()
            and holding.renew()
            and allowed(provider_id, options["rate_per_minute"])
        ):
            rows = Request.objects.filter(
                kind=Request.Kind.REFILL,
                state=Request.State.ACCEPTED,
                order__submission__provider_id=provider_id,
                pk__gt=after,
            ).exclude(upstream_id="")
            if not force:
                rows = rows.filter(next_poll_at__lte=started)
            batch = list(rows.order_by("pk")[: min(100, options["batch_size"])])
            if not batch or not _read_refills(adapter, holding, batch, tally):
                break
            after = batch[-1].pk
    _forget_earlier_error(provider, REFILLS, tally)
    return tally


def _forget_earlier_error(provider: Provider, what: str, tally: Tally) -> None:
    """Something was asked and answered: an error that was noted before this run is over."""
    if tally.sent and not tally.error and provider.last_error.startswith(what):
        read_worked(provider.pk, what)


def _read_refills(adapter: Adapter, holding: Holding, batch: Sequence[Request], tally: Tally) -> bool:
    tally.sent += len(batch)
    try:
        upstream_ids = [request.upstream_id for request in batch]
        answers = holding.asked(lambda: adapter.refill_statuses(upstream_ids))
    except ProviderError as error:
        tally.error = error.message
        read_failed(tally.provider, REFILLS, error)
        _poll_later(batch)
        return False
    for request in batch:
        word, raw = answers.found.get(request.upstream_id), answers.raw.get(request.upstream_id, "")
        if word in {RefillWord.COMPLETED, RefillWord.REJECTED}:
            state = Request.State.DONE if word == RefillWord.COMPLETED else Request.State.REJECTED
            tally.changed += _end_refill(request, state, raw)
        elif raw and raw[:40] != request.raw_word:
            Request.objects.filter(pk=request.pk).update(raw_word=raw[:40])
    _poll_later(batch)
    return True


def _end_refill(request: Request, state: str, raw: str) -> int:
    with transaction.atomic():
        won = Request.objects.filter(pk=request.pk, state=Request.State.ACCEPTED).update(
            state=state, state_at=timezone.now(), next_poll_at=None, raw_word=raw[:40]
        )
        if won:
            OrderEvent.objects.create(
                order_id=request.order_id,
                kind=OrderEvent.Kind.REQUEST,
                actor="provider",
                before="refill accepted",
                after=f"refill {state}",
                why="The refill is done"
                if state == Request.State.DONE
                else "The refill was rejected by the delivery network",
            )
    return won


def _poll_later(batch: Sequence[Request]) -> None:
    """Every asked row is touched; young refills are asked often, old ones seldom."""
    now = timezone.now()
    for_soon = [request.pk for request in batch if now - request.state_at < timedelta(minutes=10)]
    live = Request.objects.filter(pk__in=[request.pk for request in batch], state=Request.State.ACCEPTED)
    live.update(checked_at=now, next_poll_at=now + timedelta(minutes=30))
    live.filter(pk__in=for_soon).update(next_poll_at=now + timedelta(seconds=5))
