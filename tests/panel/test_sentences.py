"""Sentences for a reader are said in his language: what is refused on a page goes through gettext, with its figures
put in afterwards (a sentence with its figures inside is in no catalog)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

# Errors whose sentence a page shows. Programmers' errors and what is stored have other names.
SHOWN = re.compile(
    r"^(Cannot\w+|Invalid(Group|Provider|Rate|Service)|BadRange|BadSetting|Unreadable|HasProblems|Suspended)$"
)
GETTEXT = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
# The API answers in English, the provider's side is no reader, commands are read where they are run.
ELSEWHERE = ("adapters", "sandbox", "management", "migrations", "api")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for room in ("customers", "orders", "providers", "panel"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if not set(path.relative_to(ROOT).parts) & set(ELSEWHERE):
                yield path, ast.parse(path.read_text("utf-8"))


def name_of(call: ast.expr) -> str:
    return call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else ""


def bare_sentences(node: ast.AST) -> Iterator[int]:
    """Lines with a sentence that no gettext looks up; an f-string around looked-up sentences is none."""
    if isinstance(node, ast.Call) and name_of(node.func) in GETTEXT:
        return
    words = "".join(
        part.value
        for part in ([node] if isinstance(node, ast.Constant) else getattr(node, "values", []))
        if isinstance(node, ast.Constant | ast.JoinedStr)
        and isinstance(part, ast.Constant)
        and isinstance(part.value, str)
    )
    if re.search(r"[a-z]{2,} [a-z]{2,}", words):
        yield node.lineno  # type: ignore[attr-defined]
    elif not isinstance(node, ast.JoinedStr | ast.Constant):
        for child in ast.iter_child_nodes(node):
            yield from bare_sentences(child)


def test_what_a_page_refuses_is_said_through_gettext() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{line}"
        for path, tree in modules()
        for raised in ast.walk(tree)
        if isinstance(raised, ast.Raise)
        and isinstance(raised.exc, ast.Call)
        and SHOWN.match(name_of(raised.exc.func))
        for argument in raised.exc.args
        for line in bare_sentences(argument)
    ]
    assert not bare


def test_no_figure_is_put_into_a_sentence_before_it_is_looked_up() -> None:
    early = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path, tree in modules()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and name_of(call.func) in GETTEXT
        for argument in call.args[:2]
        if isinstance(argument, ast.JoinedStr | ast.BinOp)
    ]
    assert not early


def test_what_is_stored_is_in_english_whoever_writes_it() -> None:
    """Audit entries, alerts, and the reasons in an order's story; gettext_noop marks what is translated when shown."""
    said = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and name_of(node.func) in {"record", "raise_alert", "keep_alert"})
        or (isinstance(node, ast.Assign) and "why" in map(name_of, node.targets) and "orders" in path.parts)
        if any(
            isinstance(part, ast.Call) and name_of(part.func) in GETTEXT - {"gettext_noop"}
            for value in ([node.value] if isinstance(node, ast.Assign) else node.args)
            for part in ast.walk(value)
        )
    ]
    assert not said


def test_no_sentence_is_looked_up_inside_an_f_string() -> None:
    """The extraction does not look into f-strings: such a sentence is in no catalog."""
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in modules()
        for outer in ast.walk(tree)
        if isinstance(outer, ast.JoinedStr)
        for node in ast.walk(outer)
        if isinstance(node, ast.Call)
        and name_of(node.func) in GETTEXT
        and isinstance(node.args[0], ast.Constant)
    ]
    assert not hidden
