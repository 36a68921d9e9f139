"""What `Submission.waits_for` and an attempt's reason mean, as staff read it; the words stored are for machines."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

REVIEW = "review: "
WORDS: dict[str, Any] = {
    # held for a person (orders.screening)
    f"{REVIEW}every order of this service": gettext_lazy("A person looks at every order of this service first"),
    f"{REVIEW}its charge": gettext_lazy("A person looks at it first: its charge is above the limit for review"),
    f"{REVIEW}a new customer": gettext_lazy("A person looks at it first: it is one of the customer's first orders"),
    f"{REVIEW}its link": gettext_lazy("A person looks at it first: its link matches a rule for review"),
    f"{REVIEW}its runs": gettext_lazy("A person looks at it first: its offer no longer takes several runs"),
    # refusals: kinds of providers.adapters.errors
    "auth": gettext_lazy("The provider does not accept our key; it is sent when that works again"),
    "provider_funds": gettext_lazy("Our balance at the provider was too low; it is sent when it suffices"),
    "rate_limit": gettext_lazy("The provider asked us to slow down; it is tried again by itself"),
    "duplicate_link": gettext_lazy("The provider still works on an order for this link; it is tried again by itself"),
    "service": gettext_lazy("The provider does not offer the service any more"),
    "link": gettext_lazy("The provider did not accept the link"),
    "quantity": gettext_lazy("The provider did not accept the quantity"),
    "missing_field": gettext_lazy("The provider missed a field"),
    "order": gettext_lazy("The provider did not know the order"),
    "protocol": gettext_lazy("The provider did not understand the request"),
    "unknown": gettext_lazy("The provider refused it without a reason that we know"),
    "not_sent": gettext_lazy("It could not be sent: no connection to the provider; it is tried again by itself"),
    # in doubt
    "lost": gettext_lazy("No answer came: the connection broke, or the process that sent it ended"),
    "restored": gettext_lazy("The database was restored; it may have been sent after the backup"),
    "deadline": gettext_lazy("No answer came in time"),
    "no_answer": gettext_lazy("No answer came"),
    "http_0": gettext_lazy("The answer came without an HTTP status"),
    "http_5xx": gettext_lazy("The provider's server answered with an error (HTTP 500 or above)"),
    "redirect": gettext_lazy("The provider's server answered with a redirect to another address"),
    "html": gettext_lazy("The answer was a web page"),
    "list": gettext_lazy("The answer was a list, which says nothing certain about the order"),
    "no_id": gettext_lazy("The answer held neither an order id nor an error"),
    "noise": gettext_lazy("The answer held more than one clean piece of data, so what it says is not certain"),
    "error_beside_id": gettext_lazy("The answer held an order id and an error at once"),
    "odd_id": gettext_lazy("The answer held an order id that cannot be right"),
    "repeated_id": gettext_lazy("The answer held the id of another order"),
    "no_information": gettext_lazy("The answer says nothing about the order"),
    "internal_error": gettext_lazy("The provider reported an error of its own"),
    "not_json": gettext_lazy("The answer was not readable"),
    "empty": gettext_lazy("The answer was empty"),
    "truncated": gettext_lazy("The answer was cut off"),
    "oversize": gettext_lazy("The answer was too long"),
    "internal": gettext_lazy("The panel failed while it read the answer"),
    "unstorable": gettext_lazy("The panel could not store the answer"),
    "unexpected": gettext_lazy("The answer was of an unexpected form"),
    "by_hand": gettext_lazy("Delivered by hand"),
}  # fmt: skip


def waiting_words(stored: str) -> str:
    """A plain sentence without a full stop; what we have no words for is shown as it is stored."""
    if stored in WORDS:
        return str(WORDS[stored])
    if stored.startswith("http_") and stored[5:].isdigit():
        return _("The provider answered with HTTP %(status)s") % {"status": stored[5:]}
    if stored.startswith(REVIEW):
        return _("A person looks at it first: %(why)s") % {"why": stored.removeprefix(REVIEW)}
    return stored


# A refused attempt is over: what its order waits for is the order's to say.
_OF_AN_ATTEMPT: dict[str, Any] = {
    "auth": gettext_lazy("The provider did not accept our key"),
    "provider_funds": gettext_lazy("Our balance at the provider was too low"),
    "rate_limit": gettext_lazy("The provider asked us to slow down"),
    "duplicate_link": gettext_lazy("The provider still worked on an order for this link"),
    "not_sent": gettext_lazy("Nothing was sent"),
}


def attempt_words(stored: str) -> str:
    """The same about one attempt, which is past."""
    return str(_OF_AN_ATTEMPT[stored]) if stored in _OF_AN_ATTEMPT else waiting_words(stored)
