"""A process that starts with a wrong setting stops with one sentence, not with a traceback."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured


def read_settings_of_the_web() -> None:
    """As read_settings. A page that needs longer than this is a bug; its thread must not be lost to it."""
    os.environ.setdefault("DB_STATEMENT_TIMEOUT_MS", "15000")
    read_settings()


def read_settings() -> None:
    """Read panel.settings now; end the process with the sentence if a variable is wrong."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")
    try:
        from django.conf import settings

        settings.SECRET_KEY  # noqa: B018  # the first look reads the module
    except ImproperlyConfigured as error:
        sys.exit(f"Headwater does not start: {error}")


def refuse_a_bad_start() -> None:
    """End the process if one of the panel's own checks finds an error: servers run no system checks."""
    from django.core.checks import ERROR

    from panel.checks import every_check

    found = [message for check in every_check for message in check() if message.level >= ERROR]
    if found:
        sys.exit(
            "Headwater does not start: " + " ".join(f"{message.msg} ({message.id})" for message in found)
        )
