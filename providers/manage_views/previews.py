"""What a change would do to prices, as the pages show it before it is done: words, figures, a table."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from providers.manage_views.markup import preview_context
from providers.simulating import Simulation


def preview_of(simulation: Simulation) -> dict[str, Any]:
    """What manage/parts/preview.html takes, for a change that is not one of a rule."""
    return preview_context(simulation) | {"preview_lead": touched_words(simulation)}


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
