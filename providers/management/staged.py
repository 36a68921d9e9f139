"""Which of a provider's waiting catalog changes a command means: by their numbers, its service ids, a kind, or all."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from customers.management.command_line import split_ids
from providers.management.choosing import numbers
from providers.models import CatalogChange, Provider


def add_selection(parser: CommandParser, *, required: bool) -> None:
    """`--all`, `--ids`, `--changes`, `--kind`: one of them, or (unless required) none, which means all."""
    which = parser.add_mutually_exclusive_group(required=required)
    which.add_argument("--all", action="store_true", help=None if required else "the default")
    which.add_argument("--ids", help="the provider's service ids, comma-separated")
    which.add_argument("--changes", help="numbers as catalog_changes prints them, comma-separated")
    which.add_argument("--kind", choices=CatalogChange.Kind.values)


def waiting(provider: Provider | None) -> QuerySet[CatalogChange]:
    """The changes that wait, of one provider or of all, loaded with what their effect is computed from."""
    staged = CatalogChange.objects.filter(state=CatalogChange.State.STAGED)
    if provider is not None:
        staged = staged.filter(provider=provider)
    return staged.select_related("offer", "provider").order_by("provider", "id")


def selected(provider: Provider, options: dict[str, Any]) -> list[CatalogChange]:
    """What is meant. CommandError for an id or a number that does not wait, because somebody decided it meanwhile."""
    staged = waiting(provider)
    if options["ids"] is not None:
        ids = split_ids(options["ids"])
        found = list(staged.filter(external_id__in=ids))
        _all_there(ids, {change.external_id for change in found}, "service", provider)
        return found
    if options["changes"] is not None:
        chosen = numbers(split_ids(options["changes"]), "change")
        found = list(staged.filter(pk__in=chosen))
        _all_there(list(map(str, chosen)), {str(change.pk) for change in found}, "number", provider)
        return found
    return list(staged.filter(kind=options["kind"]) if options["kind"] else staged)


def _all_there(named: list[str], found: set[str], what: str, provider: Provider) -> None:
    if missing := [one for one in named if one not in found]:
        raise CommandError(f"No change waits for {what} {', '.join(missing)} of {provider.name}.")
