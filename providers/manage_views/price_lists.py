"""Price lists: who is on which, what they are for, and which customers have prices of their own."""

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import allowed, staff_of
from customers.models import PriceGroup, User
from customers.price_groups import InvalidGroup, create_group, delete_group, rename_group
from providers.manage_forms import PriceListForm
from providers.models import MarkupRule

SHOWN = 50


@allowed("catalog.see", changes="price.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def price_lists(request: HttpRequest) -> HttpResponse:
    """All lists with their members and rules, the customers with special rates, and a form for a new list."""
    form = PriceListForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            group = create_group(**form.cleaned_data, by=staff_of(request), request=request)
        except InvalidGroup as error:
            form.add_error("name", str(error))
        else:
            said = _("The list %s is there. Without rules of its own its customers pay the standard prices.")
            messages.success(request, said % group.name)
            return redirect("manage_price_list", group.pk)
    context = {"form": form, "groups": _groups(), "standard": _standard()} | _special()
    return render(request, "manage/price_lists.html", context, status=422 if form.is_bound else 200)


def _groups() -> list[Any]:
    groups: list[Any] = list(PriceGroup.objects.annotate(members=Count("users")).order_by("name"))
    rules = _rule_counts()
    for group in groups:
        group.rules = rules.get(group.pk, 0)
    return groups


def _rule_counts() -> dict[int | None, int]:
    counted = MarkupRule.objects.filter(enabled=True).values_list("price_group").annotate(n=Count("pk"))
    return dict(counted.order_by())


def _standard() -> dict[str, int]:
    """Everybody who is on no list."""
    customers = User.objects.filter(role=User.Role.CUSTOMER, is_superuser=False, price_group=None)
    return {"members": customers.count(), "rules": _rule_counts().get(None, 0)}


def _special() -> dict[str, Any]:
    """Customers with prices of their own, those with most first."""
    people = User.objects.filter(special_rates__isnull=False).annotate(n=Count("special_rates"))
    return {"special": list(people.order_by("-n", "email")[:SHOWN]), "special_total": people.count()}


@allowed("catalog.see", changes="price.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def price_list(request: HttpRequest, pk: int) -> HttpResponse:
    """One list: its name and note, its rules, its customers."""
    group = get_object_or_404(PriceGroup, pk=pk)
    form = PriceListForm(request.POST or None, initial={"name": group.name, "note": group.note})
    if request.method == "POST" and form.is_valid():
        try:
            rename_group(group, **form.cleaned_data, by=staff_of(request), request=request)
        except InvalidGroup as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("manage_price_list", pk)
    members = group.users.order_by("email")
    context = {
        "group": group,
        "form": form,
        "members": list(members[:SHOWN]),
        "members_total": members.count(),
        "rules": MarkupRule.objects.filter(price_group=group).count(),
    }
    return render(request, "manage/price_list.html", context, status=422 if form.is_bound else 200)


@allowed("price.edit")
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    group = get_object_or_404(PriceGroup, pk=pk)
    try:
        delete_group(group, by=staff_of(request), request=request)
    except InvalidGroup as error:
        messages.error(request, str(error))
        return redirect("manage_price_list", pk)
    messages.success(request, _("The list %s is gone, with the rules written for it.") % group.name)
    return redirect("manage_price_lists")
