"""The decision desk: orders of which nobody knows whether the provider has them (orders.desk has the rules)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from customers.access import allowed, confirm_again, staff_of
from customers.models import User
from customers.permissions import may
from orders import desk
from orders.models import Order, Submission, SubmissionAttempt
from orders.staff.attempts import Shown, shown_attempts
from orders.staff.timeline import end_of_doubt
from orders.waiting_words import waiting_words


@dataclass(frozen=True)
class Case:
    """One line of the list. `at_risk`: for reviewers the charge only, because cost is not theirs to see."""

    submission: Submission
    attempt: SubmissionAttempt | None
    age: timedelta
    at_risk: Decimal
    opens_at: datetime
    opens_in: timedelta

    @property
    def why(self) -> str:
        """Why nobody knows, in words."""
        return waiting_words((self.attempt and self.attempt.reason) or self.submission.waits_for)

    @property
    def open(self) -> bool:
        return self.opens_in <= timedelta(0)


@allowed("orders.see")
@require_safe
def cases(request: HttpRequest) -> HttpResponse:
    user, now = staff_of(request), timezone.now()
    found = [_case(submission, user, now) for submission in desk.unknown_submissions()]
    total = sum((case.at_risk for case in found), Decimal(0))
    return render(request, "orders/staff/unknown.html", {"cases": found, "at_risk": total})


@allowed("orders.see")
@require_safe
def case(request: HttpRequest, order_id: int) -> HttpResponse:
    """The evidence and the choices; an order that was decided meanwhile leads to its page, which says by whom."""
    try:
        evidence = desk.evidence_for(order_id)
    except desk.CannotDecide:
        if not Order.objects.filter(pk=order_id).exists():
            raise Http404 from None
        if told := end_of_doubt(order_id, staff_of(request)):
            messages.info(request, told)
        return redirect("staff_order", order_id)
    return _page(request, evidence)


@allowed(*dict.fromkeys(desk.VERB_OF.values()))
@require_POST
def decide(request: HttpRequest, order_id: int) -> HttpResponse:
    """Carry out one choice. Resend and write-off ask for the password or second factor first."""
    user, choice = staff_of(request), request.POST.get("choice", "")
    reason = request.POST.get("reason", "").strip()
    provider_order_id = request.POST.get("provider_order_id", "").strip()[:64]
    if choice in desk.NEEDS_PASSWORD_AGAIN and reason and may(user, desk.VERB_OF[choice]):
        confirm_again(request)
    was_open = Submission.objects.filter(pk=order_id, state=Submission.State.UNKNOWN).exists()
    try:
        state = desk.decide(
            order_id,
            choice,
            reason=reason,
            user=user,
            actor=user.email,
            provider_order_id=provider_order_id,
            request=request,
        )
    except desk.CannotDecide as error:
        return _refused(request, order_id, choice, str(error))
    if was_open:
        messages.success(request, _DONE[state])
    else:
        messages.info(
            request,
            _("It was decided so before; nothing was done twice.") + " " + end_of_doubt(order_id, user),
        )
    return redirect("staff_order", order_id)


_DONE: dict[str, Any] = {
    Submission.State.ACCEPTED: gettext_lazy("The provider has the order. It is followed like any other from now on."),
    Submission.State.REJECTED: gettext_lazy("The order is canceled and the whole charge was returned."),
    Submission.State.QUEUED: gettext_lazy("The order is queued and will be sent again, once."),
    Submission.State.CLAIMED: gettext_lazy("The order is being sent again."),
    Submission.State.SENDING: gettext_lazy("The order is being sent again."),
    Submission.State.WITHDRAWN: gettext_lazy("A cancel was waiting: the order is canceled and the whole charge was returned."),
    Submission.State.WRITTEN_OFF: gettext_lazy("The order is written off: the customer has the whole charge back at our loss."),
}  # fmt: skip


def _case(submission: Submission, user: User, now: datetime) -> Case:
    unknown = [row for row in submission.attempts.all() if row.state == SubmissionAttempt.State.UNKNOWN]
    attempt = max(unknown, key=lambda row: row.pk) if unknown else None
    charge = submission.order.charge
    opens_at = desk.resolvable_at(submission.state_at)
    return Case(
        submission=submission,
        attempt=attempt,
        age=now - submission.state_at,
        at_risk=max(charge, attempt.cost) if attempt and may(user, "money.see") else charge,
        opens_at=opens_at,
        opens_in=opens_at - now,
    )


def _page(request: HttpRequest, evidence: desk.Evidence, status: int = 200, **more: object) -> HttpResponse:
    user = staff_of(request)
    attempts: list[Shown] = shown_attempts(evidence.attempts, user)
    context = {
        "case": evidence,
        "order": evidence.order,
        "submission": evidence.order.submission,
        "attempts": attempts,
        "at_risk": evidence.at_risk if may(user, "money.see") else evidence.order.charge,
        "age": timezone.now() - evidence.since,
        "opens_in": evidence.resolvable_at - timezone.now(),
        "fell": {
            "yes": _("Yes: by this order's cost, and nothing else was sent meanwhile"),
            "no": _("No"),
            "cannot tell": _("Cannot tell: something else moved it too, or it was not read before and after"),
        }[evidence.balance_fell],
    }
    return render(request, "orders/staff/unknown_case.html", context | more, status=status)


def _refused(request: HttpRequest, order_id: int, choice: str, why: str) -> HttpResponse:
    """The case again with the reason why nothing changed, what was typed kept; or the order's page."""
    try:
        evidence = desk.evidence_for(order_id)
    except desk.CannotDecide:
        if not Order.objects.filter(pk=order_id).exists():
            raise Http404 from None
        told = end_of_doubt(order_id, staff_of(request))
        second = _("You were second; you changed nothing.")
        messages.error(request, f"{second} {told}" if told else why)
        return redirect(reverse("staff_order", args=[order_id]))
    return _page(request, evidence, 422, wrong=why, chosen=choice, typed=request.POST)
