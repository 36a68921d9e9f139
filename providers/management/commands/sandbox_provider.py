"""./manage sandbox_provider: the program of providers/sandbox in the foreground, with the same options."""

from argparse import Namespace, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.sandbox.__main__ import EPILOG, add_arguments, run


class Command(BaseCommand):
    help = "Run the misbehaving panel-API-v2 provider for demos, tests and fault campaigns."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog, parser.formatter_class = EPILOG, RawDescriptionHelpFormatter
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if run(Namespace(**options)) != 0:
            raise CommandError("The sandbox provider could not start; see the line above.")
