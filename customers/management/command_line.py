"""What all our commands share: text for people, `--json` for programs, one sentence for what went wrong."""

import json
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections

from customers.models import User
from customers.permissions import may, who_may


class _Plain(DjangoJSONEncoder):
    """Money as a plain decimal string, times as ISO 8601 in UTC."""

    def default(self, value: Any) -> Any:
        return f"{value:f}" if isinstance(value, Decimal) else super().default(value)


class Command(BaseCommand):
    """Base of our commands: `handle` calls `say` once per result; CommandError carries one sentence.

    `verb`: what it does, as the table of permissions names it. A command that has one takes `--by EMAIL`: whoever
    is named stands in the audit log in place of the command line, and must be somebody whose role may do it.
    """

    requires_system_checks = ["security"]
    verb = ""
    as_json = False
    by: User | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object per line")
        if self.verb:
            parser.add_argument("--by", metavar="EMAIL", help="who does it, for the audit log")

    def verb_of(self, options: Mapping[str, Any]) -> str:
        """What it does with these options, where a command has acts of more than one line of the table."""
        return self.verb

    def execute(self, *args: Any, **options: Any) -> Any:
        self.as_json = bool(options.get("as_json"))
        self.by = acting(options["by"], self.verb_of(options)) if self.verb and options.get("by") else None
        return super().execute(*args, **options)

    def say(self, result: Mapping[str, Any], text: str) -> None:
        """Print one result: the object with --json, else the text."""
        self.stdout.write(json.dumps(result, cls=_Plain, ensure_ascii=False) if self.as_json else text)

    def run_from_argv(self, argv: list[str]) -> None:
        """As Django's, but every error is its sentence alone on stderr and exit code 1, a usage error too."""
        parser = self.create_parser(argv[0], argv[1])
        try:
            parser.called_from_command_line = False  # parse errors raise instead
            options = vars(parser.parse_args(argv[2:]))
            arguments = options.pop("args", ())
            self.execute(*arguments, **options)
        except CommandError as error:
            if any(word == "--traceback" for word in argv):
                raise
            self.stderr.write(" ".join(str(error).removeprefix("Error: ").split()))
            sys.exit(error.returncode or 1)
        finally:
            connections.close_all()


def find_user(email: str) -> User:
    """The user with this e-mail, whatever its case. CommandError when there is none."""
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        raise CommandError(f"There is no account with the e-mail {email}.")
    return user


def acting(email: str, verb: str) -> User:
    """The member of staff in whose name it is done. CommandError where his role may not do it."""
    user = find_user(email)
    if not may(user, verb):
        raise CommandError(f"{user.email} may not do this: {who_may(verb)} only.")
    return user


def decimal(text: str, what: str = "amount") -> Decimal:
    """A finite decimal number from the command line. CommandError names what it should have been."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) >= Decimal(10) ** 13:
        raise CommandError(f"{text!r} is not a valid {what}.")
    return number


def counted(number: int, noun: str) -> str:
    """`1 service`, `3 services`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def split_ids(text: str) -> list[str]:
    """`1,2, 3` as a list of ids, in order, each once."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
