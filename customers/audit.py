"""The audit trail: who did what with power over others' money or data. Append-only by trigger."""

from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.http import HttpRequest

from customers.models import AuditEntry, User

COMMAND_LINE = "command line"


def actor_name(actor: User | None) -> str:
    """How an actor is named in the audit trail, on transfers and events: his e-mail, or the command line."""
    return actor.email if actor is not None else COMMAND_LINE


def record(
    actor: User | None,
    verb: str,
    subject: models.Model | str,
    summary: str,
    details: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
    actor_label: str = "",
) -> AuditEntry:
    """Write one entry. `verb` is `thing.act`; `subject` a row or `thing:id`; `summary` one plain sentence.

    `actor_label` names an actor who is nobody we know. `details` never holds a secret: say that a key was changed,
    not which one it is.
    """
    if isinstance(subject, models.Model):
        subject = f"{subject._meta.model_name}:{subject.pk}"
    plain = DjangoJSONEncoder()
    return AuditEntry.objects.create(
        actor=actor,
        actor_label=actor_label or actor_name(actor),
        verb=verb[:60],
        subject=subject[:120],
        summary=summary[:300],
        details={
            key: value if isinstance(value, dict | list | str | int | bool | None) else plain.default(value)
            for key, value in (details or {}).items()
        },
        address=(request.META.get("REMOTE_ADDR") or None) if request is not None else None,
    )
