"""Markup rules: the list in the order in which they match, and the editor with a preview that saves nothing."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import allowed, staff_of
from customers.figures import money, percent
from customers.models import AuditEntry, PriceGroup
from providers.browsing import number_of
from providers.manage_forms import RuleForm
from providers.models import MarkupRule
from providers.repricing import NO_RULE
from providers.rule_setting import delete_rule, priced_by, rules_in_order, save_rule, terms_in_words
from providers.rule_undoing import CannotUndoRule, effect_of_undoing, last_change, undo_change
from providers.simulating import Simulation, simulate_rule

SHOWN = 25
ARROW = "\u2192"


@allowed("catalog.see")
@require_safe
def rule_list(request: HttpRequest) -> HttpResponse:
    group = _group(request)
    rules = _rules(group)
    return render(request, "manage/markup.html", _list_context(group, rules))


def _group(request: HttpRequest) -> PriceGroup | None:
    number = request.GET.get("list", "")
    return PriceGroup.objects.filter(pk=number).first() if number.isascii() and number.isdigit() else None


def _rules(group: PriceGroup | None) -> list[MarkupRule]:
    return rules_in_order(group.pk if group else None)


def _list_context(group: PriceGroup | None, rules: list[MarkupRule]) -> dict[str, Any]:
    counts = priced_by(rules, group.pk if group else None)
    for number, rule in enumerate(rules, 1):
        rule.number, rule.services, rule.words = number, counts[rule.pk], terms_in_words(rule)  # type: ignore[attr-defined]
    last = last_change(group.pk if group else None)
    return {
        "rules": rules,
        "group": group,
        "groups": PriceGroup.objects.order_by("name"),
        "last": last,
        "last_words": effect_words(effect_of_undoing(last)) if last else "",
    }


@allowed("catalog.see", changes="price.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def rule_add(request: HttpRequest) -> HttpResponse:
    initial = {"scope": MarkupRule.Scope.CATEGORY, "enabled": True, "price_group": _group(request)}
    service = request.GET.get("service", "")
    if service.isascii() and service.isdigit():
        initial |= {"scope": MarkupRule.Scope.SERVICE, "service": service}
    return _editor(request, MarkupRule(), initial)


@allowed("catalog.see", changes="price.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def rule_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _editor(request, get_object_or_404(MarkupRule, pk=pk), {})


def _editor(request: HttpRequest, rule: MarkupRule, initial: dict[str, Any]) -> HttpResponse:
    """Save, or (without script) preview, or show. The preview never saves."""
    group = rule.price_group if rule.pk else initial.get("price_group")
    form = RuleForm(request.POST or None, instance=rule, initial=initial)
    status = 200
    simulation = None
    if request.method == "POST":
        valid = form.is_valid()
        status = 200 if valid else 422
        if valid and "preview" in request.POST:
            simulation = simulate_rule(form.save(commit=False))
        elif valid:
            try:
                changed = save_rule(form.save(commit=False), by=staff_of(request), request=request)
            except ValidationError as error:
                form.add_error(None, error)
                status = 422
            else:
                said = ngettext(
                    "Rule saved. %d service has another price now; open orders keep theirs.",
                    "Rule saved. %d services have another price now; open orders keep theirs.",
                    changed,
                )
                messages.success(request, said % changed)
                return redirect(_list_address(rule))
    elif rule.pk:
        simulation = simulate_rule(rule)
    context = _list_context(group, _rules(group)) | {"form": form, "rule": rule} | preview_context(simulation)
    if rule.pk:
        context["deleted"] = effect_words(simulate_rule(MarkupRule.objects.get(pk=rule.pk), removed=True))
    return render(request, "manage/markup_edit.html", context, status=status)


def effect_words(effect: Simulation) -> str:
    """What a change of a rule would do, as sentences, before anybody does it."""
    if not effect.touched:
        return _("No published service follows it: no price changes.")
    words = ngettext(
        "%(n)d published service follows it or would: %(changed)d would have another price.",
        "%(n)d published services follow it or would: %(changed)d would have another price.",
        effect.touched,
    ) % {"n": effect.touched, "changed": effect.changed}
    if unruled := sum(1 for row in effect.rows if row.off_sale == NO_RULE):
        left = ngettext(
            "%d would go off sale, because no rule is left for it.",
            "%d would go off sale, because no rule is left for them.",
            unruled,
        )
        words = f"{words} {left % unruled}"
    if effect.below_cost:
        below = ngettext(
            "%d would be below cost and go off sale.",
            "%d would be below cost and go off sale.",
            effect.below_cost,
        )
        words = f"{words} {below % effect.below_cost}"
    if not effect.profit_change:
        return words
    if effect.profit_change > 0:
        profit = _("On the orders of the last 30 days the profit would have been %s higher.")
    else:
        profit = _("On the orders of the last 30 days the profit would have been %s lower.")
    return f"{words} {profit % money(abs(effect.profit_change))}"


def _list_address(rule: MarkupRule) -> str:
    return f"/manage/markup?list={rule.price_group_id}" if rule.price_group_id else "/manage/markup"


@allowed("price.edit")
@require_POST
def rule_preview(request: HttpRequest) -> HttpResponse:
    """What the form would do if it were saved: computed from the form, in memory."""
    number = request.POST.get("rule", "")
    rule = MarkupRule.objects.filter(pk=number).first() if number.isascii() and number.isdigit() else None
    form = RuleForm(request.POST, instance=rule or MarkupRule())
    if not form.is_valid():
        return render(request, "manage/parts/preview.html", {"form": form, "unclear": True})
    simulation = simulate_rule(form.save(commit=False))
    return render(request, "manage/parts/preview.html", preview_context(simulation))


def preview_context(simulation: Simulation | None) -> dict[str, Any]:
    if simulation is None:
        return {"simulation": None}
    below = simulation.below_cost
    return {
        "simulation": simulation,
        "rows": sorted(simulation.rows, key=lambda row: abs(row.new_price - row.price_now), reverse=True)[
            :SHOWN
        ],
        "more": max(len(simulation.rows) - SHOWN, 0),
        "preview_stats": [
            {
                "label": _("Average margin"),
                "value": f"{percent(simulation.average_margin_before)} {ARROW} {percent(simulation.average_margin_after)}",
            },
            {
                "label": _("Profit, last 30 days' orders"),
                "value": f"{'+' if simulation.profit_change > 0 else ''}{money(simulation.profit_change)}",
                "note": _("had the new prices been live"),
            },
            {
                "label": _("Below cost"),
                "value": ngettext("%d service", "%d services", below) % below,
                "tone": "neg" if below else "",
            },
            {
                "label": _("Rise over 20%"),
                "value": ngettext("%d service", "%d services", simulation.large_rises)
                % simulation.large_rises,
            },
        ],
    }


@allowed("price.edit")
@require_POST
def rule_undo(request: HttpRequest) -> HttpResponse:
    """Take the latest change of a price list back, if it still is the latest."""
    change = get_object_or_404(AuditEntry, pk=number_of(request.POST.get("change", "")) or 0)
    group = change.details.get("price_group")
    try:
        changed = undo_change(change, by=staff_of(request), request=request)
    except CannotUndoRule as error:
        messages.error(request, str(error))
    else:
        said = ngettext(
            "Undone. %d service has another price now; open orders keep theirs.",
            "Undone. %d services have another price now; open orders keep theirs.",
            changed,
        )
        messages.success(request, said % changed)
    return redirect(f"/manage/markup?list={group}" if group else "/manage/markup")


@allowed("price.edit")
@require_POST
def rule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    rule = get_object_or_404(MarkupRule.objects.select_related("service", "category", "provider"), pk=pk)
    back = _list_address(rule)
    changed = delete_rule(rule, by=staff_of(request), request=request)
    said = ngettext(
        "Rule deleted. %d service has another price now, or is off sale where no rule is left.",
        "Rule deleted. %d services have another price now, or are off sale where no rule is left.",
        changed,
    )
    messages.success(request, said % changed)
    return redirect(back)
