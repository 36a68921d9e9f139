"""python -m benches [NAME …]: run the named figures (all without a name), print a table and one line of JSON."""

import importlib
import sys
from pathlib import Path

from benches.figure import Figure, as_json, table
from panel.memory import with_room

PARTS = {
    "__init__",
    "api_client",
    "cpu",
    "__main__",
    "figure",
    "stack",
    "load",
    "slow_provider",
    "load_report",
    "load_test",
    "load_traffic",
    "page_asks",
    "page_world",
    "workers",
}


def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in PARTS)


def main() -> int:
    wanted = sys.argv[1:] or names()
    if unknown := [name for name in wanted if name not in names()]:
        print(f"There is no figure {', '.join(unknown)}. There are: {', '.join(names())}.", file=sys.stderr)
        return 1
    from benches import stack

    stack.start()
    figures: list[Figure] = []
    for name in wanted:
        print(f"… {name}", file=sys.stderr, flush=True)
        figures += importlib.import_module(f"benches.{name}").run()
    print(table(figures))
    print(as_json(figures))
    return 0


if __name__ == "__main__":
    sys.exit(with_room(main))  # as the threads of the web and the workers are started
