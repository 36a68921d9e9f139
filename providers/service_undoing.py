"""Taking the latest change of a service back, of what it is sold for or by which routes, as the audit kept it.

An undo is a change like any other: it is audited, and it can be undone in turn.
"""

from decimal import Decimal
from typing import Any

from django.db import models, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.models import AuditEntry, User
from providers.locking import lock_prices
from providers.models import Category, Offer, Service
from providers.routes import Shape, set_routes, shape_of
from providers.service_editing import EDITABLE, category_named, change_service, kept
from providers.service_effects import effect_of_routes, effect_of_values
from providers.simulating import Simulation

ROUTES = "service.route"
VERBS = ("service.change", ROUTES)


class CannotUndoService(ValueError):
    """Nothing changed; the sentence says why."""


def last_change(service: Service) -> AuditEntry | None:
    """The latest change of the service, if it can be taken back."""
    entries = AuditEntry.objects.filter(verb__in=VERBS, subject=f"service:{service.pk}")
    entry = entries.order_by("-at", "-pk").first()
    if entry is None or "before" not in entry.details or _overtaken(service, entry):
        return None
    return entry


def effect_of_undoing(service: Service, entry: AuditEntry) -> Simulation:
    """What taking it back would do to its price; reads only."""
    if entry.verb == ROUTES:
        return effect_of_routes(service, _shape(entry.details["before"]))
    return effect_of_values(service, _values(entry.details["before"], made=False))


def undo_change(
    service: Service, change: AuditEntry, *, by: User | None = None, request: HttpRequest | None = None
) -> None:
    """Take a change back; open orders keep what they were placed with.

    Raises CannotUndoService where it is not the latest any more, InvalidService where the earlier values no longer fit.
    """
    with transaction.atomic():
        lock_prices()
        service.refresh_from_db()
        entry = last_change(service)
        if entry is None or entry.pk != change.pk:
            raise CannotUndoService(
                _("The service was changed again since; look at the latest change first.")
            )
        if entry.verb == ROUTES:
            before = _shape(entry.details["before"])
            set_routes(service, before, "the routes as they were before", by=by, request=request)
        else:
            change_service(service, _values(entry.details["before"], made=True), by=by, request=request)


def _overtaken(service: Service, entry: AuditEntry) -> bool:
    """Whether the service is not as this change left it, or this version keeps no such value any more."""
    after = entry.details["after"]
    if entry.verb == ROUTES:
        return shape_of(service) != _shape(after)
    if after.keys() - set(EDITABLE):
        return True
    return any(kept(getattr(service, name)) != value for name, value in _plain(after).items())


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Rates without the zeros that the database adds."""
    return {name: kept(_python(name, value)) if _is_rate(name) else value for name, value in values.items()}


def _values(before: dict[str, Any], *, made: bool) -> dict[str, Any]:
    """The earlier values as change_service takes them. A category that is gone is made again, unless only asked."""
    values = {name: _python(name, value) for name, value in before.items()}
    if "category" in values:
        name = values["category"]
        values["category"] = category_named(name) if made else Category.objects.filter(name=name).first()
    return values


def _python(name: str, value: Any) -> Any:
    return Decimal(value) if value is not None and _is_rate(name) else value


def _is_rate(name: str) -> bool:
    return isinstance(Service._meta.get_field(name), models.DecimalField)


def _shape(kept_places: list[list[Any]]) -> Shape:
    known = set(Offer.objects.filter(pk__in=[one for one, _used in kept_places]).values_list("pk", flat=True))
    return tuple((one, used) for one, used in kept_places if one in known)
