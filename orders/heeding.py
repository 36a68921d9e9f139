"""What a refused order says about its provider, beyond that order (which recording has dealt with by then).

    service                    the offer goes off sale, with an alert, until an admin or the provider's list ends it
    quantity                   our limits are out of date: a worker reads the list, soon
    missing_field, protocol    the connection is not set up as this provider wants it: one alert for each of the two

It is done after the order's own transaction, in one of its own: offers and prices are locked before any row, and an
order's row is locked by then. What is lost by a crash in between, the next refusal does.
"""

import logging

from django.db import InterfaceError, OperationalError, connection

from orders.hints import hint_catalog
from orders.models import SubmissionAttempt
from orders.recording import Sent
from providers.adapters.errors import ProviderError, Refused
from providers.alerts import raise_alert
from providers.models import Provider
from providers.refused import hold_refused

log = logging.getLogger(__name__)

NOT_SET_UP = {
    "missing_field": "{name} refused an order because a field is missing ({said}). Orders of such services are refunded:"
    " add the field to the provider's options, or take them off sale.",
    "protocol": "{name} did not understand an order ({said}). Such orders are refunded: check the provider's address,"
    " dialect and options.",
}


def heed_refusal(sent: Sent, outcome: object) -> None:
    """Act on a refusal of this attempt. Never raises for the database or the broker: the order is settled already."""
    if not isinstance(outcome, Refused):
        return
    try:
        if outcome.kind == "service":
            attempt = SubmissionAttempt.objects.filter(submission_id=sent.order_id, fence=sent.fence)
            for offer_id in attempt.values_list("offer_id", flat=True):
                hold_refused(offer_id, outcome.message)
        elif outcome.kind == "quantity":
            hint_catalog(sent.provider_id)
        elif outcome.kind in NOT_SET_UP:
            _tell(sent.provider_id, outcome.kind, outcome)
    except (OperationalError, InterfaceError):
        connection.close()
        log.warning("refusal_not_heeded", extra={"order": sent.order_id, "kind": outcome.kind})


def _tell(provider_id: int, kind: str, error: ProviderError) -> None:
    name = Provider.objects.values_list("name", flat=True).get(pk=provider_id)
    text = NOT_SET_UP[kind].format(name=name, said=error.message[:150])
    raise_alert(f"refused-{kind}:{provider_id}", text, provider_id=provider_id)
