"""Why nothing of a provider is sold for now, though it is not archived (Provider.stopped), as its services say it.

    unread     it was brought back, or its currency was confirmed: the next list that is read and applied ends it
    currency   its balance came in another currency than is set here: an admin confirms or sets the right one

Orders that were placed before are sent and followed as they were.
"""

from providers.models import Provider

WHY: dict[str, str] = {
    Provider.Stop.UNREAD: "Its provider's list has to be read before it is sold again.",
    Provider.Stop.CURRENCY: "Its provider counts in another currency than is set here.",
}
