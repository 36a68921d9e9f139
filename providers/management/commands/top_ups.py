from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.management.choosing import chosen
from providers.models import TopUp
from providers.top_ups import take_back

SHOWN = 1000


class Command(Base):
    help = "What was recorded as paid in at a provider (by top_up); --take-back removes a wrong record. No money moves."
    verb = "provider.top_up"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        parser.add_argument("--take-back", metavar="REFERENCE", help="of the record that was wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        rows = TopUp.objects.filter(provider=provider).select_related("provider")
        if options["take_back"] is None:
            for row in rows[:SHOWN]:
                self._tell(row, "seen in a reading" if row.reading_id else "not seen yet")
            return
        wrong = rows.filter(reference=options["take_back"].strip()).first()
        if wrong is None:
            raise CommandError(f"{provider.name} has no record with the reference {options['take_back']}.")
        take_back(wrong, by=self.by)
        self._tell(wrong, "taken back")

    def _tell(self, row: TopUp, words: str) -> None:
        told = {
            "id": row.pk,
            "at": row.at,
            "amount": row.amount,
            "currency": row.currency,
            "reference": row.reference,
            "seen": row.reading_id is not None,
        }
        text = f"{row.at:%Y-%m-%d %H:%M} {row.amount.normalize():f} {row.currency}, {row.reference}: {words}"
        self.say(told, text)
