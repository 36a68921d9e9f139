"""unknown_resolve ID accepted --provider-order-id X | absent-refund | absent-resend | write-off --reason TEXT."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from orders.desk import CannotDecide, decide
from orders.management.command_line import find_order

CHOICES = {
    "accepted": "accepted",
    "absent-refund": "absent_refund",
    "absent-resend": "absent_resend",
    "write-off": "write_off",
}


class Command(Base):
    help = "Decide an unknown submission. Repeating a decision changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("case", type=int, metavar="ID", help="as unknown_list shows it")
        parser.add_argument("choice", choices=sorted(CHOICES))
        parser.add_argument("--provider-order-id", default="")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        order = find_order(options["case"])
        try:
            state = decide(
                order.pk,
                CHOICES[options["choice"]],
                reason=options["reason"],
                user=None,
                actor="command line",
                provider_order_id=options["provider_order_id"],
            )
        except CannotDecide as error:
            raise CommandError(str(error)) from error
        order.refresh_from_db()
        result = {
            "id": order.pk,
            "order": order.pk,
            "submission": state,
            "status": order.status,
            "refunded": order.refunded,
        }
        self.say(result, f"Order {order.pk}: {state}.")
