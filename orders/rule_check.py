"""What the rules say about a request, before a person decides: window, earlier refills, support, remains.

Advice only: green where the rules are kept, amber where a person should look twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.figures import count, money
from orders.actions import refill_until
from orders.models import Order, Request, Submission
from providers.pricing import refund_target


@dataclass(frozen=True)
class Finding:
    kind: str  # "ok" or "warn", as the note component calls it
    text: str


def expected_count(order: Order) -> int | None:
    """What the counter on the link should show at least: start count + delivered. None without a start count."""
    return None if order.start_count is None else order.start_count + order.delivered


def missing_count(request: Request) -> int | None:
    """How many have dropped since, by the customer's count; None where a number is not known."""
    expected = expected_count(request.order)
    if expected is None or request.current_count is None:
        return None
    return expected - request.current_count


def comes_back(order: Order) -> str:
    """What a cancel would return now, as text: by remains where they are reported, else the whole charge."""
    target = order.charge
    if order.remains is not None:
        target = refund_target(order.charge, order.remains, order.total)
    return money(max(target - order.refunded, target * 0))


def check(request: Request, others: Sequence[Request], now: datetime) -> list[Finding]:
    """`others`: the order's other requests. Needs order, service and submission loaded."""
    findings = (
        _of_refill(request, others, now) if request.kind == Request.Kind.REFILL else _of_cancel(request)
    )
    if request.order.submission.state != Submission.State.ACCEPTED:
        findings.append(
            Finding("warn", _("The provider has not accepted this order; an approval waits for that."))
        )
    return findings


def _of_refill(request: Request, others: Sequence[Request], now: datetime) -> list[Finding]:
    order, until = request.order, refill_until(request.order)
    findings = []
    if not order.refill_sold:
        findings.append(Finding("warn", _("The service has no refill now.")))
    if order.status not in {Order.Status.COMPLETED, Order.Status.PARTIAL} or until is None:
        findings.append(
            Finding(
                "warn",
                _("The order has not ended: it is %(status)s.") % {"status": order.get_status_display()},
            )
        )
    else:
        findings.append(_window(request.created_at, until, now, order.service.refill_days))
    findings.append(_earlier(others))
    missing = missing_count(request)
    if missing is not None and missing <= 0:
        findings.append(Finding("warn", _("By the customer's own count nothing is missing.")))
    return findings


def _window(asked: datetime, until: datetime, now: datetime, days: int) -> Finding:
    words = {"days": days, "until": date_format(timezone.localtime(until), "j M")}
    if asked > until:
        return Finding(
            "warn", _("Asked after the %(days)s-day refill window, which ended on %(until)s.") % words
        )
    if now > until:
        return Finding(
            "ok", _("Asked inside the %(days)s-day refill window, which ended on %(until)s.") % words
        )
    return Finding("ok", _("Inside the %(days)s-day refill window until %(until)s.") % words)


def _earlier(others: Sequence[Request]) -> Finding:
    refills = [row for row in others if row.kind == Request.Kind.REFILL]
    given = [row for row in refills if row.state in {Request.State.DONE, Request.State.ACCEPTED}]
    refused = [row for row in refills if row.state in {Request.State.DENIED, Request.State.REJECTED}]
    if given:
        text = ngettext("%d earlier refill", "%d earlier refills", len(given)) % len(given)
        last = max(row.state_at for row in given)
        return Finding(
            "warn",
            _("%(earlier)s on this order, the last on %(when)s.")
            % {"earlier": text, "when": date_format(timezone.localtime(last), "j M")},
        )
    if refused:
        text = ngettext("%d earlier refill was refused.", "%d earlier refills were refused.", len(refused))
        return Finding("warn", text % len(refused))
    return Finding("ok", _("No refill yet on this order."))


def _of_cancel(request: Request) -> list[Finding]:
    order = request.order
    findings = []
    if order.final:
        findings.append(
            Finding(
                "warn",
                _("The order has ended already as %(status)s.") % {"status": order.get_status_display()},
            )
        )
    if order.cancel_sold:
        findings.append(Finding("ok", _("The service can be canceled.")))
    else:
        findings.append(Finding("warn", _("The service cannot be canceled once it was sent.")))
    if order.remains is None:
        findings.append(Finding("ok", _("No delivery was reported yet.")))
    elif order.remains == 0:
        findings.append(Finding("warn", _("Everything was delivered; nothing would come back.")))
    else:
        findings.append(Finding("ok", _("%(remains)s of %(total)s remain.") % {
            "remains": count(order.remains), "total": count(order.total)}))  # fmt: skip
    return findings
