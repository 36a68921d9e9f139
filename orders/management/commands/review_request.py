"""review_request REQUEST_ID approve | deny --note TEXT: a reviewer's decision, due at once."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.audit import record
from customers.management.command_line import Command as Base
from orders.management.command_line import find_request
from orders.requests import AlreadyDecided, decide
from orders.showing import request_json


class Command(Base):
    help = "Approve or deny a refill or cancel request."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("request", type=int)
        parser.add_argument("decision", choices=["approve", "deny"])
        parser.add_argument("--note", default="", help="shown to the customer; needed to deny")

    def handle(self, *args: Any, **options: Any) -> None:
        find_request(options["request"])
        try:
            request = decide(
                options["request"], approve=options["decision"] == "approve", user=None, note=options["note"]
            )
        except (AlreadyDecided, ValueError) as error:
            raise CommandError(str(error)) from error
        record(
            None,
            f"request.{options['decision']}",
            f"order:{request.order_id}",
            f"{request.kind} {request.state}",
            {"note": request.note},
        )
        self.say(request_json(request), f"Request {request.pk}: {request.get_state_display()}.")
