from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted, split_ids
from providers.management.choosing import numbers
from providers.models import Service
from providers.publishing import unpublish
from providers.service_editing import publish_services


class Command(Base):
    help = (
        "Put services of ours on the list, or take them off; their open orders go on. (publish_services makes "
        "services of a provider's offers.)"
    )
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("act", choices=["publish", "unpublish"])
        parser.add_argument("services", help="their numbers, comma-separated")

    def handle(self, *args: Any, **options: Any) -> None:
        ids = numbers(split_ids(options["services"]), "service")
        known = set(Service.objects.filter(pk__in=ids).values_list("pk", flat=True))
        if missing := [number for number in ids if number not in known]:
            raise CommandError(f"There is no service {', '.join(map(str, missing))}.")
        if options["act"] == "unpublish":
            taken = unpublish(ids, by=self.by)
            self.say(
                {"unpublished": taken}, f"{counted(taken, 'service')} off the list. Their open orders go on."
            )
            return
        fit, refused = publish_services(ids, by=self.by)
        told = {"published": len(fit), "services": fit, "refused": refused}
        self.say(told, "\n".join([f"{counted(len(fit), 'service')} on sale.", *refused]))
