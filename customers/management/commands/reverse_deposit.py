from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.models import DepositRequest
from customers.reversing import CannotReverse, reverse_payment


class Command(Base):
    help = "Take a credited payment back, found by the reference it was paid with: what the wallet lacks is owed."
    verb = "deposit.reverse"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("reference")
        parser.add_argument("--method", help="where two methods know this reference")
        parser.add_argument("--reason", required=True, help="the customer reads it")

    def handle(self, *args: Any, **options: Any) -> None:
        found = DepositRequest.objects.filter(
            reference=options["reference"], state=DepositRequest.State.CREDITED
        )
        if options["method"]:
            found = found.filter(method=options["method"])
        rows = list(found[:2])
        if not rows:
            raise CommandError(f"No credited payment has the reference {options['reference']}.")
        if len(rows) > 1:
            raise CommandError("Two methods know this reference; name one with --method.")
        try:
            asked, split = reverse_payment(rows[0].pk, options["reason"], by=self.by)
        except CannotReverse as error:
            raise CommandError(str(error)) from None
        answer = {"id": asked.pk, "email": asked.user.email, "taken": split.taken, "owed": split.owed}
        self.say(answer, f"{split.taken} taken back from {asked.user.email}; {split.owed} is owed.")
