from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, Max

from customers.management.command_line import Command as Base
from providers.deciding import CannotUndo, undo_revision
from providers.management.choosing import chosen
from providers.models import CatalogChange, Provider

SHOWN = 20


class Command(Base):
    help = "Give the offers of one applied revision their earlier values; without one: list the latest revisions."
    verb = "catalog.decide"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("revision", nargs="?", help="as catalog_accept and the list print it")
        which.add_argument("--last", action="store_true", help="the latest one")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        if not options["revision"] and not options["last"]:
            for row in _revisions(provider)[:SHOWN]:
                who = row["decided_by__email"] or "by itself, or from the command line"
                told = {"revision": row["revision"], "changes": row["n"], "at": row["at"], "by": who}
                self.say(told, f"{row['revision']}: {row['n']} changes, {row['at']:%Y-%m-%d %H:%M}, {who}")
            return
        revision = _latest(provider) if options["last"] else _read(options["revision"])
        try:
            undone = undo_revision(provider, revision, by=self.by)
        except CannotUndo as error:
            raise CommandError(str(error)) from None
        told = {"provider": provider.name, "revision": str(revision), "undone": undone}
        self.say(told, f"{provider.name}: {undone} changes were undone; prices follow.")


def _revisions(provider: Provider) -> Any:
    """What was applied together and still stands, the latest first."""
    applied = CatalogChange.objects.filter(
        provider=provider, state=CatalogChange.State.APPLIED, revision__isnull=False
    )
    rows = applied.values("revision", "decided_by__email").annotate(n=Count("pk"), at=Max("decided_at"))
    return rows.order_by("-at", "revision")


def _latest(provider: Provider) -> UUID:
    row = _revisions(provider).first()
    if row is None:
        raise CommandError(f"Nothing was applied at {provider.name} that could be undone.")
    found: UUID = row["revision"]
    return found


def _read(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is not a revision.") from None
