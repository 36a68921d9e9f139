"""Refill and cancel requests: asking, deciding, taking back. Sending them upstream is orders.request_lane.

    requested → approved (by rule or staff) → claimed → sending → accepted → done | rejected by the provider
    requested → denied;   refill only: sending → unknown (it may have been taken), for the review queue

One live request per order and kind (a unique index): double clicks, two tabs and API retries get the open one.

By rule, as the service says: a cancel never, while the order is Pending (the default), or also later where
orders.rule_check has nothing to warn about (Service.cancel_rule); a refill where it may be and nothing is warned about
(auto_refill). What is warned about goes to a person. Of an order of which nothing was sent a cancel is done at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from customers.audit import record
from customers.models import User
from orders.actions import actions_for
from orders.hints import hint_requests
from orders.models import Order, OrderEvent, Request, Submission
from orders.refill_ids import WrongRefillId, refuse_if_taken, word_of
from orders.rule_check import check
from orders.settlement import lock_order, withdraw
from providers.models import Provider, Service

MOST_AT_ONCE = 100
# What a decision writes over. An approval keeps them in Request.undo_to, for whoever takes it back.
DECISION_FIELDS = (
    "state_at",
    "decided_by_id",
    "decided_at",
    "by_rule",
    "note",
    "next_at",
    "upstream_message",
)
UNDECIDED: dict[str, Any] = {
    "decided_by": None,
    "decided_at": None,
    "note": "",
}  # of approvals that kept nothing


class NotAllowed(Exception):
    """The order does not allow this now; the text says why, in the customer's words. Nothing changed."""


class AlreadyDecided(Exception):
    """Somebody else decided first; the text says what. Nothing changed."""


def ask_refill(order_id: int, *, by: str, reason: str = "", current_count: int | None = None) -> Request:
    """Ask for a refill; returns the open request where there is one. Raises NotAllowed."""
    with transaction.atomic():
        order = _locked(order_id)
        allowed = actions_for(order).refill
        if allowed.open_request:
            return allowed.open_request
        if not allowed.allowed:
            raise NotAllowed(allowed.why_not)
        return _open(order, Request.Kind.REFILL, by, reason, current_count)


def ask_cancel(order_id: int, *, by: str, reason: str = "") -> Request:
    """Ask to cancel. Of an order that was not sent yet it is done at once, with the whole charge back.

    While the order is being sent or verified the request waits; a Pending order's is approved by rule, unless its
    service has every cancel reviewed. Reviewed or not, it is done where the order turns out not to be sent.
    Returns the open request where there is one. Raises NotAllowed.
    """
    with transaction.atomic():
        order = _locked(order_id)
        allowed = actions_for(order).cancel
        if allowed.open_request:
            return allowed.open_request
        if not allowed.allowed:
            raise NotAllowed(allowed.why_not)
        if order.submission.state in Submission.NOTHING_SENT_YET:
            done = Request.objects.create(
                order=order,
                kind=Request.Kind.CANCEL,
                state=Request.State.APPROVED,
                created_by=by,
                reason=reason[:500],
                by_rule=True,
            )
            if withdraw(
                order, gettext_noop("Canceled before delivery began; the whole charge was returned"), by
            ):
                done.refresh_from_db()
                return done
            done.delete()  # a worker claimed the order a moment ago: go on as with any order that is being sent
            if not order.cancel_sold:
                raise NotAllowed(
                    _("The order is being sent now, and this service cannot be canceled once it was sent.")
                )
        return _open(order, Request.Kind.CANCEL, by, reason, None)


def decide(request_id: int, *, approve: bool, user: User | None, note: str = "", undo_s: int = 0) -> Request:
    """A reviewer's answer: one compare-and-set, so two reviewers never both decide.

    `user` None is the command line. Approving is due after `undo_s` seconds; rejecting needs a note for the customer (ValueError without one).
    What the provider said to an earlier try is not shown any more; undo brings it back.
    Raises AlreadyDecided with what the first decision was.
    """
    if not approve and not note.strip():
        raise ValueError(_("A note to the customer is needed to reject a request."))
    now = timezone.now()
    state = Request.State.APPROVED if approve else Request.State.DENIED
    with transaction.atomic():
        seen = Request.objects.select_for_update().get(pk=request_id)
        won = Request.objects.filter(pk=request_id, state=Request.State.REQUESTED).update(
            state=state,
            state_at=now,
            decided_by=user,
            decided_at=now,
            by_rule=False,
            note=note.strip()[:500],
            next_at=now + timedelta(seconds=undo_s),
            upstream_message="",
            undo_to=_kept(seen) if approve else None,
        )
        request = Request.objects.select_related("order__submission", "decided_by").get(pk=request_id)
        if not won:
            raise AlreadyDecided(_already(request))
        actor = user.email if user else "command line"
        _event(request, before=Request.State.REQUESTED, after=state, actor=actor, why=request.note)
        if user:
            _audit(user, "approve" if approve else "reject", request)
        if approve and undo_s == 0:
            hint_requests(request.order.submission.provider_id)
    return request


def _audit(by: User, act: str, request: Request, more: Mapping[str, str] | None = None) -> None:
    summary = f"{request.get_kind_display()} of order {request.order_id}: {act}"
    details = {"request": request.pk, "note": request.note} | dict(more or {})
    record(by, f"request.{act}", f"order:{request.order_id}", summary, details)


def undoable(user: User) -> QuerySet[Request]:
    """The user's own approvals that wait and were never on their way. One that was asked without a clear answer waits
    as approved, too, but left that state when it was sent, and may have arrived."""
    return Request.objects.filter(
        state=Request.State.APPROVED,
        decided_by=user,
        state_at=F("decided_at"),
        next_at__gt=timezone.now(),
    )


def _kept(request: Request) -> dict[str, Any]:
    """What DECISION_FIELDS hold now, as JSON: times in ISO 8601 with their microseconds."""
    values = {name: getattr(request, name) for name in DECISION_FIELDS}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


def undo(request_id: int, *, user: User) -> Request:
    """Take back one's own approval before it was sent: the request is what it was, with the words and the place on top
    of one that the provider had refused. Raises AlreadyDecided when it is too late."""
    with transaction.atomic():
        kept = Request.objects.select_for_update().values_list("undo_to", flat=True).get(pk=request_id) or {}
        before = {name: parse_datetime(v) if v and name.endswith("_at") else v for name, v in kept.items()}
        won = (
            undoable(user)
            .filter(pk=request_id)
            .update(state=Request.State.REQUESTED, undo_to=None, **(before or UNDECIDED))
        )
        request = Request.objects.select_related("order", "decided_by").get(pk=request_id)
        if not won:
            raise AlreadyDecided(_("It was sent to the provider already and cannot be undone."))
        _event(
            request,
            before=Request.State.APPROVED,
            after=Request.State.REQUESTED,
            actor=user.email,
            why=gettext_noop("Approval taken back"),
        )
        _audit(user, "undo", request)
    return request


@dataclass(frozen=True)
class RowResult:
    request_id: int
    done: bool
    message: str


def decide_many(
    request_ids: Iterable[int], *, approve: bool, user: User, note: str = "", undo_s: int = 0
) -> list[RowResult]:
    """Decide up to 100 requests; each on its own, one result per row."""
    results = []
    for request_id in list(dict.fromkeys(request_ids))[:MOST_AT_ONCE]:
        try:
            decide(request_id, approve=approve, user=user, note=note, undo_s=undo_s)
            results.append(RowResult(request_id, True, ""))
        except (AlreadyDecided, ValueError) as error:
            results.append(RowResult(request_id, False, str(error)))
        except Request.DoesNotExist:
            results.append(RowResult(request_id, False, _("There is no such request.")))
    return results


def settle_unknown_refill(
    request_id: int,
    *,
    choice: str,
    user: User,
    upstream_id: str = "",
    note: str = "",
    seen_there: bool = False,
) -> Request:
    """A refill without a clear answer: `exists` (with the provider's refill id) | `again` | `close` (note to the customer).

    The id must be found at the provider, which is asked for it, and be of no other request. `seen_there`: where the
    provider cannot be asked, the person's own word. Raises AlreadyDecided, or WrongRefillId; nothing changed then.
    """
    refill_id, found = upstream_id.strip()[:100], ""
    seen = Request.objects.select_related("order__submission__provider", "decided_by").get(pk=request_id)
    if seen.state != Request.State.UNKNOWN:
        raise AlreadyDecided(_already(seen))
    if choice == "exists":
        found = _found_there(seen, refill_id, seen_there)
    now = timezone.now()
    by_choice: dict[str, dict[str, Any]] = {
        "exists": {"state": Request.State.ACCEPTED, "upstream_id": refill_id, "next_poll_at": now},
        "again": {"state": Request.State.APPROVED, "next_at": now},
        "close": {"state": Request.State.DENIED, "note": note.strip()[:500]},
    }
    with transaction.atomic():
        if choice == "exists":  # one at a time at a provider: two people with one id for two requests
            Provider.objects.select_for_update(no_key=True).get(pk=seen.order.submission.provider_id)
            refuse_if_taken(seen, refill_id)
        won = Request.objects.filter(pk=request_id, state=Request.State.UNKNOWN).update(
            state_at=now, decided_by=user, decided_at=now, **by_choice[choice]
        )
        request = Request.objects.select_related("order__submission", "decided_by").get(pk=request_id)
        if not won:
            raise AlreadyDecided(_already(request))
        _event(request, before=Request.State.UNKNOWN, after=request.state, actor=user.email, why=note)
        if choice == "exists":
            _staff_note(request.order_id, user.email, f"Refill {refill_id}: {found}")
        details = {"refill_id": refill_id, "found": found} if choice == "exists" else {}
        _audit(user, f"settle_{choice}", request, details)
        if choice == "again":
            hint_requests(request.order.submission.provider_id)
    return request


def _found_there(request: Request, refill_id: str, seen_there: bool) -> str:
    """How the id is known, for the story and the audit. Raises WrongRefillId."""
    if not refill_id:
        raise WrongRefillId(_("Enter the provider's refill id."))
    refuse_if_taken(request, refill_id)
    try:
        return f"found at the provider, which says {word_of(request, refill_id)}"
    except WrongRefillId as error:
        if not (seen_there and error.at_hand):
            raise
        return f"not verified, taken on the person's word. {error}"


def _locked(order_id: int) -> Order:
    lock_order(order_id)
    return (
        Order.objects.select_related("service", "submission", "user")
        .prefetch_related("requests")
        .get(pk=order_id)
    )


def _open(order: Order, kind: str, by: str, reason: str, current_count: int | None) -> Request:
    now = timezone.now()
    request = Request(
        order=order,
        kind=kind,
        created_at=now,
        created_by=by,
        reason=reason.strip()[:500],
        current_count=current_count,
    )
    by_rule = _approved_by_rule(request, now)
    request.state = Request.State.APPROVED if by_rule else Request.State.REQUESTED
    request.by_rule, request.decided_at = by_rule, now if by_rule else None
    request.save(force_insert=True)
    why = gettext_noop("Approved by rule") if by_rule else gettext_noop("Waiting for review")
    _event(request, before="", after=request.state, actor=by, why=why)
    if by_rule:
        hint_requests(order.submission.provider_id)
    return request


def _approved_by_rule(request: Request, now: datetime) -> bool:
    """`request` is not saved yet; its order has service, submission and requests loaded."""
    order = request.order
    if request.kind == Request.Kind.CANCEL:
        rule = order.service.cancel_rule
        if order.status == Order.Status.PENDING:
            return rule != Service.CancelRule.REVIEW
        automatic = rule == Service.CancelRule.RULES
    else:
        automatic = order.service.auto_refill
    if not automatic:
        return False
    return all(finding.kind == "ok" for finding in check(request, list(order.requests.all()), now))


def _already(request: Request) -> str:
    who = request.decided_by.get_full_name() if request.decided_by else _("a rule")
    return _("This request was decided already: %(state)s by %(who)s.") % {
        "state": request.get_state_display().lower(),
        "who": who,
    }


def _event(request: Request, *, before: str, after: str, actor: str, why: str) -> None:
    OrderEvent.objects.create(
        order_id=request.order_id,
        kind=OrderEvent.Kind.REQUEST,
        actor=actor,
        before=f"{request.kind} {before}".strip() if before else "",
        after=f"{request.kind} {after}",
        why=why[:500],
    )


def _staff_note(order_id: int, actor: str, why: str) -> None:
    """A line that customers do not see."""
    OrderEvent.objects.create(
        order_id=order_id,
        kind=OrderEvent.Kind.NOTE,
        actor=actor,
        after="note",
        why=why[:500],
        staff_only=True,
    )
