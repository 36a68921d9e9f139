"""request_show ID: one refill or cancel request."""

from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from orders.management.command_line import find_request
from orders.showing import request_json


class Command(Base):
    help = "Show a refill or cancel request."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("request", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        request = find_request(options["request"])
        answer = f" Note: {request.note}" if request.note else ""
        self.say(
            request_json(request),
            f"Request {request.pk}: {request.kind} of order {request.order_id}, {request.get_state_display()}.{answer}",
        )
