"""Whatever the panel writes into the audit log can be found there by a group of its filter."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from customers.manage_views.audit_log import THINGS, Asked, _matching
from customers.models import AuditEntry
from tests import world

ROOT = Path(__file__).parents[2]
VERB = re.compile(r"[a-z_]+\.[a-z_]+")
WRITERS = {"record", "_write"}
ASKERS = {"may", "require", "allowed", "who_may"}


def recorded() -> set[str]:
    """All verbs in calls of customers.audit.record. What is no plain text there is looked for in the whole module."""
    found: set[str] = set()
    for app in ("customers", "providers", "orders", "panel"):
        for path in sorted((ROOT / app).rglob("*.py")):
            text = path.read_text()
            if "customers.audit import" in text:
                found.update(_verbs_in(ast.parse(text)))
    return found


def _verbs_in(module: ast.Module) -> Iterator[str]:
    indirect = False
    for node in ast.walk(module):
        if (
            not isinstance(node, ast.Call)
            or not isinstance(node.func, ast.Name)
            or node.func.id not in WRITERS
        ):
            continue
        if len(node.args) < 2:
            continue
        verb = node.args[1]
        if isinstance(verb, ast.Constant) and isinstance(verb.value, str):
            yield verb.value
        elif isinstance(verb, ast.JoinedStr) and isinstance(verb.values[0], ast.Constant):
            yield str(verb.values[0].value)
        else:
            indirect = True
    if indirect:
        yield from _constants(module)


def _constants(module: ast.Module) -> Iterator[str]:
    """Texts that look like verbs, but for what is asked of the table of permissions, and mail domains."""
    asked = {
        id(given)
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ASKERS
        for given in node.args
    }
    for node in ast.walk(module):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in asked:
            continue
        if VERB.fullmatch(node.value) and not node.value.endswith(".invalid"):
            yield node.value


def group_of(verb: str) -> list[str]:
    return [name for name, (_label, words) in THINGS.items() if verb.split(".")[0] in words]


def test_every_verb_that_is_written_belongs_to_one_group() -> None:
    verbs = recorded()
    assert len(verbs) > 70  # the search finds them
    assert {"offer.change", "secrets.reencrypt", "sign_out.done", "sign_in.done", "staff.role"} <= verbs
    lost = {verb: group_of(verb) for verb in verbs if len(group_of(verb)) != 1}
    assert lost == {}


def test_every_word_of_a_group_is_written_somewhere() -> None:
    written = {verb.split(".")[0] for verb in recorded()}
    assert {word for _label, words in THINGS.values() for word in words} - written == set()


@pytest.mark.django_db
def test_the_filter_finds_an_entry_by_the_group_of_its_verb() -> None:
    adam = world.admin()
    for verb in sorted(recorded()):
        AuditEntry.objects.create(actor=adam, actor_label=adam.email, verb=verb, subject="x:1", summary=verb)
    for thing, (_label, words) in THINGS.items():
        found = set(_matching(Asked.read({"thing": thing})).values_list("verb", flat=True))
        assert found == {verb for verb in recorded() if verb.split(".")[0] in words}
