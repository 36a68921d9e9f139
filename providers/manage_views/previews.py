"""What a change would do to prices, as the pages show it before it is done: words, figures, a table."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.figures import count, money, percent, rate
from providers.manage_views.markup import ARROW, preview_context
from providers.simulating import Simulation


def preview_of(simulation: Simulation) -> dict[str, Any]:
    """What manage/parts/preview.html takes, for a change that is not one of a rule."""
    return preview_context(simulation) | {"preview_lead": touched_words(simulation)}


def preview_of_one(simulation: Simulation) -> dict[str, Any]:
    """The same for a single service: no averages, the words say it."""
    return {"simulation": simulation, "rows": simulation.rows, "preview_lead": one_words(simulation)}


def one_words(simulation: Simulation) -> str:
    """Cost, price and margin before and after of the one service, whether it sells below cost, and how much it sells."""
    (row,) = simulation.rows
    words = [_from_to(_("Cost"), rate(row.cost_before), rate(row.cost))]
    words.append(_from_to(_("price"), rate(row.price_now), rate(row.new_price)))
    words.append(_from_to(_("margin"), percent(row.margin_before), percent(row.margin_after)))
    said = [f"{', '.join(words)}."]
    if row.below_cost:
        said.append(_("That is below cost."))
    if row.off_sale:
        said.append(_("It would be off sale: %s") % row.off_sale)
    sold = ngettext("%s ordered in the last 30 days.", "%s ordered in the last 30 days.", row.units)
    said.append(sold % count(row.units))
    if row.profit_change:
        higher = _("The profit on them would have been %s higher.")
        lower = _("The profit on them would have been %s lower.")
        said.append((higher if row.profit_change > 0 else lower) % money(abs(row.profit_change)))
    return " ".join(said)


def _from_to(word: str, before: str, after: str) -> str:
    return f"{word} {before}" if before == after else f"{word} {before} {ARROW} {after}"


def touched_words(simulation: Simulation) -> str:
    """How many services on sale it touches, and which would not be on sale any more."""
    if not simulation.touched:
        return _("No service on sale is touched: no price changes.")
    words = ngettext(
        "%(n)d service on sale is touched, %(changed)d would have another price.",
        "%(n)d services on sale are touched, %(changed)d would have another price.",
        simulation.touched,
    ) % {"n": simulation.touched, "changed": simulation.changed}
    off_sale = sum(1 for row in simulation.rows if row.off_sale)
    if off_sale:
        told = ngettext("%d would be off sale.", "%d would be off sale.", off_sale)
        words = f"{words} {told % off_sale}"
    return words


def before(
    title: str,
    simulation: Simulation | None,
    fields: Mapping[str, str] | Iterable[tuple[str, str]],
    *,
    action: str,
    back: str,
    yes: str,
    foot: str,
    words: str = "",
) -> dict[str, Any]:
    """What manage/parts/before.html takes: an act that waits for a yes. `fields`: what its form posts then."""
    one = simulation is not None and simulation.touched == 1
    shown = {} if simulation is None else preview_of_one(simulation) if one else preview_of(simulation)
    if simulation is not None and not simulation.changed:
        shown.pop("preview_stats", None)  # they are about prices
    return shown | {
        "title": title,
        "words": words,
        "fields": list(fields.items() if isinstance(fields, Mapping) else fields),
        "action": action,
        "back": back,
        "yes": yes,
        "foot": foot,
    }
