"""Customers, for staff: finding them, everything about one, and what staff and admins may change."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers import ledger, site_settings
from customers.access import allowed, staff_of
from customers.adjusting import CannotAdjust, adjust_balance, limits_of, moved_today
from customers.deposit_finding import latest_of
from customers.enrolling import CannotEnrol, create_customer
from customers.figures import signed
from customers.managing import (
    CannotChange,
    Suspension,
    note_mark,
    suspend,
    suspension_mark,
    write_staff_note,
)
from customers.models import Account, PriceGroup, Transfer, User
from customers.staff_forms import AdjustForm, NewCustomerForm, NoteForm, PriceGroupForm, SuspendForm
from customers.wallet import owed_by

PAGE = 50


@allowed("orders.see")
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """All customers, newest first, by keyset; `q` finds an e-mail, a name or a number."""
    q = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "all"
    found, after = _matching(TABS[tab](_customers()), q), _number(request.GET.get("after"))
    if after:
        found = found.filter(pk__lt=after)
    rows = list(_with_balance(found).order_by("-pk")[: PAGE + 1])
    more = rows[PAGE - 1].pk if len(rows) > PAGE else None
    context = {"rows": rows[:PAGE], "older": more, "q": q, "tab": tab, "tabs": _tabs(tab)}
    return render(request, "customers/staff/customers.html", context)


@allowed("orders.see")
@require_safe
def one(request: HttpRequest, customer_id: int) -> HttpResponse:
    return _page(request, _customer(customer_id))


@allowed("customer.create")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = NewCustomerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = create_customer(
                given["email"], given["password"], balance=given["balance"] or Decimal(0),
                by=staff_of(request), name=given["name"],
            )  # fmt: skip
        except CannotEnrol as error:
            form.add_error(None, str(error))
        else:
            told = (
                _("%(email)s can sign in now.")
                if given["balance"]
                else _("%(email)s can sign in now, and order once the account has funds.")
            )
            messages.success(request, told % {"email": made.email})
            return redirect("staff_customer", made.pk)
    status = 422 if form.errors else 200
    return render(request, "customers/staff/new_customer.html", {"form": form}, status=status)


@allowed("balance.adjust")
def adjust(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Correct the balance with a reason, once per form: for everybody whose role has a limit above 0."""
    if limits_of(staff_of(request), site_settings.of(request)).nothing:
        raise PermissionDenied
    return _adjust(request, customer_id)


@require_POST
def _adjust(request: HttpRequest, customer_id: int) -> HttpResponse:
    customer, form = _customer(customer_id), AdjustForm(request.POST)
    if not form.is_valid():
        return _page(request, customer, 422, adjust_form=form)
    amount, key = form.cleaned_data["amount"], str(form.cleaned_data["key"])
    again = Transfer.objects.filter(cause=f"adjust:{key}").exists()
    try:
        moved = adjust_balance(
            customer, amount, form.cleaned_data["reason"], by=staff_of(request), key=key, request=request
        )
    except CannotAdjust as error:
        form.add_error(None, str(error))
        return _page(request, customer, 422, adjust_form=form)
    if again:
        messages.info(request, _("This correction was booked already; nothing was moved again."))
    else:
        words = {"amount": signed(amount), "id": moved.pk}
        messages.success(request, _("%(amount)s booked as entry %(id)s.") % words)
    return redirect("staff_customer", customer.pk)


@allowed("customer.suspend")
@require_POST
def suspending(request: HttpRequest, customer_id: int) -> HttpResponse:
    customer, form = _customer(customer_id), SuspendForm(request.POST)
    if not form.is_valid():
        return _page(request, customer, 422, suspend_form=form)
    given = form.cleaned_data
    wanted = Suspension(given["orders"], given["api"], given["deposits"])
    try:
        suspend(
            customer, wanted, given["reason"], note=given["note"],
            by=staff_of(request), seen=given["seen_suspension"], request=request,
        )  # fmt: skip
    except CannotChange as error:
        form.add_error(None, str(error))
        customer.refresh_from_db()
        return _page(
            request, customer, 422, suspend_form=_shown_now(form, seen_suspension=suspension_mark(customer))
        )
    messages.success(request, _("Suspended now: %(what)s.") % {"what": wanted.words})
    return redirect("staff_customer", customer.pk)


@allowed("customer.note")
@require_POST
def note(request: HttpRequest, customer_id: int) -> HttpResponse:
    customer, form = _customer(customer_id), NoteForm(request.POST)
    if not form.is_valid():
        return _page(request, customer, 422, note_form=form)
    given = form.cleaned_data
    try:
        write_staff_note(
            customer, given["staff_note"], by=staff_of(request), seen=given["seen_note"], request=request
        )
    except CannotChange as error:
        form.add_error(None, str(error))
        customer.refresh_from_db()
        return _page(request, customer, 422, note_form=_shown_now(form, seen_note=note_mark(customer)))
    messages.success(request, _("The note is saved."))
    return redirect("staff_customer", customer.pk)


def _shown_now(form: Any, **seen: str) -> Any:
    """The refused form with all that was typed; it says what is now, so saving it once more is meant."""
    form.data = form.data.dict() | seen
    return form


def _page(request: HttpRequest, customer: User, status: int = 200, **forms: Any) -> HttpResponse:
    wallet = customer.accounts.filter(kind=Account.Kind.WALLET).first()
    shown = ledger.page(wallet, ledger.Asked.read(request.GET)) if wallet else ledger.Page((), None, None)
    suspended = {
        "orders": customer.orders_suspended,
        "api": customer.api_suspended,
        "deposits": customer.deposits_suspended,
    }
    context = {
        "customer": customer,
        "balance": wallet.balance if wallet else Decimal(0),
        "owed": owed_by(customer),
        "statement": shown,
        "payments": latest_of(customer),
        "keep": {"stands": "customer", "customer": customer.pk},  # payments are decided here and lead back
        "keys": customer.api_keys.filter(revoked_at=None).count(),
        "suspended": any(suspended.values()),
        "note_form": NoteForm(initial={"staff_note": customer.staff_note, "seen_note": note_mark(customer)}),
        "suspend_form": SuspendForm(
            initial=suspended
            | {"note": customer.suspended_note, "seen_suspension": suspension_mark(customer)}
        ),
        "adjust_form": AdjustForm(),
        "group_form": PriceGroupForm(initial={"price_group": customer.price_group_id}),
        "has_groups": PriceGroup.objects.exists(),
    } | _adjusting(request)
    return render(request, "customers/staff/customer.html", context | forms, status=status)


def _adjusting(request: HttpRequest) -> dict[str, Any]:
    """Whether the reader may correct balances, and what is left of his limit."""
    by = staff_of(request)
    limits = limits_of(by, site_settings.of(request))
    moved = moved_today(by) if limits.day is not None and not limits.nothing else Decimal(0)
    left = None if limits.day is None else max(limits.day - moved, Decimal(0))
    return {"may_adjust": not limits.nothing, "limits": limits, "limit_left": left}


def _customers() -> QuerySet[User]:
    return User.objects.filter(role=User.Role.CUSTOMER, is_superuser=False)


def _customer(customer_id: int) -> User:
    found = _customers().select_related("price_group").filter(pk=customer_id).first()
    if found is None:
        raise Http404
    return found


def _suspended(people: QuerySet[User]) -> QuerySet[User]:
    return people.filter(Q(orders_suspended=True) | Q(api_suspended=True) | Q(deposits_suspended=True))


def _matching(people: QuerySet[User], q: str) -> QuerySet[User]:
    if not q:
        return people
    wanted = Q(email__icontains=q) | Q(name__icontains=q)
    if number := _number(q.lstrip("#")):
        wanted |= Q(pk=number)
    return people.filter(wanted)


def _with_balance(people: QuerySet[User]) -> QuerySet[Any]:
    wallet = Account.objects.filter(user=OuterRef("pk"), kind=Account.Kind.WALLET)
    return people.annotate(balance=Subquery(wallet.values("balance")[:1]), group=F("price_group__name"))


def _asked_for_deletion(people: QuerySet[User]) -> QuerySet[User]:
    return people.filter(deletion_asked_at__isnull=False)


def _erased_with_money(people: QuerySet[User]) -> QuerySet[User]:
    """A refund came after the erasure, and nobody can sign in to spend it."""
    held = Account.objects.filter(kind=Account.Kind.WALLET, balance__gt=0, user__erased_at__isnull=False)
    return people.filter(erased_at__isnull=False, pk__in=held.values("user"))


TABS: dict[str, Callable[[QuerySet[User]], QuerySet[User]]] = {
    "all": lambda people: people,
    "suspended": _suspended,
    "deletion": _asked_for_deletion,
    "erased": _erased_with_money,
}


def _tabs(current: str) -> list[dict[str, Any]]:
    labels = {
        "all": _("All"),
        "suspended": _("Suspended"),
        "deletion": _("Asked for deletion"),
        "erased": _("Erased, with money"),
    }
    return [
        {
            "label": labels[name],
            "href": "?" if name == "all" else f"?tab={name}",
            "current": current == name,
            "count": None if name == "all" else narrowed(_customers())[:10_001].count(),
        }
        for name, narrowed in TABS.items()
    ]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
