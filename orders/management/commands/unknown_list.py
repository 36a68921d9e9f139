"""unknown_list: the submissions of which nobody knows whether the provider has them."""

from typing import Any

from customers.management.command_line import Command as Base
from orders.desk import unknown_submissions
from orders.showing import case_json


class Command(Base):
    help = "List the submissions that wait for a person's decision."

    def handle(self, *args: Any, **options: Any) -> None:
        cases = unknown_submissions()
        for case in cases:
            row = case_json(case)
            opens = f"Can be decided from {row['resolvable_at']:%Y-%m-%d %H:%M:%S} UTC."
            text = f"Order {row['order']} at {row['provider']}: {row['message'] or row['reason']} {opens}"
            self.say(row, text)
        if not cases and not self.as_json:
            self.stdout.write("Nothing waits for a decision.")
