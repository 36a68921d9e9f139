"""request_refill and request_cancel differ by their act only."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from orders.management.command_line import find_order
from orders.models import Request
from orders.requests import NotAllowed
from orders.showing import request_json


class AskCommand(Base):
    """Ask as the customer would; repeated, it returns the open request."""

    ask: Callable[..., Request]

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("order", type=int)
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        order = find_order(options["order"])
        try:
            request = self.ask(order.pk, by="command line", reason=options["reason"])
        except NotAllowed as error:
            raise CommandError(str(error)) from error
        self.say(request_json(request), f"Request {request.pk}: {request.get_state_display()}.")
