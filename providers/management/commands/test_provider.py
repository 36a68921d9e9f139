from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.grading import Found, test_connection
from providers.management.choosing import chosen
from providers.taking import take_proposals


class Command(Base):
    help = "Ask a provider read-only questions and say what it speaks. Never places an order."
    verb = "provider.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        parser.add_argument("--take", action="store_true", help="set the proposed options and dialect")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        found = test_connection(provider)
        self.say({"provider": provider.name} | found.as_json(), _text(provider.name, found))
        if found.failures:
            raise CommandError(" ".join(found.failures))
        if options["take"] and found.proposals:
            take_proposals(provider, {one.option: one.value for one in found.proposals}, by=self.by)


def _text(name: str, found: Found) -> str:
    lines = [f"{name}: {'works' if found.works else 'does not work'}"]
    if found.balance is not None:
        lines.append(f"Balance: {found.balance:f} {found.currency or '(currency not told)'}")
    if found.services is not None:
        lines.append(f"Services: {found.services}, {found.sellable} can be sold")
    if found.unknown_types:
        lines.append(f"Types without a mapping: {', '.join(found.unknown_types)}")
    lines += [f"{what}: {how}" for what, how in found.speaks]
    lines += [f"Took: {what} {took:.2f} s" for what, took in found.seconds.items()]
    lines += [f"Note: {sentence}" for sentence in (*found.quirks, *found.problems[:10])]
    lines += [f"Proposed: {one.option}={one.value}. {one.why}" for one in found.proposals]
    return "\n".join(lines)
