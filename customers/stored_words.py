"""Sentences of ours that are stored with a fact, such as why money came back: kept in English, shown in any language."""

from django.utils.translation import gettext


def said(text: str) -> str:
    """A stored text in the reader's language where it is one of our own sentences; what somebody typed stays as it is.

    Our own are marked with gettext_noop where they are written.
    """
    return gettext(text) if text else ""
