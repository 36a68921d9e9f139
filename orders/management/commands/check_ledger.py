"""check_ledger: all invariants of money; exit 1 and the offending rows if any is broken."""

import sys
from typing import Any

from customers.management.command_line import Command as Base
from orders.ledger_check import check_ledger


class Command(Base):
    help = "Recompute the invariants of money and submissions."

    def handle(self, *args: Any, **options: Any) -> None:
        report = check_ledger()
        counts = ", ".join(f"{count} {what}" for what, count in report.checked.items())
        lines = [f"Checked {counts}: {'clean' if report.ok else 'BROKEN'}."]
        for title, rows in (("broken", report.broken), ("warning", report.warnings)):
            lines += [
                f"{title}: {row['says']}: {row['id']} (expected {row['expected']}, found {row['found']})"
                for row in rows
            ]
        self.say(report.as_json(), "\n".join(lines))
        if not report.ok:
            sys.exit(1)
