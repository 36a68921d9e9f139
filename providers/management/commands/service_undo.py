from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.management.choosing import chosen_service
from providers.management.commands.service_show import line, shown
from providers.management.simulations import tell_effect
from providers.service_editing import InvalidService
from providers.service_undoing import CannotUndoService, effect_of_undoing, last_change, undo_change


class Command(Base):
    help = "Take the latest change of a service back, of what it is sold for or by which routes; open orders stay."
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("service", type=int)
        parser.add_argument("--dry-run", action="store_true", help="only say what it would do to its price")

    def handle(self, *args: Any, **options: Any) -> None:
        service = chosen_service(options["service"])
        last = last_change(service)
        if last is None:
            raise CommandError("There is no change of this service that can be taken back.")
        if options["dry_run"]:
            tell_effect(self, effect_of_undoing(service, last))
            return
        try:
            undo_change(service, last, by=self.by)
        except (CannotUndoService, InvalidService) as error:
            raise CommandError(str(error)) from None
        fresh = chosen_service(service.pk)
        self.say(shown(fresh) | {"undone": last.summary}, f"Taken back: {last.summary}. {line(fresh)}.")
