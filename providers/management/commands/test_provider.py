from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.audit import record
from customers.management.command_line import Command as Base
from providers.adapters import REGISTRY
from providers.grading import Found, test_connection
from providers.management.choosing import chosen
from providers.models import Provider
from providers.taking import take_proposals


class Command(Base):
    help = (
        "Ask a provider read-only questions and say what it speaks: one that is there, or an address before it is "
        "added. Never places an order."
    )
    verb = "provider.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", nargs="?", help="id or exact name")
        parser.add_argument("--take", action="store_true", help="set the proposed options and dialect")
        parser.add_argument("--url", help="in place of a provider: an address, of which nothing is saved")
        parser.add_argument("--key", default="", help="of that address; - reads it from standard input")
        parser.add_argument("--adapter", default="standard", help="of that address")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = _meant(options)
        found = test_connection(provider)
        summary = f"Connection of {provider.name} tested: {'works' if found.works else 'does not work'}"
        details = {"works": found.works, "api_url": provider.api_url}
        record(self.by, "provider.test", provider if provider.pk else "provider:new", summary, details)
        self.say({"provider": provider.name} | found.as_json(), _text(provider.name, found))
        if found.failures:
            raise CommandError(" ".join(found.failures))
        if options["take"] and found.proposals:
            take_proposals(provider, {one.option: one.value for one in found.proposals}, by=self.by)


def _meant(options: dict[str, Any]) -> Provider:
    """The provider that is named, or one in memory for an address that is only tried."""
    if not options["url"]:
        if not options["provider"]:
            raise CommandError("Name a provider, or an address with --url and --key.")
        return chosen(options["provider"])
    key = input() if options["key"] == "-" else options["key"]
    if options["provider"] or options["take"] or not key:
        raise CommandError(
            "An address is tried with its --key alone; --take is for a provider that was added."
        )
    if options["adapter"] not in REGISTRY:
        raise CommandError(
            f"There is no adapter {options['adapter']!r}; known: {', '.join(sorted(REGISTRY))}."
        )
    return Provider(name="This provider", api_url=options["url"], key=key, adapter=options["adapter"])


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
