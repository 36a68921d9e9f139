from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import decimal
from providers.management.simulations import tell_effect
from providers.rate_setting import set_rate, simulate_rate


class Command(Base):
    help = "Set an exchange rate: the panel's currency for one unit of CUR, from a date on. Prices follow at once."
    verb = "price.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("currency", metavar="CUR")
        parser.add_argument("rate")
        parser.add_argument("--date", help="YYYY-MM-DD (default: today, UTC)")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what it would do to prices and profit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rate = decimal(options["rate"], "rate")
        try:
            day = date.fromisoformat(options["date"]) if options["date"] else None
        except ValueError:
            raise CommandError(f"{options['date']!r} is not a date; write YYYY-MM-DD.") from None
        try:
            if options["dry_run"]:
                tell_effect(self, simulate_rate(options["currency"], rate, day))
                return
            saved = set_rate(options["currency"], rate, day, by=self.by)
        except ValueError as error:
            raise CommandError(str(error)) from None
        answer = {"currency": saved.currency, "rate": saved.rate, "date": saved.date}
        self.say(answer, f"1 {saved.currency} is {saved.rate:f} from {saved.date} on.")
