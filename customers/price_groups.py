"""Price lists (price groups): making, renaming and removing them. Rules for one list are providers.rule_setting."""

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.audit import record
from customers.figures import count
from customers.models import PriceGroup, User


class InvalidGroup(ValueError):
    """Nothing was saved; the sentence says why."""


def create_group(
    name: str, note: str = "", *, by: User | None = None, request: HttpRequest | None = None
) -> PriceGroup:
    """A new list without rules: until it has some, its customers pay the standard prices. Raises InvalidGroup."""
    name, note = _read(name, note)
    try:
        with transaction.atomic():
            group = PriceGroup.objects.create(name=name, note=note)
            record(by, "price_group.add", group, f"Price list {name} added", {"note": note}, request)
    except IntegrityError:
        raise InvalidGroup(_taken(name)) from None
    return group


def rename_group(
    group: PriceGroup,
    name: str,
    note: str = "",
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Another name or note; prices stay. Raises InvalidGroup."""
    name, note = _read(name, note)
    before = [group.name, group.note]
    if before == [name, note]:
        return
    try:
        with transaction.atomic():
            PriceGroup.objects.filter(pk=group.pk).update(name=name, note=note)
            summary = (
                f"Price list {before[0]} renamed to {name}"
                if before[0] != name
                else f"Note of {name} changed"
            )
            record(
                by, "price_group.change", group, summary, {"before": before, "after": [name, note]}, request
            )
    except IntegrityError:
        raise InvalidGroup(_taken(name)) from None
    group.refresh_from_db()


def delete_group(group: PriceGroup, *, by: User | None = None, request: HttpRequest | None = None) -> None:
    """Remove a list that nobody is on, with the rules written for it. Raises InvalidGroup while somebody is."""
    members = group.users.count()
    if members:
        raise InvalidGroup(
            ngettext(
                "%(n)s customer is on the list %(group)s. Put them on another one first.",
                "%(n)s customers are on the list %(group)s. Put them on another one first.",
                members,
            )
            % {"n": count(members), "group": group.name}
        )
    try:
        with transaction.atomic():
            record(by, "price_group.delete", group, f"Price list {group.name} deleted", {}, request)
            group.delete()
    except ProtectedError:  # somebody was put on it meanwhile
        raise InvalidGroup(
            _("Somebody was put on the list %(group)s meanwhile.") % {"group": group.name}
        ) from None


def _read(name: str, note: str) -> tuple[str, str]:
    name, note = " ".join(name.split()), " ".join(note.split())
    if not name or len(name) > 80:
        raise InvalidGroup(_("Enter a name of at most 80 characters."))
    if name.lower() == "standard":
        raise InvalidGroup(_("Standard is the list of everybody who is on no other."))
    if len(note) > 200:
        raise InvalidGroup(_("A note has at most 200 characters."))
    return name, note


def _taken(name: str) -> str:
    return f"There is a price list named {name} already."
