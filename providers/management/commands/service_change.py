from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from customers.management.command_line import Command as Base
from providers.manage_forms import ServiceForm
from providers.management.choosing import chosen_service
from providers.management.commands.service_show import line, shown
from providers.management.simulations import tell_effect
from providers.models import Category, Service
from providers.service_editing import EDITABLE, InvalidService, category_named, change_service
from providers.service_effects import effect_of_values

WORDS = {
    "name": "our own name; - goes back to the provider's",
    "description": "our own description; - goes back to the provider's",
    "category": "exact name; made where there is none",
    "delivery-note": "how it is delivered, shown to customers",
    "lines-label": "label of its lines, such as 'Captions, one per line'",
    "position": "in its category, lowest first",
    "refill-days": "0 to 3650",
    "minimum": "narrower than the provider's; none: the provider's",
    "maximum": "narrower than the provider's; none: the provider's",
    "price": "pinned, per 1000 (or per order), panel currency; rules: the markup rules price it",
    "price-reason": "why it is pinned at that, for the audit log; none: takes it away",
    "route-order": "of its routes: hand, or cheapest (kept so at every change of a price or an exchange rate)",
    "below-cost-reason": "why it may be sold below cost; none: never",
}
SWITCHES = {
    "hold-for-review": "its orders wait until staff release them",
    "auto-refill": "refills are approved without review",
}
CHOICES = {"cancel-rule": ("which cancels are approved without review", Service.CancelRule.values)}
THEIRS = "-"
NOTHING = {
    "own_minimum": "none", "own_maximum": "none", "below_cost_reason": "none", "pinned_reason": "none",
    "pinned_rate": "rules",
}  # fmt: skip
FIELDS = {
    "minimum": "own_minimum", "maximum": "own_maximum", "price": "pinned_rate", "price_reason": "pinned_reason",
}  # fmt: skip


class Command(Base):
    help = (
        "Change what a service is called, where it stands, its limits, price and how its orders are handled."
    )
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("service", type=int)
        for name, words in WORDS.items():
            parser.add_argument(f"--{name}", help=words)
        for name, (words, choices) in CHOICES.items():
            parser.add_argument(f"--{name}", choices=choices, help=words)
        for name, words in SWITCHES.items():
            parser.add_argument(f"--{name}", choices=["yes", "no"], help=words)
        parser.add_argument("--dry-run", action="store_true", help="only say what it would do to its price")

    def handle(self, *args: Any, **options: Any) -> None:
        service = chosen_service(options["service"])
        given = _given(options)
        if not given:
            raise CommandError("Say what to change; service_show tells what is set.")
        values = _checked(service, given)
        if options["dry_run"]:
            if "category" in values:  # one that is still to be made is made by no dry run
                values["category"] = Category.objects.filter(name=values["category"]).first()
            tell_effect(self, effect_of_values(service, values))
            return
        try:
            with transaction.atomic():  # a new category goes with the change
                if "category" in values:
                    values["category"] = category_named(values["category"])
                changed = change_service(service, values, by=self.by)
        except InvalidService as error:
            raise CommandError(str(error)) from None
        fresh = chosen_service(service.pk)
        words = ", ".join(name.replace("_", " ") for name in changed) or "nothing"
        self.say(shown(fresh) | {"changed": changed}, f"{line(fresh)}. Changed: {words}.")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """What was named, by the names of the service's fields."""
    given: dict[str, Any] = {}
    for name in (*WORDS, *CHOICES, *SWITCHES):
        name = name.replace("-", "_")
        typed = options[name]
        if typed is not None:
            given[FIELDS.get(name, name)] = typed
    for own, name in (("own_name", "name"), ("own_description", "description")):
        if name in given:
            given[own] = given[name] != THEIRS
            if not given[own]:
                del given[name]
    given |= {name: "" for name, word in NOTHING.items() if given.get(name) == word}
    return given | {name: given[name] == "yes" for name in map(_field, SWITCHES) if name in given}


def _field(option: str) -> str:
    return option.replace("-", "_")


def _checked(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    """The values as the page's form reads them; `category` is a name. CommandError with its sentences."""
    data = {name: getattr(service, name) for name in EDITABLE} | given
    data["category"], data["new_category"] = service.category_id, given.get("category", "")
    form = ServiceForm({name: value for name, value in data.items() if value is not None})
    if not form.is_valid():
        said = (f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
        raise CommandError(" ".join(said))
    form.cleaned_data["category"] = " ".join(form.cleaned_data["new_category"].split())
    return {name: form.cleaned_data[name] for name in given}
