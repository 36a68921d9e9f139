"""A simulation on the command line: one sentence, then what would become of each service. Nothing is applied."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from customers.figures import percent, rate
from customers.management.command_line import Command
from providers.simulating import Effect, Simulation

SHOWN = 25  # rows in the text; --json has them all
SUMS = (
    "touched", "changed", "below_cost", "large_rises", "average_margin_before", "average_margin_after", "profit_change",
)  # fmt: skip


def tell_effect(command: Command, simulation: Simulation) -> None:
    """With --json a line of sums, then a line per service; else the sentence and the largest changes as a table."""
    rows = sorted(simulation.rows, key=lambda row: abs(row.new_price - row.price_now), reverse=True)
    words = simulation.sentence
    sums = {name: getattr(simulation, name) for name in SUMS} | {"sentence": words}
    if not command.as_json:
        command.say({}, "\n".join([words, *_table(rows)]))
        return
    command.say(sums, words)
    for row in rows:
        command.say(_as_json(row), "")


def _as_json(row: Effect) -> dict[str, Any]:
    """Rates per 1000 (or per order) in the panel's currency; margins in percent of the price."""
    computed = ("change_percent", "margin_before", "margin_after")
    return asdict(row) | {name: getattr(row, name) for name in computed}


def _table(rows: list[Effect]) -> Iterator[str]:
    if rows:
        yield f"{'service':>8}  {'cost':>12} {'now':>12} {'then':>12} {'change':>8} {'margin':>15}  name"
    for row in rows[:SHOWN]:
        change = "–" if row.change_percent is None else f"{row.change_percent:+}%"
        margin = f"{percent(row.margin_before)} → {percent(row.margin_after)}"
        figures = f"{rate(row.cost):>12} {rate(row.price_now):>12} {rate(row.new_price):>12} {change:>8} {margin:>15}"
        marks = " BELOW COST" * row.below_cost + (f" ({row.off_sale})" if row.off_sale else "")
        yield f"{row.service_id:>8}  {figures}  {row.name[:60]}{marks}"
    if len(rows) > SHOWN:
        yield f"… and {len(rows) - SHOWN} more; --json has them all."
