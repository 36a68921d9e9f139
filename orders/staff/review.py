"""The review queue: staff decide refill and cancel requests (design: screen g).

A decision is a plain form; the answer leads to the next request. An approval waits UNDO_S seconds before it is
sent and can be taken back until then. Two reviewers never both decide: orders.requests has the compare-and-set.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from customers import site_settings
from customers.access import allowed, staff_of
from orders.models import Request
from orders.refill_ids import WrongRefillId
from orders.requests import (
    MOST_AT_ONCE,
    AlreadyDecided,
    RowResult,
    decide_many,
    settle_unknown_refill,
)
from orders.requests import undo as take_back
from orders.staff.review_queue import (
    UNDO_S,
    Pane,
    Place,
    Queue,
    asked_reason,
    read_answered,
    read_pane,
    read_queue,
)
from orders.staff_decisions import CannotSettle, note_request

TAB_LABELS = {
    "all": gettext_lazy("All"),
    "refill": gettext_lazy("Refill"),
    "cancel": gettext_lazy("Cancel"),
    "late": gettext_lazy("Over 24 h"),
    "mine": gettext_lazy("Mine"),
}


@allowed("orders.see")
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The list with the pane of one request (`at`); `state=answered` shows what was decided."""
    if request.GET.get("state") == "answered":
        rows, more = read_answered(_number(request.GET.get("after")))
        return render(request, "orders/staff/review_answered.html", {"rows": rows, "more": more})
    return _page(request, _queue(request), _number(request.GET.get("at")))


@allowed("orders.see")
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """The list alone, for the live refresh: 204 while it shows what the page has already."""
    shown = _queue(request)
    if at := _number(request.GET.get("looking")):
        read_pane(at, staff_of(request))
    if shown.digest == request.GET.get("seen"):
        return HttpResponse(status=204)
    return render(request, "orders/staff/review_list.html", {"queue": shown, "tabs": _tabs(shown)})


@allowed("orders.see")
@require_safe
def one(request: HttpRequest, request_id: int) -> HttpResponse:
    """One request: a page of its own, or only the pane for a page that has the list beside it."""
    pane, shown = _pane(request, request_id), _queue(request)
    partial = request.headers.get("HX-Target") == "pane"
    template = "orders/staff/review_pane.html" if partial else "orders/staff/review_one.html"
    return render(request, template, _with_pane(request, shown, pane, "list" if partial else "page"))


@allowed("request.decide")
@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """Approve or reject one request from its pane, or up to 100 from the list."""
    ids = [number for text in request.POST.getlist("ids") if (number := _number(text))]
    approve, note = request.POST.get("decision") == "approve", request.POST.get("note", "").strip()
    if request.POST.get("decision") not in {"approve", "reject"}:
        messages.error(request, _("Choose Approve or Reject. Nothing was decided."))
        return _back(request)
    if not ids or len(ids) > MOST_AT_ONCE:
        messages.error(request, _("Select between 1 and 100 requests. Nothing was decided."))
        return _back(request)
    if not approve and not note:
        return _note_missing(request, ids)
    results = decide_many(ids, approve=approve, user=staff_of(request), note=note, undo_s=UNDO_S)
    _tell(request, results, approve=approve)
    return _back(request)


@allowed("request.decide")
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Take back own approvals that were not sent yet."""
    done, too_late = 0, []
    for text in request.POST.getlist("ids")[:MOST_AT_ONCE]:
        try:
            take_back(_number(text) or 0, user=staff_of(request))
            done += 1
        except AlreadyDecided as error:
            too_late.append(str(error))
        except Request.DoesNotExist:
            too_late.append(_("There is no such request."))
    if done:
        text = ngettext("%d approval was taken back.", "%d approvals were taken back.", done) % done
        messages.success(request, text + " " + _("Nothing was sent."))
    for text in dict.fromkeys(too_late):
        messages.error(request, text)
    return _back(request)


@allowed("order.note")
@require_POST
def note(request: HttpRequest, request_id: int) -> HttpResponse:
    """Keep an internal note with the request and in the order's timeline."""
    try:
        note_request(request_id, request.POST.get("internal_note", ""), by=staff_of(request))
    except Request.DoesNotExist as error:
        raise Http404 from error
    except CannotSettle as error:
        messages.error(request, str(error))
    return _back(request, at=request_id)


@allowed("request.settle")
@require_POST
def settle(request: HttpRequest, request_id: int) -> HttpResponse:
    """A refill without a clear answer: it exists at the provider, send it again, or close it with a note."""
    choice, note = request.POST.get("choice", ""), request.POST.get("note", "").strip()
    wrong = {
        "exists": "",
        "again": "",
        "close": "" if note else _("A note to the customer is needed to close a request."),
    }.get(choice, _("Choose what became of the refill."))
    if wrong:
        messages.error(request, wrong)
        return _back(request, at=request_id)
    try:
        settle_unknown_refill(
            request_id,
            choice=choice,
            user=staff_of(request),
            upstream_id=request.POST.get("upstream_id", ""),
            note=note,
            seen_there=request.POST.get("seen_there") == "on",
        )
    except Request.DoesNotExist as error:
        raise Http404 from error
    except WrongRefillId as error:
        typed = request.POST.get("upstream_id", "").strip()[:64]
        return _pane_again(request, request_id, id_wrong=str(error), id_typed=typed, id_at_hand=error.at_hand)
    except AlreadyDecided as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The refill is settled; the order's timeline says how."))
    return _back(request)


# ── showing ─────────────────────────────────────────────────────────────────────────────────────────


def _page(request: HttpRequest, shown: Queue, at: int | None, status: int = 200, **more: Any) -> HttpResponse:
    first = shown.rows[0].request.pk if shown.rows else None
    pane = read_pane(at, staff_of(request)) if at else None
    if pane is None and first:
        pane = read_pane(first, staff_of(request))
    results = request.session.pop("review_results", None)
    context = _with_pane(request, shown, pane, "list") | {"results": results} | more
    return render(request, "orders/staff/review.html", context, status=status)


def _with_pane(request: HttpRequest, shown: Queue, pane: Pane | None, stands: str) -> dict[str, Any]:
    """`stands`: in the "list" page or as a "page" of its own; forms lead back to where they stood."""
    at = pane.request.pk if pane else 0
    place, following, before = shown.place(at), shown.next_to(at), shown.before_it(at)
    return _replies(request) | {
        "queue": shown,
        "tabs": _tabs(shown),
        "pane": pane,
        "current": at,
        "place": None if place is None else shown.first + place,
        "next": following,
        "next_query": shown.query_after if following and following == shown.following else shown.query,
        "previous": before,
        "previous_query": shown.query_before if place == 0 else shown.query,
        "stands": stands,
        "undo_s": UNDO_S,
    }


def _replies(request: HttpRequest) -> dict[str, Any]:
    site = site_settings.of(request)
    return {"approve_replies": site.approve_replies, "reject_replies": site.reject_replies}


def _tabs(shown: Queue) -> list[dict[str, Any]]:
    kept = {"provider": shown.provider_id, "reason": shown.reason}
    rest = urlencode({name: value for name, value in kept.items() if value})
    return [
        {
            "label": label,
            "href": f"{reverse('staff_review')}?tab={name}{'&' if rest else ''}{rest}",
            "current": name == shown.tab,
            "count": shown.counts[name],
        }
        for name, label in TAB_LABELS.items()
    ]


def _queue(request: HttpRequest) -> Queue:
    asked = request.POST if request.method == "POST" else request.GET
    return read_queue(
        staff_of(request),
        asked.get("tab", "all"),
        _number(asked.get("provider")),
        Place.read(asked.get("after")),
        asked_reason(asked.get("reason")),
    )


def _pane(request: HttpRequest, request_id: int) -> Pane:
    pane = read_pane(request_id, staff_of(request))
    if pane is None:
        raise Http404
    return pane


def _note_missing(request: HttpRequest, ids: Sequence[int]) -> HttpResponse:
    """The page again, with what is wrong beside the field; nothing was decided."""
    if len(ids) > 1 or request.POST.get("stands") not in {"list", "page"}:
        messages.error(
            request, _("A note to the customer is needed to reject a request. Nothing was decided.")
        )
        return _back(request)
    return _pane_again(request, ids[0], note_wrong=_("A note to the customer is needed to reject a request."))


def _pane_again(request: HttpRequest, request_id: int, **wrong: Any) -> HttpResponse:
    """The request as it stood, in the list or on a page of its own, with what is wrong beside its field."""
    if request.POST.get("stands") == "page":
        context = _with_pane(request, _queue(request), _pane(request, request_id), "page") | wrong
        return render(request, "orders/staff/review_one.html", context, status=422)
    return _page(request, _queue(request), request_id, 422, **wrong)


def _tell(request: HttpRequest, results: Sequence[RowResult], *, approve: bool) -> None:
    """One message for one decision, one list for many. What can be undone shows itself above the list."""
    done = [result for result in results if result.done]
    failed = [result for result in results if not result.done]
    if len(results) == 1 and failed:
        messages.error(request, failed[0].message + " " + _("Your decision changed nothing."))
    elif len(results) == 1 and not approve:
        messages.success(request, _("Rejected. The customer sees your note with the order."))
    elif len(results) > 1:
        orders = dict(
            Request.objects.filter(pk__in=[r.request_id for r in failed]).values_list("pk", "order_id")
        )
        request.session["review_results"] = {
            "approved": approve,
            "done": len(done),
            "failed": [[orders.get(r.request_id), r.message] for r in failed],
        }


def _back(request: HttpRequest, at: int | None = None) -> HttpResponse:
    """To the list as it was filtered, or to the next request's page where the form stood on one."""
    following = at or _number(request.POST.get("next"))
    if request.POST.get("stands") == "page" and following:
        after = Place.read(request.POST.get("after"))
        return redirect(
            reverse("staff_review_one", args=[following])
            + (f"?{urlencode({'after': after})}" if after else "")
        )
    given = request.POST
    asked = {
        "tab": given.get("tab") if given.get("tab") in TAB_LABELS else None,
        "provider": _number(given.get("provider")),
        "reason": asked_reason(given.get("reason")),
        "after": Place.read(given.get("after")),
        "at": following,
    }
    query = urlencode({name: value for name, value in asked.items() if value})
    return redirect(reverse("staff_review") + (f"?{query}" if query else ""))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
