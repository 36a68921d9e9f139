"""System checks panel.E001…: what must be right before a panel may take money. Servers run them too."""

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

Check = Callable[..., list[CheckMessage]]

# The longest that one act of a worker may take: a status batch of 60 s by default, with room.
LONGEST_ACT_SECONDS = 600


def secret_key(**_: Any) -> list[CheckMessage]:
    if settings.DEBUG:
        return []
    if settings.SECRET_KEY == settings.INSECURE_SECRET_KEY:
        return [
            Error("SECRET_KEY is not set; ./run makes one, a server of your own needs one.", id="panel.E001")
        ]
    if len(settings.SECRET_KEY) < 40 or re.match(r"change[-_ ]?me|secret", settings.SECRET_KEY.lower()):
        return [Error("SECRET_KEY is too short or a placeholder; use 50 random characters.", id="panel.E001")]
    return []


def field_keys(**_: Any) -> list[CheckMessage]:
    if settings.FIELD_KEYS:
        return []
    return [
        Error(
            "FIELD_KEYS is not set, so provider keys cannot be kept encrypted; make one with"
            " `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`.",
            id="panel.E002",
        )
    ]


def visibility_timeout(**_: Any) -> list[CheckMessage]:
    from panel.celery import VISIBILITY_TIMEOUT

    if VISIBILITY_TIMEOUT > LONGEST_ACT_SECONDS:
        return []
    return [
        Error(
            f"The broker hands a message out again after {VISIBILITY_TIMEOUT} s, but an act may last"
            f" {LONGEST_ACT_SECONDS} s.",
            id="panel.E003",
        )
    ]


def allowed_hosts(**_: Any) -> list[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS and not settings.DEBUG:
        return [
            Error(
                "ALLOWED_HOSTS holds *, so anybody chooses the host in mailed links; list your host names.",
                id="panel.E004",
            )
        ]
    return []


def mail(**_: Any) -> list[CheckMessage]:
    if settings.EMAIL_URL_IS_SET or settings.DEBUG:
        return []
    return [Warning("EMAIL_URL is not set: mail is written to var/mail and reaches nobody.", id="panel.W001")]


def debug_in_public(**_: Any) -> list[CheckMessage]:
    if settings.DEBUG and settings.SITE_IS_HTTPS:
        return [
            Warning("DEBUG is on at a public address: errors show settings to visitors.", id="panel.W002")
        ]
    return []


def plain_http(**_: Any) -> list[CheckMessage]:
    if settings.SITE_IS_HTTPS:
        return []
    return [
        Warning(
            "SITE_URL is plain http: fit for this machine only, passwords would travel unencrypted.",
            id="panel.W003",
        )
    ]


_always: list[Check] = [secret_key, field_keys, visibility_timeout, allowed_hosts]
_before_production: list[Check] = [mail, debug_in_public, plain_http]
every_check: list[Check] = _always + _before_production


def connect() -> None:
    for check in _always:
        register(Tags.security)(check)
    for check in _before_production:
        register(Tags.security, deploy=True)(check)
