from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.denying import allow, checked_entry, deny
from providers.denying_effects import DenyEffect, effect_of_allowing, effect_of_denying
from providers.management.simulations import tell_effect
from providers.models import Denial


class Command(Base):
    help = "What is held back when a provider's list is imported, and what customers may not order."
    verb = "deny_list.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("act", nargs="?", default="show", choices=["show", "add", "remove"])
        parser.add_argument(
            "kind",
            nargs="?",
            help="word, category, host, link or customer; with remove: the number of the entry",
        )
        parser.add_argument("text", nargs="?")
        parser.add_argument("--reason", default="")
        parser.add_argument("--scope", default="all", help="all, catalog, orders or signup")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="add, remove: only say what it would do to services and orders",
        )
        parser.add_argument("--until", default="", metavar="DATE", help="the last day on which it holds")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "add":
            self._add(options)
        elif options["act"] == "remove":
            entry = Denial.objects.filter(pk=_number(options["kind"])).first()
            if entry is None:
                raise CommandError(f"There is no entry {options['kind']!r}.")
            if options["dry_run"]:
                self._foretell(effect_of_allowing(entry))
                return
            shown = _shown(entry)
            allow(entry, by=self.by)
            self.say(shown, f"Removed: {entry.kind} {entry.text}")
        else:
            for entry in Denial.objects.order_by("kind", "text"):
                until = f", until {entry.until}" if entry.until else ""
                self.say(_shown(entry), f"{entry.pk} {entry.kind} {entry.text}: {entry.reason}{until}")

    def _add(self, options: dict[str, Any]) -> None:
        try:
            until = date.fromisoformat(options["until"]) if options["until"] else None
        except ValueError:
            raise CommandError(f"{options['until']!r} is not a date: use 2026-12-31.") from None
        try:
            if options["dry_run"]:
                entry = checked_entry(
                    options["kind"] or "", options["text"] or "", options["reason"],
                    until=until, scope=options["scope"],
                )  # fmt: skip
                self._foretell(effect_of_denying(entry))
                return
            entry = deny(
                options["kind"] or "",
                options["text"] or "",
                options["reason"],
                until=until,
                scope=options["scope"],
                by=self.by,
            )
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.say(_shown(entry), f"Added: {entry.kind} {entry.text} (entry {entry.pk})")

    def _foretell(self, effect: DenyEffect) -> None:
        told = {name: value for name, value in vars(effect).items() if name != "simulation"}
        lines = [f"{name.replace('_', ' ')}: {value}" for name, value in told.items()]
        self.say(told, "\n".join(["Nothing was done.", *lines]))
        tell_effect(self, effect.simulation)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0


def _shown(entry: Denial) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "kind": entry.kind,
        "text": entry.text,
        "scope": entry.scope,
        "reason": entry.reason,
        "until": entry.until,
    }
