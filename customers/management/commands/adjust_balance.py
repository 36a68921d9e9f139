from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.adjusting import CannotAdjust, adjust_balance
from customers.management.command_line import Command as Base
from customers.management.command_line import decimal, find_user


class Command(Base):
    help = "Correct a customer's balance by a transfer: AMOUNT up, or down when negative."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email")
        parser.add_argument("amount")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_user(options["email"])
        try:
            moved = adjust_balance(user, decimal(options["amount"]), options["reason"])
        except CannotAdjust as error:
            raise CommandError(str(error)) from None
        answer = {"id": moved.pk, "email": user.email, "balance": moved.balance_after}
        self.say(answer, f"The balance of {user.email} is now {moved.balance_after}.")
