from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from customers.management.command_line import Command as Base
from customers.management.command_line import decimal
from providers.management.choosing import chosen
from providers.top_ups import CannotRecord, record_top_up


class Command(Base):
    help = "Record what was paid in at a provider, in its currency; it explains a rise of the balance, no money moves."
    verb = "provider.top_up"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        parser.add_argument("amount", help="what was credited there, after fees")
        parser.add_argument("--reference", required=True, help="of the payment; each is recorded once")
        parser.add_argument("--at", help="when it was paid, such as 2026-01-31T14:00 (default: now)")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        try:
            at = parse_datetime(options["at"]) if options["at"] else timezone.now()
        except ValueError:
            at = None
        if at is None:
            raise CommandError(f"{options['at']!r} is not a time such as 2026-01-31T14:00.")
        if timezone.is_naive(at):
            at = timezone.make_aware(at)
        try:
            made = record_top_up(
                provider, decimal(options["amount"]), options["reference"], at=at, by=self.by
            )
        except CannotRecord as error:
            raise CommandError(str(error)) from None
        told = {
            "id": made.pk,
            "provider": provider.name,
            "amount": made.amount,
            "currency": made.currency,
            "reference": made.reference,
            "at": made.at,
            "seen": made.reading_id is not None,
        }
        seen = "the balance rose by it" if made.reading_id else "it counts once a reading shows it"
        self.say(told, f"{made.amount.normalize():f} {made.currency} at {provider.name} recorded; {seen}.")
