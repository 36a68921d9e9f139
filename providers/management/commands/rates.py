from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.management.simulations import tell_effect
from providers.models import ExchangeRate
from providers.rate_setting import plain
from providers.rate_undoing import CannotUndoRate, effect_of_undoing_rate, last_rate_change, undo_rate

SHOWN = 200


class Command(Base):
    help = "Exchange rates as they were set, the newest first; undo takes the latest change back. (set_rate sets one.)"
    verb = "price.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("act", nargs="?", default="list", choices=["list", "undo"])
        parser.add_argument("--dry-run", action="store_true", help="only say what undoing would do to prices")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "list":
            for row in ExchangeRate.objects.select_related("set_by").order_by("-date", "currency")[:SHOWN]:
                who = row.set_by.email if row.set_by else None
                told = {"currency": row.currency, "rate": row.rate, "date": row.date, "by": who}
                self.say(told, f"1 {row.currency} is {plain(row.rate)} from {row.date} on.")
            return
        last = last_rate_change()
        if last is None:
            raise CommandError("There is no change of an exchange rate that can be taken back.")
        if options["dry_run"]:
            tell_effect(self, effect_of_undoing_rate(last))
            return
        try:
            said = undo_rate(last, by=self.by)
        except CannotUndoRate as error:
            raise CommandError(str(error)) from None
        self.say({"undone": last.summary, "now": said}, f"Taken back: {last.summary}. {said}")
