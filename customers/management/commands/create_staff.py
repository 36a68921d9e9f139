from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.enrolling import STAFF_ROLES, CannotEnrol, create_staff
from customers.management.command_line import Command as Base


class Command(Base):
    help = "Create a member of staff whose e-mail counts as confirmed."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email")
        parser.add_argument("--password", required=True)
        parser.add_argument("--role", required=True, help=", ".join(STAFF_ROLES))
        parser.add_argument("--totp-secret", help="Base32; enrols the second factor at once")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = create_staff(
                options["email"],
                options["password"],
                options["role"],
                totp_secret=options["totp_secret"],
                name=options["name"],
            )
        except CannotEnrol as error:
            raise CommandError(str(error)) from None
        answer = {"id": user.pk, "email": user.email, "role": options["role"]}
        self.say(answer, f"{options['role'].capitalize()} {user.email} created (id {user.pk}).")
