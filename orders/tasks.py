"""Celery tasks: thin. Arguments are ids; what is due, and whether it may be done, is read from PostgreSQL."""

from datetime import timedelta

from celery import shared_task
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from customers.notices import forget_old, send_waiting
from orders.asking_again import providers_to_ask
from orders.ledger_watch import check_and_tell
from orders.mass_rest import forget_old_rests
from orders.models import Request, Submission
from orders.notices import write_due
from orders.request_lane import refills_lane as run_refills_lane
from orders.request_lane import requests_lane as run_requests_lane
from orders.resuming import due_for_a_reading, resume_covered
from orders.status_lane import status_lane as run_status_lane
from orders.submission import submit_lane as run_submit_lane
from orders.sweeping import sweep as run_sweep
from orders.tallying import tally as run_tally
from orders.watching import clock_is_silent, watch
from providers.lanes import LaneBusy
from providers.models import Lane, Provider
from providers.tasks import tell_operators
from providers.telling import plan, tell_due


@shared_task(queue="submit", acks_late=False, max_retries=0)
def submit_lane(provider_id: int) -> None:
    try:
        run_submit_lane(provider_id)
    except LaneBusy:
        pass  # its holder takes what is due; beat looks again in 2 s


@shared_task(queue="submit", acks_late=False, max_retries=0)
def requests_lane(provider_id: int) -> None:
    try:
        run_requests_lane(provider_id)
    except LaneBusy:
        pass


@shared_task(queue="sync")
def status_lane(provider_id: int) -> None:
    try:
        run_status_lane(provider_id)
    except LaneBusy:
        pass


@shared_task(queue="sync")
def refills_lane(provider_id: int) -> None:
    try:
        run_refills_lane(provider_id)
    except LaneBusy:
        pass


@shared_task(queue="sync")
def wake_lanes() -> None:
    """Every 2 s: start a lane task for each provider that has due work and no holder. Hints may have been lost."""
    now = timezone.now()
    sending = Q(paused_at=None) & (Q(breaker="closed") | Q(breaker="half_open") | Q(breaker_until__lte=now))
    queued = Submission.objects.filter(
        provider=OuterRef("pk"), state=Submission.State.QUEUED, next_at__lte=now
    )
    followed = Submission.objects.filter(
        provider=OuterRef("pk"), state=Submission.State.ACCEPTED, next_poll_at__lte=now
    )
    of_provider = Request.objects.filter(order__submission__provider=OuterRef("pk"))
    approved = of_provider.filter(
        state=Request.State.APPROVED, next_at__lte=now, order__submission__state=Submission.State.ACCEPTED
    )
    refills = of_provider.filter(
        kind=Request.Kind.REFILL, state=Request.State.ACCEPTED, next_poll_at__lte=now
    )
    for task, kind, due in (
        (submit_lane, Lane.Kind.SUBMIT, (Q(Exists(queued)) | Q(pk__in=providers_to_ask())) & sending),
        (status_lane, Lane.Kind.STATUS, Q(Exists(followed))),
        (requests_lane, Lane.Kind.REQUESTS, Q(Exists(approved))),
        (refills_lane, Lane.Kind.REFILLS, Q(Exists(refills))),
    ):
        held = Lane.objects.filter(provider=OuterRef("pk"), kind=kind, lease_until__gt=now)
        by_api = Provider.objects.exclude(adapter="manual")  # staff work the others' orders
        for provider_id in by_api.filter(due).exclude(Exists(held)).values_list("pk", flat=True):
            task.apply_async(args=[provider_id], expires=30)


@shared_task(queue="sync")
def sweep() -> None:
    run_sweep()
    resume_covered()
    for provider_id in due_for_a_reading():
        from providers.tasks import read_balance

        read_balance.apply_async(args=[provider_id], expires=30)


@shared_task(queue="sync")
def check_ledger(whole: bool = False) -> None:
    """Hourly on what changed, nightly on all; drift is an alert until a check of all is clean."""
    check_and_tell(None if whole else timezone.now() - timedelta(hours=3))


@shared_task(queue="sync")
def tally() -> None:
    """Every ten minutes: the sums of hours and days that are over; after an upgrade, of those long past."""
    run_tally()
    forget_old_rests()


@shared_task(queue="sync")
def mail_notices() -> None:
    """Every minute: mails about what happened to orders are written, then sent."""
    write_due()
    send_waiting()
    forget_old()


@shared_task(queue="sync")
def watch_over() -> None:
    """Twice a minute: what is wrong becomes alerts, and alerts become notices to the operators."""
    watch()
    if plan():
        tell_operators.apply_async(expires=60)


@shared_task(queue="sync")
def watch_without_clock() -> None:
    """Each worker asks this of itself once a minute: while the clock is silent, somebody must look and tell."""
    if clock_is_silent():
        watch()
        if plan():
            tell_due()
