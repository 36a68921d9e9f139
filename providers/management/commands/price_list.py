from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted, find_user
from customers.managing import CannotChange, set_price_group
from customers.models import PriceGroup
from customers.price_groups import InvalidGroup, create_group, delete_group, rename_group
from providers.customer_effects import effect_of_price_list
from providers.management.choosing import STANDARD, chosen_list
from providers.management.simulations import tell_effect
from providers.models import MarkupRule


class Command(Base):
    help = (
        "Price lists: show, add NAME, rename NAME --to NEW, delete NAME, put EMAIL --on NAME. The rules of a list: "
        "`markup --list NAME`; prices of single customers: `special_rate`. Placed orders keep their price."
    )
    verb = "price.edit"

    def verb_of(self, options: Mapping[str, Any]) -> str:
        return "customer.price" if options["act"] == "put" else self.verb

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "act", nargs="?", default="show", choices=["show", "add", "rename", "delete", "put"]
        )
        parser.add_argument("name", nargs="?", help="of the list; with put: the customer's e-mail")
        parser.add_argument("--to", help="rename: the new name; none: it stays")
        parser.add_argument("--note", help="add, rename: for admins; an empty one removes it")
        parser.add_argument("--on", help="put: the list; standard takes him off any")
        parser.add_argument(
            "--dry-run", action="store_true", help="put: only say what it would do to what he pays"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        act, name = options["act"], options["name"]
        if options["dry_run"] and act != "put":
            raise CommandError("--dry-run is for put: the other acts change no price.")
        if act != "show" and not name:
            raise CommandError("Say whom." if act == "put" else "Say which list, by its name.")
        try:
            if act == "put":
                self._put(name, options["on"], dry=options["dry_run"])
            elif act == "add":
                made = create_group(name, options["note"] or "", by=self.by)
                self._tell(made, "The list is there; without rules its customers pay the standard prices.")
            elif act == "show":
                self._show(name)
            else:
                self._change(_one(name), act, options)
        except (InvalidGroup, CannotChange) as error:
            raise CommandError(str(error)) from None

    def _change(self, group: PriceGroup, act: str, options: dict[str, Any]) -> None:
        if act == "delete":
            told = _as_json(group)
            delete_group(group, by=self.by)
            self.say(told, f"The list {told['name']} is gone, with the rules written for it.")
            return
        note = group.note if options["note"] is None else options["note"]
        rename_group(group, options["to"] or group.name, note, by=self.by)
        self._tell(group)

    def _put(self, email: str, name: str | None, *, dry: bool) -> None:
        if name is None:
            raise CommandError("Say with --on which list.")
        customer, group = find_user(email), chosen_list(name)
        if dry:
            tell_effect(self, effect_of_price_list(customer, group))
            return
        set_price_group(customer, group, by=self.by)
        listed = group.name if group else STANDARD
        self.say(
            {"email": customer.email, "price_list": listed}, f"{customer.email} is on the list {listed}."
        )

    def _show(self, name: str | None) -> None:
        groups = [_one(name)] if name else list(PriceGroup.objects.order_by("name"))
        for group in groups:
            self._tell(group)
            if name and not self.as_json:
                for email in group.users.order_by("email").values_list("email", flat=True):
                    self.say({}, f"  {email}")

    def _tell(self, group: PriceGroup, words: str = "") -> None:
        told = _as_json(group)
        line = f"{group.name}: {counted(told['customers'], 'customer')}, {counted(told['rules'], 'rule')}. {words or group.note}"
        self.say(told, line.strip())


def _one(name: str) -> PriceGroup:
    group = chosen_list(name)
    if group is None:
        raise CommandError("Standard is the list of everybody who is on no other.")
    return group


def _as_json(group: PriceGroup) -> dict[str, Any]:
    return {
        "id": group.pk,
        "name": group.name,
        "note": group.note,
        "customers": group.users.count(),
        "rules": MarkupRule.objects.filter(price_group=group, enabled=True).count(),
    }
