from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, Max

from customers.management.command_line import Command as Base
from customers.management.command_line import counted
from providers.deciding import CannotUndo, undo_together
from providers.management.choosing import chosen
from providers.management.simulations import tell_effect
from providers.models import CatalogChange, Provider
from providers.undo_effects import UndoEffect, effect_of_undoing

SHOWN = 20


class Command(Base):
    help = "Give the offers of one revision their earlier values, of all providers it touched; without one: list the latest."
    verb = "catalog.decide"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("revision", nargs="?", help="as catalog_accept and the list print it")
        which.add_argument("--last", action="store_true", help="the latest one")
        parser.add_argument("--dry-run", action="store_true", help="only say what undoing would do")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        if not options["revision"] and not options["last"]:
            for row in _revisions(provider)[:SHOWN]:
                who = row["decided_by__email"] or "by itself, or from the command line"
                told = {"revision": row["revision"], "changes": row["n"], "at": row["at"], "by": who}
                self.say(
                    told,
                    f"{row['revision']}: {counted(row['n'], 'change')}, {row['at']:%Y-%m-%d %H:%M}, {who}",
                )
            return
        revision = _latest(provider) if options["last"] else _read(provider, options["revision"])
        try:
            if options["dry_run"]:
                self._tell(effect_of_undoing(revision))
                return
            undone = undo_together(revision, by=self.by)
        except CannotUndo as error:
            raise CommandError(str(error)) from None
        number, names = sum(undone.values()), ", ".join(undone)
        told = {"revision": str(revision), "undone": number, "providers": undone}
        self.say(told, f"{names}: {counted(number, 'change')} undone; prices follow.")

    def _tell(self, effect: UndoEffect) -> None:
        """What goes off the list by it, then prices as every --dry-run tells them."""
        names = ", ".join(effect.providers)
        gone = [{"service": row.service_id, "name": row.name} for row in effect.unpublished.simulation.rows]
        told = {
            "undoes": effect.changes,
            "providers": effect.providers,
            "unpublished": gone,
            "shown_again": effect.shown_again,
            "open_orders": effect.unpublished.open_orders,
        }
        words = f"{counted(effect.changes, 'change')} of {names} would be undone."
        if gone:
            services = ", ".join(f"{row['service']} {row['name']}" for row in gone)
            words += f" {counted(len(gone), 'service')} would go off the list: {services}."
        if effect.shown_again:
            words += f" {counted(effect.shown_again, 'hidden service')} would be on the list again."
        self.say(told, words)
        tell_effect(self, effect.simulation)


def _revisions(provider: Provider) -> Any:
    """What was applied together and still stands, the latest first. New services alone are listed by no page either:
    undoing those takes them off sale, which has to be asked for by the number."""
    applied = CatalogChange.objects.filter(
        provider=provider, state=CatalogChange.State.APPLIED, revision__isnull=False
    ).exclude(kind=CatalogChange.Kind.NEW)
    rows = applied.values("revision", "decided_by__email").annotate(n=Count("pk"), at=Max("decided_at"))
    return rows.order_by("-at", "revision")


def _latest(provider: Provider) -> UUID:
    row = _revisions(provider).first()
    if row is None:
        raise CommandError(f"Nothing was applied at {provider.name} that could be undone.")
    found: UUID = row["revision"]
    return found


def _read(provider: Provider, text: str) -> UUID:
    try:
        revision = UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is not a revision.") from None
    if not CatalogChange.objects.filter(provider=provider, revision=revision).exists():
        raise CommandError(f"{provider.name} has no such revision.")
    return revision
