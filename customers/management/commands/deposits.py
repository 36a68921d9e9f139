from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.crediting import CannotDecide, credit_request, refuse_request
from customers.management.command_line import Command as Base
from customers.models import DepositRequest


class Command(Base):
    help = "Payments that customers announced and that wait; credit one, once, or refuse it with a note to the customer."
    verb = "deposit.credit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("act", nargs="?", choices=["approve", "reject"])
        parser.add_argument("number", nargs="?", type=int, help="as the list has it")
        parser.add_argument("--note", default="", help="of a refusal; the customer reads it")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["act"]:
            waiting = DepositRequest.objects.filter(state=DepositRequest.State.PENDING).select_related("user")
            for row in waiting.order_by("created_at", "pk"):
                self._show(row)
            return
        if options["number"] is None:
            raise CommandError("Name the payment by its number.")
        try:
            if options["act"] == "approve":
                row = credit_request(options["number"], by=self.by)
            else:
                row = refuse_request(options["number"], options["note"], by=self.by)
        except CannotDecide as error:
            raise CommandError(str(error)) from None
        self._show(row)

    def _show(self, row: DepositRequest) -> None:
        answer = {
            "id": row.pk,
            "email": row.user.email,
            "amount": row.amount,
            "method": row.method,
            "reference": row.reference,
            "state": row.state,
            "created_at": row.created_at,
        }
        self.say(
            answer, f"{row.pk}  {row.user.email}  {row.amount:f}  {row.method} {row.reference}  {row.state}"
        )
