"""Crash reports to Sentry, only where an operator gave a DSN."""

from typing import Any

from django.conf import settings

from panel.logs import redact


def _without_secrets(event: Any, _hint: Any) -> Any:
    return redact(None, "", event)


def connect() -> None:
    if not settings.SENTRY_DSN:
        return
    import sentry_sdk

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        send_default_pii=False,
        include_local_variables=False,  # local variables hold provider keys and request bodies
        max_request_body_size="never",
        before_send=_without_secrets,
    )
