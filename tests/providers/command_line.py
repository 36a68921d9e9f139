"""Running our commands in a test: their JSON lines, the sentence they end with, and who the audit says it was."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from customers.models import AuditEntry


def run(*words: str) -> list[dict[str, Any]]:
    """The JSON lines of a command."""
    output = StringIO()
    call_command(*words, "--json", stdout=output)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def text(*words: str) -> str:
    """What a person reads."""
    output = StringIO()
    call_command(*words, stdout=output)
    return output.getvalue()


def refused(*words: str) -> str:
    """The one sentence of a command that does nothing."""
    with pytest.raises(CommandError) as raised:
        run(*words)
    return str(raised.value)


def audited(verb: str) -> list[tuple[str, str]]:
    """(who, summary) of each entry of this verb, oldest first."""
    return list(AuditEntry.objects.filter(verb=verb).order_by("id").values_list("actor_label", "summary"))
