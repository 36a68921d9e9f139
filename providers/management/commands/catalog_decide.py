from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted, split_ids
from providers.catalog_effect import effect_of_changes
from providers.deciding import decide_together
from providers.management.choosing import numbers
from providers.management.staged import waiting
from providers.models import CatalogChange


class Command(Base):
    help = (
        "Accept and refuse waiting catalog changes of any providers by their numbers, all of it or nothing; what is "
        "accepted is one revision. (catalog_accept and catalog_refuse: of one provider.)"
    )
    verb = "catalog.decide"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--accept", default="", metavar="IDS", help="numbers as catalog_changes prints them"
        )
        parser.add_argument("--refuse", default="", metavar="IDS", help="the same")
        parser.add_argument(
            "--hide",
            default="",
            metavar="IDS",
            help="accept these, and take off the list what they would sell below cost",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what accepting would do")

    def handle(self, *args: Any, **options: Any) -> None:
        accept, refuse, hide = (_waiting(options[name]) for name in ("accept", "refuse", "hide"))
        if not accept and not refuse and not hide:
            raise CommandError("Say what to accept or to refuse, by numbers.")
        if options["dry_run"]:
            effect = effect_of_changes([*accept, *hide], hide)
            self.say(asdict(effect) | {"sentence": effect.sentence}, effect.sentence)
            return
        ids = ([one.pk for one in chosen] for chosen in (accept, refuse, hide))
        done = decide_together(*ids, by=self.by)
        told = {"applied": done.applied, "refused": done.refused, "revision": str(done.revision)}
        hidden = f" {counted(done.hidden, 'service')} hidden." if done.hidden else ""
        words = f"{counted(done.applied, 'change')} accepted, {done.refused} refused.{hidden}"
        self.say(told | {"hidden": done.hidden}, words)


def _waiting(text: str) -> list[CatalogChange]:
    chosen = numbers(split_ids(text), "change")
    found = list(waiting(None).filter(pk__in=chosen))
    if missing := [number for number in chosen if number not in {change.pk for change in found}]:
        raise CommandError(f"No change waits for number {', '.join(map(str, missing))}.")
    return found
