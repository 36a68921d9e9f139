"""The words of the service types in the reader's language.

The table (providers.service_types) imports nothing, so it cannot mark its words for translation: this does it for it.
"""

from django.utils.translation import gettext, gettext_noop

from customers.figures import count
from providers.service_types import InvalidOrder, Sentence

WORDS = (
    gettext_noop("Comments, one per line"),
    gettext_noop("Keywords, one per line"),
    gettext_noop("User names, one per line"),
    gettext_noop("Hashtags, one per line"),
    gettext_noop("User name"),
    gettext_noop("User name of the comment's owner"),
    gettext_noop("Hashtag"),
    gettext_noop("Media link"),
    gettext_noop("Country"),
    gettext_noop("A country code such as US, or WW for the whole world."),
    gettext_noop("Device"),
    gettext_noop("Type of traffic"),
    gettext_noop("Search keyword"),
    gettext_noop("Referring address"),
    gettext_noop("Answer number"),
    gettext_noop("Groups, one per line"),
)
CHOICES = (
    gettext_noop("Desktop"),
    gettext_noop("Mobile (Android)"),
    gettext_noop("Mobile (iOS)"),
    gettext_noop("Mobile, mixed"),
    gettext_noop("Mobile and desktop, mixed"),
    gettext_noop("Search keyword"),
    gettext_noop("Custom referrer"),
    gettext_noop("Blank referrer"),
)
SENTENCES = (
    gettext_noop("Enter a link."),
    gettext_noop("Enter a quantity."),
    gettext_noop("Quantity must be a whole number."),
    gettext_noop("The link is longer than %(most)s characters."),
    gettext_noop("The link contains characters that cannot be sent."),
    gettext_noop("Fill in: %(label)s."),
    gettext_noop("%(label)s: choose one of the values listed."),
    gettext_noop("%(label)s must be a whole number."),
    gettext_noop("%(label)s is longer than %(most)s characters."),
    gettext_noop("%(label)s contains characters that cannot be sent."),
    gettext_noop("%(label)s cannot be more than %(most)s."),
    gettext_noop("The number of runs"),
    gettext_noop("The interval in minutes"),
    gettext_noop("The list is longer than %(most)s characters."),
    gettext_noop("The list contains characters that cannot be sent."),
    gettext_noop("The minimum for this service is %(n)s."),
    gettext_noop("The maximum for this service is %(n)s."),
    gettext_noop("The minimum for this service is %(n)s lines."),
    gettext_noop("The maximum for this service is %(n)s lines."),
    gettext_noop("This service cannot be ordered with drip-feed."),
    gettext_noop("Enter the number of runs, or leave the interval empty."),
    gettext_noop("Enter the interval between runs in minutes."),
)


def spoken(error: InvalidOrder) -> dict[str, str]:
    """The error's sentences by parameter, in the reader's language; those of placing and screening are already."""
    return {name: _spoken(sentence) for name, sentence in error.errors.items()}


def _spoken(sentence: str) -> str:
    if not isinstance(sentence, Sentence):
        return sentence
    figures = {
        name: count(value) if isinstance(value, int) else gettext(value)
        for name, value in sentence.figures.items()
    }
    return gettext(sentence.template) % figures
