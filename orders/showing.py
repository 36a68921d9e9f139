"""Orders, requests and cases as the JSON of the commands (docs: CONTRACT's fields). Money as Decimal, times aware."""

from typing import Any

from orders.desk import resolvable_at
from orders.models import Order, Request, Submission, SubmissionAttempt


def order_json(order: Order) -> dict[str, Any]:
    submission = order.submission
    return {
        "id": order.pk,
        "customer": order.user.email,
        "service": order.service_id,
        "link": order.link,
        "quantity": order.quantity,
        "runs": order.runs,
        "interval": order.interval,
        "total": order.total,
        "fields": order.fields,
        "reference": order.reference,
        "status": order.status,
        "submission": submission.state,
        "provider": submission.provider.name,
        "provider_order_id": submission.provider_order_id,
        "charge": order.charge,
        "cost": order.cost,
        "refunded": order.refunded,
        "start_count": order.start_count,
        "remains": order.remains,
        "attention": order.attention,
        "created_at": order.created_at,
        "ended_at": order.ended_at,
        "checked_at": submission.checked_at,
        "next_at": submission.next_at,
        "waits_for": submission.waits_for,
        "attempts": [
            attempt_json(attempt) for attempt in sorted(submission.attempts.all(), key=lambda row: row.pk)
        ],
        "requests": [
            {"id": row.pk, "kind": row.kind, "state": row.state}
            for row in sorted(order.requests.all(), key=lambda row: row.pk)
        ],
        "events": [
            {
                "at": row.at,
                "actor": row.actor,
                "kind": row.kind,
                "from": row.before,
                "to": row.after,
                "why": row.why,
                "amount": row.amount,
            }
            for row in sorted(order.events.all(), key=lambda row: row.pk)
        ],
    }


def attempt_json(attempt: SubmissionAttempt) -> dict[str, Any]:
    return {
        "state": attempt.state,
        "reason": attempt.reason,
        "message": attempt.message,
        "http_status": attempt.http_status,
        "candidate_id": attempt.candidate_id,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
    }


def request_json(request: Request) -> dict[str, Any]:
    return {
        "id": request.pk,
        "order": request.order_id,
        "kind": request.kind,
        "state": request.state,
        "upstream_id": request.upstream_id,
        "note": request.note,
        "upstream_message": request.upstream_message,
    }


def case_json(case: Submission) -> dict[str, Any]:
    """One unknown submission; its id is what unknown_resolve takes: the order's."""
    attempts = [row for row in case.attempts.all() if row.state == SubmissionAttempt.State.UNKNOWN]
    attempt = attempts[-1] if attempts else None
    return {
        "id": case.order_id,
        "order": case.order_id,
        "provider": case.provider.name,
        "reason": attempt.reason if attempt else case.waits_for,
        "message": attempt.message if attempt else "",
        "candidate_id": attempt.candidate_id if attempt else "",
        "charge": case.order.charge,
        "since": case.state_at,
        "resolvable_at": resolvable_at(case.state_at),
    }
