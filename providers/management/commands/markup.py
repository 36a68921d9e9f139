from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.forms.models import model_to_dict

from customers.management.command_line import Command as Base
from customers.management.command_line import counted
from providers import rule_setting
from providers.manage_forms import RuleForm
from providers.management.choosing import chosen, chosen_list, numbers
from providers.management.simulations import tell_effect
from providers.models import Category, MarkupRule
from providers.rule_undoing import CannotUndoRule, effect_of_undoing, last_change, undo_change
from providers.simulating import simulate_rule

TERMS = {
    "percent": "on cost",
    "fixed": "plus, per 1000 (or per order), panel currency",
    "minimum": "at least, per 1000 (or per order), panel currency",
    "rounding": ", ".join(MarkupRule.Rounding.values),
    "places": "decimal places to round to",
    "ending": "such as 0.99, with --rounding ending",
    "position": "among rules for the same thing, lowest first",
    "note": "for admins",
}


class Command(Base):
    help = (
        "Markup rules of a price list: list, add, change, delete, undo (the latest change). With --dry-run only what "
        "it would do to prices and profit. Prices follow at once; placed orders keep theirs."
    )
    verb = "price.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "act", nargs="?", default="list", choices=["list", "add", "change", "delete", "undo"]
        )
        parser.add_argument("rule", nargs="?", help="its number, to change or delete it")
        parser.add_argument("--list", metavar="NAME", help="a price list (default: the standard one)")
        target = parser.add_mutually_exclusive_group()
        target.add_argument("--everything", action="store_true", help="applies where no other rule does")
        target.add_argument("--provider", help="applies to what it delivers: id or exact name")
        target.add_argument("--category", help="applies to the services in it: exact name")
        target.add_argument("--service", help="applies to this service: its number")
        for name, words in TERMS.items():
            parser.add_argument(f"--{name}", help=words)
        parser.add_argument("--enabled", choices=["yes", "no"])
        parser.add_argument("--dry-run", action="store_true", help="only say what it would do")

    def handle(self, *args: Any, **options: Any) -> None:
        act, dry = options["act"], options["dry_run"]
        if act == "list":
            self._list(options)
        elif act == "undo":
            self._undo(options, dry)
        elif act == "delete":
            self._delete(_rule(options["rule"]), dry)
        else:
            self._save(MarkupRule() if act == "add" else _rule(options["rule"]), options, dry)

    def _list(self, options: dict[str, Any]) -> None:
        group = chosen_list(options["list"])
        rules = rule_setting.rules_in_order(group.pk if group else None)
        counts = rule_setting.priced_by(rules, group.pk if group else None)
        for rule in rules:
            off = "" if rule.enabled else ", not in use"
            text = f"{rule.pk}. {rule_setting.described(rule)}: prices {counted(counts[rule.pk], 'service')}{off}"
            self.say(_as_json(rule) | {"services": counts[rule.pk]}, text)

    def _save(self, rule: MarkupRule, options: dict[str, Any], dry: bool) -> None:
        if rule.pk is None and options["rule"]:
            raise CommandError("The number of a new rule is chosen here: name none.")
        if rule.pk is None and all(options[name] is None for name in ("percent", "fixed", "minimum")):
            raise CommandError("Say what it adds: --percent, --fixed or --minimum; 0 is legal.")
        form = RuleForm(_typed(rule, options), instance=rule)
        if not form.is_valid():
            said = (f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
            raise CommandError(" ".join(said))
        rule = form.save(commit=False)
        if dry:
            tell_effect(self, simulate_rule(rule))
            return
        try:
            changed = rule_setting.save_rule(rule, by=self.by)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.say(
            _as_json(rule) | {"repriced": changed},
            f"{rule.pk}. {rule_setting.described(rule)}; {_priced(changed)}",
        )

    def _delete(self, rule: MarkupRule, dry: bool) -> None:
        if dry:
            tell_effect(self, simulate_rule(rule, removed=True))
            return
        told = _as_json(rule)
        changed = rule_setting.delete_rule(rule, by=self.by)
        self.say(told | {"repriced": changed}, f"Rule {told['id']} deleted; {_priced(changed)}")

    def _undo(self, options: dict[str, Any], dry: bool) -> None:
        group = chosen_list(options["list"])
        last = last_change(group.pk if group else None)
        if last is None:
            raise CommandError("There is no change of these rules that can be taken back.")
        if dry:
            tell_effect(self, effect_of_undoing(last))
            return
        try:
            changed = undo_change(last, by=self.by)
        except CannotUndoRule as error:
            raise CommandError(str(error)) from None
        told = {"undone": last.summary, "repriced": changed}
        self.say(told, f"Taken back: {last.summary}; {_priced(changed)}")


def _typed(rule: MarkupRule, options: dict[str, Any]) -> dict[str, Any]:
    """What the page's form would post: the rule as it is, with what was named in its place."""
    data = {name: value for name, value in model_to_dict(rule).items() if value is not None}
    data |= {name: options[name] for name in TERMS if options[name] is not None}
    if options["list"] is not None:
        group = chosen_list(options["list"])
        data["price_group"] = group.pk if group else ""
    if options["enabled"]:
        data["enabled"] = options["enabled"] == "yes"
    if scope := next((scope for scope in MarkupRule.Scope.values if options[scope]), None):
        data |= {"scope": scope, scope: _target(scope, options[scope])}
    if not data["scope"]:
        raise CommandError("Say what it applies to: --everything, --provider, --category or --service.")
    return data


def _target(scope: str, named: str) -> Any:
    if scope == MarkupRule.Scope.PROVIDER:
        return chosen(named).pk
    if scope == MarkupRule.Scope.CATEGORY:
        category = Category.objects.filter(name=named).first()
        if category is None:
            raise CommandError(f"There is no category named {named}.")
        return category.pk
    return named


def _rule(number: str | None) -> MarkupRule:
    rules = MarkupRule.objects.select_related("service", "category", "provider", "price_group")
    found = rules.filter(pk__in=numbers([number] if number else [], "rule")).first()
    if found is None:
        raise CommandError(f"There is no rule {number}." if number else "Say which rule, by its number.")
    return found


def _as_json(rule: MarkupRule) -> dict[str, Any]:
    group = rule.price_group
    told = {"id": rule.pk, **rule_setting.details_of(rule), "price_list": group.name if group else None}
    del told["price_group"]
    return told | {"words": rule_setting.terms_in_words(rule)}


def _priced(changed: int) -> str:
    return f"{counted(changed, 'service')} with another price now."
