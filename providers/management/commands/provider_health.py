from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from customers.figures import money, percent
from customers.management.command_line import Command as Base
from providers.balances import runway
from providers.management.choosing import chosen_or_all
from providers.models import Provider
from providers.overview import standings
from providers.quality import Quality, quality_of
from providers.sending import answering
from providers.vitals import calls_by_kind, funds_of


class Command(Base):
    help = "How providers do: balance, how long it lasts, orders at risk, errors, answer times, how orders ended."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?", help="id or exact name (default: all)")
        parser.add_argument(
            "--services", action="store_true", help="also how the orders of its busiest services ended"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for provider in chosen_or_all(options["provider"]):
            told = health_of(provider)
            if not options["services"]:
                del told["services"]
            self.say(told, "\n".join(_lines(told)))


def health_of(provider: Provider) -> dict[str, Any]:
    """As the provider's page: money in its own currency, but `waiting_cost` and `short` in the panel's; the last 24
    hours of calls and sending. Figures are None where there is too little to tell."""
    (standing,) = standings(only=provider.pk)
    lasts, answers = runway(provider), answering(provider)
    funds = funds_of(provider, lasts)
    together, services = quality_of(provider)
    return {
        "id": provider.pk,
        "name": provider.name,
        "state": provider.state,
        "pause_reason": provider.pause_reason,
        "breaker": provider.breaker,
        "breaker_until": provider.breaker_until,
        "problem": " ".join(standing.problem[1:]) if standing.problem else "",
        "balance": provider.balance,
        "balance_at": provider.balance_at,
        "low_balance": provider.low_balance,
        "currency": provider.currency,
        "daily_spend": lasts.daily_spend,
        "runway_days": lasts.days,
        "open_orders": standing.open_orders,
        "unknown": standing.unknown,
        "waiting": funds.waiting,
        "waiting_cost": funds.waiting_cost,
        "short": funds.short,
        "at_risk": funds.at_risk,
        "funds": funds.words,
        "sent": standing.sent,
        "failed": standing.failed,
        "error_percent": standing.error_percent,
        "answer_median_s": answers.median,
        "answer_p95_s": answers.slowest_5_percent,
        "calls": {
            kind: asdict(calls) | {"error_percent": calls.error_percent, "average_ms": calls.average_ms}
            for kind, calls in calls_by_kind(provider).items()
        },
        "quality": _quality(together),
        "services": [_quality(one) for one in services],
    }


def _quality(one: Quality) -> dict[str, Any]:
    return asdict(one) | {"partial_percent": one.partial_percent, "cancel_percent": one.cancel_percent}


def _lines(told: dict[str, Any]) -> list[str]:
    """What a person wants to know, a fact a line."""
    reason = f", {told['pause_reason']}" if told["pause_reason"] else ""
    spend = money(told["daily_spend"], told["currency"])
    lines = [
        f"{told['name']}: {told['state']}{reason}, breaker {told['breaker']}",
        f"  balance {money(told['balance'], told['currency'])}, lasts {told['runway_days'] or '–'} days at {spend} a day",
        f"  orders: {told['open_orders']} open, {told['waiting']} wait, {told['unknown']} in doubt, {told['at_risk']} at risk",
        f"  sent in 24 h: {told['sent']}, failed {told['failed']} ({percent(told['error_percent'])});"
        f" answers in {told['answer_median_s'] or '–'} s, 95 % within {told['answer_p95_s'] or '–'} s",
    ]
    for kind, calls in told["calls"].items():
        lines.append(f"  {kind}: {calls['calls']} calls, {calls['errors']} errors, {calls['average_ms']} ms")
    for one in (told["quality"], *told.get("services", [])):
        name = f"service {one['service_id']}" if one["service_id"] else "orders of 30 days"
        ended = f"{one['completed']} completed, {one['partial']} partial, {one['canceled']} canceled"
        lines.append(f"  {name}: {ended}, median {one['median_seconds'] or '–'} s")
    return [*lines, *(f"  {told[name]}" for name in ("problem", "funds") if told[name])]
