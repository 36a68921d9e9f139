"""place_order EMAIL SERVICE_ID --link L: through the same act as the web."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import find_user
from customers.wallet import InsufficientFunds
from orders.placing import CannotPlace, place_order
from providers.service_types import InvalidOrder


class Command(Base):
    help = "Place an order for a customer and charge his wallet."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email")
        parser.add_argument("service", type=int)
        parser.add_argument("--link", default="")
        parser.add_argument("--quantity", default="")
        parser.add_argument(
            "--field", action="append", default=[], metavar="k=v", help="a field of the service's type"
        )
        parser.add_argument("--reference", default="")
        parser.add_argument("--request-id", default=None, help="repeating it returns the first order")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_user(options["email"])
        raw = {"link": options["link"], "quantity": options["quantity"]}
        for pair in options["field"]:
            name, mark, value = pair.partition("=")
            if not mark:
                raise CommandError(f"--field needs k=v, not {pair!r}.")
            raw[name] = value.replace("\\n", "\n")
        key = f"command:{options['request_id']}" if options["request_id"] else None
        try:
            order = place_order(
                user,
                options["service"],
                raw,
                source="command",
                request_id=key,
                reference=options["reference"],
            )
        except (CannotPlace, InsufficientFunds, InvalidOrder) as error:
            raise CommandError(
                f"{error} Nothing was charged." if "charged" not in str(error) else str(error)
            ) from error
        self.say(
            {"id": order.pk, "charge": order.charge}, f"Order {order.pk} placed, {order.charge:f} charged."
        )
