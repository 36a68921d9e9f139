"""`.env.example` and the launchers know every variable that the settings read."""

import ast
import re

from panel.local.surroundings import VARIABLES
from tests.conftest import ROOT


def variables_of_the_settings() -> set[str]:
    tree = ast.parse((ROOT / "panel" / "settings.py").read_text())
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "read"
        and isinstance(node.args[0], ast.Constant)
    }


def test_the_example_lists_every_variable() -> None:
    listed = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read = variables_of_the_settings()
    assert len(read) > 25
    assert read - listed == set()
    assert listed - read == {"POSTGRES_PASSWORD"}  # read by docker-compose.yml


def test_the_launchers_pass_every_variable_on() -> None:
    assert variables_of_the_settings() - set(VARIABLES) == {"DB_STATEMENT_TIMEOUT_MS"}  # differs by process


def test_every_module_of_the_panel_reads_the_environment_through_the_settings() -> None:
    """A variable read elsewhere would be missing from the example."""
    allowed = {"settings.py", "environment.py", "startup.py", "wsgi.py", "celery.py", "probe.py"}
    for path in (ROOT / "panel").glob("*.py"):
        if path.name not in allowed:
            assert "environ" not in path.read_text(), path.name
