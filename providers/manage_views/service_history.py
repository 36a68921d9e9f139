"""The history of a service's price as its page tells it: prices with their cost, and who pinned one and why."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from customers.figures import percent, rate
from providers.models import Service
from providers.price_events import Price, price_events


def history_of(service: Service) -> list[dict[str, Any]]:
    """Items of parts/timeline_item.html, newest first."""
    items = []
    for event in price_events(service):
        if isinstance(event, Price):
            figures = {"rate": rate(event.rate), "cost": rate(event.cost)}
            title = _("Price %(rate)s at a cost of %(cost)s") % figures
            text = _("Margin %s") % percent(event.margin)
            items.append({"at": event.at, "icon": "tag", "title": title, "text": text, "kind": ""})
        else:
            title, why = _told(event.after)
            text = " ".join([_("By %s.") % event.by, "; ".join(why)]).strip()
            items.append({"at": event.at, "icon": "user", "title": title, "text": text, "kind": "info"})
    return items


def _told(after: Mapping[str, str | None]) -> tuple[str, list[str]]:
    """(what was set, the reasons given for it)."""
    why = [_("Why: %s") % after["pinned_reason"]] if after.get("pinned_reason") else []
    if below := after.get("below_cost_reason"):
        why.append(_("Why below cost: %s") % below)
    if "pinned_rate" in after:
        pinned = after["pinned_rate"]
        if pinned is None:
            return _("Given back to the markup rules"), why
        return _("Pinned at %s") % rate(Decimal(pinned)), why
    if "below_cost_reason" in after:
        allowed = (
            _("May be sold below cost") if after["below_cost_reason"] else _("May not be sold below cost")
        )
        return allowed, why
    return _("Reason of the pinned price"), why
