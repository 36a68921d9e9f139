"""Rules of many single services written in one go: one revision, that the audit keeps and rule_undoing takes back.

A service has one rule of its own in the standard price list, so a revision names services, not rules. The number of
statements does not depend on how many there are. The caller holds the transaction and locking.lock_prices.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection, models
from django.http import HttpRequest

from customers.audit import record
from customers.models import AuditEntry, User
from providers.models import MarkupRule, Service
from providers.rule_setting import NUMBERS, details_of

VERB = "markup.revise"
TERMS = (*NUMBERS, "note")
_NUMERIC = ("percent", "fixed", "minimum", "ending")
# A rule as it is made when nothing is said; decimals as the audit writes them.
_PLAIN: dict[str, Any] = {name: "0" if name in _NUMERIC else getattr(MarkupRule(), name) for name in TERMS}
PERCENT = Decimal("0.0001")  # as the rule's column keeps it
_COLUMNS = """service_id bigint, percent numeric, fixed numeric, minimum numeric, rounding text, places smallint,
    ending numeric, position integer, enabled boolean, note text"""


@dataclass(frozen=True)
class RuleChange:
    """A service's own rule before and after; None: it has none. Only what differs from a new rule is kept."""

    service_id: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def reversed(self) -> "RuleChange":
        return RuleChange(self.service_id, before=self.after, after=self.before)

    @property
    def rule(self) -> MarkupRule | None:
        """The rule as it would be, in memory."""
        return None if self.after is None else rule_of(self.service_id, self.after)


def own_rules(service_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """service → the terms of its own rule in the standard list, for those that have one; one query."""
    rules = MarkupRule.objects.filter(
        scope=MarkupRule.Scope.SERVICE, service__in=service_ids, price_group=None
    )
    return {rule.service_id: _short(details_of(rule)) for rule in rules if rule.service_id}


def percent_changes(service_ids: Collection[int], percent: Decimal) -> list[RuleChange]:
    """What a plain percentage on each of these services changes; those that have just that are left out."""
    present, found = own_rules(service_ids), []
    as_kept = percent.quantize(PERCENT, ROUND_HALF_UP)  # or the audit would not know its own rule again
    for service_id in dict.fromkeys(service_ids):  # two offers may deliver one service
        before = present.get(service_id)
        after = _short({"percent": _plain(as_kept), "note": (before or {}).get("note", "")})
        if before != after:
            found.append(RuleChange(service_id, before, after))
    return found


def revise(
    changes: Sequence[RuleChange],
    summary: str,
    subject: models.Model | str = "markup",
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> AuditEntry | None:
    """Write the rules and the one entry of the audit by which they are taken back; None where there is no change."""
    if not changes:
        return None
    gone = [change.service_id for change in changes if change.after is None]
    if gone:
        MarkupRule.objects.filter(scope=MarkupRule.Scope.SERVICE, service__in=gone, price_group=None).delete()
    _write([change for change in changes if change.after is not None], by)
    details = {"price_group": None, "rules": [_kept(change) for change in changes]}
    return record(by, VERB, subject, summary, details, request)


def changes_of(entry: AuditEntry) -> list[RuleChange]:
    """What a revision changed, as the audit kept it."""
    return [RuleChange(row["service"], row["before"], row["after"]) for row in entry.details["rules"]]


def is_overtaken(changes: Sequence[RuleChange]) -> bool:
    """Whether a rule is not as the revision left it any more, or its service is gone."""
    ids = [change.service_id for change in changes]
    present = own_rules(ids)
    return (
        any(present.get(change.service_id) != change.after for change in changes)
        or Service.objects.filter(pk__in=ids).count() != len(ids)
    )  # fmt: skip


def rule_of(service_id: int, terms: Mapping[str, Any]) -> MarkupRule:
    rule = MarkupRule(scope=MarkupRule.Scope.SERVICE, service_id=service_id)
    for name, value in (_PLAIN | dict(terms)).items():
        setattr(rule, name, Decimal(value) if name in _NUMERIC else value)
    return rule


def _short(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name in TERMS and value != _PLAIN[name]}


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _kept(change: RuleChange) -> dict[str, Any]:
    return {"service": change.service_id, "before": change.before, "after": change.after}


def _write(changes: Iterable[RuleChange], by: User | None) -> None:
    rows = [_PLAIN | dict(change.after or {}) | {"service_id": change.service_id} for change in changes]
    if not rows:
        return
    names = ", ".join(TERMS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO providers_markuprule (scope, service_id, {names}, changed_at, changed_by_id)
            SELECT 'service', service_id, {names}, now(), %s FROM jsonb_to_recordset(%s::jsonb) AS row({_COLUMNS})
            ON CONFLICT (service_id, price_group_id) WHERE scope = 'service'
            DO UPDATE SET ({names}) = ({", ".join(f"excluded.{name}" for name in TERMS)}),
                          changed_at = excluded.changed_at, changed_by_id = excluded.changed_by_id
            """,
            [by.pk if by else None, json.dumps(rows)],
        )
