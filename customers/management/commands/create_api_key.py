from typing import Any

from django.core.management.base import CommandParser

from customers.api_keys import create_api_key
from customers.management.command_line import Command as Base
from customers.management.command_line import find_user


class Command(Base):
    help = "Make a key for /api/v2. It is printed once and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email")
        parser.add_argument("--label", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        key, plain = create_api_key(find_user(options["email"]), options["label"])
        self.say({"key": plain, "prefix": key.prefix}, plain)
