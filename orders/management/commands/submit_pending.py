"""submit_pending [PROVIDER]: the worker's act once, in the foreground, without Celery."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from orders.management.command_line import providers_for, wait_for_lane
from orders.submission import Tally, submit_lane


class Command(Base):
    help = "Send what is due (with --force: all queued orders, whatever their next_at)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?")
        parser.add_argument(
            "--force", action="store_true", help="ignore next_at of queued orders, never a pause or hold"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        total = Tally()
        for provider in providers_for(options["provider"]):
            tally = wait_for_lane(submit_lane, provider.pk, force=options["force"], budget_s=3600)
            for word, count in asdict(tally).items():
                setattr(total, word, getattr(total, word) + count)
        counts = asdict(total)
        self.say(counts, ", ".join(f"{count} {word}" for word, count in counts.items()))
