"""What tests of the staff pages share: people signed in with a second factor, orders the provider has or may have."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.test import Client
from django.utils import timezone

from customers.enrolling import enrol_totp
from customers.models import User
from customers.permissions import works_here
from orders.models import Order, Request, Submission, SubmissionAttempt
from orders.recording import Sent, record
from orders.requests import ask_cancel, ask_refill
from orders.settlement import end_completed, lock_order
from providers.adapters.errors import Uncertain
from providers.adapters.results import Accepted

TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def signed_in(user: User) -> Client:
    """A browser session; staff have their second factor."""
    if works_here(user):
        enrol_totp(user, TOTP_SECRET)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def accepted(order: Order, upstream_id: str | None = None, **fields: Any) -> Order:
    """The provider took it. `fields` are set on the order (status, remains, attention, start_count …)."""
    upstream_id = upstream_id or f"up{order.pk}"
    record(_begun(order), Accepted(upstream_id, 200, f'{{"order": "{upstream_id}"}}'))
    Order.objects.filter(pk=order.pk).update(**{"status": "In progress"} | fields)
    return Order.objects.get(pk=order.pk)


def completed(order: Order, **fields: Any) -> Order:
    accepted(order, **fields)
    with transaction.atomic():
        end_completed(lock_order(order.pk), 0, "Delivered", "provider")
    return Order.objects.get(pk=order.pk)


def doubtful(order: Order, excerpt: str = "", candidate_id: str = "", age: timedelta = timedelta(0)) -> Order:
    """Nobody knows whether the provider has it."""
    error = Uncertain(
        "The provider did not answer in time.",
        reason="deadline",
        http_status=502,
        excerpt=excerpt,
        candidate_id=candidate_id,
    )
    record(_begun(order), error)
    Submission.objects.filter(pk=order.pk).update(state_at=timezone.now() - age)
    return Order.objects.get(pk=order.pk)


def refill_asked(order: Order, hours: float = 0, **words: Any) -> Request:
    return _aged(ask_refill(order.pk, by="customer", **words), hours)


def cancel_asked(order: Order, hours: float = 0, **words: Any) -> Request:
    return _aged(ask_cancel(order.pk, by="customer", **words), hours)


def unclear(request: Request, message: str = "An HTML page") -> Request:
    """The provider may have taken this refill, or not."""
    row = Request.objects.filter(pk=request.pk)
    row.update(state="approved")
    row.update(state="claimed", lease_until=timezone.now())
    row.update(state="sending")
    row.update(state="unknown", lease_until=None, upstream_message=message)
    request.refresh_from_db()
    return request


def _aged(request: Request, hours: float) -> Request:
    Request.objects.filter(pk=request.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    request.refresh_from_db()
    return request


def _begun(order: Order) -> Sent:
    """T1 and T2 as the lane commits them."""
    submission = Submission.objects.get(pk=order.pk)
    lease = timezone.now() + timedelta(minutes=5)
    row = Submission.objects.filter(pk=order.pk)
    row.update(state="claimed", fence=1, lease_until=lease)
    row.update(state="sending")
    SubmissionAttempt.objects.create(
        submission=submission,
        fence=1,
        provider_id=submission.provider_id,
        offer_id=submission.offer_id,
        cost=order.cost,
        params_hash="hash",
    )
    return Sent(order_id=order.pk, fence=1, provider_id=submission.provider_id)
