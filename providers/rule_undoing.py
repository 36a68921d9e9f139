"""Taking the latest change of a price list's markup rules back: what the audit kept is set again.

An undo is a change like any other: it is audited, and it can be undone in turn.
"""

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.models import AuditEntry, User
from providers.locking import lock_prices
from providers.models import MarkupRule, Service
from providers.repricing import reprice
from providers.rule_revising import VERB as REVISE
from providers.rule_revising import RuleChange, changes_of, is_overtaken, revise
from providers.rule_setting import NUMBERS, delete_rule, details_of, save_rule
from providers.simulating import Simulation, simulate_rule, simulate_service_rules

VERBS = ("markup.add", "markup.change", "markup.delete", REVISE)
DECIMALS = ("percent", "fixed", "minimum", "ending")


class CannotUndoRule(ValueError):
    """Nothing changed; the sentence says why."""


def last_change(price_group_id: int | None) -> AuditEntry | None:
    """The latest change of the rules of a price list (None: the standard one), if it can be taken back."""
    entry = (
        AuditEntry.objects.filter(verb__in=VERBS, details__price_group=price_group_id)
        .order_by("-at", "-pk")
        .first()
    )
    if entry is None or not {"before", "rules"} & entry.details.keys() or _overtaken(entry):
        return None
    return entry


def effect_of_undoing(entry: AuditEntry) -> Simulation:
    """What taking it back would do to prices; reads only."""
    if entry.verb == REVISE:
        return simulate_revision([change.reversed for change in changes_of(entry)])
    rule = _rule_of(entry)
    if entry.verb == "markup.add" and rule is not None:
        return simulate_rule(rule, removed=True)
    return simulate_rule(_restored(rule or MarkupRule(), entry))


def simulate_revision(changes: Sequence[RuleChange]) -> Simulation:
    """What a revision of many services' own rules would do to prices; reads only."""
    rules = [change.rule for change in changes if change.rule]
    return simulate_service_rules(rules, [change.service_id for change in changes if change.after is None])


def undo_change(change: AuditEntry, *, by: User | None = None, request: HttpRequest | None = None) -> int:
    """Take a change back; returns how many services have another price now.

    Raises CannotUndoRule where it is not the latest of its list any more, or the rule is no longer as it left it.
    """
    with transaction.atomic():
        lock_prices()
        entry = last_change(change.details.get("price_group"))
        if entry is None or entry.pk != change.pk:
            raise CannotUndoRule(_("The rules were changed again since; look at the latest change first."))
        if entry.verb == REVISE:
            changes = [change.reversed for change in changes_of(entry)]
            revise(changes, f"Taken back: {entry.summary}", entry.subject, by=by, request=request)
            return reprice(Service.objects.filter(pk__in=[change.service_id for change in changes]))
        rule = _rule_of(entry)
        if entry.verb == "markup.add" and rule is not None:
            return delete_rule(rule, by=by, request=request)
        return save_rule(_restored(rule or MarkupRule(), entry), by=by, request=request)


def _rule_of(entry: AuditEntry) -> MarkupRule | None:
    """The rule as it is now; None where it is gone."""
    number = entry.subject.rpartition(":")[2]
    rules = MarkupRule.objects.select_related("service", "category", "provider", "price_group")
    return rules.filter(pk=number).first() if number.isdigit() else None


def _overtaken(entry: AuditEntry) -> bool:
    """Whether the rule is not as this change left it, or what it applied to is gone."""
    if entry.verb == REVISE:
        return is_overtaken(changes_of(entry))
    rule = _rule_of(entry)
    if entry.verb == "markup.delete":
        return rule is not None or not _target_exists(entry.details["before"])
    after = {key: value for key, value in entry.details.items() if key != "before"}
    return rule is None or details_of(rule) != after or not _target_exists(entry.details["before"] or after)


def _target_exists(values: dict[str, object]) -> bool:
    if values["scope"] == MarkupRule.Scope.EVERYTHING:
        return True
    model = MarkupRule._meta.get_field(str(values["scope"])).related_model
    return bool(model) and model._default_manager.filter(pk=values["target"]).exists()  # type: ignore[union-attr]


def _restored(rule: MarkupRule, entry: AuditEntry) -> MarkupRule:
    """The rule with its earlier values, in memory."""
    before = entry.details["before"]
    for name in NUMBERS:
        setattr(rule, name, Decimal(before[name]) if name in DECIMALS else before[name])
    rule.scope, rule.note = before["scope"], before["note"]
    rule.price_group_id = before["price_group"]
    for name in ("service", "category", "provider"):
        setattr(rule, f"{name}_id", before["target"] if before["scope"] == name else None)
    return rule
