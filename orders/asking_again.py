"""Repeating by key: an unknown attempt may be asked again where the provider documents `request_id`.

The provider promises: same key and same parameters, same order. So the same body goes out again (same attempt
row, no new fence) for 24 hours after the first send. An order id settles unknown → accepted; every other
answer leaves it unknown. The pauses double (1, 2, 4 … minutes after the first send).

The desk waits while an attempt is being asked (`being_asked`): an order that a person just declared absent
must not come into being by our question.
"""

import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from orders.models import Order, Submission, SubmissionAttempt
from orders.recording import Sent, record
from orders.sending import SEND_WITHIN_S, account_of, hash_of, request_for
from providers import breaker
from providers.adapters.base import Adapter
from providers.adapters.errors import NotSent, ProviderError
from providers.adapters.results import Accepted
from providers.connecting import options_of
from providers.models import Provider
from providers.throttle import allowed

ASK_FOR = timedelta(hours=24)
FIRST_AFTER = timedelta(minutes=1)
MOST_AT_ONCE = 20
ANSWER_MARGIN = timedelta(seconds=60)

# The doubling without a counter: due once twice as much time passed since the first send as at the last question.
DUE_SQL = """
    a.state = 'unknown' AND a.reason <> 'restored' AND a.started_at > clock_timestamp() - make_interval(secs => %(for)s)
    AND a.started_at < clock_timestamp() - make_interval(secs => %(first)s)
    AND (a.asked_again_at IS NULL OR clock_timestamp() - a.started_at >= 2 * (a.asked_again_at - a.started_at))
"""
_TIMES = {"for": ASK_FOR.total_seconds(), "first": FIRST_AFTER.total_seconds()}

_TAKE = f"""
    UPDATE orders_submissionattempt SET asked_again_at = clock_timestamp()
    WHERE id = ANY(ARRAY(  -- chosen once, as in orders.submission
        SELECT a.id FROM orders_submissionattempt a JOIN orders_submission s ON s.order_id = a.submission_id AND s.state = 'unknown'
        WHERE a.provider_id = %(provider)s AND {DUE_SQL}
          AND EXISTS (SELECT 1 FROM orders_dispatchswitch WHERE paused_at IS NULL)
          AND NOT EXISTS (SELECT 1 FROM providers_provider p WHERE p.id = a.provider_id AND p.paused_at IS NOT NULL)
        ORDER BY a.asked_again_at NULLS FIRST, a.id LIMIT 1 FOR UPDATE OF a, s SKIP LOCKED
    ))
    RETURNING submission_id, fence, provider_id, params_hash
"""
_PROVIDERS = f"""
    SELECT DISTINCT a.provider_id FROM orders_submissionattempt a
    JOIN providers_provider p ON p.id = a.provider_id AND p.options ->> 'request_id' IN ('true', '1', 'yes', 'on') AND p.paused_at IS NULL
    JOIN orders_submission s ON s.order_id = a.submission_id AND s.state = 'unknown'
    WHERE {DUE_SQL}
"""


def providers_to_ask() -> list[int]:
    """Providers with unknown attempts that may be asked again by key now."""
    with connection.cursor() as cursor:
        cursor.execute(_PROVIDERS, _TIMES)
        return sorted(row[0] for row in cursor.fetchall())


def ask_again(provider: Provider, adapter: Adapter, *, until: float) -> int:
    """Ask about unknown attempts that are due, one after the other; returns how many were settled.

    The caller holds the provider's submit lane. `until` is on time.monotonic(). Stops at the first answer that
    settles nothing: the provider is no better yet.
    """
    options, settled = options_of(provider), 0
    if not options["request_id"]:
        return 0
    for _ in range(MOST_AT_ONCE):
        if time.monotonic() >= until or breaker.permit(provider.pk).limit == 0:
            break
        if not allowed(provider.pk, options["rate_per_minute"]):
            break
        begun_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        taken = _take(provider.pk)
        if taken is None:
            break
        outcome = _ask(adapter, taken[0], taken[1], begun_at)
        if not isinstance(outcome, Accepted) or record(taken[0], outcome) != "accepted":
            break
        settled += 1
    return settled


def _take(provider_id: int) -> tuple[Sent, str] | None:
    """One attempt whose question is now ours: committed before the question leaves."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"provider": provider_id, **_TIMES})
        row = cursor.fetchone()
    return (Sent(row[0], row[1], row[2]), row[3]) if row else None


def _ask(adapter: Adapter, sent: Sent, params_hash: str, begun_at: float) -> Accepted | ProviderError:
    def still_in_time() -> None:
        if time.clock_gettime(time.CLOCK_BOOTTIME) - begun_at > SEND_WITHIN_S:
            raise NotSent("More than 5 seconds passed before asking; nothing was sent.", reason="too_late")

    order = Order.objects.select_related("service", "submission__offer").get(pk=sent.order_id)
    request = request_for(order, with_key=True)
    if hash_of(request, account_of(adapter)) != params_hash:
        # Sent without a key, or to another address or account: there our key would mean a new order.
        return NotSent("The attempt was not sent with this key to this account.", reason="changed")
    try:
        return adapter.add(request, before_write=still_in_time)
    except ProviderError as error:
        return error


def being_asked(submission: Submission) -> datetime | None:
    """Until when an answer to a repeated question may still come, or None."""
    asked = (
        submission.attempts.filter(state=SubmissionAttempt.State.UNKNOWN, asked_again_at__isnull=False)
        .values_list("asked_again_at", flat=True)
        .first()
    )
    if asked is None:
        return None
    over = asked + timedelta(seconds=options_of(submission.provider)["deadline_s"]) + ANSWER_MARGIN
    return over if over > timezone.now() else None
