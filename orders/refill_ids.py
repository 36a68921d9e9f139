"""The id of a refill that a person types: found at the provider, and of no other request.

A refill that was sent without a clear answer may exist there. Whoever says that it does types its id, which is then
followed: an id of another refill would report that one's end as this one's. Not within a transaction: it asks the
provider.
"""

from django.utils.translation import gettext as _

from orders.models import Request
from providers.adapters.errors import ProviderError
from providers.connecting import adapter_for


class WrongRefillId(Exception):
    """Nothing changed; the text says why. `at_hand`: the provider could not be asked, so that a person who looked there
    may take the id on his own word."""

    def __init__(self, text: str, *, at_hand: bool = False) -> None:
        super().__init__(text)
        self.at_hand = at_hand


def refuse_if_taken(request: Request, refill_id: str) -> None:
    """Raises WrongRefillId if another request at the same provider has this id already."""
    provider = request.order.submission.provider_id
    others = Request.objects.filter(
        kind=Request.Kind.REFILL, upstream_id=refill_id, order__submission__provider_id=provider
    )
    if taken := others.exclude(pk=request.pk).first():
        raise WrongRefillId(
            _("The provider's refill %(id)s belongs to order %(order)s already.")
            % {"id": refill_id, "order": taken.order_id}
        )


def word_of(request: Request, refill_id: str) -> str:
    """What the provider says of this refill now, as sent. Raises WrongRefillId, also where it cannot be asked."""
    provider = request.order.submission.provider
    try:
        seen = adapter_for(provider).refill_statuses([refill_id])
    except ProviderError as error:
        raise WrongRefillId(
            _("The id could not be verified: %(why)s") % {"why": error.message}, at_hand=True
        ) from error
    if refill_id in seen.errors:
        raise WrongRefillId(
            _("The provider does not know a refill %(id)s: %(why)s")
            % {"id": refill_id, "why": seen.errors[refill_id]}
        )
    if refill_id not in seen.found:
        raise WrongRefillId(
            _("The id could not be verified: %(why)s")
            % {"why": _("the provider's answer does not mention it.")},
            at_hand=True,
        )
    return seen.raw.get(refill_id, "")
