"""sweep: what a vanished worker left behind, and what waits too long."""

from dataclasses import asdict
from typing import Any

from customers.management.command_line import Command as Base
from orders.resuming import resume_covered
from orders.sweeping import sweep


class Command(Base):
    help = "Release expired claims, make vanished sends unknown, list what waits too long."

    def handle(self, *args: Any, **options: Any) -> None:
        counts = asdict(sweep()) | {"resumed": len(resume_covered())}
        self.say(counts, ", ".join(f"{count} {word}" for word, count in counts.items()))
