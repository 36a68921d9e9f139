"""Saving and deleting markup rules; prices follow at once, and open orders keep theirs."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from customers.audit import record
from customers.models import User
from providers.locking import lock_prices
from providers.models import MarkupRule, Service
from providers.rates import RuleBook
from providers.repricing import reprice, supplies_of

NUMBERS = ("percent", "fixed", "minimum", "rounding", "places", "ending", "position", "enabled")


def save_rule(rule: MarkupRule, *, by: User | None = None, request: HttpRequest | None = None) -> int:
    """Save a rule, new or changed, and reprice; returns how many services have another price now.

    Raises ValidationError with a sentence where the rule cannot be, and then saves nothing.
    """
    fresh = rule.pk is None
    rule.changed_by = by
    try:
        with transaction.atomic():
            lock_prices()
            earlier = None if fresh else MarkupRule.objects.filter(pk=rule.pk).first()
            rule.save()
            verb, word = ("markup.add", "added") if fresh else ("markup.change", "changed")
            details = details_of(rule) | {"before": details_of(earlier) if earlier else None}
            record(by, verb, rule, f"Markup rule {word}: {described(rule)}"[:300], details, request)
            return _reprice(rule)
    except IntegrityError as error:
        if "rule_once_per_service" in str(error):
            raise ValidationError(
                {"service": "There is a rule for this service already; change that one."}
            ) from None
        raise


def delete_rule(rule: MarkupRule, *, by: User | None = None, request: HttpRequest | None = None) -> int:
    """Delete a rule and reprice; returns how many services have another price, or went off sale without one."""
    with transaction.atomic():
        lock_prices()
        record(
            by,
            "markup.delete",
            rule,
            f"Markup rule deleted: {described(rule)}"[:300],
            details_of(rule) | {"before": details_of(rule)},
            request,
        )
        rule.delete()
        return _reprice(rule)


def _reprice(rule: MarkupRule) -> int:
    """The list price follows the standard rules only; a price group's rules are read when its customers order."""
    return 0 if rule.price_group_id else reprice()


def described(rule: MarkupRule) -> str:
    """One line: what it applies to and what it adds."""
    target = rule.service or rule.category or rule.provider
    return f"{target or 'all services'}: {terms_in_words(rule)}"


def terms_in_words(rule: MarkupRule) -> str:
    """`30%, plus 0.20, at least 0.40, up to .99`; amounts per 1000 in the panel's currency."""
    parts = []
    if rule.percent or not rule.fixed:
        parts.append(f"{_short(rule.percent)}%")
    if rule.fixed:
        parts.append(f"plus {_short(rule.fixed)}")
    if rule.minimum:
        parts.append(f"at least {_short(rule.minimum)}")
    if rule.rounding == MarkupRule.Rounding.NEAREST:
        parts.append(f"to {rule.places} places")
    elif rule.rounding == MarkupRule.Rounding.UP:
        parts.append(f"up to {rule.places} places")
    elif rule.rounding == MarkupRule.Rounding.ENDING:
        parts.append(f"up to an ending in {_short(rule.ending)}")
    return ", ".join(parts)


def rules_in_order(price_group_id: int | None) -> list[MarkupRule]:
    """The rules of a price list (None: the standard one) as they match; a disabled one stands where it would."""
    rules = MarkupRule.objects.filter(price_group=price_group_id)
    rank = {scope: index for index, scope in enumerate(RuleBook.SCOPES)}
    found = rules.select_related("service", "category", "provider", "price_group")
    return sorted(found, key=lambda rule: (rank[rule.scope], rule.position, rule.pk))


def priced_by(rules: list[MarkupRule], price_group_id: int | None) -> dict[int, int]:
    """How many published services each rule of a price list prices now; pinned prices follow no rule."""
    book, counts = RuleBook(price_group_id), dict.fromkeys((rule.pk for rule in rules), 0)
    for supply in supplies_of(Service.objects.filter(published=True, pinned_rate=None)):
        rule = book.rule_for(supply.service_id, supply.category_id, supply.provider_id)
        if rule is not None and rule.pk in counts:
            counts[rule.pk] += 1
    return counts


def details_of(rule: MarkupRule) -> dict[str, Any]:
    """A rule as the audit keeps it, and as providers.rule_undoing brings it back."""
    details: dict[str, Any] = {name: getattr(rule, name) for name in NUMBERS}
    details = {
        key: f"{value.normalize():f}" if isinstance(value, Decimal) else value
        for key, value in details.items()
    }
    return details | {
        "scope": rule.scope,
        "target": rule.service_id or rule.category_id or rule.provider_id,
        "price_group": rule.price_group_id,
        "note": rule.note,
    }


def _short(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
