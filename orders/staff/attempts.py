"""Attempts as staff may see them: an answer's amounts and our cost are for admins only."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from customers.models import User
from customers.permissions import may
from orders.models import SubmissionAttempt
from orders.staff.without_money import without_money
from orders.waiting_words import attempt_words


@dataclass(frozen=True)
class Shown:
    attempt: SubmissionAttempt
    reason: str  # a sentence without a full stop; "" where there is none, or the message says it
    message: str
    excerpt: str
    late: str
    cost: Decimal | None


def shown_attempts(attempts: Iterable[SubmissionAttempt], user: User) -> list[Shown]:
    """Newest first. Needs `provider` of each loaded where it is shown."""
    sees = may(user, "money.see")
    clean = str if sees else without_money
    return [
        Shown(
            attempt=attempt,
            reason=_reason(attempt),
            message=clean(attempt.message),
            excerpt=clean(attempt.excerpt),
            late=clean(str(attempt.late_evidence)) if attempt.late_evidence else "",
            cost=attempt.cost if sees else None,
        )
        for attempt in sorted(attempts, key=lambda row: row.pk, reverse=True)
    ]


def _reason(attempt: SubmissionAttempt) -> str:
    return attempt_words(attempt.reason) if attempt.reason and attempt.reason != "by_hand" else ""
