"""request_refill ORDER_ID: ask for a refill, as the customer would."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from orders.management.command_line import find_order
from orders.requests import NotAllowed, ask_refill
from orders.showing import request_json


class Command(Base):
    help = "Ask for a refill of an order; repeated, it returns the open request."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("order", type=int)
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        order = find_order(options["order"])
        try:
            request = ask_refill(order.pk, by="command line", reason=options["reason"])
        except NotAllowed as error:
            raise CommandError(str(error)) from error
        self.say(request_json(request), f"Request {request.pk}: {request.get_state_display()}.")
