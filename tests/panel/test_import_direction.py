"""Who may import whom (docs/architecture in one test): panel → orders → providers → customers.

Adapters are pure (of ours they see only the table of service types), the sandbox is a program of its own, and
the money room knows nothing of what is sold. Read from the syntax tree, so that imports inside functions count.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

OURS = ("panel", "customers", "providers", "orders", "benches", "tests")
FRAMEWORKS = ("django", "celery", "allauth")


def modules(room: str) -> Iterator[Path]:
    for path in sorted((ROOT / room).rglob("*.py")):
        if "migrations" not in path.parts and "__pycache__" not in path.parts:
            yield path


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute dotted names that the module imports, with their lines; relative ones are resolved."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                # `from providers import service_types` imports a module, `from x.y import name` a name of x.y
                yield f"{module}.{alias.name}", node.lineno


def is_in(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def broken(
    room: str, forbidden: tuple[str, ...], allowed: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(room)
        if not any(path.relative_to(ROOT).is_relative_to(place) for place in skip)
        for name, line in imports(path)
        if any(is_in(name, place) for place in forbidden) and not any(is_in(name, place) for place in allowed)
    ]


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("customers", ("panel", "orders", "providers", "tests", "benches")),
        ("providers", ("panel", "orders", "tests", "benches")),
        ("orders", ("panel", "tests", "benches")),
        ("panel", ("tests", "benches")),
    ],
)
def test_nobody_imports_from_above(room: str, forbidden: tuple[str, ...]) -> None:
    assert broken(room, forbidden) == []


def test_adapters_are_pure() -> None:
    allowed = ("providers.adapters", "providers.service_types")
    assert broken("providers/adapters", (*OURS, *FRAMEWORKS), allowed) == []


def test_the_sandbox_imports_nothing_of_ours() -> None:
    assert broken("providers/sandbox", (*OURS, *FRAMEWORKS), ("providers.sandbox",)) == []


def test_service_types_and_pricing_know_no_models() -> None:
    found = [
        f"{name}:{line}"
        for module in ("providers/service_types.py", "providers/pricing.py")
        for name, line in imports(ROOT / module)
        if is_in(name, "django.db") or any(is_in(name, f"{room}.models") for room in OURS)
    ]
    assert found == []


def test_models_do_not_call_the_acts() -> None:
    """Models hold fields, constraints and small questions; acts import models, never the other way round."""
    found = []
    for room in ("customers", "providers", "orders"):
        acts = tuple(
            f"{room}.{path.stem}"
            for path in (ROOT / room).glob("*.py")
            if path.stem in ("placing", "submission", "syncing", "settlement", "requests", "desk", "wallet",
                             "ledger_check", "tasks", "views", "forms", "catalog", "balances")
        )  # fmt: skip
        found += broken(f"{room}/models", acts)
    assert found == []


def test_the_reader_of_imports_sees_what_it_should(tmp_path: Path) -> None:
    """The rules above are worth what this reader sees: plain, from, relative and late imports."""
    assert ("providers.adapters.results.Accepted", 3) in _seen("\n\nfrom .results import Accepted\n")
    assert ("orders.models", 2) in _seen("def late():\n    import orders.models\n")
    assert ("providers.models", 1) in _seen("from .. import models\n")


def _seen(source: str) -> list[tuple[str, int]]:
    path = ROOT / "providers" / "adapters" / "an_example.py"

    class Example(type(path)):  # type: ignore[misc]
        def read_text(self, *_: object, **__: object) -> str:
            return source

    return list(imports(Example(path)))
