from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.enrolling import CannotEnrol, create_customer
from customers.management.command_line import Command as Base
from customers.management.command_line import decimal


class Command(Base):
    help = "Create a customer whose e-mail counts as confirmed."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email")
        parser.add_argument("--password", required=True)
        parser.add_argument("--balance", default="0", help="opening balance in the panel's currency")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        balance = decimal(options["balance"], "balance")
        try:
            user = create_customer(
                options["email"], options["password"], balance=balance, name=options["name"]
            )
        except CannotEnrol as error:
            raise CommandError(str(error)) from None
        self.say({"id": user.pk, "email": user.email}, f"Customer {user.email} created (id {user.pk}).")
