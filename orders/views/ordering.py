"""New order: the form, its service picker, its live charge, and placing.

Without script the same form works by posts: "Show" redraws it for another service, and the first "Place order"
shows the charge, because no charge is made that was not shown before.
"""

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.db.models.functions import MD5
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import staff_of as signed_in
from customers.figures import count, money
from customers.models import User
from customers.wallet import InsufficientFunds, balance_of
from orders.estimating import affordable, estimate, to_add
from orders.forms import DRIP_FEED, OrderForm
from orders.models import Order
from orders.placing import CannotPlace, NotOnSale, PriceChanged, Quote, RequestIdReused, place_order
from orders.placing import quote as quote_order
from providers.browsing import Line, Wanted, first_of, line, lines, matching, number_of, offered, shelves
from providers.service_types import InvalidOrder

PICKER_ROWS = 30
SELECT_ROWS = 300  # of the plain select: larger price lists are narrowed by category first


@dataclass
class Draft:
    """An order being written: the form, and what the page says about it."""

    user: User
    form: OrderForm
    category: int | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    notes: list[dict[str, str]] = field(default_factory=list)
    duplicate: Order | None = None

    @property
    def line(self) -> Line | None:
        return self.form.line

    @property
    def request_id(self) -> str:
        return f"form:{self.token}"


@require_http_methods(["GET", "HEAD", "POST"])
def new_order(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if request.method != "POST":
        return _page(request, _started(user, request.GET))
    draft = _continued(user, request.POST)
    if "show" in request.POST:  # only a browser without script has this button
        return _page(request, _shown_again(draft, request.POST))
    return _place(request, draft)


def _place(request: HttpRequest, draft: Draft) -> HttpResponse:
    """Price, check what the customer was shown, warn of a duplicate, place. Every refusal keeps what was typed."""
    user, form, post = draft.user, draft.form, request.POST
    if draft.line is None:
        gone = bool(post.get("service") or post.get("find"))
        text = _("This service is not on sale now. Choose another one.") if gone else _("Choose a service.")
        return _refused(request, draft, _note("err", text))
    service_id, asked = draft.line.service.pk, form.asked()
    try:
        if not Order.objects.for_user(user).filter(request_id=draft.request_id).exists():
            priced = quote_order(user, service_id, asked)
            if post.get("shown_for") != shown_for(priced):
                note = _note("info", _("Check the charge, then place the order."))
                return _page(request, draft, [note])
            if "anyway" not in post and (twin := open_twin(user, priced)):
                draft.duplicate = twin
                return _refused(request, draft)
        order = place_order(
            user,
            service_id,
            asked,
            source="web",
            request_id=draft.request_id,
            reference=form.reference,
            shown_charge=amount_of(post.get("shown_charge", "")),
        )
    except InvalidOrder as error:
        form.refuse(error)
        return _refused(request, draft)
    except PriceChanged as error:
        return _refused(request, draft, _price_note(error))
    except InsufficientFunds as error:
        return _refused(request, draft, _balance_note(draft, error.amount, error.balance))
    except RequestIdReused:
        draft.token = uuid.uuid4().hex  # the page came back from the browser's history, and was changed since
        text = _(
            "This form was sent before. To place one more order with these entries, press Place order again."
        )
        return _refused(request, draft, _note("warn", text))
    except CannotPlace as error:
        return _refused(request, draft, _note("err", str(error)))
    messages.success(
        request,
        format_html(
            '{} <a href="{}">{}</a>',
            _("Order %(id)d placed, %(charge)s charged.") % {"id": order.pk, "charge": money(order.charge)},
            reverse("order", args=[order.pk]),
            _("View order"),
        ),
    )
    return redirect(f"{reverse('new_order')}?service={service_id}&after={order.pk}")


@require_POST
def details(request: HttpRequest) -> HttpResponse:
    """The parts of the form that depend on the service, after another one was chosen."""
    draft = _continued(signed_in(request), request.POST)
    return render(request, "orders/order_parts.html", {"form": draft.form, "line": draft.line})


@require_POST
def quote(request: HttpRequest) -> HttpResponse:
    """The charge of what is typed so far, and what it leaves. Always 200: what is missing is said in its place."""
    draft = _continued(signed_in(request), request.POST)
    return render(request, "orders/quote_parts.html", _charge(draft))


@require_safe
def services(request: HttpRequest) -> HttpResponse:
    """Rows of the picker for what was typed and chosen."""
    user, wanted = signed_in(request), Wanted.read(request.GET)
    found = matching(user, wanted)
    context = {"options": lines(user, found[:PICKER_ROWS]), "found": found.count()}
    return render(request, "orders/service_options.html", context)


# ── what the page shows ─────────────────────────────────────────────────────────────────────────────


def _started(user: User, query: QueryDict) -> Draft:
    """A fresh form, with the service of `?service=`, or all entries of an earlier order (`?again=`).

    After a success (`?after=`) quantity and drip-feed are kept for the next link.
    """
    initial: dict[str, Any] = {}
    number = number_of(query.get("service", ""))
    if earlier := number_of(query.get("again", "")):
        order = Order.objects.for_user(user).filter(pk=earlier).first()
        if order is not None:
            number, initial = order.service_id, _entries_of(order)
    elif placed := number_of(query.get("after", "")):
        order = Order.objects.for_user(user).filter(pk=placed, service=number).first()
        if order is not None:
            kept = ("quantity", "drip", *DRIP_FEED)
            initial = {name: value for name, value in _entries_of(order).items() if name in kept}
    chosen = line(user, number) if number else None
    draft = Draft(user, OrderForm(chosen, initial=initial), number_of(query.get("category", "")))
    if number and chosen is None:
        draft.notes.append(_note("warn", _("Service %d is not on sale now. Choose another one.") % number))
    return draft


def _shown_again(draft: Draft, post: QueryDict) -> Draft:
    """Without script, after Show: another category than the service's means that a service of it is wanted now."""
    if draft.line is None or draft.category in (None, draft.line.service.category_id):
        return draft
    draft.form = OrderForm(None, post)
    return draft


def _entries_of(order: Order) -> dict[str, Any]:
    entries = {"link": order.link, "quantity": order.quantity, "reference": order.reference, **order.fields}
    if order.runs:
        entries |= {"drip": True, "runs": order.runs, "interval": order.interval}
    return entries


def _continued(user: User, post: QueryDict) -> Draft:
    """The form as it was posted. A typed number counts where no service was picked from the list."""
    number = number_of(post.get("service", "")) or number_of(post.get("find", ""))
    chosen = line(user, number) if number else None
    draft = Draft(user, OrderForm(chosen, post), number_of(post.get("category", "")))
    try:
        draft.token = uuid.UUID(post.get("token", "")).hex
    except ValueError:
        pass
    return draft


def _page(
    request: HttpRequest, draft: Draft, notes: list[dict[str, str]] | None = None, status: int = 200
) -> HttpResponse:
    draft.notes += notes or []
    return render(request, "orders/new_order.html", _context(draft) | _picker(draft), status=status)


def _refused(request: HttpRequest, draft: Draft, *notes: dict[str, str]) -> HttpResponse:
    return _page(request, draft, list(notes), status=422)


def _context(draft: Draft) -> dict[str, Any]:
    if draft.user.orders_suspended:
        draft.notes.insert(
            0, _note("err", _("Ordering is suspended for this account. Nothing can be placed."))
        )
    return {"draft": draft, "form": draft.form, "line": draft.line} | _charge(draft)


def _picker(draft: Draft) -> dict[str, Any]:
    """Categories, the first rows of the list (while nothing is chosen), and the plain select for browsers without script."""
    categories = shelves()
    size = sum(shelf.size for shelf in categories)
    plain = offered()
    if draft.category:
        plain = plain.filter(category_id=draft.category)
    elif size > SELECT_ROWS:
        plain = plain.filter(category_id=draft.line.service.category_id) if draft.line else plain.none()
    options: list[Line] = []
    if draft.line is None:
        wanted = Wanted(category=draft.category)
        options = lines(
            draft.user, first_of(matching(draft.user, wanted), wanted, categories, 0, PICKER_ROWS)
        )
    shown = next((shelf.size for shelf in categories if shelf.id == draft.category), size)
    return {
        "categories": categories,
        "plain": list(plain[:SELECT_ROWS]),
        "too_many": size > SELECT_ROWS and draft.category is None,
        "options": options,
        "found": shown,
        "size": size,
    }


def _charge(draft: Draft) -> dict[str, Any]:
    """The right column: charge, breakdown, balance before and after, or what is still missing for it."""
    balance = balance_of(draft.user)
    shown: dict[str, Any] = {"line": draft.line, "balance": balance, "form": draft.form}
    if draft.line is None:
        return shown
    try:
        priced = estimate(draft.user, draft.line.service.pk, draft.form.type, draft.form.asked())
    except InvalidOrder as error:
        return shown | {"lacks": next(iter(draft.form.said(error).values()))}
    except NotOnSale as error:
        return shown | {"lacks": str(error)}
    after = balance - priced.charge
    ordered = priced.ordered
    shown |= {"quote": priced, "after": after, "shown_for": shown_for(priced)}
    if ordered.runs and ordered.interval:
        span_minutes = (ordered.runs - 1) * ordered.interval
        shown["each_run"] = priced.charge / ordered.runs
        shown["last_run"] = timezone.now() + timedelta(minutes=span_minutes)
        shown["every"] = timedelta(minutes=ordered.interval)
    if after < 0:
        shown |= {"missing": to_add(-after), "allows": affordable(priced, balance)}
    return shown


def shown_for(priced: Quote) -> str:
    """What a shown charge was for: another service or quantity is another question, not a changed price."""
    return f"{priced.service.pk}:{priced.ordered.quantity}:{priced.ordered.total}"


def open_twin(user: User, priced: Quote) -> Order | None:
    """The newest open order of the same service for the same link."""
    digest = hashlib.md5(priced.ordered.link.encode(), usedforsecurity=False).hexdigest()
    same: Order | None = (
        Order.objects.for_user(user)
        .annotate(link_digest=MD5("link"))
        .filter(link_digest=digest, service=priced.service, status__in=Order.OPEN)
        .order_by("-pk")
        .first()
    )
    return same


# ── sentences ───────────────────────────────────────────────────────────────────────────────────────


def _note(kind: str, text: str, strong: str = "", **more: str) -> dict[str, str]:
    return {"kind": kind, "text": text, "strong": strong, **more}


def _price_note(error: PriceChanged) -> dict[str, str]:
    text = _(
        "It was %(old)s and is %(new)s now. Nothing was charged. To order at the new price, press Place order."
    )
    return _note(
        "warn",
        text % {"old": money(error.shown), "new": money(error.now)},
        _("The price changed while you were ordering."),
    )


def _balance_note(draft: Draft, charge: Decimal, balance: Decimal) -> dict[str, str]:
    add = money(to_add(charge - balance))
    allowed = None
    if draft.line is not None:
        priced = estimate(draft.user, draft.line.service.pk, draft.form.type, draft.form.asked())
        allowed = affordable(priced, balance)
    if allowed is None:
        text = _("Add at least %(add)s. Your entries are kept.") % {"add": add}
    elif draft.form.lines_name:
        text = _("Add at least %(add)s, or shorten the list to %(n)s lines. Your entries are kept.")
        text %= {"add": add, "n": count(allowed)}
    else:
        text = _("Add at least %(add)s, or lower the quantity to %(n)s. Your entries are kept.")
        text %= {"add": add, "n": count(allowed)}
    strong = _("This order costs %(charge)s and your balance is %(balance)s.") % {
        "charge": money(charge),
        "balance": money(balance),
    }
    return _note("err", text, strong, link="/wallet/", link_text=_("Add funds"))


def amount_of(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
